"""Who may work on a ledger: one worker a name, so many a wave, none whose clock is wrong; and who is taken for dead."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import func, select, update

from config.settings import Settings
from flows.embedded import advancing_alone, engine_lock
from flows.presence import engine_of_home, one_of_many, present, wall_clock
from flows.room import open_room, own_key
from flows.upkeep import upkeep
from ledger import tables as t
from ledger import touches, workers
from ledger.engine_tables import worker as table
from ledger.store import create_ledger, make_engine, migrate, open_ledger, write_meta
from ledger.workers import LIVE_FOR, Me
from tests.builders import T0, World, make_world, plan_text, put, reachable
from tests.steps import hold_back
from waves.errors import EngineBusy, LedgerError, WorkerError
from waves.outcomes import State

ALPHA, BETA = Me("alpha/1", "machine-1/worker a"), Me("alpha/2", "machine-2/worker b")
SECOND = timedelta(seconds=1)


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def timed(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    """A world on the real clock."""
    made = make_world(tmp_path / "home", ledger_url)
    with made.ledger.write() as connection:
        write_meta(connection, "clock", "real")
    made.ledger.close()
    made.room.ledger = open_ledger(ledger_url)
    yield made
    made.ledger.close()


def there(world: World) -> list[tuple[str, bool]]:
    with world.ledger.read() as connection:
        return [(found.name, found.alive) for found in workers.workers(connection)]


def aged(world: World, by: timedelta) -> None:
    """As if nobody had been seen for so long."""
    with world.ledger.write() as connection:
        seen = workers.now_by(connection) - by
        connection.execute(update(table).values(seen_at=seen))


def test_a_worker_is_there_from_its_arrival_until_it_leaves(world: World) -> None:
    with present(world.room, ALPHA) as presence:
        assert presence is not None
        aged(world, LIVE_FOR + SECOND)
        assert there(world) == [("alpha/1", False)]
        presence.beat()
        assert there(world) == [("alpha/1", True)]
        presence.check()
    assert there(world) == []


def test_a_second_worker_of_that_name_is_refused_while_the_first_is_alive(world: World) -> None:
    with present(world.room, ALPHA) as first, ThreadPoolExecutor(1) as pool:
        assert first is not None
        second = pool.submit(lambda: present(world.room, BETA).__enter__())
        while not second.done():
            first.beat()
            Event().wait(0.05)
        with pytest.raises(WorkerError, match=r"another worker is called 'alpha' and is alive .* MULTIWAVE_WORKER"):
            second.result()
        assert there(world) == [("alpha/1", True)]


def test_a_worker_that_was_killed_gives_its_name_up_when_it_is_not_seen_any_more(world: World) -> None:
    with world.ledger.write() as connection:
        workers.arrive(connection, ALPHA, timedelta(0))
    aged(world, LIVE_FOR - SECOND)
    with present(world.room, BETA):
        assert there(world) == [("alpha/1", False), ("alpha/2", True)]


def test_flow_runs_of_one_prefect_worker_share_its_name(world: World) -> None:
    with present(world.room, ALPHA), present(world.room, Me("alpha/3", ALPHA.instance)):
        assert there(world) == [("alpha/1", True), ("alpha/3", True)]


def test_a_wave_has_so_many_workers_and_no_more(world: World) -> None:
    with present(world.room, ALPHA, wave=7, most=2), present(world.room, Me("b", "b"), wave=7, most=2):
        with present(world.room, Me("c", "c"), wave=7, most=2) as third:
            assert third is None
        with present(world.room, Me("c", "c"), wave=8, most=2) as third:
            assert third is not None
        aged(world, LIVE_FOR + SECOND)
        with present(world.room, Me("c", "c"), wave=7, most=2) as third:
            assert third is not None


def test_who_was_not_seen_for_an_hour_is_forgotten(world: World) -> None:
    with world.ledger.write() as connection:
        workers.arrive(connection, ALPHA, timedelta(0))
    aged(world, workers.KEPT_FOR + SECOND)
    upkeep(world.room, T0)
    assert there(world) == []


@pytest.mark.parametrize(("off", "said"), [(4, None), (20, "20.0 s ahead of"), (-20, "20.0 s behind")])
def test_a_clock_that_is_seconds_off_is_told_of(timed: World, off: int, said: str | None) -> None:
    with present(timed.room, ALPHA, clock=lambda: wall_clock() + timedelta(seconds=off)) as presence:
        assert presence is not None
        if said is None or timed.ledger.dialect == "sqlite":  # its clock is ours
            assert presence.warning is None
        else:
            assert presence.warning is not None
            assert presence.warning.startswith("this machine's clock is ")
            assert said.split(" ", 1)[1] in presence.warning


def test_a_clock_that_is_minutes_off_may_not_work(timed: World) -> None:
    if timed.ledger.dialect == "sqlite":
        return
    with (
        pytest.raises(WorkerError, match=r"clock is 12\d\.\d s ahead of the database's: such a worker would misjudge"),
        present(timed.room, ALPHA, clock=lambda: wall_clock() + timedelta(minutes=2, seconds=1)),
    ):
        pass
    assert there(timed) == []


def test_a_clock_that_goes_wrong_stops_its_worker(timed: World) -> None:
    if timed.ledger.dialect == "sqlite":
        return
    off = [timedelta(0)]
    with present(timed.room, ALPHA, clock=lambda: wall_clock() + off[0]) as presence:
        assert presence is not None
        off[0] = timedelta(minutes=-5)
        presence.beat()
        assert timed.room.stopping
        with pytest.raises(WorkerError, match="behind the database's"):
            presence.check()
    assert not timed.room.stopping


def test_a_worker_that_overslept_comes_back_unless_its_name_was_taken(world: World) -> None:
    with present(world.room, ALPHA) as presence:
        assert presence is not None
        with world.ledger.write() as connection:
            workers.leave(connection, ALPHA)
        presence.beat()
        presence.check()
        with world.ledger.write() as connection:
            workers.leave(connection, ALPHA)
            workers.arrive(connection, BETA, timedelta(0))
        presence.beat()
        assert world.room.stopping
        with pytest.raises(WorkerError, match="another worker took the name alpha"):
            presence.check()


@pytest.mark.parametrize("other", [True, False])
def test_an_engine_takes_nobody_for_dead_who_was_seen_lately(world: World, other: bool) -> None:
    """What a live worker of another machine has claimed is left to it; what our own dead engine left is in doubt."""
    put(world.ledger, [reachable(number) for number in range(4)])
    world.start(plan_text("  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"))
    hold_back(world, "notice")
    who = Me("b", "b") if other else Me("old", engine_of_home(world.room).instance)
    with world.ledger.write() as connection:
        workers.arrive(connection, who, timedelta(0))
        batch = connection.scalar(select(func.min(t.batch.c.id))) or 0
        assert touches.lease(connection, batch, "it", T0, world.room.settings.lease)
        connection.execute(update(t.touch).values(state=int(State.CLAIMED), claimed_by="it", claimed_at=T0))
    with engine_lock(world.room):
        assert upkeep(world.room, T0) == (0 if other else 4)
        assert [name for name, _ in there(world)].count("old") == 0


def test_an_engine_is_busy_while_another_program_advances(world: World, tmp_path: Path) -> None:
    elsewhere = make_world(tmp_path / "elsewhere", world.room.settings.url)
    with engine_lock(world.room) as check:
        check()
        with pytest.raises(EngineBusy, match="of this home"), advancing_alone(world.room):
            pass
        if world.ledger.dialect == "postgresql":
            with pytest.raises(EngineBusy, match="another machine runs the flows of this ledger"):
                engine_lock(elsewhere.room).__enter__()
    with engine_lock(elsewhere.room):
        pass
    elsewhere.ledger.close()


def test_a_flow_run_is_named_after_its_worker(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home", worker="machine-2")
    assert one_of_many(world.room).called == engine_of_home(world.room).name == "machine-2"
    plain = make_world(tmp_path / "plain")
    assert ":" in one_of_many(plain.room).name
    for made in (world, plain):
        made.ledger.close()


def test_a_worker_of_another_version_is_refused(empty_url: str, tmp_path: Path) -> None:
    engine = make_engine(empty_url)
    migrate(engine, "0002")
    engine.dispose()
    with pytest.raises(LedgerError, match=r"the ledger is at version 0002, this release wants .*; run: multiwave init"):
        open_room(Settings(home=tmp_path, database_url=empty_url))


def test_every_machine_of_a_ledger_has_one_key(ledger_url: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    first = Settings(home=tmp_path / "one", database_url=ledger_url)
    ledger = create_ledger(ledger_url)
    own_key(first, ledger)
    own_key(first, ledger)
    text = (tmp_path / "one" / "token.key").read_text()
    open_room(first).ledger.close()
    second = {"home": tmp_path / "two", "database_url": ledger_url}
    same = "MULTIWAVE_TOKEN_KEY must be the same on every machine of a ledger"
    with pytest.raises(LedgerError, match=f"has no key of it; {same}"):
        own_key(Settings(**second), ledger)
    with pytest.raises(LedgerError, match=f"there is no token.key .*; {same}"):
        open_room(Settings(**second))
    with pytest.raises(LedgerError, match=f"is not the one this ledger was made with.*; {same}"):
        open_room(Settings(**second, token_key="another key altogether"))
    open_room(Settings(**second, token_key=text.strip())).ledger.close()
    ledger.close()
