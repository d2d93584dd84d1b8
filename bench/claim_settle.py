"""Lease, claim and settle of about a million touches in batches of a thousand, against the same marks by hand.

The limit is bench/claim_by_hand.py, which says what it leaves out. Nothing is rendered or sent: every chunk is settled
as accepted at once. Both sides commit each claim before they settle it, on the database's own durable settings.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from bench.campaign import FIRST, enrol, open_room, opened, start_campaign
from bench.claim_by_hand import claim_by_hand
from bench.databases import Database, both
from bench.race import ROUNDS, compare
from bench.world import NOW, populate, settle
from flows.halting import halted_segments
from flows.room import Room
from flows.running import Running, claim_gates, load_running
from flows.sending import next_batch
from ledger import touches
from ledger.store import Ledger, create_ledger, open_ledger
from waves.message import Receipt

SENT = NOW + timedelta(hours=6, minutes=30)
"""When every batch is due: the hours of all zone sets are open."""
MEMBERS, CHUNK = 1_090_000, 1_000
CHANNELS = [1, 2, 3]
ACCEPTED = Receipt("", "accepted")


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases; RuntimeError when the two sides did not mark the same."""
    with both() as databases:
        return [claim_on(database, max(1_000, round(MEMBERS * scale))) for database in databases]


def claim_on(database: Database, members: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """The row of one database."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        queue(database, Path(home), members)
        best, touched = _times(database, Path(home), rounds)
        database.drop("base")
    print(f"claim and settle on {database.name}: {best[0]:.2f} s, by hand {best[1]:.2f} s", file=sys.stderr)
    return {"database": database.name, "n": touched, "rate": touched / best[0], "limit_rate": touched / best[1]}


def queue(database: Database, home: Path, members: int) -> None:
    """A ledger called `base` with the first wave enrolled and nothing sent."""
    ledger = create_ledger(database.make("base"), simulated=True)
    populate(ledger, members)
    room = open_room(home, ledger)
    start_campaign(room)
    enrol(room, opened(room, FIRST), FIRST)
    settle(ledger)
    ledger.close()


def _times(database: Database, home: Path, rounds: int) -> tuple[list[float], int]:
    sides: tuple[Callable[[Room, Running], int], ...] = (claim_and_settle, _by_hand)
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        marked: list[list[tuple[object, ...]]] = []
        for side, work in enumerate(sides):
            ledger = open_ledger(database.copy("base", "run"))
            room, running = open_room(home, ledger), load_running(ledger, "bench")
            began = time.perf_counter()
            touched = work(room, running)
            seconds[side].append(time.perf_counter() - began)
            marked.append([(touched,), *_marks(ledger)])
            ledger.close()
            database.drop("run")
        compare(*marked)
    return [min(times) for times in seconds], touched


def _marks(ledger: Ledger) -> list[tuple[object, ...]]:
    asked = (
        "SELECT state, reason, count(*), sum(customer), count(sent_at), count(claimed_at) FROM touch "
        "WHERE batch IS NOT NULL GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT channel, count(*), count(done_at), count(lease_owner) FROM batch GROUP BY 1 ORDER BY 1",
    )
    with ledger.read() as connection:
        return [tuple(map(str, row)) for query in asked for row in connection.execute(text(query))]


def claim_and_settle(room: Room, running: Running) -> int:
    """Every batch of the wave as flows.sending takes it, with nothing between the claim and the settling."""
    wave, done = running.plan.wave(FIRST), 0
    for channel in CHANNELS:
        leased = next_batch(room, running, wave, channel, SENT, None)
        while leased is not None:
            chunk = _claim(room, running, leased)
            while chunk is not None:
                done += len(chunk)
                with room.ledger.write() as connection:
                    receipts = [(claimed.touch, ACCEPTED) for claimed in chunk]
                    touches.settle(connection, leased.owner, receipts, "outbox", None, SENT)
                chunk = None if chunk.last else _claim(room, running, leased)
            with room.ledger.write() as connection:
                touches.finish(connection, leased, SENT)
            leased = next_batch(room, running, wave, channel, SENT, leased)
    return done


def _claim(room: Room, running: Running, leased: touches.Leased) -> touches.Chunk | None:
    wave = running.plan.wave(FIRST)
    with room.ledger.write() as connection:
        if halted_segments(connection, running, SENT) is not None:
            raise RuntimeError("nobody threw a switch")
        gates = claim_gates(running, wave, SENT)
        return touches.claim(connection, leased, gates, running.types, CHUNK, SENT)


def _by_hand(room: Room, running: Running) -> int:
    row = running.row(FIRST)
    return claim_by_hand(room.ledger, row.id, running.id, running.rules.id, NOW, SENT, CHANNELS, CHUNK)
