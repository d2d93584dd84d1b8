"""One open connection to an SMTP server: commands written, whole replies read; what was heard survives its end.

aiosmtplib opens it (TLS, login) and waits for each reply by itself; here commands go out together, and a mail's bytes
with the next mail's envelope behind them, where the server allows that (RFC 2920): a third of the round trips.
"""

from __future__ import annotations

import asyncio
import re
from collections import deque
from typing import cast

from channels.smtp_reply import Reply
from channels.steady import steady

LONGEST = 64 * 1024
"""Bytes of replies that nobody has asked for, or that have no end."""


class SmtpWire(asyncio.Protocol):
    """A connection after its greeting; `extensions` are those of its last EHLO, lower case, with what they say."""

    def __init__(self, extensions: dict[str, str]) -> None:
        self.pipelines = "pipelining" in extensions
        size = re.fullmatch("0*([1-9][0-9]{0,17})", extensions.get("size", ""))
        self.largest = int(size[1]) if size else None
        """The most bytes of a mail it takes (RFC 1870); None: it does not say."""
        self.must_reset = False
        """Whether an envelope was left open."""
        self.is_held_up = False
        """Whether there are bytes that the system has not taken from us yet."""
        self.transport: asyncio.Transport | None = None
        self._is_over = False
        self._replies: deque[Reply] = deque()
        self._unread, self._wanted = bytearray(), 0
        self._waiter: asyncio.Future[None] | None = None

    def take_over(self, transport: asyncio.BaseTransport) -> None:
        """From now on what comes in is told to this wire."""
        self.gone: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.transport = cast(asyncio.Transport, transport)
        self.transport.set_protocol(self)
        self.transport.set_write_buffer_limits(0)
        self.transport.resume_reading()

    @property
    def is_open(self) -> bool:
        """Whether another command may go out here, by all that is known."""
        return self.transport is not None and not self._is_over and not self.transport.is_closing()

    @property
    def is_quiet(self) -> bool:
        """Whether everything that came was heard: the next reply will be to the next command."""
        return not self._replies and not self._unread

    @property
    def is_plain(self) -> bool:
        """Whether what is written goes to the system as it is."""
        return self.transport is not None and self.transport.get_extra_info("sslcontext") is None

    def write(self, content: bytes) -> None:
        """Hand it to the socket, or nothing where there is none any more."""
        if self.transport is not None and self.is_open:
            self.transport.write(content)

    async def hear(self, count: int, until: float) -> list[Reply]:
        """The next `count` replies; fewer if the connection ends, or `until` (channels.steady) comes and ends it."""
        if len(self._replies) < count and self.is_open:
            loop = asyncio.get_running_loop()
            self._waiter, self._wanted = loop.create_future(), count
            timer = loop.call_later(max(until - steady(), 0.0), self.hang_up)
            try:
                await self._waiter
            finally:
                timer.cancel()
                self._waiter = None
        heard = [self._replies.popleft() for _ in range(min(count, len(self._replies)))]
        if len(heard) < count:
            self.hang_up()
        return heard

    def hang_up(self) -> None:
        """Close the connection at once, with what is still to be written."""
        self._is_over = True
        if self.transport is not None:
            self.transport.abort()
        self._wake()

    def leave(self) -> None:
        """Say goodbye and close."""
        if self.transport is not None and self.is_open:
            self.transport.write(b"QUIT\r\n")
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """A part of some replies; what is no SMTP, or was not asked for, ends the connection."""
        self._unread += data
        *lines, rest = self._unread.split(b"\n")
        self._unread = bytearray(rest)
        for line in lines:
            if not line[:3].isdigit() or len(line) > LONGEST:
                self.hang_up()
                return
            if line[3:4] != b"-":
                self._replies.append(Reply.of(int(line[:3]), line[4:].decode("ascii", "replace")))
        if len(self._unread) > LONGEST or len(self._replies) > LONGEST or self._waiter is None:
            self.hang_up()
        elif len(self._replies) >= self._wanted:
            self._wake()

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end; what was heard before can still be read."""
        self._is_over = True
        if not self.gone.done():
            self.gone.set_result(None)
        self._wake()

    def pause_writing(self) -> None:
        """The system does not take everything at once."""
        self.is_held_up = True

    def resume_writing(self) -> None:
        """It has taken everything."""
        self.is_held_up = False

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)
