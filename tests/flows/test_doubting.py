"""A send in doubt: its provider is asked, the plan decides, a person decides; never twice but by `resend`, once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import select, update

from flows import ending
from flows.doubting import clear_doubts
from flows.resuming import resume
from ledger import campaigns, deciding, doubts, touches
from ledger import tables as t
from ledger.doubts import DECISIONS
from ledger.restored import take_up
from tests.builders import DAY, HOUR, T0, World, make_world
from tests.doubt_steps import (
    FIRST_OF,
    LOST,
    MINUTE,
    RIPE,
    WAVES,
    claimed,
    close_wave,
    doubt_row,
    settled,
    stands,
    tend,
    wire,
)
from tests.steps import address_words, as_words, suppress, touch_of, verdict_words
from waves.errors import SendInDoubt
from waves.message import AnsweredInPart, Receipt
from waves.outcomes import Action, Outcome, Reason, State
from waves.senders import Sender
from waves.tokens import Kind, make_token


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def lite(sqlite_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", sqlite_url)
    yield made
    made.ledger.close()


ACCEPTED = Receipt("", "accepted", provider_ref="ref 1")
REFUSED = Receipt("", "refused", reason=Reason.INVALID_ADDRESS, action=Action.DROP_ADDRESS)
OFF = SendInDoubt("nobody answers")
ASSUMED, HELD = ("in_doubt", "worker_lost", "assume_sent"), ("in_doubt", "worker_lost", "hold")
SENT, NO = ("sent", None, "sent"), ("refused", "invalid_address", "refused")
AGAIN, OPEN = ("queued", "worker_lost", "resend"), ("in_doubt", "worker_lost", None)
CASES: list[tuple[str, Any, str, tuple[str, str | None, str | None]]] = [
    # policy, what the provider knows, the wave, then the touch and the decision
    *[(policy, ACCEPTED, wave, SENT) for policy in ("assume_sent", "hold", "resend") for wave in ("open", "closed")],
    *[(policy, REFUSED, wave, NO) for policy in ("assume_sent", "hold", "resend") for wave in ("open", "closed")],
    *[("assume_sent", knows, wave, ASSUMED) for knows in ({}, None) for wave in ("open", "closed", "stopped")],
    *[("hold", knows, wave, HELD) for knows in ({}, None) for wave in ("open", "closed", "stopped")],
    *[("resend", knows, wave, AGAIN) for knows in ({}, None) for wave in ("open", "paused")],
    *[("resend", knows, wave, ASSUMED) for knows in ({}, None) for wave in ("closed", "stopped", "aborted", "late")],
    *[(policy, OFF, "open", OPEN) for policy in ("assume_sent", "hold", "resend")],
    ("{sms: hold, email: resend}", {}, "open", HELD),
    ("{email: hold}", {}, "open", ASSUMED),
]


def pause(world: World, at: datetime) -> None:
    with world.ledger.write() as connection:
        campaigns.set_state(connection, "test", "paused", ("running",), "tester", at)


@pytest.mark.parametrize(("policy", "knows", "wave", "ends"), CASES)
def test_what_becomes_of_a_doubt(world: World, policy: str, knows: Any, wave: str, ends: tuple[str, ...]) -> None:
    wire(world, knows=knows)
    (number,) = claimed(world, policy)
    tend(world, LOST)
    if wave == "paused":
        pause(world, LOST)
    elif wave == "aborted":
        ending.abort(world.room, "test", "tester", LOST)
    elif wave == "stopped":
        ending.stop_wave(world.room, "test", "notice", "tester", LOST)
    if wave == "closed":
        close_wave(world)
    late = T0 + 2 * HOUR if wave == "late" else RIPE
    if wave == "late":
        with world.ledger.write() as connection:
            connection.execute(update(t.touch).values(not_after=T0 + HOUR))
    for moment in (late, late + MINUTE):  # a second round changes nothing
        tend(world, moment)
        assert (*stands(world), doubt_row(world, number).decided) == ends
    row = touch_of(world, "notice", "c0", "sms")
    if ends == SENT:
        assert (row.provider, row.provider_ref, row.sent_at) == ("outbox", "ref 1", T0)
    if ends == NO:
        assert (row.provider, row.action) == ("outbox", Action.DROP_ADDRESS)
        assert address_words(world, "sms")["+12015550100"][1] == "dead"


LATE: dict[str, tuple[str, str]] = {
    # what the late worker says, once the plan has decided: assume_sent or hold, and resend
    "accepted": ("sent", "sent"),
    "refused": ("refused", "queued"),
    "not_sent": ("queued", "queued"),
    "in_doubt": ("in_doubt", "queued"),
}


@pytest.mark.parametrize("said", LATE)
@pytest.mark.parametrize("policy", ["assume_sent", "hold", "resend"])
def test_a_worker_that_comes_back_late_undoes_no_decision(world: World, policy: str, said: Any) -> None:
    """What it knows for sure is heard; a touch that was queued again is not its own any more."""
    wire(world, knows={})
    (number,) = claimed(world, policy)
    tend(world, LOST)
    tend(world, RIPE)
    settled(world, number, Receipt("", said, reason=Reason.OTHER), RIPE + MINUTE)
    assert stands(world)[0] == LATE[said][policy == "resend"]
    row = doubt_row(world, number)
    assert (row.decided, row.resends) == (policy, int(policy == "resend"))


def test_a_late_worker_never_undoes_what_a_person_said(world: World) -> None:
    wire(world, knows={})
    first, second = claimed(world, "hold", people=2)
    tend(world, LOST)
    tend(world, RIPE)
    with world.ledger.write() as connection:
        assert deciding.say_sent(connection, "test", [first], "ann", RIPE) == 1
        assert deciding.say_not_sent(connection, "test", [second], "ann", RIPE) == (1, 0)
    for number in (first, second):
        settled(world, number, Receipt("", "refused", reason=Reason.BLOCKED), RIPE)
    assert (stands(world, "c0")[0], stands(world, "c1")[0]) == ("sent", "queued")


def test_a_message_is_sent_again_once_and_then_assumed_sent(world: World) -> None:
    line = wire(world, knows={}, answers="in_doubt")
    (number,) = claimed(world, "resend")
    tend(world, LOST)
    world.advance(RIPE)
    assert len(line.taken) == 1
    assert stands(world) == ("in_doubt", None)
    row = doubt_row(world, number)
    assert (row.since, row.decided, row.resends) == (RIPE, None, 1)
    for moment in (RIPE + HOUR, RIPE + HOUR + 30 * MINUTE, RIPE + 3 * DAY):
        world.advance(moment)
    assert (stands(world)[0], doubt_row(world, number).decided, len(line.taken)) == ("in_doubt", "assume_sent", 1)
    with world.ledger.read() as connection:
        said = list(connection.execute(select(t.audit.c.who, t.audit.c.after).where(t.audit.c.did == "resend")))
    assert said == [("upkeep", f"touches {number}")]


def test_nothing_is_sent_again_before_the_first_request_must_have_ended(lite: World) -> None:
    """Swept early, because every worker is known to be gone: its request may be under way until lease and timeout."""
    lite.room.senders = {"slow": Sender(sender="slow", channel="sms", provider="outbox", timeout=timedelta(seconds=30))}
    wire(lite, knows={})
    (number,) = claimed(lite, "resend")
    tend(lite, T0 + timedelta(seconds=5), gone=True)
    lease = lite.room.settings.lease
    for after in (timedelta(minutes=1), lease, lease + timedelta(seconds=29)):
        tend(lite, T0 + after)
        assert (stands(lite)[0], doubt_row(lite, number).said) == ("in_doubt", "unknown")
    tend(lite, T0 + 2 * lease + timedelta(seconds=30))
    assert stands(lite)[0] == "queued"


@pytest.mark.parametrize("policy", ["assume_sent", "hold", "resend"])
def test_who_does_not_answer_is_asked_after_growing_pauses_and_then_no_more(lite: World, policy: str) -> None:
    line = wire(lite, knows=OFF)
    (number,) = claimed(lite, policy)
    asked = []
    for step in range(150):
        moment = LOST + step * MINUTE / 2
        before = line.asked
        tend(lite, moment)
        asked += [step / 2] if line.asked > before else []
    assert asked == [0, 0.5, 1, 2, 4, 8, 16, 32, 64][: len(asked)]
    assert asked[-1] >= 32
    assert (doubt_row(lite, number).decided, doubt_row(lite, number).said) == (policy, "no answer")


def test_a_provider_that_answers_again_settles_what_it_knows(lite: World) -> None:
    line = wire(lite, knows=OFF)
    claimed(lite, "hold")
    tend(lite, LOST)
    line.knows = ACCEPTED
    tend(lite, LOST + 5 * MINUTE)
    assert stands(lite) == ("sent", None)


def test_what_a_provider_has_is_sent_though_it_answered_for_no_others(world: World) -> None:
    """Or `resend` would send what it was just found to have."""
    line = wire(world)
    first, second = claimed(world, "resend", people=2)
    token = make_token(world.room.token_key, Kind.TOUCH, first)
    line.knows = AnsweredInPart("one address could not be looked up", {token: replace(ACCEPTED, token=token)})
    tend(world, LOST)
    assert (*stands(world, "c0"), doubt_row(world, first).decided) == SENT
    assert (doubt_row(world, second).decided, doubt_row(world, second).said) == (None, "no answer")
    line.knows = OFF
    for hours in (1, 1.2):
        tend(world, T0 + hours * HOUR)
    assert (doubt_row(world, first).decided, doubt_row(world, second).decided) == ("sent", "resend")


def test_a_sender_that_was_taken_away_cannot_be_asked(lite: World) -> None:
    line = wire(lite, knows=ACCEPTED)
    (number,) = claimed(lite, "hold")
    with lite.ledger.write() as connection:
        touches.settle(connection, "lost", [(number, Receipt("", "in_doubt"))], "gone", None, T0)
    tend(lite, LOST)
    assert (doubt_row(lite, number).said, line.asked) == ("cannot be asked", 0)


@pytest.mark.parametrize("policy", ["assume_sent", "hold", "resend"])
@pytest.mark.parametrize("decided", [False, True])
def test_a_report_wins_over_everything(world: World, policy: str, decided: bool) -> None:
    """Also over a resend that waits: what arrived is not sent again."""
    line = wire(world, knows={})
    (number,) = claimed(world, policy)
    tend(world, LOST)
    if decided:
        tend(world, RIPE)
    world.report(number, Outcome.DELIVERED)
    world.advance(RIPE + MINUTE)
    assert (stands(world), line.taken) == (("sent", None), [])
    assert doubt_row(world, number).decided == (policy if decided else "settled")
    assert touch_of(world, "notice", "c0").sent_at == T0


def test_who_is_not_sent_by_a_persons_word_and_was_after_all_counts_as_sent(lite: World) -> None:
    wire(lite, knows={})
    (number,) = claimed(lite, "hold")
    tend(lite, LOST)
    tend(lite, RIPE)
    with lite.ledger.write() as connection:
        deciding.say_not_sent(connection, "test", [number], "ann", RIPE)
    lite.report(number, Outcome.DELIVERED)
    row = touch_of(lite, "notice", "c0")
    assert (row.state, row.sent_at) == (State.SENT, LOST)


GIVEN_UP: dict[str, str] = {
    "suppressed": "suppressed",
    "stopped": "stopped",
    "aborted": "aborted",
    "closed": "wave_closed",
    "expired": "paused",
}


@pytest.mark.parametrize("why", GIVEN_UP)
def test_a_resend_that_is_given_up_is_in_doubt_as_before(world: World, why: str) -> None:
    """Not withdrawn: the first message may have arrived, so it counts, and no remainder gets it again."""
    line = wire(world, knows={})
    claimed(world, "resend")
    tend(world, LOST)
    tend(world, RIPE)
    assert stands(world)[0] == "queued"
    if why == "suppressed":
        suppress(world, "c0")
        world.advance(RIPE + MINUTE)
    elif why == "closed":
        with world.ledger.write() as connection:
            connection.execute(update(t.batch).values(due=T0 + 9 * DAY))
        world.advance(T0 + 3 * DAY)
    if why == "stopped":
        ending.stop_wave(world.room, "test", "notice", "tester", RIPE)
    elif why == "aborted":
        ending.abort(world.room, "test", "tester", RIPE)
    elif why == "expired":
        pause(world, RIPE)
        resume(world.room, "test", "expire", "tester", RIPE + MINUTE)
    assert (stands(world), line.taken) == (("in_doubt", GIVEN_UP[why]), [])


@pytest.mark.parametrize(("policy", "falls"), [("resend", []), ("hold", ["email"])])
def test_a_resend_that_is_refused_never_falls_through(world: World, policy: str, falls: list[str]) -> None:
    """The first of two sends may have arrived. What the provider surely refused goes on to the next channel."""
    line = wire(world, knows={}, answers="refused")
    if policy == "hold":
        line.knows = Receipt("", "refused", reason=Reason.BLOCKED, action=Action.NEXT_CHANNEL)
    claimed(world, policy, waves=FIRST_OF)
    tend(world, LOST)
    world.advance(RIPE)
    world.advance(RIPE + MINUTE)
    assert stands(world)[0] == ("in_doubt" if policy == "resend" else "refused")
    assert [as_words(row)[0] for row in world.touches("notice")][1:] == falls


def test_a_resend_counts_within_its_limits_once(world: World) -> None:
    """Its first send counts for others all the while; it does not stand in its own way."""
    line = wire(world, knows={})
    other = WAVES.replace("notice", "other").replace("channels", "wait: 1h, channels")
    claimed(world, "resend", waves=WAVES + other, more="limits: {contacts: 1, within: 7d}\n")
    tend(world, LOST)
    world.advance(RIPE)
    assert (stands(world), len(line.taken)) == (("sent", None), 1)
    world.advance(T0 + 3 * DAY)
    world.advance(T0 + 4 * DAY)
    assert verdict_words(world, "other") == {"c0": "over_limit"}


def test_several_that_decide_at_once_send_again_once(world: World) -> None:
    wire(world, knows={})
    numbers = claimed(world, "resend", people=5)
    tend(world, LOST)
    start = Barrier(4)

    def decide(_: int) -> None:
        start.wait(30)
        clear_doubts(world.room, RIPE)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(decide, range(4)))
    assert {doubt_row(world, number).resends for number in numbers} == {1}
    with world.ledger.read() as connection:
        assert connection.scalar(select(t.batch.c.done_at)) is None


def test_what_a_restored_ledger_does_not_know_is_never_sent_again(world: World) -> None:
    wire(world, knows={})
    (number,) = claimed(world, "resend")
    with world.ledger.write() as connection:
        assert take_up(connection, T0 - MINUTE, "ann", LOST).in_doubt == 1
        campaigns.set_state(connection, "test", "running", ("paused",), "ann", LOST)
    for moment in (RIPE, RIPE + MINUTE):
        tend(world, moment)
    assert (stands(world)[0], doubt_row(world, number).decided) == ("in_doubt", "assume_sent")


def test_every_decision_is_explained() -> None:
    assert set(DECISIONS) == {"sent", "refused", "settled", "assume_sent", "hold", "resend", "not_sent"}


def test_what_is_held_keeps_no_wave_open(world: World) -> None:
    wire(world, knows={})
    claimed(world, "hold")
    tend(world, LOST)
    world.advance(RIPE)
    with world.ledger.read() as connection:
        assert connection.scalar(select(t.wave.c.state)) == "open"
    world.advance(T0 + 3 * DAY)
    with world.ledger.read() as connection:
        assert connection.scalar(select(t.wave.c.state)) == "closed"
        (row,) = doubts.held(connection, 1)
    assert (row.key, row.wave, row.decided) == ("c0", "notice", "hold")
    with world.ledger.write() as connection:
        assert deciding.say_not_sent(connection, "test", [row.touch], "ann", world.now) == (0, 1)
    assert stands(world) == ("expired", "wave_closed")
