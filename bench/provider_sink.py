"""Providers' HTTP interfaces on loopback in a process of its own: takes every request and keeps nothing.

python -m bench.provider_sink prints its port. What it answers is as long as the real answers are.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket

ACCOUNT, SID = "AC" + "a1" * 16, "SM" + "0" * 32
MESSAGE = {
    "sid": SID,
    "account_sid": ACCOUNT,
    "api_version": "2010-04-01",
    "body": "Hello, your contract ends soon. Renew in one minute.",
    "to": "+15125550101",
    "from": "+15125550100",
    "messaging_service_sid": None,
    "status": "queued",
    "direction": "outbound-api",
    "date_created": "Tue, 01 Dec 2026 09:00:00 +0000",
    "date_updated": "Tue, 01 Dec 2026 09:00:00 +0000",
    "date_sent": None,
    "error_code": None,
    "error_message": None,
    "num_media": "0",
    "num_segments": "1",
    "price": None,
    "price_unit": None,
    "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json",
    "subresource_uris": {"media": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}/Media.json"},
}


def answer(status: str, headers: str, body: bytes = b"") -> bytes:
    """A whole answer."""
    return f"HTTP/1.1 {status}\r\n{headers}Content-Length: {len(body)}\r\n\r\n".encode() + body


ANSWERS = {
    b"/2010-04-01": answer("201 Created", "Content-Type: application/json\r\n", json.dumps(MESSAGE).encode()),
    b"/v3/mail/se": answer("202 Accepted", "X-Message-Id: abcdefghijklmnopqrstuv\r\n"),
    b"/push/": answer("201 Created", "Location: /m/1\r\nTTL: 3600\r\n"),
}
"""How a path begins, in 11 bytes or fewer, and what is answered there."""


class Provider(asyncio.Protocol):
    """One connection; requests come one after the other."""

    def __init__(self) -> None:
        self.waiting = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, content: bytes) -> None:
        self.waiting += content
        while (end := self.waiting.find(b"\r\n\r\n")) >= 0:
            head = bytes(self.waiting[:end]).lower()
            at = head.find(b"content-length:")
            length = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
            if len(self.waiting) < end + 4 + length:
                return
            del self.waiting[: end + 4 + length]
            path = head.split(b" ", 2)[1]
            self.transport.write(next(said for begins, said in ANSWERS.items() if path.startswith(begins)))


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Provider, "127.0.0.1", 0, backlog=128)
    os.write(1, f"{server.sockets[0].getsockname()[1]}\n".encode())
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
