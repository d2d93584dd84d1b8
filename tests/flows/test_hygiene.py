"""Complaints stop a wave, filtered texts pause a campaign: once, by their share, and a person has the last word."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from flows.reports import record_reports
from ledger import campaigns
from ledger import tables as t
from ledger.hygiene import gates_of_wave
from tests.builders import World, make_world, plan_text, put, reachable
from waves.message import Event
from waves.outcomes import Action, Outcome, Reason, Side, State
from waves.tokens import Kind, make_token

PEOPLE = 60
EMAIL = "  - {wave: mail, channels: [email], message: hello, release: 2h, listen: 2d}\n"
TEXT = "  - {wave: text, channels: [sms], message: hello, release: 2h, listen: 2d}\n"


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(
        tmp_path / "home", ledger_url, batch_size=30, complaint_warn="5%", complaint_stop="10%", filtered_pause="10%"
    )
    made.heard = []  # type: ignore[attr-defined]
    made.room.tell = made.heard.append  # type: ignore[attr-defined]
    put(made.ledger, [reachable(number) for number in range(PEOPLE)])
    yield made
    made.ledger.close()


def report(world: World, wave: str, numbers: range, outcome: Outcome | Side, reason: Reason | None = None) -> None:
    touches = sorted(row.id for row in world.touches(wave))
    action = Action.NEXT_CHANNEL if reason else None
    for number in numbers:
        world.report(
            touches[number], Outcome(outcome) if outcome < 1000 else Side(outcome), reason=reason, action=action
        )


def look(world: World, wave: str) -> tuple[str, bool, list[tuple[str, str, str]]]:
    """The campaign's state, whether its wave is stopped, and the gates that rang."""
    world.now += timedelta(minutes=1)
    world.advance()
    with world.ledger.read() as connection:
        campaign = campaigns.find(connection, "test")
        row = connection.execute(select(t.wave).where(t.wave.c.name == wave)).one()
        rung = [(one.gate, one.level, one.said) for one in gates_of_wave(connection, row.id)]
    return campaign.state, row.stopped_at is not None, rung


def test_complaints_warn_and_then_stop_the_wave(world: World) -> None:
    world.start(plan_text(EMAIL))
    world.advance()
    report(world, "mail", range(2), Side.COMPLAINED)
    assert look(world, "mail") == ("running", False, [])
    report(world, "mail", range(2, 4), Side.COMPLAINED)
    warned = [("complaints", "warned", "4 of 60 e-mails complained")]
    assert look(world, "mail") == ("running", False, warned)
    assert look(world, "mail") == ("running", False, warned)
    report(world, "mail", range(4, 6), Side.COMPLAINED)
    assert look(world, "mail") == ("running", True, [("complaints", "acted", "6 of 60 e-mails complained")])
    look(world, "mail")
    assert world.heard == [  # type: ignore[attr-defined]
        "test mail: 4 of 60 e-mails complained",
        "test mail: 6 of 60 e-mails complained; the wave is stopped",
    ]


def test_what_was_not_sent_yet_is_withdrawn(world: World) -> None:
    world.start(plan_text(EMAIL.replace("release: 2h", "ramp: {first: 50%, hold: 1h}, release: 2h")))
    world.advance()
    sent = [row.id for row in world.touches("mail") if row.state == int(State.SENT)]
    everybody = sorted(row.id for row in world.touches("mail"))
    for one in sent[:6]:
        place = everybody.index(one)
        report(world, "mail", range(place, place + 1), Side.COMPLAINED)
    assert look(world, "mail")[1]
    states = Counter(State(row.state) for row in world.touches("mail"))
    assert states == {State.SENT: len(sent), State.WITHDRAWN: PEOPLE - len(sent)}


def test_filtered_texts_pause_the_campaign_until_a_person_lets_it_go_on(world: World) -> None:
    world.start(plan_text(TEXT))
    world.advance()
    report(world, "text", range(6), Outcome.BOUNCED_SOFT, Reason.FILTERED)
    rung = [("filtered", "acted", "6 of 60 texts were filtered by the carrier")]
    assert look(world, "text") == ("paused", False, rung)
    with world.ledger.write() as connection:
        campaigns.set_state(connection, "test", "running", ("paused",), "a person", world.now)
    report(world, "text", range(6, 9), Outcome.BOUNCED_SOFT, Reason.FILTERED)
    assert look(world, "text")[0] == "running"


def test_one_person_who_complains_twice_is_one(world: World) -> None:
    world.start(plan_text(EMAIL))
    world.advance()
    report(world, "mail", range(1), Side.COMPLAINED)
    touch = min(row.id for row in world.touches("mail"))
    token = make_token(world.room.token_key, Kind.TOUCH, touch)
    again = [Event(token, Side.COMPLAINED, world.now, "mail", f"again-{n}") for n in range(20)]
    record_reports(world.room, again, world.now)
    assert look(world, "mail") == ("running", False, [])


@pytest.mark.parametrize(("later", "stopped"), [(timedelta(days=3), True), (timedelta(days=9), False)])
def test_a_sender_of_small_waves_is_judged_by_all_of_them_together(
    world: World, later: timedelta, stopped: bool
) -> None:
    with world.ledger.write() as connection:
        connection.execute(t.customer.delete().where(t.customer.c.id > 10))
    again = EMAIL.replace("wave: mail", "wave: again, enter: mail.unconfirmed or mail.received")
    world.start(plan_text(EMAIL + again.replace("message: hello", f"message: hello, wait: {later.days - 2}d")))
    world.advance()
    report(world, "mail", range(2), Side.COMPLAINED)
    assert look(world, "mail") == ("running", False, [])
    for _ in range(later.days + 1):
        world.advance(world.now + timedelta(days=1))
    report(world, "again", range(1), Side.COMPLAINED)
    sent = len(world.touches("again"))
    said = f"3 of {10 + sent} e-mails that its sender sent within 7 days complained"
    assert sent > 3
    assert look(world, "again") == ("running", stopped, [("standing", "acted", said)] if stopped else [])
