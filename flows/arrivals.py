"""What came back about messages to seeds: their arrivals and their STOPs, kept apart from every customer's reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flows.room import Room
from ledger import seeds
from ledger.addresses import FROM_EVENT
from ledger.events import DENIALS, Recorded
from ledger.suppressions import suppress
from waves.message import CHANNEL_NAMES, Event
from waves.outcomes import Side, word
from waves.tokens import SEED_BEGINS, read_seed_token


def split_arrivals(room: Room, events: Sequence[Event]) -> tuple[list[Event], Recorded]:
    """The reports about customers, and what became of those about seeds, which are noted."""
    named, refs = dict[int, int](), dict[int, tuple[str, str]]()
    for number, event in enumerate(events):
        if not event.token:
            if event.ref:
                refs[number] = event.provider, event.ref
        elif event.token[0] in SEED_BEGINS and (ident := read_seed_token(room.token_key, event.token)):
            named[number] = ident
    if refs:
        with room.ledger.read() as connection:
            known = seeds.ids_by_ref(connection, set(refs.values()), min(events[number].at for number in refs))
        named |= {number: known[ref] for number, ref in refs.items() if ref in known}
    if not named:
        return list(events), Recorded(0, 0, 0)
    said = list[bool | None]()
    with room.ledger.write() as connection:
        for number, ident in sorted(named.items()):
            event = events[number]
            stopped = _stopped(room, connection, ident, event)
            known = seeds.heard(connection, ident, event.outcome, event.at, event.provider)
            said.append(known if known is None else known or stopped)
    rest = [event for number, event in enumerate(events) if number not in named]
    return rest, Recorded(said.count(True), said.count(False), said.count(None))


def _stopped(room: Room, connection: Any, ident: int, event: Event) -> bool:
    """Suppress a seed that wants no more, as a person who says so; False when it was before, or says no such thing."""
    row = seeds.seed_message(connection, ident) if event.outcome in DENIALS else None
    if row is None:
        return False
    here = (row.seed, CHANNEL_NAMES[row.channel])
    address = next((seed.address for seed in room.seeds if (seed.seed, seed.channel) == here), None)
    channel = 0 if event.raw.get("scope") == "all" else row.channel
    reason = word(Side(event.outcome))
    return address is not None and suppress(connection, None, address, channel, reason, FROM_EVENT, event.at)


def without_late_arrivals(connection: Any, pairs: Sequence[tuple[Event, int | None]]) -> list[tuple[Event, int | None]]:
    """Reports that waited for their reference, less those about seeds, which are noted."""
    referring = [event for event, touch in pairs if touch is None and event.ref]
    refs = {(event.provider, event.ref or "") for event in referring}
    known = seeds.ids_by_ref(connection, refs, min(event.at for event in referring)) if refs else {}
    rest = []
    for event, touch in pairs:
        ident = known.get((event.provider, event.ref or "")) if touch is None else None
        if ident is None:
            rest.append((event, touch))
        else:
            seeds.heard(connection, ident, event.outcome, event.at, event.provider)
    return rest
