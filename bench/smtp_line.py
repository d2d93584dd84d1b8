"""Connections to one SMTP server that are fed side by side, each mail's commands pipelined (RFC 2920)."""

from __future__ import annotations

import socket
from collections.abc import Sequence

SENDER = "campaigns@example.com"
ABREAST = 8
"""Connections: while one waits for its answers the next one is written to."""
LONGEST_ANSWER = 65_536


class Connection:
    """One connection; RuntimeError at the first answer that is not as it should be."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""
        self.expect(b"220")
        self.socket.sendall(b"EHLO bench.example.com\r\n")
        while not self.answer().startswith(b"250 "):
            pass

    def answer(self) -> bytes:
        """The next line."""
        while b"\r\n" not in self.heard:
            more = self.socket.recv(LONGEST_ANSWER)
            if not more:
                raise RuntimeError("the server closed the connection")
            self.heard += more
        line, _, self.heard = self.heard.partition(b"\r\n")
        return line

    def expect(self, *codes: bytes) -> None:
        """An answer with each of these codes."""
        for code in codes:
            line = self.answer()
            if not line.startswith(code):
                raise RuntimeError(f"the server answered {line.decode()}")

    def offer(self, address: str) -> None:
        """Sender and recipient of the next mail."""
        self.socket.sendall(f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{address}>\r\nDATA\r\n".encode())

    def hand_over(self, mail: bytes) -> None:
        """The mail itself, once the server wants it."""
        self.expect(b"250", b"250", b"354")
        self.socket.sendall(mail.replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n")


class PipelinedLine:
    """Several connections; everything handed in is taken by the server, or RuntimeError."""

    def __init__(self, port: int) -> None:
        self.connections = [Connection(port) for _ in range(ABREAST)]

    def carry(self, mails: Sequence[tuple[str, bytes]]) -> None:
        """Addresses and mails, as many of them as there are connections at most."""
        busy = list(zip(self.connections, mails, strict=False))
        for connection, (address, _) in busy:
            connection.offer(address)
        for connection, (_, mail) in busy:
            connection.hand_over(mail)
        for connection, _ in busy:
            connection.expect(b"250")

    def close(self) -> None:
        """End the connections."""
        for connection in self.connections:
            connection.socket.close()
