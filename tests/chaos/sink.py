"""A gateway on loopback, in a process of its own: keeps a record of what it accepts, and fails when it is told to.

    python -m tests.chaos.sink --record FILE [--port N] [--secret S] [--tls CERT KEY]

prints its port. The record is a line for each accepted message: token, sender, number of the request, monotonic
seconds, parted by tabs; it is written before the answer, so that whoever was killed can be asked of it.

    POST /messages   the contract (README); each request has a number, from 1
    POST /status     the status query
    POST /faults     {"rules": [{"fault": "accept_then_reset", "requests": [1, 2]}, {"fault": "hang", "share": 0.01}]}
    GET /counts      {"requests":, "messages":, "tokens":}; messages are more than tokens when one came twice
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import hmac
import json
import os
import random
import signal
import socket
import ssl
import struct
import time
from collections.abc import Callable
from typing import Any

HEAD = b"HTTP/1.1 %d %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n"
WORDS = {200: b"OK", 307: b"Temporary Redirect", 401: b"Unauthorized", 429: b"Too Many Requests"}


def write_answer(status: int, body: bytes, more: bytes = b"") -> bytes:
    return HEAD % (status, WORDS.get(status, b"Status"), len(body), more) + body


class Books:
    """What was accepted, in memory and in the file."""

    def __init__(self, path: str) -> None:
        self.handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        self.tokens: dict[str, str] = {}
        self.requests = self.messages = 0
        self.door: asyncio.Server
        with open(path, encoding="utf-8") as before:
            for line in before:
                self.tokens[line.split("\t")[0]] = "earlier"
                self.messages += 1

    def accept(self, sender: str, messages: list[dict[str, Any]], number: int) -> None:
        """Record these messages; on the disk's side of a kill -9 when this returns."""
        tail = f"\t{sender}\t{number}\t{time.monotonic():.6f}\n"
        tokens = [message["token"] for message in messages]
        os.write(self.handle, (tail.join(tokens) + tail).encode())
        self.messages += len(tokens)
        self.tokens.update(dict.fromkeys(tokens, f"r{number}"))


class Rules:
    """Which request meets which fault: the first rule that fits its number (or, by its seed, its share)."""

    def __init__(self) -> None:
        self.rules: list[tuple[dict[str, Any], random.Random]] = []

    def read(self, rules: list[dict[str, Any]]) -> None:
        self.rules = [(rule, random.Random(rule.get("seed", 0))) for rule in rules]

    def rule_for(self, number: int) -> dict[str, Any]:
        for rule, dice in self.rules:
            if number in rule.get("requests", ()) or dice.random() < rule.get("share", 0):
                return rule
            if rule.get("from", number + 1) <= number:
                return rule
        return {"fault": "none"}


class Gateway(asyncio.Protocol):
    """One connection: as much HTTP/1.1 as our own client speaks, requests answered in turn."""

    def __init__(self, books: Books, rules: Rules, secret: bytes | None) -> None:
        self.books, self.rules, self.secret = books, rules, secret
        self.waiting = bytearray()
        self.doomed = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        plain = transport.get_extra_info("socket")
        plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def data_received(self, content: bytes) -> None:
        if content.startswith(b"\x16"):  # TLS, to a sink without it
            self.transport.close()
            return
        self.waiting += content
        while not self.doomed:
            end = self.waiting.find(b"\r\n\r\n")
            if end < 0:
                return
            head = bytes(self.waiting[:end]).split(b"\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(b":") for line in head[1:])}
            whole = end + 4 + int(headers.get(b"content-length", 0))
            if len(self.waiting) < whole:
                return
            body = bytes(self.waiting[end + 4 : whole])
            del self.waiting[:whole]
            self.answer(head[0].split()[1].decode(), headers, body)

    def answer(self, path: str, headers: dict[bytes, bytes], body: bytes) -> None:
        if path == "/counts":
            counts = {
                "requests": self.books.requests,
                "messages": self.books.messages,
                "tokens": len(self.books.tokens),
            }
            self.say(200, counts)
        elif path == "/faults":
            self.rules.read(json.loads(body)["rules"])
            self.say(200, {})
        elif self.secret and not is_signed(self.secret, headers, body):
            self.say(401, {"error": "signature"})
        elif path == "/status":
            asked = json.loads(body)["tokens"]
            known = self.books.tokens
            self.say(200, {"found": [{"token": t, "result": "accepted", "ref": known[t]} for t in asked if t in known]})
        else:
            self.books.requests += 1
            said = json.loads(body)
            Request(self, self.books.requests, said["sender"], said["messages"]).meet()

    def say(self, status: int, body: object, more: bytes = b"") -> None:
        self.transport.write(write_answer(status, json.dumps(body).encode(), more))

    def reset(self) -> None:
        """RST instead of FIN."""
        self.doomed = True
        plain = self.transport.get_extra_info("socket")
        plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()


class Request:
    """One POST of messages, and what befalls it."""

    def __init__(self, line: Gateway, number: int, sender: str, messages: list[dict[str, Any]]) -> None:
        self.line, self.number, self.sender, self.messages = line, number, sender, messages
        self.rule = line.rules.rule_for(number)

    def meet(self) -> None:
        fault: Callable[[], None] = getattr(self, self.rule["fault"])
        fault()

    def accept(self) -> bytes:
        """Record all messages; the answer that says so."""
        self.line.books.accept(self.sender, self.messages, self.number)
        ref = f"r{self.number}"
        return json.dumps(
            {"receipts": [{"token": m["token"], "result": "accepted", "ref": ref} for m in self.messages]}
        ).encode()

    def none(self) -> None:
        self.line.transport.write(write_answer(200, self.accept()))

    def accept_then_reset(self) -> None:
        self.accept()
        self.line.reset()

    def reset_before_reading(self) -> None:
        self.line.reset()

    def accept_then_500(self) -> None:
        self.accept()
        self.line.say(500, {"error": "scripted"})

    def status(self) -> None:
        """Any code, with any headers and nothing accepted."""
        more = "".join(f"{name}: {value}\r\n" for name, value in self.rule.get("headers", {}).items())
        self.line.say(self.rule["status"], {"error": "scripted"}, more.encode())

    def hang(self) -> None:
        """Accepted, and never answered."""
        self.accept()

    def hang_unread(self) -> None:
        """Neither accepted nor answered."""

    def slow(self) -> None:
        answer = write_answer(200, self.accept())
        asyncio.get_running_loop().call_later(self.rule.get("seconds", 1.0), self.line.transport.write, answer)

    def half_a_body(self) -> None:
        answer = write_answer(200, self.accept())
        self.line.transport.write(answer[: -len(answer) // 3])
        self.line.doomed = True
        self.line.transport.close()

    def wrong_json(self) -> None:
        self.line.transport.write(write_answer(200, self.accept()[:-9] + b"oops"))

    def long_answer(self) -> None:
        self.line.transport.write(write_answer(200, self.accept() + b" " * 4_000_000))

    def some_receipts(self) -> None:
        """All are accepted; the answer tells of the first half alone."""
        told = json.loads(self.accept())["receipts"]
        self.line.say(200, {"receipts": told[: len(told) // 2]})

    def accept_then_die(self) -> None:
        """All are accepted, and the gateway itself is gone before it can say so."""
        self.accept()
        self.line.books.door.close()  # a dying process would take connections for a moment still
        os.kill(os.getpid(), signal.SIGKILL)

    def refuse_each(self) -> None:
        said = {"result": "refused", "reason": "invalid_address", "action": "next_channel"}
        self.line.say(200, {"receipts": [{"token": m["token"], **said} for m in self.messages]})


def is_signed(secret: bytes, headers: dict[bytes, bytes], body: bytes) -> bool:
    stamp = headers.get(b"x-multiwave-timestamp", b"0")
    wanted = b"v1=" + hmac.new(secret, stamp + b"." + body, hashlib.sha256).hexdigest().encode()
    fresh = stamp.isdigit() and abs(time.time() - int(stamp)) < 300
    return fresh and hmac.compare_digest(wanted, headers.get(b"x-multiwave-signature", b""))


async def serve(args: argparse.Namespace) -> None:
    books, rules = Books(args.record), Rules()
    secret = args.secret.encode() if args.secret else None
    context = None
    if args.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*args.tls)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: Gateway(books, rules, secret), "127.0.0.1", args.port, ssl=context, backlog=1024
    )
    books.door = server
    os.write(1, f"{server.sockets[0].getsockname()[1]}\n".encode())
    await server.serve_forever()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--record", required=True)
    parser.add_argument("--secret")
    parser.add_argument("--tls", nargs=2)
    asyncio.run(serve(parser.parse_args()))


if __name__ == "__main__":
    main()
