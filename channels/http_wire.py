"""One connection to a gateway: a request at a time, its answer read by aiohttp's parser: whole, or not at all.

aiohttp's own client spends two thirds of its time on what is never wanted of it here: redirects, cookies, proxies,
bodies and answers that are streamed (bench.dispatch has both). What is left are a write, a wait and a timer.
"""

from __future__ import annotations

import asyncio

from aiohttp.base_protocol import BaseProtocol
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http import HttpResponseParser, RawResponseMessage
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader

from channels.http_answers import Answer, UnreadableAnswer

NEVER_PAUSED = 64 * 1024 * 1024
"""Bytes at which the parser would stop to read; an answer is too long before that."""


class Wire(BaseProtocol):
    """A connection; not to be used again once an answer failed or its sender wants it closed."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self._asked: asyncio.Future[Answer] | None = None
        self._message: RawResponseMessage | None = None
        self._payload: StreamReader | None = None
        self._most = 0

    @property
    def is_open(self) -> bool:
        """Whether another request may go out here, by all that is known."""
        return self._asked is None and self.transport is not None and not self.transport.is_closing()

    async def ask(self, request: bytes, most: int, within_s: float) -> Answer:
        """The answer to a request, of at most so many bytes; OSError or UnreadableAnswer when there is none.

        The request is handed to the socket before anything is waited for.
        """
        assert self.transport is not None
        asked: asyncio.Future[Answer] = self._loop.create_future()
        self._asked, self._most = asked, most
        self._message = self._payload = None
        self._parser = HttpResponseParser(  # anew: what an answer left behind is no part of the next one
            self,
            self._loop,
            NEVER_PAUSED,
            payload_exception=ClientPayloadError,
            read_until_eof=True,
            auto_decompress=False,
        )
        timer = self._loop.call_later(within_s, self._fail, TimeoutError("no answer in time"))
        self.transport.write(request)
        try:
            return await asked
        finally:
            timer.cancel()
            self._asked = None
            if asked.cancelled() or asked.exception() is not None:
                self.hang_up()

    def hang_up(self) -> None:
        """Close the connection at once."""
        if self.transport is not None:
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """A part of an answer; from who was asked nothing, or has answered, the end."""
        if self._asked is None or self._asked.done():
            self.hang_up()
            return
        assert self._parser is not None
        try:
            messages, upgraded, _ = self._parser.feed_data(data)
        except HttpProcessingError:
            self._fail(UnreadableAnswer("an answer that is not HTTP"))
            return
        for message, payload in messages:
            if self._message is not None or upgraded:
                self._fail(UnreadableAnswer("an answer to something else"))
                return
            if message.code >= 200:
                self._message, self._payload = message, payload
        if self._payload is not None:
            self._read(self._payload)

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Nothing: reading is never paused."""

    def connection_lost(self, exc: BaseException | None) -> None:
        """The end of an answer that has no length, or of the hope for one."""
        super().connection_lost(exc)
        if self._asked is None or self._asked.done():
            return
        if exc is None and self._payload is not None and self._parser is not None:
            try:
                self._parser.feed_eof()
            except HttpProcessingError:
                self._fail(UnreadableAnswer("half an answer"))
                return
            self._read(self._payload)
        self._fail(ConnectionResetError("closed before the answer"))

    def _read(self, payload: StreamReader) -> None:
        """Hand over the answer if it is whole."""
        assert self._asked is not None
        assert self._message is not None
        if payload.total_bytes > self._most:
            self._fail(UnreadableAnswer("an answer too long to read"))
        elif payload.exception() is not None:
            self._fail(UnreadableAnswer("half an answer"))
        elif payload.is_eof():
            headers = self._message.headers
            if headers.get("Content-Encoding", "identity") != "identity":
                self._fail(UnreadableAnswer("a packed answer"))
                return
            if self._message.should_close or (self.transport and self.transport.get_write_buffer_size()):
                self.hang_up()  # by its own word, or because half a request is still to be written
            content = payload.read_nowait() if payload.total_bytes else b""
            self._asked.set_result(Answer(self._message.code, content, headers.get("Retry-After"), headers))

    def _fail(self, why: Exception) -> None:
        if self._asked is not None and not self._asked.done():
            self._asked.set_exception(why)
