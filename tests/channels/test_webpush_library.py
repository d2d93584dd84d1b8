"""pywebpush as the other sender: what it sends and what we send are taken alike, and say the same."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from py_vapid import Vapid02
from pywebpush import webpush

from channels.opening import Opening
from channels.registry import CAPABILITIES
from channels.webpush import Webpush
from channels.webpush_keys import KEY_FILE, make_key
from tests.builders import DAY, T0
from tests.standins.webpush import AUTH, OPTIONS, PushStandin, Request, push_sender
from waves.message import Message
from waves.subscriptions import from_unpadded, unpadded


@pytest.fixture
def service() -> Iterator[PushStandin]:
    made = PushStandin()
    yield made
    made.stop()


def claims(request: Request) -> dict[str, object]:
    told: dict[str, object] = json.loads(from_unpadded(request.headers["authorization"].split(".")[1]))
    return {name: told[name] for name in ("aud", "sub")}


def test_both_are_taken_alike(service: PushStandin, tmp_path: Path) -> None:
    make_key(tmp_path / KEY_FILE)
    channel = Webpush(Opening(CAPABILITIES["web_push"], push_sender(), tmp_path / "outbox"))
    to = service.subscription(1)
    fields = {"title": "Hello", "body": "Привіт, 你好"}
    message = Message("TOKEN", "web_push", to.text, None, None, fields, "autumn", "notice", until=T0 + DAY)
    assert channel.send([message], T0)[0].result == "accepted"
    channel.close()
    (ours,) = service.requests
    keys = {"p256dh": unpadded(to.p256dh), "auth": unpadded(AUTH)}
    own = ("topic", "ttl", "urgency", "content-type")
    webpush(
        {"endpoint": to.endpoint, "keys": keys},
        json.dumps(service.payloads[0]),
        vapid_private_key=Vapid02.from_file(str(tmp_path / KEY_FILE)),
        vapid_claims={"sub": OPTIONS["subject"]},
        ttl=int(ours.headers["ttl"]),
        headers={name: ours.headers[name] for name in own},
        timeout=5,
    )
    theirs = service.requests[1]
    assert service.wrong == []
    assert service.payloads[0] == service.payloads[1]
    assert ours.path == theirs.path
    assert claims(ours) == claims(theirs)
    for name in ("content-encoding", *own):
        assert ours.headers[name] == theirs.headers[name]
    assert ours.body[16:21] == theirs.body[16:21]  # record size, length of the key
