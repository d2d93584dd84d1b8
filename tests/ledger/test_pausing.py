"""Pause, resume by a policy, stop a wave: what came due meanwhile is never decided in silence."""

from __future__ import annotations

from datetime import datetime

import pytest
from sqlalchemy import insert, select, update

from flows.ending import stop_wave
from flows.resuming import resume
from flows.running import load_running
from ledger import campaigns
from ledger import tables as t
from ledger.pausing import Policy, Resumed, Stopped
from tests.builders import DAY, HOUR, T0, World, plan_text, put, reachable
from tests.steps import hold_back, touch_words
from waves.errors import CampaignError
from waves.outcomes import Outcome, State

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
CALL = "  - {wave: notice, channels: [call_list], release: 2h, listen: 2d}\n"
NEXT = "  - {wave: later, channels: [email], message: hello, wait: 1d, release: 2h, listen: 2d}\n"
END = T0 + 2 * HOUR + 2 * DAY


def pause(world: World, at: datetime) -> None:
    with world.ledger.write() as connection:
        campaigns.set_state(connection, "test", "paused", ("running",), "tester", at)


def go_on(world: World, at: datetime, policy: Policy | None = None, past_alarm: bool = False) -> Resumed:
    world.now = at
    return resume(world.room, "test", policy, "tester", at, past_alarm)


def stop(world: World, at: datetime, wave: str = "notice") -> Stopped:
    return stop_wave(world.room, "test", wave, "tester", at)


def audited(world: World) -> list[tuple[str, str | None, str | None]]:
    a = t.audit.c
    with world.ledger.read() as connection:
        return [tuple(row) for row in connection.execute(select(a.did, a.before, a.after).order_by(a.id))]


def queued_at(world: World, wave: str) -> World:
    """A wave of three whose messages wait for T0, 0:45 and 1:30 after it."""
    put(world.ledger, [reachable(n) for n in range(3)])
    world.start(plan_text(wave + NEXT))
    hold_back(world, "notice")
    with world.ledger.write() as connection:
        for n, touch in enumerate(world.touches("notice")):
            change = update(t.touch).where(t.touch.c.id == touch.id).values(not_before=T0 + n * 0.75 * HOUR)
            connection.execute(change)
    return world


def states(world: World) -> list[str]:
    return [f"{touch[0][1]} {touch[0][3] or ''}".strip() for _, touch in sorted(touch_words(world, "notice").items())]


def test_nothing_came_due_and_nobody_is_asked(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(SMS), now=T0 - DAY)
    pause(world, T0 - DAY)
    assert load_row(world).paused_at == T0 - DAY
    assert not go_on(world, T0 - HOUR).came_due
    assert (load_row(world).state, load_row(world).paused_at) == ("running", None)
    world.advance(T0)
    assert states(world) == ["sent"]


def test_a_chosen_policy_holds_though_nothing_came_due(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS))
    lite.advance(T0)
    pause(lite, T0 + HOUR)
    found = go_on(lite, T0 + 3 * HOUR, "reschedule")
    assert (str(found.came_due), found.moved) == ("nothing", 2 * HOUR)
    assert load_running(lite.ledger, "test").row("notice").closes == END + 2 * HOUR


def load_row(world: World):  # type: ignore[no-untyped-def]
    with world.ledger.read() as connection:
        return campaigns.find(connection, "test")


def test_without_a_policy_it_says_what_came_due_and_stays_paused(world: World) -> None:
    queued_at(world, SMS)
    pause(world, T0 + HOUR / 2)
    with pytest.raises(CampaignError) as told:
        go_on(world, T0 + HOUR)
    assert all(word in str(told.value) for word in ("paused since 2026-12-01 09:30 UTC", "came due: 2 queued messages"))
    assert all(f"--policy {word} " in str(told.value) for word in ("expire", "reschedule", "catch-up"))
    assert (load_row(world).state, states(world)) == ("paused", ["queued"] * 3)
    assert [did for did, _, _ in audited(world)][-1] == "paused"


# policy -> states after the next advance, and when the wave closes
POLICIES: list[tuple[Policy, list[str], datetime]] = [
    ("expire", ["expired paused", "expired paused", "queued"], END),
    ("reschedule", ["sent", "queued", "queued"], END + HOUR / 2),
    ("catch-up", ["sent", "sent", "queued"], END),
]


@pytest.mark.parametrize(("policy", "expected", "closes"), POLICIES, ids=[case[0] for case in POLICIES])
def test_what_came_due_goes_by_the_policy(world: World, policy: Policy, expected: list[str], closes: datetime) -> None:
    queued_at(world, SMS)
    pause(world, T0 + HOUR / 2)
    found = go_on(world, T0 + HOUR, policy)
    assert str(found.came_due) == "2 queued messages"
    assert audited(world)[-1] == (f"{policy} what came due", "2 queued messages", None)
    world.advance(T0 + HOUR)
    assert states(world) == expected
    assert load_running(world.ledger, "test").row("notice").closes == closes
    world.advance(closes)
    assert load_running(world.ledger, "test").row("notice").state == "closed"


def test_rescheduling_moves_all_that_is_left_and_nothing_that_is_done(world: World) -> None:
    queued_at(world, SMS)
    world.advance(T0)
    sent, *before = world.touches("notice")
    row = load_running(world.ledger, "test").row("notice")
    pause(world, T0 + HOUR / 2)
    assert go_on(world, T0 + 5 * HOUR, "reschedule").moved == 4.5 * HOUR
    after = world.touches("notice")
    assert after[0] == sent
    for old, new in zip(before, after[1:], strict=True):
        assert (new.not_before, new.not_after) == (old.not_before + 4.5 * HOUR, old.not_after + 4.5 * HOUR)
    moved = load_running(world.ledger, "test").row("notice")
    assert (moved.opened, moved.released, moved.closes) == (
        row.opened,
        row.released + 4.5 * HOUR,
        row.closes + 4.5 * HOUR,
    )
    world.advance(T0 + 5 * HOUR)
    assert states(world) == ["sent", "queued", "queued"]
    world.advance(T0 + 5.25 * HOUR)
    assert states(world) == ["sent", "sent", "queued"]
    world.advance(T0 + 6 * HOUR)
    assert states(world) == ["sent", "sent", "sent"]


def test_calls_wait_for_a_list_and_are_never_late_but_move_with_their_wave(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(CALL))
    lite.advance(T0)
    pause(lite, T0)
    assert not go_on(lite, T0 + HOUR).came_due
    pause(lite, T0 + HOUR)
    assert str(go_on(lite, END + HOUR, "reschedule").came_due) == "the close of wave notice"
    (call,) = lite.touches("notice")
    assert call.not_after == load_running(lite.ledger, "test").row("notice").closes == END + (END - T0)
    assert lite.pull("notice").number == 1


def test_a_close_that_came_due_closes_late_with_its_answers(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS))
    lite.advance(T0)
    pause(lite, T0 + HOUR)
    with pytest.raises(CampaignError, match="came due: the close of wave notice"):
        go_on(lite, END + HOUR)
    go_on(lite, END + HOUR, "catch-up")
    lite.advance(END + HOUR)
    assert load_running(lite.ledger, "test").state == "finished"


# policy -> what is sent of the wave that was to open during the pause
@pytest.mark.parametrize(("policy", "sent"), [("catch-up", 1), ("reschedule", 1), ("expire", 0)])
def test_a_wave_that_was_to_open_opens_late_and_sends_unless_what_came_due_expires(
    lite: World, policy: Policy, sent: int
) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS + NEXT))
    lite.advance(T0)
    lite.advance(END)
    pause(lite, END)
    assert not go_on(lite, END + HOUR).came_due
    pause(lite, END + HOUR)
    with pytest.raises(CampaignError, match="the opening of wave later"):
        go_on(lite, END + 2 * DAY)
    found = go_on(lite, END + 2 * DAY, policy)
    assert found.stopped == ("later" if policy == "expire" else None)
    lite.advance(END + 2 * DAY)
    row = load_running(lite.ledger, "test").row("later")
    assert (row.opened, len(lite.outbox("email"))) == (END + 2 * DAY, sent)


RAMP = SMS.replace("message: hello", "message: hello, ramp: {first: 50%, hold: 30m}")


def rung(world: World) -> int:
    """A ramp whose first part all failed, so that its alarm paused the campaign at T0 + 1 h; the messages it sent."""
    put(world.ledger, [reachable(n) for n in range(20)])
    world.start(plan_text(RAMP + NEXT))
    world.advance(T0)
    for touch in world.touches("notice", state=int(State.SENT)):
        world.report(touch.id, Outcome.FAILED)
    world.advance(T0 + HOUR)
    assert load_row(world).state == "paused"
    return len(world.outbox("sms"))


def test_a_rung_alarm_is_told_and_passed_only_on_purpose(world: World) -> None:
    first = rung(world)
    assert 0 < first < 20
    with pytest.raises(CampaignError, match=r"alarm of wave notice rang: .*failed.*--past-alarm.*stop test notice"):
        go_on(world, T0 + HOUR, "catch-up")
    assert not go_on(world, T0 + 1.5 * HOUR, past_alarm=True).came_due
    row = load_running(world.ledger, "test").row("notice")
    assert (row.ramp_passed, bool(row.alarm)) == (T0 + 1.5 * HOUR, True)
    world.advance(T0 + 1.5 * HOUR)
    assert len(world.outbox("sms")) == 20
    pause(world, T0 + 2 * HOUR)
    with pytest.raises(CampaignError, match="no alarm of test rang"):
        go_on(world, T0 + 2 * HOUR, past_alarm=True)


def test_the_rest_of_a_ramp_that_is_too_late_to_go_is_not_dropped_in_silence(lite: World) -> None:
    first = rung(lite)
    with pytest.raises(CampaignError, match=f"came due: {20 - first} queued messages"):
        go_on(lite, T0 + 3 * HOUR, past_alarm=True)
    go_on(lite, T0 + 3 * HOUR, "reschedule", past_alarm=True)
    lite.advance(T0 + 3 * HOUR)
    assert len(lite.outbox("sms")) == 20


def test_a_rung_alarm_of_a_stopped_wave_holds_nothing_up(lite: World) -> None:
    first = rung(lite)
    assert stop(lite, T0 + HOUR).withdrawn == 20 - first
    assert not go_on(lite, T0 + HOUR).came_due
    lite.advance(T0 + HOUR)
    assert len(lite.outbox("sms")) == first


def test_only_what_is_paused_can_go_on(lite: World) -> None:
    queued_at(lite, SMS)
    with pytest.raises(CampaignError, match="test is running; only a campaign that is paused can be running"):
        go_on(lite, T0)


def test_a_stopped_wave_sends_nothing_more_and_closes(world: World) -> None:
    queued_at(world, SMS)
    world.advance(T0)
    assert stop(world, T0 + HOUR) == Stopped(withdrawn=2, claimed=0, lists=())
    assert stop(world, T0 + HOUR) == Stopped(withdrawn=0, claimed=0, lists=())
    assert [did for did, _, _ in audited(world)].count("stop") == 1
    world.advance(T0 + 2 * HOUR)
    assert states(world) == ["sent", "withdrawn stopped", "withdrawn stopped"]
    assert load_running(world.ledger, "test").row("notice").state == "open"
    world.advance(END)
    assert load_running(world.ledger, "test").row("notice").state == "closed"
    with pytest.raises(CampaignError, match="wave notice of test is closed"):
        stop(world, END)


def test_the_lists_of_a_stopped_wave_are_named(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(3)])
    lite.start(plan_text(CALL))
    lite.advance(T0)
    cut = lite.pull("notice", size=1)
    assert stop(lite, T0) == Stopped(withdrawn=2, claimed=0, lists=(cut.number,))
    with pytest.raises(CampaignError):
        lite.pull("notice")


def test_a_wave_stopped_before_it_opens_says_who_would_have_got_it_and_sends_nothing(lite: World) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS + NEXT), now=T0 - DAY)
    assert stop(lite, T0 - DAY).withdrawn == 0
    lite.advance(T0)
    assert (states(lite), lite.outbox("sms")) == (["withdrawn stopped"], [])


def test_a_pause_nobody_timed_is_not_rescheduled(lite: World) -> None:
    queued_at(lite, SMS)
    pause(lite, T0)
    with lite.ledger.write() as connection:
        connection.execute(update(t.campaign).values(paused_at=None))
    with pytest.raises(CampaignError, match="nobody noted when test was paused"):
        go_on(lite, T0 + HOUR, "reschedule")
    assert load_row(lite).state == "paused"


def test_another_campaigns_messages_are_left_alone(lite: World) -> None:
    queued_at(lite, SMS)
    with lite.ledger.write() as connection:
        other = dict(lite.touches("notice")[0]._mapping) | {"id": 999, "wave": 77}
        other.pop("key")
        connection.execute(insert(t.touch).values(**other))
    pause(lite, T0)
    go_on(lite, T0 + 3 * HOUR, "expire")
    with lite.ledger.read() as connection:
        row = connection.execute(select(t.touch).where(t.touch.c.id == 999)).one()
    assert (row.state, row.not_before) == (0, T0)
