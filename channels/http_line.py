"""The event loop of one gateway, in a thread of its own, with the connections that all threads share.

It runs between the chunks too: only so is it noticed in time that the gateway closed an idle connection. A POST on a
connection found closed too late would be in doubt for nothing.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import defaultdict, deque
from collections.abc import Coroutine
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import quote, urlsplit

from channels.http_answers import Answer
from channels.own_loop import Found, OwnLoop, all_others_done
from channels.steady import steady
from waves.errors import MultiwaveError

if TYPE_CHECKING:
    from channels.http_wire import Wire

FAIR_S = 1.0
"""Whoever had less than this left of a claim to connect in says nothing of the gateway."""
NEXT_ADDRESS_S = 0.25
"""A host's other addresses are tried after so long, those of the other family first (RFC 8305)."""

AS_IT_IS = "!$%&'()*+,/:;=?@~"
"""What quoting leaves alone in a path and query (RFC 3986), a percent sign that quotes already among it."""


class NeverMade(MultiwaveError):
    """No connection came about (DNS, refused, TLS handshake, too slow): no byte of the request has left."""


class TooLate(MultiwaveError):
    """The moment to begin by had passed: no byte of the request has left."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where requests go, and how each of them begins; from the address itself, whatever proxy the environment names."""

    host: str
    port: int
    secure: bool
    head: bytes

    @classmethod
    def of(cls, url: str, method: str = "POST", content_type: str | None = "application/json") -> Self:
        """The target of an address that was checked: ASCII, no user, no fragment (channels.http_options)."""
        parts = urlsplit(url)
        secure = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        lines = [
            f"{method} {quote(path, safe=AS_IT_IS)} HTTP/1.1",
            f"Host: {parts.netloc}",
            "Accept: application/json",
            "Accept-Encoding: identity",
            "User-Agent: multiwave",
        ]
        lines += [f"Content-Type: {content_type}"] if content_type else []
        head = "".join(f"{line}\r\n" for line in lines)
        return cls(parts.hostname or "", parts.port or (443 if secure else 80), secure, head.encode())

    @property
    def place(self) -> tuple[str, int, bool]:
        """Whom it talks to: targets of one place share their connections."""
        return self.host, self.port, self.secure


class Post(NamedTuple):
    """One request: its own header lines, each with its line break, its body, and when it begins or never does."""

    target: Target
    headers: str
    body: bytes
    begin_by: float


class Line:
    """Runs coroutines for any thread; idle connections are kept for `keep_s` seconds."""

    def __init__(self, keep_s: float) -> None:
        from channels.http_wire import Wire  # with aiohttp, before anything is asked in a time

        self.keep_s = keep_s
        self._make = Wire
        self._loop = OwnLoop("http-line", self._forget)
        self._forget()

    def _forget(self) -> None:
        self._idle: defaultdict[tuple[str, int, bool], deque[tuple[float, Wire]]] = defaultdict(deque)
        self._sweep: asyncio.TimerHandle | None = None

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """What the coroutine returns or raises; the calling thread waits for it."""
        return self._loop.run(work)

    async def post(self, post: Post, most: int, within_s: float) -> Answer:
        """The answer, of at most `most` bytes; nothing here tries a second time.

        NeverMade and TooLate when no byte has left; OSError and UnreadableAnswer when it may have been read.
        """
        until = steady() + within_s
        wire = self._kept(post.target) or await self._connected(post.target, post.begin_by, until)
        head = f"{post.headers}Content-Length: {len(post.body)}\r\n\r\n".encode("ascii")
        now = steady()
        if now >= post.begin_by:
            self._keep(post.target, wire)
            raise TooLate("too late to begin")
        answer = await wire.ask(post.target.head + head + post.body, most, until - now)
        self._keep(post.target, wire)
        return answer

    def close(self) -> None:
        """Wait for what is in the air, close the connections and end the thread."""
        self._loop.close(self._hang_up)

    @cached_property
    def _trust(self) -> ssl.SSLContext:
        context = ssl.create_default_context()
        context.set_alpn_protocols(["http/1.1"])
        return context

    async def _connected(self, target: Target, begin_by: float, until: float) -> Wire:
        loop, now = asyncio.get_running_loop(), steady()
        try:
            async with asyncio.timeout(max(min(begin_by, until) - now, 0.001)):
                _, wire = await loop.create_connection(
                    lambda: self._make(loop),
                    target.host,
                    target.port,
                    ssl=self._trust if target.secure else None,
                    happy_eyeballs_delay=NEXT_ADDRESS_S,
                )
        except (OSError, UnicodeError) as error:
            if isinstance(error, TimeoutError) and begin_by - now < FAIR_S:
                raise TooLate("too late to connect") from error
            raise NeverMade(f"no connection to the gateway: {type(error).__name__}") from error
        return wire

    def _kept(self, target: Target) -> Wire | None:
        """The connection that was in use last, unless it is closed or has been idle too long."""
        idle, since = self._idle[target.place], steady() - self.keep_s
        while idle:
            at, wire = idle.pop()
            if wire.is_open and at > since:
                return wire
            wire.hang_up()
        return None

    def _keep(self, target: Target, wire: Wire) -> None:
        if wire.is_open:
            self._idle[target.place].append((steady(), wire))
            if self._sweep is None:
                self._sweep = asyncio.get_running_loop().call_later(self.keep_s, self._close_old)

    def _close_old(self) -> None:
        self._sweep, since = None, steady() - self.keep_s
        for idle in self._idle.values():
            while idle and idle[0][0] <= since:
                idle.popleft()[1].hang_up()
        if any(self._idle.values()):
            self._sweep = asyncio.get_running_loop().call_later(self.keep_s, self._close_old)

    async def _hang_up(self) -> None:
        await all_others_done()
        for idle in self._idle.values():
            for _, wire in idle:
                wire.hang_up()
