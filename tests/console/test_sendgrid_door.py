"""SendGrid's events through the door into the ledger: the signed ones, each once; nothing else changes anything."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from channels.sendgrid_events import SIGNATURE, STAMP
from channels.spool import Spool, backlog
from console.web.app import make_app
from console.web.door import Door
from flows.spooling import merge_spool
from ledger import tables as t
from tests.builders import DAY, T0, World, make_world, plan_text, put, reachable
from tests.standins.sendgrid_signature import PUBLIC_KEY, signed
from tests.steps import address_words, hold_back, touch_words
from waves.senders import Sender
from waves.tokens import Kind, make_token

WAVE = "  - {wave: notice, channels: [email], message: hello, release: 2h, listen: 1d}\n"
OPTIONS = {"secret_env": "UNUSED", "from_address": "news@example.com", "webhook_public_key": PUBLIC_KEY}
BIG = b"[" + b" " * 10_000_000 + b"]"


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    """A wave of e-mails that were handed to SendGrid."""
    made = make_world(tmp_path / "home", ledger_url)
    put(made.ledger, [reachable(n, ["email"]) for n in range(3)])
    made.start(plan_text(WAVE))
    hold_back(made, "notice", now=T0)
    made.room.senders = {"mail": Sender(sender="mail", channel="email", provider="sendgrid", options=OPTIONS)}
    yield made
    made.ledger.close()


def post(world: World, requests: list[tuple[bytes, Mapping[str, str]]]) -> list[int]:
    """The codes of the answers; what was kept is merged afterwards."""
    spool = Spool(world.room.settings.spool_folder)
    app = make_app(Door(world.room, spool, clock=lambda: T0))

    async def ask() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door") as door:
            said = [await door.post("/callbacks/sendgrid/mail", content=b, headers=dict(h)) for b, h in requests]
        return [one.status_code for one in said]

    codes = asyncio.run(ask())
    spool.close()
    merge_spool(world.room, T0)
    return codes


def events(world: World) -> list[dict[str, Any]]:
    """A delivery and a click of c0, a bounce of c1, an unsubscription of c2, and two events of other mail."""
    tokens = {r.key: make_token(world.room.token_key, Kind.TOUCH, r.id) for r in world.touches("notice")}
    said = [
        ("c0", "delivered"),
        ("c0", "click"),
        ("c1", "bounce"),
        ("c2", "unsubscribe"),
        ("c9", "open"),
        ("c9", "new"),
    ]
    at = int(T0.timestamp())
    return [
        {
            "email": f"{key}@example.com",
            "event": event,
            "sg_event_id": f"e{n}",
            "timestamp": at + 60 * n,
            "type": "bounce",
        }
        | ({"multiwave": tokens[key]} if key in tokens else {})
        for n, (key, event) in enumerate(said)
    ]


def stored(world: World) -> int:
    with world.ledger.read() as connection:
        return connection.scalar(select(func.count()).select_from(t.event)) or 0


def test_a_batch_is_recorded_once_however_often_it_comes(world: World) -> None:
    body = json.dumps(events(world)).encode()
    late = signed(body, T0 - DAY)  # a retry, signed as the first time
    assert post(world, [(body, signed(body, T0)), (body, signed(body, T0)), (body, late)]) == [202] * 3
    found = touch_words(world, "notice")
    assert found["c0"] == [("email", "queued", "clicked", None)]
    assert found["c1"][0][2:] == ("bounced_hard", "address_gone")
    assert stored(world) == 6
    words = address_words(world, "email")
    assert words["c1@example.com"][1] == "dead"
    assert words["c2@example.com"][2] == "denied"
    before = found
    assert post(world, [(body, signed(body, T0))]) == [202]
    assert (touch_words(world, "notice"), stored(world)) == (before, 6)


def test_what_is_forged_or_old_or_huge_changes_nothing(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    body = json.dumps(events(world)).encode()
    good, before = signed(body, T0), touch_words(world, "notice")
    hostile = [
        (body, {}),
        (body, {STAMP: good[STAMP]}),
        (body + b" ", good),
        (body.replace(b"bounce", b"delivered"), good),
        (body, {**good, STAMP: str(int(good[STAMP]) - 1)}),
        (body, signed(body, T0 - 2 * DAY)),
        (body, signed(body, T0 + timedelta(hours=1))),
        (b"\xff" * 1000, signed(b"\xff" * 1000, T0)),
        (b"{}", signed(b"{}", T0)),
        (BIG, signed(BIG, T0)),
    ]
    assert post(world, hostile) == [401, 401, 403, 403, 403, 403, 403, 202, 202, 413]
    assert (touch_words(world, "notice"), stored(world)) == (before, 0)
    assert backlog(world.room.settings.spool_folder).aside == 2  # signed nonsense: kept, and told by doctor
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert "@example.com" not in logged
    assert SIGNATURE not in logged
