"""One wave is opened, enrolled, judged and closed once, however many workers come at the same moment."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Event
from typing import Any

import pytest
from sqlalchemy import func, select

from flows.campaign import finish_campaign
from flows.running import gates_of, load_running
from flows.sending import send_batch
from flows.wave import close_wave, enrol_wave, fall_through, finish_close, live, open_wave, pass_ramp
from ledger import campaigns, touches
from ledger import tables as t
from ledger.close import begin_close
from ledger.store import read_meta, write_meta
from tests.acceptance.program import environment
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.steps import hold_back
from waves.message import Receipt
from waves.outcomes import Outcome, State

PEOPLE, WORKERS = 30, 3
WAVE = "  - {wave: notice, channels: [sms, email], message: hello, release: 2h, listen: 1d}\n"
END = T0 + 2 * HOUR + DAY
SOON_S = 0.3
"""How long a test gives somebody who has to wait to get past what keeps them waiting."""


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url, enrol_range=7, batch_size=5)
    put(made.ledger, [reachable(number) for number in range(PEOPLE)])
    yield made
    made.ledger.close()


def at_once(work: Callable[[int], Any]) -> list[Any]:
    """What each worker returned, all of them having begun together."""
    barrier = Barrier(WORKERS)

    def begin_together(number: int) -> Any:
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(begin_together, range(WORKERS)))


def audited(world: World, did: str) -> int:
    with world.ledger.read() as connection:
        return connection.scalar(select(func.count()).where(t.audit.c.did == did)) or 0


def wave_state(world: World) -> str:
    return str(load_running(world.ledger, "test").rows[0].state)


def test_a_wave_is_opened_by_one_and_enrolled_once_by_all(world: World) -> None:
    world.start(plan_text(WAVE))
    running = load_running(world.ledger, "test")
    wave = running.plan.waves[0]
    assert sum(at_once(lambda _: open_wave(world.room, running, wave, T0))) == 1
    opened = load_running(world.ledger, "test")
    at_once(lambda _: enrol_wave(world.room, opened, wave, T0))
    assert wave_state(world) == "open"
    assert len(world.verdicts("notice")) == PEOPLE
    found = [(row.customer, row.channel) for row in world.touches("notice")]
    assert len(found) == len(set(found)) == 2 * PEOPLE
    with world.ledger.read() as connection:
        sizes = list(connection.scalars(select(func.count()).group_by(t.touch.c.batch).select_from(t.touch)))
        assert len(sizes) == connection.scalar(select(func.count()).select_from(t.batch))
    assert max(sizes) <= 5


def test_a_wave_of_a_campaign_that_was_paused_meanwhile_does_not_open(world: World) -> None:
    world.start(plan_text(WAVE))
    running = load_running(world.ledger, "test")
    with world.ledger.write() as connection:
        campaigns.set_state(connection, "test", "paused", ("running",), "tester", T0)
    assert not open_wave(world.room, running, running.plan.waves[0], T0)
    assert wave_state(world) == "pending"


def test_whole_lives_side_by_side_leave_one_closed_wave(world: World) -> None:
    """Each worker does all that `live` does; the second time, at the wave's end, all of them close it."""
    world.start(plan_text(WAVE))
    sent: list[int] = []

    def send(room: Any, running: Any, wave: str, leased: touches.Leased, now: Any) -> Any:
        said = send_batch(room, running, wave, leased, now)
        sent.append(said.receipts["accepted"])
        return said

    at_once(lambda _: live(world.room, "test", "notice", T0, send))
    assert sum(sent) == 2 * PEOPLE == len(world.touches("notice", state=int(State.SENT)))
    assert len({line["token"] for name in ("sms", "email") for line in world.outbox(name)}) == 2 * PEOPLE
    books = [found for found in at_once(lambda _: live(world.room, "test", "notice", END, send)) if found]
    assert len(books) == 1
    assert books[0].balanced
    at_once(lambda _: finish_campaign(world.room, "test", END))
    assert audited(world, "finished") == 1
    assert load_running(world.ledger, "test").state == "finished"


def test_two_that_both_may_close_close_once(world: World) -> None:
    world.start(plan_text(WAVE))
    hold_back(world, "notice")
    running = load_running(world.ledger, "test")
    wave, row = running.plan.waves[0], running.rows[0]
    with ThreadPoolExecutor(1) as pool:
        with world.ledger.write() as connection:
            assert begin_close(connection, row.id, END, None)
            other = pool.submit(close_wave, world.room, running, wave, END)
            assert waits(other)
        assert other.result(30) is None
    assert wave_state(world) == "closing"
    books = [found for found in at_once(lambda _: finish_close(world.room, running, wave, END)) if found]
    assert [found.balanced for found in books] == [True]


def waits(other: Future[Any]) -> bool:
    Event().wait(SOON_S)
    return not other.done()


def test_a_wave_does_not_close_over_a_claim_that_is_being_committed(world: World) -> None:
    world.start(plan_text(WAVE))
    hold_back(world, "notice")
    running = load_running(world.ledger, "test")
    wave = running.plan.waves[0]
    leased = lease(world, T0)
    with ThreadPoolExecutor(1) as pool:
        with world.ledger.write() as connection:
            assert touches.claim(connection, leased, gates_of(running, wave, T0), running.types, 3, T0)
            other = pool.submit(close_wave, world.room, running, wave, END)
            assert waits(other)
        assert other.result(30) is None
    assert wave_state(world) == "closing"
    claimed = [row.id for row in world.touches("notice", state=int(State.CLAIMED))]
    assert len(claimed) == 3
    receipts = [(claimed[0], Receipt("", "accepted")), *[(touch, Receipt("", "not_sent")) for touch in claimed[1:]]]
    with world.ledger.write() as connection:
        touches.settle(connection, "one", receipts, "test", None, END)
    books = finish_close(world.room, running, wave, END)
    assert books is not None
    assert (books.balanced, books.states) == (True, {"sent": 1, "expired": 2 * PEOPLE - 1})


def lease(world: World, now: Any) -> touches.Leased:
    with world.ledger.write() as connection:
        batch = connection.scalar(select(func.min(t.batch.c.id)))
        leased = touches.lease(connection, batch or 0, "one", now, timedelta(days=3))
    assert leased is not None
    return leased


def test_nothing_is_claimed_of_a_wave_that_is_being_closed(world: World) -> None:
    world.start(plan_text(WAVE))
    hold_back(world, "notice")
    running = load_running(world.ledger, "test")
    wave, row = running.plan.waves[0], running.rows[0]
    leased = lease(world, T0)

    def claim() -> Any:
        with world.ledger.write() as connection:
            return touches.claim(connection, leased, gates_of(running, wave, T0), running.types, 3, T0)

    with ThreadPoolExecutor(1) as pool:
        with world.ledger.write() as connection:
            assert begin_close(connection, row.id, END, None)
            other = pool.submit(claim)
            assert waits(other)
        assert other.result(30) is None
    assert finish_close(world.room, running, wave, END)
    assert {row.state for row in world.touches("notice")} == {int(State.EXPIRED)}


def test_all_fall_through_at_once_and_the_next_channel_is_queued_once(world: World) -> None:
    world.start(plan_text(WAVE.replace("[sms, email]", "[{first_of: [sms, email]}]")))
    world.advance(T0)
    for row in world.touches("notice"):
        world.report(row.id, Outcome.BOUNCED_HARD)
    running = load_running(world.ledger, "test")
    at_once(lambda _: fall_through(world.room, running, running.plan.waves[0], T0 + HOUR))
    found = [(row.customer, row.channel) for row in world.touches("notice")]
    assert len(found) == len(set(found)) == 2 * PEOPLE


def test_nothing_falls_through_in_a_wave_that_is_being_closed(world: World) -> None:
    world.start(plan_text(WAVE.replace("[sms, email]", "[{first_of: [sms, email]}]")))
    world.advance(T0)
    running = load_running(world.ledger, "test")
    wave, row = running.plan.waves[0], running.rows[0]
    for touch in world.touches("notice"):
        world.report(touch.id, Outcome.BOUNCED_HARD)
    with ThreadPoolExecutor(1) as pool:
        with world.ledger.write() as connection:
            assert begin_close(connection, row.id, END, None)
            other = pool.submit(fall_through, world.room, running, wave, T0 + HOUR)
            assert waits(other)
        assert other.result(30) == 0
    assert len(world.touches("notice")) == PEOPLE


@pytest.mark.parametrize("bounced", [0, 10])
def test_a_ramp_is_judged_once(world: World, bounced: int) -> None:
    ramp = WAVE.replace("listen: 1d}", "listen: 1d, ramp: {first: 50%, hold: 30m}}")
    world.start(plan_text(ramp))
    world.advance(T0)
    for row in world.touches("notice", state=int(State.SENT))[:bounced]:
        world.report(row.id, Outcome.BOUNCED_HARD)
    running = load_running(world.ledger, "test")
    at_once(lambda _: pass_ramp(world.room, running, running.plan.waves[0], T0 + HOUR))
    assert (audited(world, "ramp passed"), audited(world, "alarm")) == ((0, 1) if bounced else (1, 0))
    assert load_running(world.ledger, "test").state == ("paused" if bounced else "running")


def test_one_machine_advances_a_ledger(world: World) -> None:
    """On SQLite all processes are on one machine, where the lock file of the home keeps them apart."""
    alone = world.ledger.dialect == "postgresql"
    with world.ledger.advancing() as first:
        assert first is not None
        first.check()
        with world.ledger.advancing() as second:
            assert (second is None) == alone
    with world.ledger.advancing() as third:
        assert third is not None


COUNT = 150
WRITER = """
import sys
from ledger.store import open_ledger, read_meta, write_meta

ledger = open_ledger(sys.argv[1])
for _ in range(int(sys.argv[2])):
    with ledger.write() as connection:
        write_meta(connection, "counted", str(int(read_meta(connection, "counted")) + 1))
    with ledger.read() as connection:
        read_meta(connection, "counted")
ledger.close()
"""


def test_four_processes_that_write_sqlite_at_once_wait_for_each_other(sqlite_url: str, tmp_path: Path) -> None:
    """None of them hears "database is locked", nor loses what another wrote."""
    world = make_world(tmp_path / "home", sqlite_url)
    with world.ledger.write() as connection:
        write_meta(connection, "counted", "0")
    command = [sys.executable, "-c", WRITER, sqlite_url, str(COUNT)]
    writers = [
        subprocess.Popen(command, env=environment(), stderr=subprocess.PIPE, text=True, cwd=tmp_path) for _ in range(4)
    ]
    said = [writer.communicate(timeout=120)[1] for writer in writers]
    assert (said, [writer.returncode for writer in writers]) == ([""] * 4, [0] * 4)
    with world.ledger.read() as connection:
        assert read_meta(connection, "counted") == str(4 * COUNT)
    world.ledger.close()
