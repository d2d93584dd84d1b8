"""An SMTP server on loopback in a process of its own: takes every mail and keeps nothing.

python -m bench.smtp_sink prints its port.
"""

from __future__ import annotations

import asyncio
import os
import socket


class Mailbox(asyncio.Protocol):
    """One connection; commands may come pipelined."""

    def __init__(self) -> None:
        self.waiting, self.in_data = bytearray(), False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        transport.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.transport.write(b"220 sink.example.com\r\n")

    def data_received(self, content: bytes) -> None:
        self.waiting += content
        said = bytearray()
        while True:
            end = self.waiting.find(b"\r\n.\r\n" if self.in_data else b"\r\n")
            if end < 0:
                break
            if self.in_data:
                del self.waiting[: end + 5]
                self.in_data = False
                said += b"250 taken\r\n"
                continue
            word = bytes(self.waiting[:4]).upper()
            del self.waiting[: end + 2]
            self.in_data = word == b"DATA"
            said += ANSWERS.get(word, b"250 yes\r\n")
        if said:
            self.transport.write(bytes(said))


ANSWERS = {b"EHLO": b"250-sink.example.com\r\n250 PIPELINING\r\n", b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}


async def serve() -> None:
    server = await asyncio.get_running_loop().create_server(Mailbox, "127.0.0.1", 0, backlog=128)
    os.write(1, f"{server.sockets[0].getsockname()[1]}\n".encode())
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(serve())
