"""Clicks that no person made, as far as the ledger can tell; each is judged once, when it is recorded."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from flows.clicks import clicked, judged
from flows.links import Links
from flows.reports import record_came
from ledger.links import Followed
from tests.builders import T0, make_world, plan_text, put, reachable
from tests.steps import as_words, touch_of
from waves.message import CHANNEL_CODES, Event
from waves.outcomes import Outcome
from waves.tokens import Kind, make_token

MAIL, SMS, PUSH = (CHANNEL_CODES[name] for name in ("email", "sms", "web_push"))
S = timedelta(seconds=1)


def click(after: timedelta, link: object = 0, ident: str = "e") -> Event:
    return Event("t", int(Outcome.CLICKED), T0 + after, "p", ident, raw={} if link is None else {"link": link})


def delivered(after: timedelta, **raw: object) -> Event:
    return Event("t", int(Outcome.DELIVERED), T0 + after, "p", "d", raw=raw)


CASES: list[tuple[str, int, Sequence[datetime], Sequence[Event], str | None]] = [
    ("a person an hour later", MAIL, [T0], [click(3600 * S)], None),
    ("as soon as it was sent", MAIL, [T0], [click(4 * S)], "soon"),
    ("by a carrier of whole seconds", MAIL, [T0 + S / 2], [click(0 * S)], "soon"),
    ("before it was sent", MAIL, [T0 + 60 * S], [click(0 * S)], None),
    ("a text message is opened sooner", SMS, [T0], [click(4 * S)], None),
    ("but not at once", SMS, [T0], [click(S)], "soon"),
    ("a notification is tapped as it appears", PUSH, [T0], [click(0 * S)], None),
    ("after a delivery that is known", MAIL, [T0, T0 + 600 * S], [click(603 * S)], "soon"),
    ("after a delivery that came with it", MAIL, [T0], [click(603 * S), delivered(600 * S)], "soon"),
    ("after another machine", MAIL, [T0], [click(603 * S), delivered(600 * S, bot=True)], None),
    ("two links within a second", MAIL, [T0], [click(600 * S, 0), click(600.5 * S, 1, "f")], "many"),
    ("two links, one after the other", MAIL, [T0], [click(600 * S, 0), click(602 * S, 1, "f")], None),
    ("one link twice", MAIL, [T0], [click(600 * S, 0), click(600.2 * S, 0, "f")], None),
    ("links that nobody named", MAIL, [T0], [click(600 * S, None), click(600.2 * S, None, "f")], None),
]


@pytest.mark.parametrize(
    ("channel", "moments", "events", "why"), [case[1:] for case in CASES], ids=[c[0] for c in CASES]
)
def test_who_followed_a_link(
    channel: int, moments: Sequence[datetime], events: Sequence[Event], why: str | None
) -> None:
    pairs = [(event, 7) for event in events]
    assert clicked(pairs) == {7}
    found = judged(pairs, {7: Followed(channel, tuple(moments), ())})
    first = found[0][0]
    if why is None:
        assert first == events[0]
    else:
        assert (first.outcome, first.raw["bot"], first.raw["why"]) == (Outcome.DELIVERED, True, why)
    assert [touch for _, touch in found] == [7] * len(events)


def test_another_link_was_followed_before() -> None:
    known = Followed(MAIL, (T0,), ((T0 + 600 * S, '{"url": "https://a.example.com"}'),))
    event = Event("t", int(Outcome.CLICKED), T0 + 600.4 * S, "p", "e", raw={"url": "https://b.example.com"})
    ((found, _),) = judged([(event, 7)], {7: known})
    assert found.raw["why"] == "many"


def test_of_an_unknown_message_nothing_is_said() -> None:
    pairs = [(click(0 * S), None), (click(0 * S), 8)]
    assert judged(pairs, {}) == pairs


WAVES = "  - {wave: notice, channels: [email], message: linked, release: 2h, listen: 1d}\n"
TEXT = 'Subject: Hi\n\n{{ link("https://a.example.com") }} {{ link("https://b.example.com") }}'


def test_what_the_doors_bring_is_judged_by_the_ledger(tmp_path: Path, ledger_url: str) -> None:
    world = make_world(tmp_path / "home", ledger_url)
    (world.config / "templates" / "linked.email.j2").write_text(TEXT)
    put(world.ledger, [reachable(n, ("email",)) for n in range(4)])
    world.start(plan_text(WAVES))
    world.advance(T0)
    touches = [touch_of(world, "notice", f"c{n}").id for n in range(4)]
    tokens = [make_token(world.room.token_key, Kind.TOUCH, touch) for touch in touches]

    def came(number: int, outcome: Outcome, after: timedelta, **raw: object) -> Event:
        ident = f"{number} {outcome} {after} {raw}"
        return Event(tokens[number], int(outcome), T0 + after, "mail", ident, raw=raw)

    click, half = Outcome.CLICKED, S / 2
    first = [came(0, click, 4 * S), came(1, Outcome.DELIVERED, 600 * S), came(3, click, 600 * S, link=0)]
    later = [came(1, click, 603 * S), came(2, click, 603 * S), came(3, click, 600 * S + half, link=1)]
    for events in (first, later, first):
        record_came(world.room, events, T0 + 700 * S)
    found = [as_words(touch_of(world, "notice", f"c{n}"))[2] for n in range(4)]
    assert found == ["delivered", "delivered", "clicked", "clicked"]
    assert [len(world.touches("notice", outcome=int(each))) for each in (Outcome.CLICKED, Outcome.DELIVERED)] == [2, 2]
    links = Links(world.room)
    leads = [links.leads_to(touches[0], tokens[0], n) for n in range(3)]
    assert leads == ["https://a.example.com", "https://b.example.com", None]
    assert links.leads_to(10_000, tokens[0], 0) is None
    world.ledger.close()
