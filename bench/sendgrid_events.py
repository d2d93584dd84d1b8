"""20,000 signed SendGrid events in batches of 1,000, from the spool into the ledger, against the bulk rate of reports.

Ours is what upkeep does with what the door verified and kept: read the spool, translate each batch's events, open their
tokens, judge the clicks and record them all.
The limit records the same reports in batches of 10,000, as bench.events does: Event objects, their tokens opened.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from bench.claim_settle import queue
from bench.databases import Database, both
from bench.events import reported_to, touches_of
from bench.race import ROUNDS, compare
from bench.world import NOW
from channels.callbacks import CALLBACKS
from channels.sendgrid_events import read_events
from channels.spool import Record, Spool
from flows.room import Room
from flows.spooling import merge_spool
from ledger.events import record_events
from ledger.store import Ledger
from tests.standins.sendgrid_signature import PUBLIC_KEY, signed
from waves.senders import Sender
from waves.tokens import Kind, make_token, read_token

MEMBERS, EVENTS, BATCH, BULK = 22_000, 20_000, 1_000, 10_000
OPTIONS = {"secret_env": "UNUSED", "from_address": "news@example.com", "webhook_public_key": PUBLIC_KEY}
MAIL = Sender(sender="mail", channel="email", provider="sendgrid", options=OPTIONS)


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases; RuntimeError when the two sides did not record the same."""
    with both() as databases:
        return [record_on(database, max(2_000, round(MEMBERS * scale))) for database in databases]


def record_on(database: Database, members: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """The row of one database."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        queue(database, Path(home), members)
        seconds: list[list[float]] = [[], []]
        for _ in range(rounds):
            stored = []
            for side, work in enumerate((_spooled, _in_bulk)):
                with reported_to(database, Path(home), MAIL) as room:
                    took, count = work(room, _bodies(room))
                    seconds[side].append(took)
                    stored.append(_stored(room.ledger))
            compare(*stored)
        database.drop("base")
    ours, bulk = (min(times) for times in seconds)
    print(f"sendgrid events on {database.name}: {ours:.2f} s, in bulk {bulk:.2f} s", file=sys.stderr)
    return {"database": database.name, "n": count, "rate": count / ours, "limit_rate": count / bulk}


def _bodies(room: Room) -> list[bytes]:
    """What SendGrid posts: each event with all that its documentation shows."""
    events = []
    for touch in touches_of(room.ledger)[:EVENTS]:
        token, draw = make_token(room.token_key, Kind.TOUCH, touch), touch % 1000
        event = {"email": f"c{touch}@example.com", "timestamp": int(NOW.timestamp()) + touch // 100}
        event |= {"smtp-id": f"<{touch}@ismtpd-1>", "sg_message_id": f"14c5d75ce93.dfd.64b469.filter0001.{touch}.0"}
        event |= {"sg_event_id": f"ZGVsaXZlcmVkLTAtMTA5OTQ5{touch:09d}", "multiwave": token, "ip": "192.0.2.1"}
        kind = {"event": "delivered", "response": "250 2.0.0 OK 1796115600 a1-20020ac85 - gsmtp", "tls": 1}
        if draw < 30:
            kind = {"event": "bounce", "type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"}
        elif draw >= 800:
            kind = {"event": "click", "url": "https://www.example.com/", "useragent": "Mozilla/5.0 (X11; Linux)"}
        events.append(event | kind)
    return [json.dumps(events[start : start + BATCH]).encode() for start in range(0, len(events), BATCH)]


def _spooled(room: Room, bodies: list[bytes]) -> tuple[float, int]:
    spool = Spool(room.settings.spool_folder)
    for body in bodies:
        headers = {name.lower(): value for name, value in signed(body, NOW).items()}
        spool.append(Record("sendgrid", "mail", NOW, headers, body)).result()
    spool.close()
    began = time.perf_counter()
    merged = merge_spool(room, NOW, CALLBACKS)
    return time.perf_counter() - began, merged.new


def _in_bulk(room: Room, bodies: list[bytes]) -> tuple[float, int]:
    events = [event for body in bodies for event in read_events(MAIL, {}, body, NOW)]
    pairs = [(event, read_token(room.token_key, event.token)[1]) for event in events]
    began = time.perf_counter()
    for start in range(0, len(pairs), BULK):
        with room.ledger.write() as connection:
            record_events(connection, pairs[start : start + BULK], NOW)
    return time.perf_counter() - began, len(pairs)


def _stored(ledger: Ledger) -> list[tuple[object, ...]]:
    asked = (
        "SELECT outcome, action, count(*), sum(touch), min(at), max(at), sum(length(raw)) FROM event "
        "GROUP BY 1, 2 ORDER BY 1, 2",
        "SELECT state, outcome, count(*) FROM touch GROUP BY 1, 2 ORDER BY 1, 2",
    )
    with ledger.read() as connection:
        return [tuple(map(str, row)) for query in asked for row in connection.execute(text(query))]
