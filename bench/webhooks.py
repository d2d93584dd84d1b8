"""Single delivery reports as they come by webhook: through the spool and its merge, against one commit each by hand.

Ours is whole: 16 senders at once hand each report in and wait until it is synced to disk, as the door does before it
answers, then one merge puts all of them into the ledger. The limit inserts each report, lets its touch climb and
commits, one after the other over one connection; so a ratio above 1 is what the spool saves.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from bench.claim_settle import queue
from bench.databases import Database, both
from bench.events import reported_to, touches_of
from bench.events_by_hand import COLUMNS
from bench.race import compare
from bench.world import NOW, micros
from channels.callbacks import Callback
from channels.spool import Record, Spool
from flows.room import Room
from flows.spooling import merge_spool
from ledger.store import Ledger
from waves.message import Event
from waves.outcomes import Outcome
from waves.senders import Sender
from waves.tokens import Kind, make_token

MEMBERS, ABREAST = 10_900, 16
INSERT = f"""
INSERT INTO event ({COLUMNS}) VALUES ('gate', :ident, :touch, :outcome, NULL, 0, :at, :at, :raw) ON CONFLICT DO NOTHING
"""
CLIMB = """
UPDATE touch SET outcome = :outcome, action = 0 WHERE id = :touch AND (outcome IS NULL OR outcome < :outcome)
"""
GATE = Sender(sender="gate", channel="sms", provider="http")


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases; RuntimeError when the two sides did not record the same."""
    with both() as databases:
        return [hand_in_on(database, max(300, round(MEMBERS * scale))) for database in databases]


def hand_in_on(database: Database, members: int) -> dict[str, Any]:
    """The row of one database."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        queue(database, Path(home), members)
        with reported_to(database, Path(home), GATE) as room:
            touches = touches_of(room.ledger)
            ours, stored = _spooled(room, touches), _stored(room.ledger)
        with reported_to(database, Path(home), GATE) as room:
            theirs = _one_by_one(room.ledger, touches)
            compare(stored, _stored(room.ledger))
        database.drop("base")
    print(f"webhooks on {database.name}: {ours:.2f} s, a commit each {theirs:.2f} s", file=sys.stderr)
    n = len(touches)
    return {"database": database.name, "n": n, "rate": n / ours, "limit_rate": n / theirs}


def _let_in(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    """Nothing: what lies in the spool was let in."""


def _read(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
    """A provider whose body is {"token":, "id":}; signatures are the door's work, and on neither side."""
    said = json.loads(body)
    return [Event(said["token"], int(Outcome.DELIVERED), NOW, sender.sender, said["id"], raw=said)]


def _bodies(room_key: bytes, touches: Sequence[int]) -> list[bytes]:
    tokens = [make_token(room_key, Kind.TOUCH, touch) for touch in touches]
    return [json.dumps({"id": f"g-{t}", "token": token}).encode() for t, token in zip(touches, tokens, strict=True)]


def _spooled(room: Room, touches: Sequence[int]) -> float:
    records = [Record("http", "gate", NOW, {}, body) for body in _bodies(room.token_key, touches)]
    spool = Spool(room.settings.spool_folder)
    began = time.perf_counter()
    with ThreadPoolExecutor(ABREAST) as senders:
        for _ in senders.map(lambda record: spool.append(record).result(), records):
            pass
    spool.close()
    merged = merge_spool(room, NOW, {"http": Callback(_let_in, _read, ())})
    seconds = time.perf_counter() - began
    if merged.new != len(touches):
        raise RuntimeError(f"{merged.new} of {len(touches)} reports were merged")
    return seconds


def _one_by_one(ledger: Ledger, touches: Sequence[int]) -> float:
    bodies, insert, climb = _bodies(bytes(32), touches), text(INSERT), text(CLIMB)
    shared = {"outcome": int(Outcome.DELIVERED), "at": micros(NOW)}
    began = time.perf_counter()
    for touch, body in zip(touches, bodies, strict=True):
        said = json.loads(body)
        row = {**shared, "touch": touch, "ident": said["id"], "raw": json.dumps(said, sort_keys=True)}
        with ledger.write() as connection:
            connection.execute(insert, row)
            connection.execute(climb, row)
    return time.perf_counter() - began


def _stored(ledger: Ledger) -> list[tuple[object, ...]]:
    with ledger.read() as connection:
        events = connection.execute(text("SELECT count(*), sum(touch), min(outcome), sum(length(raw)) FROM event"))
        states = connection.execute(text("SELECT state, outcome, count(*) FROM touch GROUP BY 1, 2 ORDER BY 1, 2"))
        return [tuple(map(str, row)) for asked in (events, states) for row in asked]
