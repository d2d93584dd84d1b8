"""A wave closes in short transactions; whoever is killed between two of them leaves what the next one finishes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from flows import ending, wave
from flows.campaign import anything_due
from flows.resuming import resume
from flows.running import load_running
from flows.wave import close_wave, finish_close, live
from ledger import campaigns, health, pausing, touches
from ledger import tables as t
from ledger.aggregates import wave_statuses
from ledger.close import Books, begin_close, count_books, store_books
from ledger.report_rows import opened_waves
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.steps import hold_back, leave, touch_of, touch_words
from waves.errors import CampaignError
from waves.outcomes import Outcome

PEOPLE = 9
WAVES = """\
  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}
  - {wave: again, channels: [email], message: hello, release: 2h, listen: 1d}
"""
FIRST_OF = "  - {wave: notice, channels: [{first_of: [sms, email]}], message: hello, release: 2h, listen: 1d}\n"
END = T0 + 2 * HOUR + DAY


class Killed(BaseException):
    """The process ends here."""


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url, enrol_range=2, batch_size=4)
    put(made.ledger, [reachable(number) for number in range(PEOPLE)])
    yield made
    made.ledger.close()


def row_of(world: World, name: str = "notice") -> Any:
    return load_running(world.ledger, "test").row(name)


def begin(world: World, at: datetime = END) -> None:
    with world.ledger.write() as connection:
        assert begin_close(connection, row_of(world).id, at, None)


def counted(world: World) -> Books:
    running = load_running(world.ledger, "test")
    with world.ledger.snapshot() as connection:
        return count_books(connection, running.row("notice").id, running.id)


def store(world: World, books: Books, at: datetime = END) -> bool:
    with world.ledger.write() as connection:
        return store_books(connection, row_of(world).id, books, at)


def finish(world: World, at: datetime = END) -> Any:
    running = load_running(world.ledger, "test")
    return finish_close(world.room, running, running.plan.wave("notice"), at)


def killing(monkeypatch: pytest.MonkeyPatch, where: Any, name: str, after: int) -> Callable[[], None]:
    """The process ends as it calls this for the time after `after` calls; what gives it its life back."""
    real, calls = getattr(where, name), iter(range(after))

    def once(*args: Any, **more: Any) -> Any:
        if next(calls, None) is None:
            raise Killed
        return real(*args, **more)

    monkeypatch.setattr(where, name, once)
    return lambda: monkeypatch.setattr(where, name, real)


# where a close is killed, and after how many calls of that
SEAMS = [("any_claimed", 0), ("expire", 0), ("expire", 1), ("expire", 4), ("count_books", 0), ("store_books", 0)]


@pytest.mark.parametrize(("seam", "after"), SEAMS)
@pytest.mark.parametrize("paused", [False, True])
def test_a_close_that_was_killed_is_finished_by_the_next_step(
    world: World, monkeypatch: pytest.MonkeyPatch, seam: str, after: int, paused: bool
) -> None:
    world.start(plan_text(WAVES))
    hold_back(world, "notice")
    revive = killing(monkeypatch, wave, seam, after)
    with pytest.raises(Killed):
        live(world.room, "test", "notice", END, leave)
    revive()
    assert (row_of(world).state, row_of(world).closed, row_of(world).balance) == ("closing", None, None)
    told(world)
    if paused:
        with world.ledger.write() as connection:
            campaigns.set_state(connection, "test", "paused", ("running",), "tester", END)
    assert anything_due(world.room, END)
    moves = world.advance(END)
    assert [(move.wave, move.before, move.after) for move in moves][:1] == [("notice", "closing", "closed")]
    assert row_of(world, "again").state == ("pending" if paused else "open")
    stored = json.loads(row_of(world).balance)
    assert (stored["balanced"], stored["states"]) == (True, {"expired": PEOPLE})
    assert (row_of(world).closed, not anything_due(world.room, END)) == (END, True)


def told(world: World) -> None:
    """Status, report and doctor show a wave that is closing as what it is."""
    running = load_running(world.ledger, "test")
    with world.ledger.read() as connection:
        status, _ = wave_statuses(connection, running.id)
        (books,) = health.books(connection)
        (opened,) = opened_waves(connection, running.id, END)
    assert (status.state, status.closed, status.books.balanced) == ("closing", None, True)
    assert (books.now, books.as_closed) == (True, None)
    assert (opened.closed, opened.mark) == (None, None)


def test_the_next_wave_waits_for_the_balance(world: World) -> None:
    world.start(plan_text(WAVES))
    hold_back(world, "notice")
    (number, *_) = [row.id for row in world.touches("notice")]
    with world.ledger.write() as connection:
        batch = connection.scalar(select(t.touch.c.batch).where(t.touch.c.id == number))
        leased = touches.lease(connection, batch or 0, "one", T0, timedelta(days=9))
    assert leased is not None
    with world.ledger.write() as connection:
        running = load_running(world.ledger, "test")
        gates = wave.gates_of(running, running.plan.wave("notice"), T0)
        claimed = touches.claim(connection, leased, gates, running.types, 1, T0)
    assert claimed
    begin(world)
    assert not anything_due(world.room, END)
    assert live(world.room, "test", "notice", END, leave) is None
    assert (row_of(world).state, row_of(world, "again").state) == ("closing", "pending")
    with world.ledger.write() as connection:
        touches.give_back(connection, "one", [claimed[0].touch], END)
    assert touch_words(world, "notice")["c0"] == [("sms", "expired", None, None)]
    world.advance(END + DAY)
    assert (row_of(world).closed, row_of(world, "again").state) == (END + DAY, "open")


def test_two_who_counted_the_same_wave_store_one_balance(world: World) -> None:
    world.start(plan_text(WAVES))
    world.advance(T0)
    begin(world)
    one, other = counted(world), counted(world)
    assert (store(world, one), store(world, other, END + HOUR)) == (True, False)
    assert row_of(world).closed == END
    assert finish(world) is None


def test_books_with_something_queued_are_not_stored(world: World) -> None:
    world.start(plan_text(WAVES))
    hold_back(world, "notice")
    begin(world)
    assert not counted(world).settled
    assert finish(world).balanced
    assert counted(world).settled


def test_a_report_is_in_the_balance_or_it_is_late(world: World) -> None:
    """One before the count is in it, whenever the wave was marked; one after the count is shown beside it."""
    world.start(plan_text(WAVES))
    world.advance(T0)
    begin(world)
    world.report(touch_of(world, "notice", "c0").id, Outcome.DELIVERED)
    books = counted(world)
    world.report(touch_of(world, "notice", "c1").id, Outcome.DELIVERED)
    assert store(world, books)
    assert json.loads(row_of(world).balance)["outcomes"] == {"delivered": 1}
    running = load_running(world.ledger, "test")
    with world.ledger.read() as connection:
        known = connection.scalars(select(t.event.c.touch).where(t.event.c.id <= books.event_mark)).all()
        status, _ = wave_statuses(connection, running.id)
        (opened,) = opened_waves(connection, running.id, END)
    assert known == [touch_of(world, "notice", "c0").id]
    assert (status.books.outcomes, opened.mark) == ({"delivered": 2}, books.event_mark)


def test_a_count_sees_one_moment(world: World) -> None:
    world.start(plan_text(WAVES))
    world.advance(T0)
    begin(world)
    running = load_running(world.ledger, "test")
    with world.ledger.snapshot() as connection:
        before = count_books(connection, row_of(world).id, running.id)
        world.report(touch_of(world, "notice", "c0").id, Outcome.DELIVERED)
        assert count_books(connection, row_of(world).id, running.id) == before
    assert counted(world) != before


def test_a_wave_that_was_quiet_is_not_closed_early_over_what_fell_through(world: World) -> None:
    """Between the look and the mark another worker queued the next channel of those whose first one failed."""
    world.start(plan_text(FIRST_OF))
    world.advance(T0)
    running = load_running(world.ledger, "test")
    notice, row = running.plan.wave("notice"), row_of(world)
    with world.ledger.read() as connection:
        quiet = wave.wave_mark(connection, row.id)
    for touch in world.touches("notice"):
        world.report(touch.id, Outcome.BOUNCED_HARD)
    assert wave.fall_through(world.room, running, notice, T0 + HOUR) == PEOPLE
    with world.ledger.write() as connection:
        assert not begin_close(connection, row.id, T0 + HOUR, quiet)
    assert close_wave(world.room, running, notice, T0 + HOUR) is None
    assert row_of(world).state == "open"


def test_who_is_asked_to_end_closes_nothing_that_he_has_not_looked_through(world: World) -> None:
    world.start(plan_text(FIRST_OF))
    world.advance(T0)
    for touch in world.touches("notice"):
        world.report(touch.id, Outcome.BOUNCED_HARD)
    running = load_running(world.ledger, "test")
    world.room.stopping = True
    assert close_wave(world.room, running, running.plan.wave("notice"), T0 + HOUR) is None
    assert (row_of(world).state, len(world.touches("notice"))) == ("open", PEOPLE)


def test_an_abort_that_was_killed_is_finished_by_the_close(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start(plan_text(WAVES))
    hold_back(world, "notice")
    revive = killing(monkeypatch, campaigns, "withdraw", 2)
    with pytest.raises(Killed):
        ending.abort(world.room, "test", "tester", T0)
    revive()
    assert load_running(world.ledger, "test").state == "aborted"
    world.advance(T0 + HOUR)
    assert {found[0][1:] for found in touch_words(world, "notice").values()} == {("withdrawn", None, "aborted")}
    assert json.loads(row_of(world).balance)["states"] == {"withdrawn": PEOPLE}
    assert world.outbox("sms") == []


def test_a_stop_that_was_killed_is_finished_by_the_next_step(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    world.start(plan_text(WAVES))
    hold_back(world, "notice")
    revive = killing(monkeypatch, pausing, "withdraw_stopped", 2)
    with pytest.raises(Killed):
        ending.stop_wave(world.room, "test", "notice", "tester", T0)
    revive()
    world.advance(T0 + HOUR)
    assert {found[0][1:] for found in touch_words(world, "notice").values()} == {("withdrawn", None, "stopped")}
    assert world.outbox("sms") == []


@pytest.mark.parametrize("policy", ["expire", "reschedule"])
def test_a_resume_that_was_killed_is_done_once(world: World, monkeypatch: pytest.MonkeyPatch, policy: Any) -> None:
    """What was moved is not moved again, though the pause is longer by then."""
    world.start(plan_text(WAVES))
    hold_back(world, "notice")
    before = {row.id: row.not_before for row in world.touches("notice")}
    closes = row_of(world).closes
    with world.ledger.write() as connection:
        campaigns.set_state(connection, "test", "paused", ("running",), "tester", T0)
    revive = killing(monkeypatch, pausing, "expire_late" if policy == "expire" else "move_touches", 2)
    with pytest.raises(Killed):
        resume(world.room, "test", policy, "tester", T0 + HOUR)
    revive()
    assert load_running(world.ledger, "test").state == "paused"
    if policy == "reschedule":
        with pytest.raises(CampaignError, match="half rescheduled"):
            resume(world.room, "test", "catch-up", "tester", T0 + 2 * HOUR)
    done = resume(world.room, "test", policy, "tester", T0 + 2 * HOUR)
    assert load_running(world.ledger, "test").state == "running"
    if policy == "expire":
        assert {found[0][1:] for found in touch_words(world, "notice").values()} == {("expired", None, "paused")}
        return
    assert (done.moved, row_of(world).closes) == (HOUR, closes + HOUR)
    assert {row.id: row.not_before - HOUR for row in world.touches("notice")} == before
    with world.ledger.read() as connection:
        assert pausing.half_moved(connection, row_of(world).id) is None
