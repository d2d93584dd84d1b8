"""Requests to an application in this process, without a server."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from dataclasses import dataclass, field
from typing import Any

BROWSER = "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 Chrome/130.0 Mobile Safari/537.36"


@dataclass
class Said:
    """An answer."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def text(self) -> str:
        return self.body.decode()


async def asked(app: Any, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Said:
    """The application's answer to one request; a body comes in parts of 64 kB."""
    path, _, query = path.partition("?")
    given = {"host": "door", "user-agent": BROWSER, **{k.lower(): v for k, v in (headers or {}).items()}}
    parts = [body[start : start + 65536] for start in range(0, len(body), 65536)] or [b""]
    said = Said()

    async def receive() -> dict[str, Any]:
        part = parts.pop(0)
        return {"type": "http.request", "body": part, "more_body": bool(parts)}

    async def send(message: dict[str, Any]) -> None:
        if message["type"] == "http.response.start":
            said.status = message["status"]
            said.headers = {k.decode().lower(): v.decode("latin-1") for k, v in message["headers"]}
        else:
            said.body += message.get("body", b"")

    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "method": method, "scheme": "http",
        "path": path, "raw_path": path.encode(), "query_string": query.encode("latin-1"), "root_path": "",
        "headers": [(k.encode(), v.encode("latin-1")) for k, v in given.items()],
        "client": ("127.0.0.1", 1), "server": ("door", 80),
    }  # fmt: skip
    await app(scope, receive, send)
    return said


def ask(app: Any, method: str, path: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> Said:
    """The same, for one request alone."""
    return run(asked(app, method, path, body, headers))


def run(answer: Coroutine[Any, Any, Said]) -> Said:
    """Its result, from a loop of its own."""
    return asyncio.run(answer)
