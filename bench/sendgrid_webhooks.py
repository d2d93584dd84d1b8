"""SendGrid's signed events as they come, 1,000 in a request, against the bulk recording of the same reports.

Ours is whole: each request is verified and read as the door does it, synced to the spool, then all are read again and
merged. The limit is the product's own `record_events` on the same reports, ready made, 10,000 at once: the bulk rate
of bench/events.py. Both are timed by the clock; the bar is 0.6 of it.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from bench.campaign import open_room
from bench.claim_settle import queue
from bench.databases import Database
from bench.events import BATCH, SENT
from bench.race import compare
from bench.world import NOW, micros
from channels.callbacks import CALLBACKS
from channels.sendgrid_mail import TOKEN_KEY
from channels.spool import Record, Spool
from flows.room import Room
from flows.spooling import merge_spool
from ledger.events import record_events
from ledger.store import open_ledger
from tests.standins.sendgrid_signature import PUBLIC_KEY, signed
from waves.message import Event
from waves.senders import Sender
from waves.tokens import Kind, make_token

EVENTS, EACH, BAR = 20_000, 1_000, 0.6
OPTIONS = {"secret_env": "SENDGRID", "from_address": "news@example.com", "webhook_public_key": PUBLIC_KEY}
MAILER = Sender(sender="mailer", channel="email", provider="sendgrid", options=OPTIONS)
Signed = tuple[dict[str, str], bytes]


def recorded_on(database: Database, events: int = EVENTS, rounds: int = 2) -> dict[str, Any]:
    """The row of one database; RuntimeError when the two sides did not record the same."""
    ours, bulk = [], []
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        queue(database, Path(home), round(events * 1.09))
        for number in range(rounds):
            with _room(database, Path(home) / str(number)) as room:
                requests, n = _requests(room, events)
                ours.append(_webhooks(room, requests))
                stored = _stored(room)
            with _room(database, Path(home) / str(number)) as room:
                bulk.append(_in_bulk(room, requests))
                compare(stored, _stored(room))
        database.drop("base")
    mine, theirs = min(ours), min(bulk)
    kept = "kept" if theirs / mine >= BAR else "NOT KEPT"
    said = f"{n / mine:,.0f} events a second, {theirs / mine:.2f} of the bulk rate; at least {BAR}: {kept}"
    print(f"sendgrid's webhooks on {database.name}: {said}", file=sys.stderr)
    return {"what": "webhooks, sendgrid", "database": database.name, "n": n, "rate": n / mine, "limit_rate": n / theirs}


@contextmanager
def _room(database: Database, home: Path) -> Iterator[Room]:
    ledger = open_ledger(database.copy("base", "run"))
    with ledger.write() as connection:
        connection.execute(text(SENT), {"now": micros(NOW)})
    room = open_room(home, ledger)
    room.senders = {"mailer": MAILER}
    yield room
    ledger.close()
    database.drop("run")


def _requests(room: Room, most: int) -> tuple[list[Signed], int]:
    """Signed requests about the room's touches, and how many events are in them: 3 in 100 bounce."""
    with room.ledger.read() as connection:
        touches = list(connection.scalars(text("SELECT id FROM touch WHERE batch IS NOT NULL ORDER BY id")))[:most]
    items = [_item(touch, make_token(room.token_key, Kind.TOUCH, touch)) for touch in touches]
    bodies = [json.dumps(items[i : i + EACH]).encode() for i in range(0, len(items), EACH)]
    return [({name.lower(): said for name, said in signed(body, NOW).items()}, body) for body in bodies], len(items)


def _item(touch: int, token: str) -> dict[str, object]:
    bounces = touch * 48_271 % 2_147_483_647 % 1000 < 30
    return {
        "email": f"customer-{touch}@example.com",
        "timestamp": int(NOW.timestamp()) + touch // 100,
        "smtp-id": f"<{touch:022d}@ismtpd0039p1iad1.sendgrid.net>",
        "event": "bounce" if bounces else "delivered",
        **({"type": "bounce", "status": "5.1.1", "reason": "550 5.1.1 no such user"} if bounces else {}),
        "sg_event_id": f"ZGVsaXZlcmVkLTA{touch:020d}",
        "sg_message_id": f"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-{touch}.0",
        "response": "250 2.0.0 OK",
        TOKEN_KEY: token,
    }


def _webhooks(room: Room, requests: Sequence[Signed]) -> float:
    door, spool = CALLBACKS["sendgrid"], Spool(room.settings.spool_folder)
    began = time.perf_counter()
    for headers, body in requests:
        door.read(MAILER, headers, body, NOW)
        spool.append(Record("sendgrid", "mailer", NOW, headers, body)).result()
    spool.close()
    merged = merge_spool(room, NOW, CALLBACKS)
    seconds = time.perf_counter() - began
    if merged.aside or merged.unknown_touch:
        raise RuntimeError(f"{merged.aside} requests were set aside, {merged.unknown_touch} events found no touch")
    return seconds


def _in_bulk(room: Room, requests: Sequence[Signed]) -> float:
    """The reports that those requests are read as, their tokens opened, as bench/events.py has them."""
    read = [event for headers, body in requests for event in CALLBACKS["sendgrid"].read(MAILER, headers, body, NOW)]
    touches = dict(_tokens(room))
    made = [(event, touches[event.token]) for event in read if isinstance(event, Event)]
    began = time.perf_counter()
    for start in range(0, len(made), BATCH):
        with room.ledger.write() as connection:
            record_events(connection, made[start : start + BATCH], NOW)
    return time.perf_counter() - began


def _tokens(room: Room) -> Iterator[tuple[str, int]]:
    with room.ledger.read() as connection:
        for touch in connection.scalars(text("SELECT id FROM touch WHERE batch IS NOT NULL")):
            yield make_token(room.token_key, Kind.TOUCH, touch), touch


def _stored(room: Room) -> list[tuple[object, ...]]:
    with room.ledger.read() as connection:
        events = connection.execute(text("SELECT count(*), sum(touch), min(outcome), sum(length(raw)) FROM event"))
        states = connection.execute(text("SELECT state, outcome, count(*) FROM touch GROUP BY 1, 2 ORDER BY 1, 2"))
        return [tuple(map(str, row)) for asked in (events, states) for row in asked]
