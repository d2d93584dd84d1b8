"""Numbers that carriers took out of service: Twilio's daily list ends their addresses, and strangers' are not kept."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlalchemy import func, select

from flows.stops import keep_stops, standing
from ledger import tables as t
from tests.builders import DAY, T0, World, make_world, phone, put, reachable
from tests.standins.twilio import ACCOUNT, NUMBER, TOKEN, TOKEN_ENV
from tests.steps import address_words
from waves.senders import Sender


@dataclass
class Lists:
    """What the stand-in holds: numbers by day, what it was asked for, and a file it leads to instead."""

    days: dict[str, list[str]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    leads_to: str | None = None
    url: str = ""


@pytest.fixture
def lists() -> Iterator[Lists]:
    held = Lists()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            query = {name: values[0] for name, values in parse_qs(parts.query).items()}
            if parts.path == "/v1/Deactivations":
                held.asked.append(query["Date"])
                to = held.leads_to or f"{held.url}/files/{query['Date']}?Signature=a%2Bb"
                self._say(307 if query["Date"] in held.days else 404, json.dumps({"redirect_to": to}).encode())
            else:
                self._say(200, "\n".join(held.days[parts.path.rpartition("/")[2]]).encode())

        def _say(self, status: int, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            return None

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    held.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield held
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def world(tmp_path: Path, sqlite_url: str, lists: Lists, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setenv(TOKEN_ENV, TOKEN)
    made = make_world(tmp_path / "home", sqlite_url)
    put(made.ledger, [reachable(n, ["sms"]) for n in range(3)])
    options = {"account_sid": ACCOUNT, "secret_env": TOKEN_ENV, "from": NUMBER, "base_url": lists.url}
    texts = Sender(sender="texts", channel="sms", provider="twilio", options={**options, "deactivations": True})
    made.room.senders = {"texts": texts}
    yield made
    made.close()


def test_each_day_is_read_once_and_only_our_own_numbers_are_kept(world: World, lists: Lists) -> None:
    days = [f"{T0 - n * DAY:%Y-%m-%d}" for n in range(7, 0, -1)]
    lists.days = {days[2]: [phone(1).lstrip("+"), "12015550199", "", "garbage"], days[5]: [phone(2)]}
    keep_stops(world.room, T0)
    assert lists.asked == days
    words = address_words(world, "sms")
    assert [words[phone(n)][1] for n in range(3)] == ["ok", "dead", "dead"]
    with world.ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.suppression)) == 0
        assert standing(connection, "texts").why is None
    lists.asked.clear()
    keep_stops(world.room, T0 + DAY)
    assert lists.asked == [f"{T0:%Y-%m-%d}"]


@pytest.mark.parametrize("leads_to", ["http://10.0.0.1/file", "ftp://example.com/file", "https://me@example.com/file"])
def test_it_is_led_nowhere_else(world: World, lists: Lists, leads_to: str) -> None:
    lists.days, lists.leads_to = {f"{T0 - 7 * DAY:%Y-%m-%d}": []}, leads_to
    told: list[str] = []
    world.room.tell = told.append
    keep_stops(world.room, T0)
    assert len(told) == 1
    assert "could not be read: ValidationError" in told[0]


def test_who_did_not_ask_for_it_is_left_alone(world: World, lists: Lists) -> None:
    texts = world.room.senders["texts"]
    options = {**texts.options, "deactivations": False}
    world.room.senders = {"texts": texts.model_copy(update={"options": options})}
    keep_stops(world.room, T0)
    assert lists.asked == []
