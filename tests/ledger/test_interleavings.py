"""Two workers in each other's way on PostgreSQL, statement by statement: one transaction stays open meanwhile."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from pathlib import Path
from threading import Event, Thread

import pytest
from sqlalchemy import Connection, insert, select, text

from flows.running import gates_of, load_running
from flows.sending import send_batch
from ledger import tables as t
from ledger.call_files import note_file
from ledger.calls import Call, record_calls
from ledger.dial_tables import past_call
from ledger.erasure import Subject, erase, stop_for_good
from ledger.past_calls import Kept, PastCall, record_past_calls
from ledger.recycling import hold_lists
from ledger.touches import Claimed, Leased, claim, finish, lease, lease_next, settle, sweep
from tests.builders import DAY, RULES, T0, World, phone, plan_text, put, reachable
from tests.laws.rig import fresh, rig
from tests.steps import hold_back
from waves.dispositions import Disposition
from waves.message import CHANNEL_CODES, Receipt
from waves.outcomes import State
from waves.seals import sealer

pytestmark = pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
LEASE = timedelta(seconds=10)
LATER = T0 + 2 * LEASE
SMS = CHANNEL_CODES["sms"]
BLOCKED = """SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    """One batch of six messages that nobody has taken yet."""
    world = rig(tmp_path / "home", ledger_url)
    fresh(world, T0)
    put(world.ledger, [reachable(number) for number in range(6)])
    world.start(plan_text(WAVE))
    hold_back(world, "notice")
    yield world
    world.ledger.close()


def the_batch(world: World) -> int:
    with world.ledger.read() as connection:
        return connection.execute(select(t.batch.c.id)).scalar_one()


def wave_of(world: World) -> int:
    return load_running(world.ledger, "test").row("notice").id


def leased_by(world: World, owner: str) -> Leased:
    with world.ledger.write() as connection:
        leased = lease(connection, the_batch(world), owner, T0, LEASE)
    assert leased is not None
    return leased


def claim_in(connection: Connection, world: World, leased: Leased, size: int) -> list[Claimed] | None:
    running = load_running(world.ledger, "test")
    return claim(connection, leased, gates_of(running, running.plan.wave("notice"), T0), running.types, size, T0)


def states(world: World) -> dict[State, int]:
    rows = [State(row.state) for row in world.touches("notice")]
    return {state: rows.count(state) for state in set(rows)}


def batch_row(world: World) -> tuple[str | None, bool]:
    """(who has the batch, whether it is done)"""
    with world.ledger.read() as connection:
        row = connection.execute(select(t.batch.c.lease_owner, t.batch.c.done_at)).one()
    return row.lease_owner, row.done_at is not None


@contextmanager
def beside(world: World, work: Callable[[Connection], object]) -> Iterator[None]:
    """Work in a transaction of another thread, which waits for a lock or has ended when the block begins."""
    failed: list[BaseException] = []

    def run() -> None:
        try:
            with world.ledger.write() as connection:
                work(connection)
        except BaseException as error:
            failed.append(error)
            raise

    thread = Thread(target=run)
    thread.start()
    with world.ledger.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
        for _ in range(200):
            if not thread.is_alive() or looking.scalar(text(BLOCKED)):
                break
            Event().wait(0.02)
    yield
    thread.join(30)
    assert not thread.is_alive()
    assert not failed


def test_a_sweep_leaves_the_lease_alone_that_was_taken_meanwhile(world: World) -> None:
    leased_by(world, "dead")
    with ExitStack() as sweeping:
        with world.ledger.write() as connection:
            mine = lease_next(connection, wave_of(world), SMS, "alive", LATER, LEASE)
            assert mine is not None
            sweeping.enter_context(beside(world, lambda other: sweep(other, LATER)))
        sweeping.close()
    assert batch_row(world) == ("alive", False)


def test_a_batch_is_not_taken_over_while_its_owner_claims(world: World) -> None:
    """A worker that stands still inside its claim keeps its batch; what it claims then is found by the next sweep."""
    slow = leased_by(world, "slow")
    with world.ledger.write() as connection:
        assert claim_in(connection, world, slow, 3)
        with world.ledger.write() as other:
            assert lease_next(other, wave_of(world), SMS, "eager", LATER, LEASE) is None
            assert sweep(other, LATER) == 0
    assert batch_row(world) == ("slow", False)
    with world.ledger.write() as connection:
        assert sweep(connection, LATER) == 3
    assert states(world) == {State.IN_DOUBT: 3, State.QUEUED: 3}


def test_a_batch_is_not_done_while_a_late_worker_gives_back(world: World) -> None:
    late = leased_by(world, "late")
    with world.ledger.write() as connection:
        claimed = claim_in(connection, world, late, 6)
    assert claimed
    with world.ledger.write() as connection:
        heir = lease_next(connection, wave_of(world), SMS, "heir", LATER, LEASE)
    assert heir is not None
    assert states(world) == {State.IN_DOUBT: 6}
    with ExitStack() as finishing:
        with world.ledger.write() as connection:
            said = [(one.touch, Receipt("", "not_sent", retry_after_s=0.0)) for one in claimed]
            settle(connection, "late", said, "test", None, LATER)
            finishing.enter_context(beside(world, lambda other: finish(other, heir, LATER)))
        finishing.close()
    assert states(world) == {State.QUEUED: 6}
    assert batch_row(world) == (None, False)


def test_a_worker_whose_clock_is_minutes_slow_sends_nothing_twice(world: World) -> None:
    """Its leases look lost to the others, who take its batch over; what it has claimed is in doubt until it says."""
    ahead = T0 + timedelta(minutes=5)
    slow = leased_by(world, "slow")
    with world.ledger.write() as connection:
        claimed = claim_in(connection, world, slow, 2)
    assert claimed
    with world.ledger.write() as connection:
        right = lease_next(connection, wave_of(world), SMS, "right", ahead, LEASE)
    assert right is not None
    with world.ledger.write() as connection:
        assert claim_in(connection, world, slow, 6) is None
    running = load_running(world.ledger, "test")
    sent = send_batch(world.room, running, "notice", right, ahead)
    assert sent.receipts["accepted"] == 4
    with world.ledger.write() as connection:
        said = [(one.touch, Receipt("", "accepted")) for one in claimed]
        settle(connection, "slow", said, "test", None, T0)
        finish(connection, slow, T0)
    assert states(world) == {State.SENT: 6}
    assert batch_row(world) == (None, True)


OLD = PastCall("c0", phone(0), T0 - DAY, Disposition.NO_ANSWER, "old", "call of c0", agent="ann")


def erased(connection: Connection, world: World) -> None:
    seal = sealer(world.room.token_key)
    assert erase(connection, "c0", stop_for_good(connection, "c0", seal, T0), seal, "lead", T0)


def past_calls(world: World) -> list[tuple[str | None, str | None]]:
    """(number, agent) of each imported call"""
    with world.ledger.read() as connection:
        return list(connection.execute(select(past_call.c.number, past_call.c.agent)).tuples())


def test_an_erasure_waits_for_the_import_that_found_its_customer(world: World) -> None:
    with ExitStack() as erasing:
        with world.ledger.write() as connection:
            assert record_past_calls(connection, [OLD]).new == 1
            erasing.enter_context(beside(world, lambda other: erased(other, world)))
        erasing.close()
    assert past_calls(world) == [(None, None)]


def test_an_import_waits_for_the_erasure_and_does_not_know_the_customer_then(world: World) -> None:
    kept: list[Kept] = []
    with ExitStack() as importing:
        with world.ledger.write() as connection:
            erased(connection, world)
            importing.enter_context(beside(world, lambda other: kept.append(record_past_calls(other, [OLD]))))
        importing.close()
    assert (kept[0].unknown_customer, past_calls(world)) == (1, [])


def called(world: World) -> list[str | None]:
    """The number of each call."""
    with world.ledger.read() as connection:
        return list(connection.scalars(select(t.call.c.number)))


def test_an_erasure_waits_for_the_calls_that_come_in(world: World) -> None:
    seal = sealer(world.room.token_key)
    touch = next(row.id for row in world.touches("notice") if row.key == "c0")
    call = Call(Disposition.NO_ANSWER, T0, "one call", "test", touch, number=phone(0))
    with world.ledger.write() as connection:
        subject = stop_for_good(connection, "c0", seal, T0)
    with ExitStack() as erasing:
        with world.ledger.write() as connection:
            record_calls(connection, [call], RULES, T0)
            assert called(world) == []
            erasing.enter_context(beside(world, lambda other: erase(other, "c0", subject, seal, "lead", T0)))
        erasing.close()
    assert called(world) == [None]


def test_an_erasure_waits_for_the_list_that_is_cut(world: World) -> None:
    """So that it finds the entry, and whoever dials from it is told."""
    found: list[Subject] = []
    seal = sealer(world.room.token_key)
    entry = {"list": 1, "rank": 1, "tier": "normal", "customer": 1, "number": phone(0), "active": True}
    a_list = {"wave": wave_of(world), "team": "north", "shift": "day", "format": "csv", "pulled_by": "lead"}
    touch = next(row.id for row in world.touches("notice") if row.key == "c0")
    with ExitStack() as erasing:
        with world.ledger.write() as connection:
            hold_lists(connection)
            connection.execute(insert(t.dial_list).values(**a_list, pulled_at=T0, lease_until=LATER))
            connection.execute(insert(t.dial_entry).values(**entry, touch=touch))
            erasing.enter_context(beside(world, lambda other: found.append(stop_for_good(other, "c0", seal, T0))))
        erasing.close()
    assert found[0].lists_out == (1,)


def test_the_same_file_of_results_brought_twice_at_once_is_one_file(world: World) -> None:
    """As two, the one that is undone would leave its calls to the other, and nobody would see why."""
    noted: list[tuple[int, object]] = []
    of = ("monday.csv", "digest", "north", "lead", T0)
    with ExitStack() as bringing:
        with world.ledger.write() as connection:
            noted.append(note_file(connection, *of))
            bringing.enter_context(beside(world, lambda other: noted.append(note_file(other, *of))))
        bringing.close()
    assert noted == [(1, None), (1, T0)]


def test_a_vanished_worker_holds_nobody_up_for_long(world: World) -> None:
    """Locks of a machine that lost its power inside a transaction end with it, not with the day."""
    with world.ledger.read() as connection:
        assert connection.scalar(text("SHOW idle_in_transaction_session_timeout")) == "1min"
        assert connection.scalar(text("SELECT pg_backend_pid()")), "the settings of TCP are fine on a socket too"
