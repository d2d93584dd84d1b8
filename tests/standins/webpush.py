"""A push service on loopback, in a thread of the test: decrypts what it accepts, and fails when it is told to.

All its subscriptions share one key pair, so that it can read each message; what it took is kept by the message's
token. It checks what a real one does: VAPID's signature, audience and time, the TTL, Topic, Urgency, the encoding and
the size; whoever gets one of them wrong is answered 400 or 401, and `wrong` tells.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import http_ece
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from channels.webpush_crypto import public_text
from waves.senders import Sender
from waves.subscriptions import Subscription, from_unpadded, unpadded

AUTH = bytes(range(16))
OPTIONS = {"subject": "mailto:ops@example.com", "loopback": True}


def push_sender(**more: Any) -> Sender:
    """A sender that may reach push services on this machine."""
    return Sender(sender="browsers", channel="web_push", provider="webpush", **{"options": OPTIONS, **more})


@dataclass
class Request:
    """One POST as it came."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass
class PushStandin:
    """A running service; `rules` are faults by the number of the request, from 1, or from one on."""

    port: int = 0
    rules: list[dict[str, Any]] = field(default_factory=list)
    requests: list[Request] = field(default_factory=list)
    payloads: list[dict[str, Any]] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.lines: set[_Line] = set()
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="push-standin", daemon=True)
        self.thread.start()
        self.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen, on the port it had before if it had one."""
        self.server = asyncio.run_coroutine_threadsafe(self._listen(), self.loop).result(10)
        self.port = self.server.sockets[0].getsockname()[1]

    async def _listen(self) -> asyncio.Server:
        return await self.loop.create_server(lambda: _Line(self), "127.0.0.1", self.port)

    def die(self) -> None:
        """Listen no more, and break off every connection."""
        asyncio.run_coroutine_threadsafe(self._die(), self.loop).result(10)

    async def _die(self) -> None:
        self.server.close()
        for line in list(self.lines):
            line.reset()

    def stop(self) -> None:
        self.die()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def well(self) -> None:
        """Listening, without faults, and without a memory of what came."""
        if not self.server.is_serving():
            self.start()
        self.fail()
        self.payloads.clear()
        self.wrong.clear()

    def fail(self, *rules: dict[str, Any]) -> None:
        """From the next request on, which is number 1: these faults; none, to be well again."""
        self.requests.clear()
        self.rules = list(rules)

    def subscription(self, number: int) -> Subscription:
        """One of its own; any number is one."""
        return Subscription(f"{self.url}/push/{number}", from_unpadded(public_text(self.key)), AUTH)

    @property
    def accepted(self) -> Counter[str]:
        """Token to how often it was accepted."""
        return Counter(payload["token"] for payload in self.payloads)

    def rule_for(self, number: int) -> dict[str, Any]:
        for rule in self.rules:
            if number in rule.get("requests", ()) or rule.get("from", number + 1) <= number:
                return rule
        return {"fault": "none"}

    def complaint(self, request: Request) -> str | None:
        """What a real push service would find wrong with a request."""
        head = request.headers
        if not Vapid02.verify(head.get("authorization", "")):
            return "VAPID is not signed by its key"
        claims = json.loads(from_unpadded(head["authorization"].split(".")[1]))
        left = claims["exp"] - time.time()
        if claims["aud"] != self.url or not 0 < left <= 86_400 or not claims["sub"].startswith(("mailto:", "https:")):
            return "VAPID's claims"
        if not head.get("ttl", "").isdigit() or head.get("urgency") not in ("low", "normal"):
            return "TTL or Urgency"
        if not 0 < len(head.get("topic", "")) <= 32 or from_unpadded(head["topic"]) == b"":
            return "Topic"
        if head.get("content-encoding") != "aes128gcm" or head.get("content-type") != "application/octet-stream":
            return "encoding"
        return None if len(request.body) <= 4096 else "size"

    def accept(self, request: Request) -> None:
        plain = http_ece.decrypt(request.body, private_key=self.key, auth_secret=AUTH, version="aes128gcm")
        self.payloads.append(json.loads(plain))


class _Line(asyncio.Protocol):
    """One connection; requests are answered in turn."""

    def __init__(self, service: PushStandin) -> None:
        self.of = service
        self.waiting = bytearray()
        self.doomed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.of.lines.add(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.of.lines.discard(self)

    def data_received(self, content: bytes) -> None:
        self.waiting += content
        while not self.doomed and (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            first, *rest = bytes(self.waiting[:end]).decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in rest)}
            whole = end + 4 + int(headers.get("content-length", 0))
            if len(self.waiting) < whole:
                return
            request = Request(first.split()[1], headers, bytes(self.waiting[end + 4 : whole]))
            del self.waiting[:whole]
            self.of.requests.append(request)
            self.meet(request, self.of.rule_for(len(self.of.requests)))

    def meet(self, request: Request, rule: dict[str, Any]) -> None:
        complaint = self.of.complaint(request)
        if complaint:
            self.of.wrong.append(complaint)
            self.say(401 if "VAPID" in complaint else 400)
            return
        fault: Callable[[Request, dict[str, Any]], None] = getattr(self, rule["fault"])
        fault(request, rule)

    def say(self, status: int, more: str = "", half: bool = False) -> None:
        head = f"HTTP/1.1 {status} Said\r\nContent-Length: {9 if half else 0}\r\n{more}\r\n"
        self.transport.write(head.encode())

    def reset(self) -> None:
        """RST instead of FIN."""
        self.doomed = True
        plain = self.transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()

    def none(self, request: Request, rule: dict[str, Any]) -> None:
        self.of.accept(request)
        self.say(201, f"TTL: {request.headers['ttl']}\r\nLocation: {self.of.url}/m/{unpadded(b'x')}\r\n")

    def status(self, request: Request, rule: dict[str, Any]) -> None:
        """Any code, with any headers and nothing accepted."""
        self.say(rule["status"], "".join(f"{name}: {value}\r\n" for name, value in rule.get("headers", {}).items()))

    def accept_then_status(self, request: Request, rule: dict[str, Any]) -> None:
        self.of.accept(request)
        self.status(request, rule)

    def accept_then_reset(self, request: Request, rule: dict[str, Any]) -> None:
        self.of.accept(request)
        self.reset()

    def reset_before_reading(self, request: Request, rule: dict[str, Any]) -> None:
        self.reset()

    def accept_then_die(self, request: Request, rule: dict[str, Any]) -> None:
        self.of.accept(request)
        self.of.server.close()
        self.reset()

    def hang(self, request: Request, rule: dict[str, Any]) -> None:
        """Accepted, and never answered."""
        self.of.accept(request)

    def half_an_answer(self, request: Request, rule: dict[str, Any]) -> None:
        self.of.accept(request)
        self.say(201, half=True)
        self.doomed = True
        self.transport.close()
