"""What counts as the answer to one request on a connection, and whether another one may follow it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from channels.http_answers import Answer, UnreadableAnswer
from channels.http_line import Line, NeverMade, Post, Target, TooLate
from channels.http_wire import Wire
from channels.steady import steady

REQUEST = b"POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"
HEAD = b"HTTP/1.1 200 OK\r\n"
WHOLE = HEAD + b"Content-Length: 2\r\n\r\nhi"
HI, MOST = Answer(200, b"hi"), 1000


class Server(asyncio.Protocol):
    """Writes these parts for each request, one after the other; `ends` closes the connection after them."""

    def __init__(self, said: tuple[bytes, ...], ends: bool) -> None:
        self.said, self.ends = said, ends

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.say(self.said)

    def say(self, parts: tuple[bytes, ...]) -> None:
        if parts:
            self.transport.write(parts[0])
            asyncio.get_running_loop().call_soon(self.say, parts[1:])
        elif self.ends:
            self.transport.close()


@asynccontextmanager
async def server(*said: bytes, ends: bool = False) -> AsyncIterator[int]:
    """The port of a server that says so."""
    made: list[Server] = []

    def take() -> Server:
        made.append(Server(said, ends))
        return made[-1]

    door = await asyncio.get_running_loop().create_server(take, "127.0.0.1", 0)
    try:
        yield door.sockets[0].getsockname()[1]
    finally:
        door.close()
        for one in made:
            one.transport.abort()


async def asked(*said: bytes, ends: bool = False) -> tuple[Answer | str, bool]:
    """What one request came to, and whether the connection may be used again."""
    async with server(*said, ends=ends) as port:
        loop = asyncio.get_running_loop()
        _, wire = await loop.create_connection(lambda: Wire(loop), "127.0.0.1", port)
        try:
            answer: Answer | str = await wire.ask(REQUEST, MOST, 5.0)
        except (UnreadableAnswer, OSError) as error:
            answer = str(error)
        is_open = wire.is_open
        wire.hang_up()
        return answer, is_open


@pytest.mark.parametrize(
    ("said", "answer", "is_open"),
    [
        ([WHOLE], HI, True),
        ([WHOLE[:20], WHOLE[20:40], WHOLE[40:]], HI, True),
        ([b"HTTP/1.1 100 Continue\r\n\r\n", WHOLE], HI, True),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n", b"1\r\ni\r\n0\r\n\r\n"], HI, True),
        ([b"HTTP/1.1 204 No Content\r\n\r\n"], Answer(204, b""), True),
        ([HEAD + b"Retry-After: 7\r\nContent-Length: 0\r\n\r\n"], Answer(200, b"", "7"), True),
        ([HEAD + b"Connection: close\r\nContent-Length: 2\r\n\r\nhi"], HI, False),
        ([b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi"], HI, False),
        ([WHOLE + WHOLE], "an answer to something else", False),
        ([HEAD + b"Connection: upgrade\r\nUpgrade: tcp\r\nContent-Length: 2\r\n\r\nhi"], HI, True),
        ([b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: tcp\r\n\r\n"], "something else", False),
        ([b"220 smtp.example.com\r\n"], "an answer that is not HTTP", False),
        ([HEAD + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"], "not HTTP", False),
        ([HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nhi"], "not HTTP", False),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\nx\r\n"], "not HTTP", False),
        ([HEAD + b"Content-Length: 5000\r\n\r\n" + b" " * 1001], "an answer too long to read", False),
        ([HEAD + b"Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nhi"], "a packed answer", False),
    ],
)
def test_an_answer_is_read_whole_or_not_at_all(said: list[bytes], answer: Answer | str, is_open: bool) -> None:
    found, open_after = asyncio.run(asked(*said))
    assert found == answer if isinstance(answer, Answer) else answer in str(found), found
    assert open_after == is_open


@pytest.mark.parametrize(
    ("said", "answer"),
    [
        ([HEAD + b"\r\n", b"hi"], HI),
        ([WHOLE[:-1]], "half an answer"),
        ([WHOLE[:20]], "closed before the answer"),
        ([HEAD + b"Transfer-Encoding: chunked\r\n\r\n1\r\nh\r\n"], "half an answer"),
        ([b""], "closed before the answer"),
    ],
)
def test_the_end_of_a_connection_ends_only_an_answer_without_a_length(said: list[bytes], answer: Answer | str) -> None:
    found, open_after = asyncio.run(asked(*said, ends=True))
    assert found == answer if isinstance(answer, Answer) else answer in str(found), found
    assert not open_after


def test_no_answer_in_time_closes_the_connection() -> None:
    async def meet() -> None:
        async with server(b"") as port:
            loop = asyncio.get_running_loop()
            _, wire = await loop.create_connection(lambda: Wire(loop), "127.0.0.1", port)
            with pytest.raises(TimeoutError):
                await wire.ask(REQUEST, MOST, 0.01)
            assert not wire.is_open

    asyncio.run(meet())


def test_what_comes_unasked_is_no_answer_to_the_next_request() -> None:
    async def meet() -> None:
        loop = asyncio.get_running_loop()
        wire = Wire(loop)
        async with server(WHOLE) as port:
            await loop.create_connection(lambda: wire, "127.0.0.1", port)
            assert await wire.ask(REQUEST, MOST, 5.0) == HI
            wire.data_received(b"HTTP/1.1 429 Too Many Requests\r\n")
            assert not wire.is_open

    asyncio.run(meet())


def post(target: Target, within_s: float = 5.0) -> Post:
    return Post(target, "", b"{}", steady() + within_s)


def test_a_line_keeps_its_connections_and_not_those_that_ended() -> None:
    async def meet() -> None:
        line = Line(4.0)
        async with server(WHOLE) as port:
            target = Target.of(f"http://127.0.0.1:{port}")
            assert await line.post(post(target), MOST, 5.0) == HI
            first = line._idle[target.place][-1][1]
            assert await line.post(post(target), MOST, 5.0) == HI
            assert [wire for _, wire in line._idle[target.place]] == [first]
            first.hang_up()
            assert await line.post(post(target), MOST, 5.0) == HI
            assert first not in [wire for _, wire in line._idle[target.place]]
            with pytest.raises(TooLate):
                await line.post(post(target, 0.0), MOST, 5.0)
            line.keep_s = 0.0
            line._close_old()
            assert not any(line._idle.values())

    asyncio.run(meet())


@pytest.mark.parametrize(
    ("said", "begins_s", "within_s", "error"),
    [
        ([WHOLE], 5.0, 5.0, NeverMade),  # no TLS
        ([], 5.0, 0.05, NeverMade),  # silence, for as long as the sender's timeout
        ([], 0.05, 5.0, TooLate),  # for what was left of the claim: the gateway had no fair chance
    ],
)
def test_a_connection_that_does_not_come_about(
    said: list[bytes], begins_s: float, within_s: float, error: type[Exception]
) -> None:
    async def meet() -> None:
        async with server(*said) as port:
            with pytest.raises(error):
                await Line(4.0).post(post(Target.of(f"https://127.0.0.1:{port}"), begins_s), MOST, within_s)

    asyncio.run(meet())


@pytest.mark.parametrize(
    ("url", "place", "begins"),
    [
        ("https://Gate.example.com", ("gate.example.com", 443, True), "POST / HTTP/1.1\r\nHost: Gate.example.com\r\n"),
        (
            "http://[::1]:81/a b?x={y}&z=%20",
            ("::1", 81, False),
            "POST /a%20b?x=%7By%7D&z=%20 HTTP/1.1\r\nHost: [::1]:81",
        ),
        ("https://x:8443//a?b=c?d", ("x", 8443, True), "POST //a?b=c?d HTTP/1.1\r\nHost: x:8443\r\n"),
        ("https://x?q", ("x", 443, True), "POST /?q HTTP/1.1\r\n"),
    ],
)
def test_an_address_says_where_requests_go_and_how_they_begin(url: str, place: object, begins: str) -> None:
    target = Target.of(url)
    assert (target.host, target.port, target.secure) == place
    assert target.head.decode().startswith(begins)
    assert target.head.endswith(b"\r\n")
