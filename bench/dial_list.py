"""A dial list of 10,000 out of about a million who wait for one, file and all, against its entries written by hand.

Ours is what `multiwave dial-list pull` does: rank, check every gate, cap, gap and hour, compose, write, and the CSV.
The limit ranks the same touches by one statement and writes as many entries and touches, without any check or file.
Every tenth customer was called before, once or twice; a third of the people are outside their hours.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, text

from bench.campaign import FIRST, enrol, open_room, opened, start_campaign
from bench.databases import Database, both
from bench.race import ROUNDS
from bench.world import DAY, NOW, micros, populate, settle
from flows.dialling import pull
from flows.room import Room
from ledger.store import create_ledger, open_ledger
from waves.message import CHANNEL_CODES

CALL = CHANNEL_CODES["call_list"]
MEMBERS, SIZE = 1_900_000, 10_000
PLAN = """\
campaign: bench
title: A benchmark
segment: everybody
starts: 2026-12-01 09:00 UTC
holdout: 5%
goal: {event: renewed, within: 14d}
limits: {contacts: 3, within: 7d}
hours: house
waves:
  - {wave: notice, channels: [call_list], rank: value, release: 8h, listen: 5d}
"""
NUMBERS = f"""
INSERT INTO address (customer, channel, value, consent, consent_source, consent_at, state, preference, shared)
SELECT customer, {CALL}, '+999' || (100000000 + id), consent, consent_source, consent_at, state, preference, shared
FROM address WHERE channel = 2
"""
PAST = f"""
INSERT INTO touch (wave, customer, channel, address, variant, state, not_before, not_after)
SELECT 1000, customer, {CALL}, id, 0, 5, :ago, :ago FROM address WHERE channel = {CALL} AND customer % 10 = 0
AND preference = 2
"""
CALLS = f"""
INSERT INTO call (event, touch, number, at, call_id, disposition, strength)
SELECT 1000000000 + t.id * 2 + n.n, t.id, a.value, :ago - n.n * 90000000000, 'k' || t.id || n.n, 20, 0
FROM touch t JOIN address a ON a.id = t.address
CROSS JOIN (SELECT 0 AS n UNION ALL SELECT 1) AS n
WHERE t.channel = {CALL} AND t.wave = 1000 AND (n.n = 0 OR t.id % 3 = 0)
"""
BY_HAND = (
    "INSERT INTO dial_list (id, wave, team, shift, format, pulled_at, pulled_by, lease_until) "
    "VALUES (1, :wave, 'a', 'b', 'c', :now, 'd', :now)",
    "INSERT INTO dial_entry (list, touch, rank, tier, score, customer, number, call_until, active) "
    "SELECT 1, t.id, row_number() OVER (ORDER BY p.value DESC, c.bucket, t.id), 'normal', p.value, t.customer, "
    "a.value, :now, true FROM touch t JOIN profile p ON p.customer = t.customer JOIN customer c ON c.id = t.customer "
    "JOIN address a ON a.id = t.address WHERE t.wave = :wave AND t.state = 0 AND NOT a.shared "
    "ORDER BY p.value DESC, c.bucket, t.id LIMIT :size",
    "UPDATE touch SET state = 5, claimed_at = :now WHERE id IN (SELECT touch FROM dial_entry WHERE list = 1)",
)


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases; RuntimeError when a list was not full."""
    with both() as databases:
        return [
            list_on(database, max(2_000, round(MEMBERS * scale)), max(10, round(SIZE * scale)))
            for database in databases
        ]


def list_on(database: Database, members: int, size: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """The row of one database: entries a second."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        waiting = _queue(database, Path(home), members)
        seconds: list[list[float]] = [[], []]
        for _ in range(rounds):
            for side, work in enumerate((_pulled, _by_hand)):
                ledger = open_ledger(database.copy("base", "run"))
                began = time.perf_counter()
                listed = work(open_room(Path(home), ledger), size)
                seconds[side].append(time.perf_counter() - began)
                ledger.close()
                database.drop("run")
                if listed != size:
                    raise RuntimeError(f"{listed} of {size} entries")
        database.drop("base")
    ours, by_hand = (min(times) for times in seconds)
    print(
        f"dial list on {database.name}: {size:,} of {waiting:,} in {ours:.2f} s, by hand {by_hand:.2f} s",
        file=sys.stderr,
    )
    return {"database": database.name, "n": waiting, "rate": size / ours, "limit_rate": size / by_hand}


def _queue(database: Database, home: Path, members: int) -> int:
    """A ledger called `base` with the call wave enrolled; how many wait."""
    ledger = create_ledger(database.make("base"), simulated=True)
    populate(ledger, members)
    ago = {"ago": micros(NOW - 3 * DAY)}
    with ledger.write() as connection:
        connection.execute(text(NUMBERS))
        connection.execute(text(PAST), ago)
        connection.execute(text(CALLS), ago)
    room = open_room(home, ledger)
    start_campaign(room, PLAN)
    enrol(room, opened(room, FIRST), FIRST)
    settle(ledger)
    with ledger.read() as connection:
        waiting = connection.scalar(
            text("SELECT count(*) FROM touch WHERE wave <> 1000 AND state = 0 AND wave <> 1001")
        )
    ledger.close()
    return int(waiting or 0)


def _pulled(room: Room, size: int) -> int:
    return len(pull(room, "bench", FIRST, "north", "monday", size, 8, "bench", NOW).entries)


def _by_hand(room: Room, size: int) -> int:
    with room.ledger.write() as connection:
        wave = connection.scalar(text("SELECT id FROM wave WHERE name = :name"), {"name": FIRST})
        for statement in BY_HAND:
            asked = {"wave": wave, "now": micros(NOW), "size": size}
            connection.execute(text(statement), {key: asked[key] for key in asked if f":{key}" in statement})
        return _entries(connection)


def _entries(connection: Connection) -> int:
    return int(connection.scalar(text("SELECT count(*) FROM dial_entry WHERE list = 1")) or 0)
