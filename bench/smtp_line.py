"""Connections to one SMTP server that are fed side by side, each mail's commands pipelined (RFC 2920)."""

from __future__ import annotations

import socket
from collections.abc import Sequence

SENDER = "campaigns@example.com"
ABREAST = 8
"""Connections: while one waits for its answers the next one is written to."""
LONGEST_ANSWER = 65_536
TAKEN, WANTED = (b"250",), (b"250", b"250", b"354")
"""What is said of a mail, and of the sender, the recipient and the wish to send one."""


class Connection:
    """One connection; RuntimeError at the first answer that is not as it should be."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.heard = b""
        self.expect(b"220")
        self.socket.sendall(b"EHLO bench.example.com\r\n")
        self.expect(b"250", b"250")

    def expect(self, *codes: bytes) -> None:
        """The next answers, a line each, with these codes."""
        while self.heard.count(b"\r\n") < len(codes):
            more = self.socket.recv(LONGEST_ANSWER)
            if not more:
                raise RuntimeError("the server closed the connection")
            self.heard += more
        *lines, self.heard = self.heard.split(b"\r\n", len(codes))
        for line, code in zip(lines, codes, strict=True):
            if not line.startswith(code):
                raise RuntimeError(f"the server answered {line.decode()}")


class PipelinedLine:
    """Several connections; everything handed in is taken by the server, or RuntimeError."""

    def __init__(self, port: int) -> None:
        self.connections = [Connection(port) for _ in range(ABREAST)]

    def carry(self, mails: Sequence[tuple[str, bytes]]) -> None:
        """Addresses and mails, dealt out to the connections; a mail and the envelope after it are one write."""
        hands = [(one, mails[i::ABREAST]) for i, one in enumerate(self.connections) if i < len(mails)]
        for one, mine in hands:
            one.socket.sendall(_envelope(mine[0][0]))
        for turn in range(len(hands[0][1])):
            for one, mine in hands:
                if turn < len(mine):
                    one.expect(*TAKEN[turn == 0 :], *WANTED)
                    body = mine[turn][1].replace(b"\r\n.", b"\r\n..") + b"\r\n.\r\n"
                    one.socket.sendall(body + _envelope(mine[turn + 1][0]) if turn + 1 < len(mine) else body)
        for one, _ in hands:
            one.expect(*TAKEN)

    def close(self) -> None:
        """End the connections."""
        for connection in self.connections:
            connection.socket.close()


def _envelope(address: str) -> bytes:
    return f"MAIL FROM:<{SENDER}>\r\nRCPT TO:<{address}>\r\nDATA\r\n".encode()
