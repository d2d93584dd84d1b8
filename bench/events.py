"""A million delivery reports in batches of 10,000, near the order of sending, against a staged merge by hand.

The limit is bench/events_by_hand.py, which says what it leaves out. Both sides are handed the same Event objects, their
tokens opened, and make rows of them. Four in five touches have one report, the others two; 3 % bounce, 1 in 200
unsubscribes.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from bench.campaign import open_room
from bench.claim_settle import queue
from bench.databases import Database, both
from bench.events_by_hand import merge_by_hand
from bench.race import ROUNDS, compare
from bench.world import NOW, micros
from flows.room import Room
from ledger.events import record_events
from ledger.store import Ledger, open_ledger
from waves.message import Event
from waves.outcomes import DEFAULT_ACTIONS, Outcome, Side
from waves.senders import Sender

BATCH = 10_000
MEMBERS = 910_000
RECEIVED = micros(NOW)
Reports = list[tuple[Event, int | None]]
SENT = "UPDATE touch SET state = 2, provider = 'outbox', sent_at = :now WHERE batch IS NOT NULL"


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases; RuntimeError when the two sides did not record the same."""
    with both() as databases:
        return [record_on(database, max(1_000, round(MEMBERS * scale))) for database in databases]


def record_on(database: Database, members: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """The row of one database."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        queue(database, Path(home), members)
        ledger = open_ledger(database.url("base"))
        _send_all(ledger)
        touches = touches_of(ledger)
        ledger.close()
        best, reports = _times(database, touches, rounds)
        database.drop("base")
    print(f"events on {database.name}: {best[0]:.2f} s, by hand {best[1]:.2f} s", file=sys.stderr)
    return {"database": database.name, "n": reports, "rate": reports / best[0], "limit_rate": reports / best[1]}


@contextmanager
def reported_to(database: Database, home: Path, sender: Sender) -> Iterator[Room]:
    """A room over a copy of `base`, all of its touches sent, and this sender's reports to come."""
    ledger = open_ledger(database.copy("base", "run"))
    _send_all(ledger)
    room = open_room(home, ledger)
    room.senders = {sender.sender: sender}
    yield room
    ledger.close()
    database.drop("run")


def touches_of(ledger: Ledger) -> list[int]:
    """The touches that have a batch, in order."""
    with ledger.read() as connection:
        return list(connection.scalars(text("SELECT id FROM touch WHERE batch IS NOT NULL ORDER BY id")))


def _send_all(ledger: Ledger) -> None:
    with ledger.write() as connection:
        connection.execute(text(SENT), {"now": micros(NOW)})


def _times(database: Database, touches: list[int], rounds: int) -> tuple[list[float], int]:
    sides: tuple[Callable[[Ledger, Reports], float], ...] = (_recorded, _merged)
    seconds: list[list[float]] = [[], []]
    for _ in range(rounds):
        stored: list[list[tuple[object, ...]]] = []
        for side, work in enumerate(sides):
            ledger = open_ledger(database.copy("base", "run"))
            seconds[side].append(sum(work(ledger, batch) for batch in reports_of(touches)))
            stored.append(_stored(ledger))
            ledger.close()
            database.drop("run")
        compare(*stored)
    return [min(times) for times in seconds], sum(map(len, reports_of(touches)))


def reports_of(touches: list[int]) -> Iterator[Reports]:
    """What comes back of these touches, in batches."""
    batch: Reports = []
    for touch in touches:
        draw = touch * 48_271 % 2_147_483_647 % 1000
        said = [int(Outcome.BOUNCED_HARD) if draw < 30 else int(Outcome.DELIVERED)]
        if draw >= 800:
            said.append(int(Side.UNSUBSCRIBED) if draw >= 995 else int(Outcome.CLICKED))
        for number, outcome in enumerate(said):
            at = NOW + timedelta(seconds=touch // 100 + 60 * number)
            raw = {"event": outcome, "id": f"sg-{touch}-{number}", "ip": "192.0.2.1"}
            batch.append((Event("", outcome, at, "outbox", f"sg-{touch}-{number}", raw=raw), touch))
        if len(batch) >= BATCH:
            yield batch
            batch = []
    if batch:
        yield batch


def _recorded(ledger: Ledger, batch: Reports) -> float:
    began = time.perf_counter()
    with ledger.write() as connection:
        record_events(connection, batch, NOW)
    return time.perf_counter() - began


def _merged(ledger: Ledger, batch: Reports) -> float:
    began = time.perf_counter()
    rows = [
        (
            e.provider,
            e.provider_event_id,
            touch,
            e.outcome,
            None,
            int(DEFAULT_ACTIONS.get(e.outcome, 0)),
            micros(e.at),
            RECEIVED,
            json.dumps(e.raw, sort_keys=True),
        )
        for e, touch in batch
    ]
    merge_by_hand(ledger, [rows])
    return time.perf_counter() - began


def _stored(ledger: Ledger) -> list[tuple[object, ...]]:
    asked = (
        "SELECT outcome, action, count(*), sum(touch), min(at), max(at), sum(length(raw)) FROM event "
        "GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT state, outcome, reason, action, count(*), sum(customer) FROM touch GROUP BY 1, 2, 3, 4 "
        "ORDER BY 1, 2, 3, 4",
    )
    with ledger.read() as connection:
        return [tuple(map(str, row)) for query in asked for row in connection.execute(text(query))]
