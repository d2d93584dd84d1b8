"""The door: what is verified is on disk before it is answered, and nothing else is kept."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path

import httpx
import pytest
from sqlalchemy import func, select

from channels.callbacks import Callback
from channels.http_options import sign
from channels.spool import Record, Spool, backlog, taken, waiting
from console.web.app import make_app
from console.web.door import LONGEST_BODY, Door
from flows.room import Room
from flows.spooling import merge_spool
from ledger import tables as t
from ledger.store import open_ledger
from tests.builders import DAY, T0, make_world
from tests.chaos.rig import SECRET, SECRET_ENV, http_sender
from waves.errors import WebhookRejected
from waves.message import Event
from waves.senders import Sender

GATE = Sender(sender="gate", channel="sms", provider="http")
OTHER = Sender(sender="other", channel="sms", provider="outbox")


def verify(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> None:
    if headers.get("x-signature") != "good":
        raise WebhookRejected("the signature is not the sender's")


def read(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
    return [Event("", 300, now, sender.sender, ident) for ident in json.loads(body)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def spool(folder: Path) -> Iterator[Spool]:
    made = Spool(folder)
    yield made
    made.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    world = make_world(tmp_path / "home")
    world.room.senders = {"gate": GATE, "other": OTHER}
    yield world.room
    world.ledger.close()


@pytest.fixture
def door(room: Room, spool: Spool) -> httpx.AsyncClient:
    callbacks = {"http": Callback(verify, read, ("x-signature",))}
    app = make_app(Door(room, spool, clock=lambda: T0), callbacks)
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door")


def post(door: httpx.AsyncClient, path: str, body: bytes = b"[]", **headers: str) -> int:
    """The answer's code to one request."""
    import asyncio

    async def ask() -> int:
        async with door:
            said = await door.post(
                path, content=body, headers={name.replace("_", "-"): v for name, v in headers.items()}
            )
        return said.status_code

    return asyncio.run(ask())


def kept(folder: Path) -> list[Record]:
    found: list[Record] = []
    for path in waiting(folder):
        with taken(path) as contents:
            found += [one for _, one in contents.records] if contents else []
    return found


def test_what_is_verified_is_kept_as_it_came(door: httpx.AsyncClient, spool: Spool, folder: Path) -> None:
    assert post(door, "/callbacks/http/gate", b'["e1"]', X_Signature="good", Authorization="secret") == 202
    spool.close()
    assert kept(folder) == [Record("http", "gate", T0, {"x-signature": "good"}, b'["e1"]')]


@pytest.mark.parametrize(
    ("path", "body", "signature", "code"),
    [
        ("/callbacks/http/gate", b"[]", "forged", 401),
        ("/callbacks/http/gate", b"[]", "", 401),
        ("/callbacks/http/nobody", b"[]", "good", 404),
        ("/callbacks/http/other", b"[]", "good", 404),
        ("/callbacks/outbox/other", b"[]", "good", 404),
        ("/callbacks/http/gate", b"x" * (LONGEST_BODY + 1), "good", 413),
        ("/elsewhere", b"[]", "good", 404),
    ],
)
def test_nothing_else_is_kept(
    door: httpx.AsyncClient, spool: Spool, folder: Path, path: str, body: bytes, signature: str, code: int
) -> None:
    said = post(door, path, body, X_Signature=signature)
    assert said == code
    spool.close()
    assert kept(folder) == []


def test_a_disk_that_refuses_is_answered_so_that_the_provider_comes_again(
    door: httpx.AsyncClient, folder: Path, tmp_path: Path
) -> None:
    folder.rename(tmp_path / "away")
    assert post(door, "/callbacks/http/gate", X_Signature="good") == 503


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[Path, subprocess.Popen[str], str]]:
    """A home, its `multiwave serve` and where that listens."""
    home = tmp_path / "home"
    make_world(home).ledger.close()
    root = str(Path(__file__).parents[2])
    command = [
        sys.executable,
        "-c",
        "from console.cli import main; main()",
        "serve",
        "--home",
        str(home),
        "--port",
        "0",
    ]
    env = os.environ | {"PYTHONPATH": root, "NO_PROXY": "127.0.0.1", "PYTHONUNBUFFERED": "1"}
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env, cwd=tmp_path)
    assert child.stdout is not None
    said = child.stdout.readline()
    yield home, child, said.split()[2].removesuffix("/callbacks/PROVIDER/SENDER")
    child.kill()
    child.communicate()


def test_it_serves_and_ends_in_order(served: tuple[Path, subprocess.Popen[str], str]) -> None:
    home, child, url = served
    with httpx.Client(base_url=url, trust_env=False) as client:
        assert client.get("/healthz").json() == {"ok": True}
        assert client.post("/callbacks/http/nobody").status_code == 404
        assert [client.get(page).status_code for page in ("/docs", "/openapi.json")] == [404, 404]
    child.send_signal(signal.SIGTERM)
    out, err = child.communicate(timeout=60)
    assert (child.returncode, out, err) == (0, "", "")
    assert stat.S_IMODE((home / "spool").stat().st_mode) == 0o700


def test_what_lay_in_the_spool_is_merged_when_it_ends(served: tuple[Path, subprocess.Popen[str], str]) -> None:
    home, child, _ = served
    spool = Spool(home / "spool")
    spool.append(Record("http", "gone", T0, {}, b"[]")).result(10)
    spool.close()
    child.send_signal(signal.SIGINT)
    out, _ = child.communicate(timeout=60)
    assert child.returncode == 0
    assert "1 callbacks could not be read and are kept aside" in out
    assert (backlog(home / "spool").files, backlog(home / "spool").aside) == (0, 1)
    ledger = open_ledger(f"sqlite:///{home / 'ledger.db'}")
    with ledger.read() as connection:
        assert connection.scalar(select(func.count()).select_from(t.event)) == 0
    ledger.close()


def test_a_gateways_own_callback_gets_through_to_the_ledger(
    tmp_path: Path, spool: Spool, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world(tmp_path / "home", spool=folder)
    monkeypatch.setenv(SECRET_ENV, SECRET)
    gateway = http_sender("https://gateway.example.com")
    world.room.senders = {gateway.sender: gateway}
    app = make_app(Door(world.room, spool, clock=lambda: T0))
    event = {"token": "abc", "outcome": "delivered", "at": "2026-12-01T08:59:58Z", "provider_event_id": "e1"}
    body = json.dumps({"events": [event]}).encode()
    signed = sign(SECRET.encode(), body, int(T0.timestamp()))
    path = f"/callbacks/http/{gateway.sender}"

    def ask(content: bytes, headers: Mapping[str, str]) -> int:
        return post(
            httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://door"), path, content, **headers
        )

    assert ask(body, signed) == 202
    assert ask(body + b" ", signed) == 401
    assert ask(b"{", sign(SECRET.encode(), b"{", int(T0.timestamp()))) == 400
    monkeypatch.delenv(SECRET_ENV)
    assert ask(body, signed) == 503
    monkeypatch.setenv(SECRET_ENV, SECRET)
    spool.close()
    merged = merge_spool(world.room, T0 + DAY)
    assert (merged.records, merged.new, merged.unknown_touch, merged.aside) == (1, 1, 1, 0)
    world.ledger.close()
