"""People and machines that follow links: what only the ledger can tell, when their clicks are recorded."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta

from ledger.links import Followed
from waves.message import CHANNEL_CODES, Event
from waves.outcomes import Action, Outcome

AT_ONCE = timedelta(seconds=1)
"""Nobody follows two different links of one message within this time."""
SCANNED_WITHIN: dict[int, timedelta] = {
    CHANNEL_CODES["email"]: timedelta(seconds=10),
    CHANNEL_CODES["sms"]: timedelta(seconds=2),
    CHANNEL_CODES["whatsapp"]: timedelta(seconds=2),
}
"""Mail scanners and previews look at what has just come; so soon after it was sent or delivered a click is theirs.

A notification can be tapped as it appears: other channels are not in the table.
"""
CLICKED = int(Outcome.CLICKED)
Pair = tuple[Event, int | None]


def clicked(pairs: Iterable[Pair]) -> set[int]:
    """The touches whose links these reports say were followed."""
    return {touch for event, touch in pairs if event.outcome == CLICKED and touch is not None}


def judged(pairs: Sequence[Pair], known: Mapping[int, Followed]) -> list[Pair]:
    """The reports, clicks that no person made among them turned into deliveries marked `bot`: a machine fetched it.

    Each is judged once, by what is known when it is recorded: an outcome that stands is never lowered.
    """
    found, here = list(pairs), dict[int, list[Event]]()
    places: list[tuple[int, Event, int]] = []
    for place, (event, touch) in enumerate(pairs):
        if touch in known and touch is not None:
            here.setdefault(touch, []).append(event)
            if event.outcome == CLICKED:
                places.append((place, event, touch))
    for place, click, touch in places:
        why = _machine(click, known[touch], here[touch])
        if why is not None:
            found[place] = _marked(click, why), touch
    return found


def _machine(click: Event, known: Followed, here: Sequence[Event]) -> str | None:
    within = SCANNED_WITHIN.get(known.channel)
    if within is None:
        return None
    moments = known.moments
    if len(here) > 1:
        moments = [*moments, *(e.at for e in here if e.outcome == Outcome.DELIVERED and not e.raw.get("bot"))]
    for moment in moments:
        if -AT_ONCE <= click.at - moment < within:  # some providers tell whole seconds alone
            return "soon"
    return "many" if (len(here) > 1 or known.clicks) and _another(click, known, here) else None


def _another(click: Event, known: Followed, here: Iterable[Event]) -> bool:
    """Whether another link of the same message was followed within a second."""
    mine = _link(click.raw)
    others = [(one.at, _link(one.raw)) for one in here if one.outcome == Outcome.CLICKED]
    others += [(at, _link(json.loads(raw))) for at, raw in known.clicks]
    return mine is not None and any(
        link is not None and link != mine and abs(click.at - at) < AT_ONCE for at, link in others
    )


def _link(raw: object) -> str | None:
    """Which link a click's report names: its number at our own door, its address at a provider."""
    found = (raw.get("link"), raw.get("url")) if isinstance(raw, dict) else ()
    return next((str(one) for one in found if one is not None), None)


def _marked(click: Event, why: str) -> Event:
    raw = {**click.raw, "bot": True, "why": why}
    return click._replace(outcome=int(Outcome.DELIVERED), action=Action.OK, reason=None, raw=raw)
