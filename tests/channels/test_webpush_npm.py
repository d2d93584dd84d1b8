"""npm web-push-testing at the other end: somebody else's code verifies our VAPID and truly decrypts what we send."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from channels.opening import Opening
from channels.registry import CAPABILITIES
from channels.webpush import Webpush
from channels.webpush_keys import KEY_FILE, make_key
from tests.builders import DAY, T0
from tests.standins.webpush import OPTIONS, push_sender
from waves.message import Message, Receipt
from waves.outcomes import Action, Reason
from waves.subscriptions import subscription_of

NODE = Path(__file__).parents[1] / "node"


@pytest.fixture(scope="module")
def server() -> Iterator[httpx.Client]:
    command = ["node", str(NODE / "webpush_server.js")]
    running = subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=NODE
    )
    assert running.stdout
    assert running.stdin
    port = running.stdout.readline().split()[-1]
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client:
        yield client
    running.stdin.close()
    running.wait(30)
    running.stdout.close()


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Webpush]:
    make_key(tmp_path / KEY_FILE)
    made = Webpush(Opening(CAPABILITIES["web_push"], push_sender(), tmp_path / "outbox"))
    yield made
    made.close()


def subscribe(server: httpx.Client, key: str) -> tuple[str, str]:
    """(the address as a browser would give it, the server's name for it)."""
    asked = {"userVisibleOnly": "true", "applicationServerKey": key}
    said = server.post("/subscribe", json=asked).raise_for_status().json()["data"]
    return subscription_of({**said, "keys": said["keys"]}, loopback=True).text, said["clientHash"]


def push(channel: Webpush, address: str, body: str = "Привіт, 你好") -> Receipt:
    fields = {"title": "Hello", "body": body}
    message = Message("TOKEN", "web_push", address, None, None, fields, "autumn", "notice", until=T0 + DAY)
    return channel.send([message], T0)[0]


def test_it_decrypts_what_we_send_and_takes_our_signature(server: httpx.Client, channel: Webpush) -> None:
    address, name = subscribe(server, channel.vapid.public)
    assert push(channel, address).result == "accepted"
    assert push(channel, address, "x" * 2500).result == "accepted"
    said = server.post("/get-notifications", json={"clientHash": name}).json()["data"]["messages"]
    assert [json.loads(one)["body"] for one in said] == ["Привіт, 你好", "x" * 2500]


def test_it_refuses_another_key_and_an_ended_subscription(
    server: httpx.Client, channel: Webpush, tmp_path: Path
) -> None:
    address, name = subscribe(server, channel.vapid.public)
    server.post(f"/expire-subscription/{name}")
    said = push(channel, address)
    assert (said.result, said.reason, said.action) == ("refused", Reason.ADDRESS_GONE, Action.DROP_ADDRESS)
    make_key(tmp_path / "other.pem")
    sender = push_sender(options={**OPTIONS, "key_file": "other.pem"})
    other = Webpush(Opening(CAPABILITIES["web_push"], sender, tmp_path / "out"))
    said = push(other, subscribe(server, channel.vapid.public)[0])
    assert (said.result, said.reason, said.action) == ("refused", Reason.CONFIG, Action.BUG)  # it answers 400
    other.close()
