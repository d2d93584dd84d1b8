"""Law 1 with several workers at once: threads over one ledger."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import chain
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import select

from flows.running import gates_of, load_running
from flows.wave import live
from ledger import tables as t
from ledger import touches
from tests.builders import T0, World, plan_text, put, reachable
from tests.laws.rig import ACCEPTED, Desk, begin, fresh, rig
from tests.laws.worker import Worker
from tests.steps import leave, send_one
from waves.message import Receipt
from waves.outcomes import State

WAVE = "  - {wave: notice, channels: [sms, email], message: hello, release: 2h, listen: 1d}\n"
PEOPLE, WORKERS = 40, 3


@pytest.fixture
def enrolled(tmp_path: Path, ledger_url: str) -> tuple[World, Desk, list[int]]:
    """A wave of 80 touches in batches of 8 that nobody has taken yet."""
    world = rig(tmp_path / "home", ledger_url)
    desk = fresh(world, T0, batch_size=8)
    put(world.ledger, [reachable(number) for number in range(PEOPLE)])
    begin(world, world.bundle(plan_text(WAVE)))
    live(world.room, "test", "notice", T0, leave)
    with world.ledger.read() as connection:
        return world, desk, list(connection.scalars(select(t.batch.c.id).order_by(t.batch.c.id)))


def at_once(work: Callable[[int], list[int]]) -> list[list[int]]:
    """What each worker returned, all of them having begun together."""
    barrier = Barrier(WORKERS)

    def begin_together(number: int) -> list[int]:
        barrier.wait(30)
        return work(number)

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(begin_together, range(WORKERS)))


def test_workers_never_claim_the_same_touch(enrolled: tuple[World, Desk, list[int]]) -> None:
    """Each worker tries every batch; the first batch is in all their hands, as after a network partition."""
    world, _, batches = enrolled
    ledger, running = world.ledger, load_running(world.ledger, "test")
    gates = gates_of(running, running.plan.wave("notice"), T0)
    with ledger.write() as connection:
        shared = touches.lease(connection, batches[0], "all of us", T0, world.room.settings.lease)
    assert shared is not None

    def work(number: int) -> list[int]:
        mine = []
        for batch in batches:
            with ledger.write() as connection:
                leased = touches.lease(connection, batch, f"worker {number}", T0, world.room.settings.lease)
            leased = shared if batch == batches[0] else leased
            claimed: list[touches.Claimed] | None = [] if leased else None
            while claimed is not None and leased is not None:
                mine += [touch.touch for touch in claimed]
                with ledger.write() as connection:
                    claimed = touches.claim(connection, leased, gates, running.types, 3, T0)
        return mine

    claimed = list(chain.from_iterable(at_once(work)))
    assert len(claimed) == len(set(claimed))
    assert len(claimed) == len(world.touches("notice", state=int(State.CLAIMED))) == 2 * PEOPLE
    ledger.close()


def test_workers_send_every_message_once(enrolled: tuple[World, Desk, list[int]]) -> None:
    world, desk, batches = enrolled
    desk.alone = False
    running = load_running(world.ledger, "test")

    def work(number: int) -> list[int]:
        order = batches[number:] + batches[:number]
        return [send_one(world.room, running, "notice", batch, T0).receipts["accepted"] for batch in order]

    accepted = sum(map(sum, at_once(work)))
    assert accepted == len(desk.log) == 2 * PEOPLE
    assert not desk.sent_twice()
    assert len(world.touches("notice", state=int(State.SENT))) == 2 * PEOPLE
    world.ledger.close()


@pytest.mark.parametrize(
    ("closed", "state"), [(False, State.SENT), (True, State.EXPIRED)], ids=["while it is open", "after it closed"]
)
def test_a_worker_that_comes_back_late_says_not_sent(
    enrolled: tuple[World, Desk, list[int]], closed: bool, state: State
) -> None:
    """What was provably not sent goes out while its wave is open, though its batch was done, and not after that."""
    world, desk, batches = enrolled
    late = Worker(world, desk, _leased(world, batches[0]), "test", "notice")
    desk.answers = [Receipt("", "not_sent")]
    assert late.step(3)
    assert late.step(3)
    late_touches = [touch.touch for touch in late.claimed]
    desk.answers = [ACCEPTED]
    world.advance(T0 + timedelta(hours=1))  # sweeps, and sends all the rest
    if closed:
        world.advance(T0 + timedelta(days=3))
    late.step(3)
    for minutes in (5, 10):
        world.advance(world.now + timedelta(minutes=minutes))
    assert {row.state for row in world.touches("notice") if row.id in late_touches} == {state}
    assert not desk.sent_twice()
    world.ledger.close()


def _leased(world: World, batch: int) -> touches.Leased:
    with world.ledger.write() as connection:
        leased = touches.lease(connection, batch, "late", T0, world.room.settings.lease)
    assert leased is not None
    return leased
