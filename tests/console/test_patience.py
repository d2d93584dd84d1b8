"""Who takes a place at the door and says nothing, or never ends, does not keep it; nobody else is hurried."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
import uvicorn
from fastapi import Request
from uvicorn.server import ServerState

from console.web.door import body_of
from console.web.patience import Patient

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[bytes]]
GET = b"GET / HTTP/1.1\r\nHost: door\r\n\r\n"
ENDS_S = 10


class Quick(Patient):
    looks_every_s = 0.02


async def app(scope: Any, receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})


def talk(with_it: Talk) -> bytes:
    """What a connection to a door with little patience comes to."""

    async def go() -> bytes:
        config = uvicorn.Config(app, log_config=None, lifespan="off")
        loop = asyncio.get_running_loop()
        door = await loop.create_server(lambda: Quick(config, ServerState(), {}), "127.0.0.1", 0)
        async with door:
            reader, writer = await asyncio.open_connection(*door.sockets[0].getsockname()[:2])
            try:
                return await asyncio.wait_for(with_it(reader, writer), ENDS_S)
            finally:
                writer.close()

    return asyncio.run(go())


@pytest.mark.parametrize("begun", [b"", b"GET / HT", GET[:-2], GET.replace(b"\r\n\r\n", b"\r\nX: ")])
def test_a_connection_without_a_request_is_closed(begun: bytes) -> None:
    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(begun)
        return await reader.read()  # to its end

    assert talk(stay) == b""


def test_nor_does_an_answered_one_that_begins_another_keep_its_place() -> None:
    async def stay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(GET)
        await reader.readuntil(b"ok")
        writer.write(GET[:-2])
        return await reader.read()

    assert talk(stay) == b""


def test_whoever_asks_again_and_again_is_answered() -> None:
    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        for _ in range(50):
            writer.write(GET)
            await reader.readuntil(b"ok")
        return b"answered"

    assert talk(ask) == b"answered"


def test_a_body_that_never_ends_is_not_waited_for() -> None:
    parts = [{"type": "http.request", "body": b"x", "more_body": True}]

    async def receive() -> Any:
        return parts.pop() if parts else await asyncio.Event().wait()

    request = Request({"type": "http", "method": "POST", "path": "/", "headers": []}, receive)
    assert asyncio.run(asyncio.wait_for(body_of(request, within_s=0.01), ENDS_S)) is None
