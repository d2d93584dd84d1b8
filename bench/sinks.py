"""What the sending benchmarks send to, each in a process and on a core of its own, and the bare senders' loops."""

from __future__ import annotations

import asyncio
import hashlib
import math
import os
import smtplib
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from bench.smtp_channel import TOGETHER, address_of, mail_of
from bench.smtp_line import SENDER, PipelinedLine
from channels.http_line import Line, Post, Target
from channels.http_options import sign
from tests.chaos.rig import SECRET, SECRET_ENV, Sink, start_sink
from waves.message import Message

ABREAST = 16
"""Requests in the air at once, on either side; what the engine has for one batch (waves.senders.REQUESTS_EACH)."""
CORES = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


@contextmanager
def pinned() -> Iterator[None]:
    """This process on one core, where the system can: threads that hand the interpreter over across cores lose time."""
    if not CORES:
        yield
        return
    os.sched_setaffinity(0, CORES[:1])
    try:
        yield
    finally:
        os.sched_setaffinity(0, CORES)


def move_away(pid: int) -> None:
    """A sink, to the last core."""
    if CORES:
        os.sched_setaffinity(pid, CORES[-1:])


@contextmanager
def http_sink(secret: str | None = SECRET) -> Iterator[Sink]:
    """The gateway of the chaos tests, its secret in the environment; with None it asks nobody to sign."""
    with TemporaryDirectory(prefix="multiwave-bench-") as folder:
        os.environ[SECRET_ENV] = SECRET
        sink = start_sink(Path(folder) / "record", secret=secret)
        move_away(sink.running.pid)
        try:
            yield sink
        finally:
            sink.stop()


@contextmanager
def sink_of(module: str) -> Iterator[int]:
    """A sink of this folder that prints its port; the port."""
    running = subprocess.Popen([sys.executable, "-m", f"bench.{module}"], stdout=subprocess.PIPE, text=True)
    assert running.stdout
    move_away(running.pid)
    try:
        yield int(running.stdout.readline())
    finally:
        running.kill()
        running.wait()
        running.stdout.close()


def send_bare_http(url: str, bodies: Sequence[bytes]) -> float:
    """Seconds for these bodies by aiohttp's client: ready made, signed before, answers read and no more."""
    ready = [(body, {"Content-Type": "application/json", **_signed(body)}) for body in bodies]
    return asyncio.run(_post_all(f"{url}/messages", ready))


def send_by_http_line(url: str, bodies: Sequence[bytes]) -> float:
    """The same by the engine's own HTTP line."""
    target = Target.of(f"{url}/messages")
    heads = ["".join(f"{name}: {value}\r\n" for name, value in _signed(body).items()) for body in bodies]
    posts = [Post(target, head, body, math.inf) for head, body in zip(heads, bodies, strict=True)]
    return asyncio.run(_carry_all(posts))


def _signed(body: bytes) -> dict[str, str]:
    key = hashlib.sha256(body).hexdigest()[:40]
    return {**sign(SECRET.encode(), body, int(time.time())), "Idempotency-Key": key}


async def _carry_all(posts: Sequence[Post]) -> float:
    async def carry_some() -> None:
        for post in turns:
            answer = await line.post(post, 1 << 20, 10.0)
            if answer.status != 200:
                raise RuntimeError(f"the sink answered {answer.status}")

    line, began, turns = Line(4.0), time.perf_counter(), iter(posts)
    await asyncio.gather(*(carry_some() for _ in range(ABREAST)))
    seconds = time.perf_counter() - began
    await line._hang_up()
    return seconds


async def _post_all(url: str, ready: Sequence[tuple[bytes, dict[str, str]]]) -> float:
    async def post_some() -> None:
        for body, headers in turns:
            async with session.post(url, data=body, headers=headers) as response:
                await response.read()
                if response.status != 200:
                    raise RuntimeError(f"the sink answered {response.status}")

    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar()) as session:
        began, turns = time.perf_counter(), iter(ready)
        await asyncio.gather(*(post_some() for _ in range(ABREAST)))
        return time.perf_counter() - began


def send_bare_smtp(port: int, messages: Sequence[Message]) -> float:
    """Seconds for these mails by smtplib over one connection, their bytes ready made."""
    ready = [(address_of(message), mail_of(message)) for message in messages]
    with smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example.com") as line:
        line.ehlo()
        began = time.perf_counter()
        for address, mail in ready:
            line.sendmail(SENDER, [address], mail)
        return time.perf_counter() - began


def send_by_smtp_line(port: int, messages: Sequence[Message]) -> float:
    """The same by the connections of bench.smtp_line."""
    ready = [(address_of(message), mail_of(message)) for message in messages]
    line = PipelinedLine(port)
    began = time.perf_counter()
    for start in range(0, len(ready), TOGETHER):
        line.carry(ready[start : start + TOGETHER])
    seconds = time.perf_counter() - began
    line.close()
    return seconds
