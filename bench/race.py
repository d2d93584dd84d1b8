"""multiwave's enrolment of one wave against the same wave by hand, on copies of one ledger, turn by turn."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from itertools import zip_longest
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.by_hand import Wave, enrol_by_hand
from bench.campaign import FIRST, SECOND, SECOND_OPENS, answer, enrol, open_room, opened, start_campaign
from bench.databases import Database, both
from bench.world import NOW, counts, micros, populate
from flows.room import Room
from flows.running import Running, groups_of, holdout_of, load_running
from ledger.legal_hours import cover
from ledger.store import create_ledger, open_ledger

ROUNDS = 2
"""Each side's best of so many runs counts; the sides take turns, so that a slow minute of the machine hits both."""


def race(wave: str, members: int) -> list[dict[str, Any]]:
    """A row for each database; RuntimeError when the two sides did not write the same."""
    with both() as databases:
        return [race_on(database, wave, members) for database in databases]


def race_on(database: Database, wave: str, members: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """The row of one database."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        _base(database, Path(home), wave, members)
        ours, by_hand = _times(database, Path(home), wave, members, rounds)
        database.drop("base")
    print(f"{wave} on {database.name}: {ours:.2f} s, by hand {by_hand:.2f} s", file=sys.stderr)
    return {"database": database.name, "n": members, "rate": members / ours, "limit_rate": members / by_hand}


def _base(database: Database, home: Path, wave: str, members: int) -> None:
    """The ledger that every run starts from, called `base`: this wave opened, nobody enrolled."""
    ledger = create_ledger(database.make("base"), simulated=True)
    populate(ledger, members)
    room = open_room(home, ledger)
    start_campaign(room)
    running = opened(room, FIRST)
    if wave == SECOND:
        enrol(room, running, FIRST)
        answer(room)
        opened(room, SECOND)
    running = load_running(ledger, "bench")
    with ledger.write() as connection:
        cover(connection, running.rules, NOW, running.row(wave).closes)
    ledger.close()


def _times(database: Database, home: Path, wave: str, members: int, rounds: int) -> tuple[float, float]:
    sides: tuple[Callable[[Room, Running], None], ...] = (
        lambda room, running: enrol(room, running, wave),
        lambda room, running: enrol_by_hand(room.ledger, wave_by_hand(running, wave), members),
    )
    seconds: list[list[float]] = [[], []]
    written: list[list[tuple[object, ...]]] = [[], []]
    for _ in range(rounds):
        for side, work in enumerate(sides):
            ledger = open_ledger(database.copy("base", "run"))
            room = open_room(home, ledger)
            running = load_running(ledger, "bench")
            began = time.perf_counter()
            work(room, running)
            seconds[side].append(time.perf_counter() - began)
            with ledger.read() as connection:
                written[side] = counts(connection, running.row(wave).id)
            ledger.close()
            database.drop("run")
        compare(*written)
    return min(seconds[0]), min(seconds[1])


def compare(ours: Sequence[object], by_hand: Sequence[object]) -> None:
    """RuntimeError with what differs, unless both sides wrote the same."""
    if ours != by_hand:
        differing = [pair for pair in zip_longest(ours, by_hand) if pair[0] != pair[1]]
        raise RuntimeError(f"multiwave and the SQL by hand did not write the same: {differing}")


def wave_by_hand(running: Running, wave: str) -> Wave:
    """What the hand-written SQL is told of a wave."""
    plan, row = running.plan.wave(wave), running.row(wave)
    held = holdout_of(running.plan, plan)
    return Wave(
        id=row.id,
        campaign=running.id,
        groups=groups_of(plan),
        opened=micros(NOW if wave == FIRST else SECOND_OPENS),
        released=micros(row.released),
        rules=running.rules.id,
        before=None if wave == FIRST else running.row(FIRST).id,
        holdout=held[0] if held else None,
    )
