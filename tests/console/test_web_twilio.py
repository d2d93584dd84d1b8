"""Twilio at the door, behind a proxy: what it signed for our public address reaches the ledger once, and no forgery."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlencode

import httpx
import pytest
from sqlalchemy import select

from channels.spool import Spool
from console.web.app import make_app
from console.web.door import Door
from flows.spooling import merge_spool
from ledger import tables as t
from tests.builders import DAY, T0, World, make_world, plan_text, put, reachable
from tests.channels.twilio_desk import PUBLIC, signature, twilio_sender
from tests.standins.twilio import TOKEN, TOKEN_ENV
from waves.outcomes import Outcome, State
from waves.tokens import Kind, make_token

SID = "SM" + "7" * 32
WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv(TOKEN_ENV, TOKEN)
    made = make_world(tmp_path / "home", public_url=PUBLIC)
    put(made.ledger, [reachable(1, ["sms"])])
    made.start(plan_text(WAVE))
    made.advance(T0)
    made.room.senders = {"main_texts": twilio_sender()}
    yield made
    made.ledger.close()


def say(world: World, spool: Spool, posts: list[tuple[str, str, str]]) -> list[httpx.Response]:
    """The answers to (path and query, body, signature), asked over plain http at another host, as from a proxy."""
    app = make_app(Door(world.room, spool, clock=lambda: T0 + DAY))

    async def ask() -> list[httpx.Response]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://10.0.0.7:8000") as door:
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            return [
                await door.post(path, content=body, headers={**kind, "X-Twilio-Signature": signed})
                for path, body, signed in posts
            ]

    return asyncio.run(ask())


def test_a_signed_status_reaches_its_touch_once_and_a_forged_one_never(world: World) -> None:
    (touch,) = world.touches("notice")
    token = make_token(world.room.token_key, Kind.TOUCH, touch.id)
    path = f"/callbacks/twilio/main_texts?token={token}"
    body = urlencode({"MessageSid": SID, "MessageStatus": "delivered", "To": "+12015550101", "ApiVersion": ""})
    good, bad = signature(body, f"{PUBLIC}{path}"), signature(body, f"http://10.0.0.7:8000{path}")
    spool = Spool(world.room.settings.spool_folder)
    forged = [(path, body, bad), (path, body.replace("delivered", "failed"), good), ("/callbacks/twilio/x", body, good)]
    answers = say(world, spool, [(path, body, good), *forged, (path, body, good)])
    spool.close()
    assert [answer.status_code for answer in answers] == [200, 403, 403, 404, 200]
    assert (answers[0].headers["content-type"], answers[0].text) == ("text/xml; charset=utf-8", "<Response/>")
    merged = merge_spool(world.room, T0 + DAY)
    assert (merged.new, merged.known, merged.aside) == (1, 1, 0)
    (touch,) = world.touches("notice")
    assert (touch.state, touch.outcome) == (State.SENT, Outcome.DELIVERED)
    with world.ledger.read() as connection:
        assert "0101" not in str(connection.execute(select(t.event.c.raw)).all())
