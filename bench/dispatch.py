"""100,000 touches through the whole sending path to a sink on this machine, against the bare sender, bodies alike.

The engine leases, claims, renders, signs, sends, reads receipts and settles; the bare sender has the requests of the
same messages ready made and only sends them, as many at once, from the same core. By HTTP one message a request and a
hundred a request (there the ledger is the bound, not the line), and by SMTP.

On PostgreSQL as many workers as MULTIWAVE_WAVE_WORKERS has by default send side by side, in one process: while one
waits for the database, the other sends. SQLite has one writer at a time, and gets one worker.

The bare sender, which is the limit, is the plainest there is: a loop over aiohttp's client on asyncio's own event loop,
and smtplib over one connection. The engine sends by lines of its own (channels.http_line, bench.smtp_line); rows called
`our line` hold it against those alone, so that what the engine itself costs shows.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import text

from bench.campaign import FIRST, open_room
from bench.claim_settle import SENT, queue
from bench.databases import Database, both
from bench.race import ROUNDS
from bench.sinks import (
    http_sink,
    pinned,
    send_bare_http,
    send_bare_smtp,
    send_by_http_line,
    send_by_smtp_line,
    sink_of,
)
from bench.smtp_channel import SmtpChannel
from channels.http import Http
from channels.registry import CAPABILITIES
from flows.render import render
from flows.room import Room
from flows.running import Running, load_running
from flows.sending import send_batch
from flows.wave import send_due
from ledger.recipients import recipients
from ledger.store import open_ledger
from tests.chaos.rig import http_sender
from waves.message import CHANNEL_NAMES, Message
from waves.senders import Sender
from waves.tokens import Kind, make_token

MEMBERS = 109_000
NAMES = ("web_push", "sms", "email")
WAYS = {"http": 1, "http by 100": 100, "smtp": 0}
"""What is measured, and messages in a request."""


@dataclass
class Way:
    """One way out: the room that sends by it, and how the bare sender does."""

    room: Room
    each: int
    url: str = ""
    port: int = 0

    def bare(self, messages: Sequence[Message]) -> float:
        """Seconds for these messages without an engine."""
        return send_bare_http(self.url, self._bodies(messages)) if self.each else send_bare_smtp(self.port, messages)

    def bare_line(self, messages: Sequence[Message]) -> float:
        """The same by the engine's own line."""
        if self.each:
            return send_by_http_line(self.url, self._bodies(messages))
        return send_by_smtp_line(self.port, messages)

    def _bodies(self, messages: Sequence[Message]) -> list[bytes]:
        channel = self.room.channel("sms")
        assert isinstance(channel, Http)
        return [channel._body(list(messages[i : i + self.each])) for i in range(0, len(messages), self.each)]


def run(scale: float) -> list[dict[str, Any]]:
    """A row for each way and database; RuntimeError when not every touch was sent once."""
    with both() as databases:
        return [row for database in databases for row in send_on(database, max(1_000, round(MEMBERS * scale)))]


def send_on(database: Database, members: int, rounds: int = ROUNDS) -> Iterator[dict[str, Any]]:
    """The rows of one database."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        queue(database, Path(home), members)
        for what, each in WAYS.items():
            seconds: list[list[float]] = [[], [], []]
            for _ in range(rounds):
                with way_out(database, Path(home), each) as way, pinned():
                    running = load_running(way.room.ledger, "bench")
                    messages = messages_of(way.room, running)
                    seconds[0].append(sent_in(way.room, running, len(messages)))
                    seconds[1].append(way.bare(messages))
                    seconds[2].append(way.bare_line(messages))
            ours, bare, line = map(min, seconds)
            n = len(messages)
            told = f"{what} on {database.name}: {ours:.2f} s, bare {bare:.2f} s, bare by our line {line:.2f} s"
            print(told, file=sys.stderr)
            yield {"what": what, "database": database.name, "n": n, "rate": n / ours, "limit_rate": n / bare}
            by_line = {"what": f"{what}, our line", "database": database.name, "n": n}
            yield by_line | {"rate": n / ours, "limit_rate": n / line}
        database.drop("base")


@contextmanager
def way_out(database: Database, home: Path, each: int) -> Iterator[Way]:
    """A room over a copy of `base`, each of its senders wired to a sink of its own kind."""
    ledger = open_ledger(database.copy("base", "run"))
    began = time.monotonic()
    # As on a real clock, where lanes wait side by side; but the real one may not stand at an hour for messages.
    ledger.simulated = False
    ledger.now = lambda: SENT + timedelta(seconds=time.monotonic() - began)  # type: ignore[method-assign]
    room = open_room(home, ledger)
    with ExitStack() as stack:
        stack.callback(database.drop, "run")
        stack.callback(ledger.close)
        if each:
            sink = stack.enter_context(http_sink())
            room.senders = {name: http_sender(sink.url, name, each) for name in NAMES}
            room.senders = {name: one.model_copy(update={"sender": name}) for name, one in room.senders.items()}
            way = Way(room, each, url=sink.url)
        else:
            port = stack.enter_context(sink_of("smtp_sink"))
            room.senders = {name: Sender(sender=name, channel=name, provider="smtp") for name in NAMES}
            room._channels.update({name: SmtpChannel(CAPABILITIES[name], port) for name in NAMES})
            way = Way(room, each, port=port)
        for name in NAMES:
            stack.callback(room.channel(name).close)  # type: ignore[attr-defined]
        yield way


def sent_in(room: Room, running: Running, touches: int) -> float:
    """Seconds for the wave; RuntimeError when not every touch was sent."""
    gc.collect()
    wave, workers = running.plan.wave(FIRST), room.settings.wave_workers if room.ledger.dialect == "postgresql" else 1
    began = time.perf_counter()
    with ThreadPoolExecutor(workers) as crew:
        for one in [crew.submit(send_due, room, running, wave, SENT, send_batch) for _ in range(workers)]:
            one.result()
    seconds = time.perf_counter() - began
    with room.ledger.read() as connection:
        states = connection.execute(text("SELECT state, count(*) FROM touch WHERE batch IS NOT NULL GROUP BY 1")).all()
    if [tuple(row) for row in states] != [(2, touches)]:
        raise RuntimeError(f"not all of {touches} touches were sent: {states}")
    return seconds


def messages_of(room: Room, running: Running) -> list[Message]:
    """Every message of the wave as the engine will write it."""
    wave, templates, found = running.plan.wave(FIRST), running.bundle.open_templates(), list[Message]()
    with room.ledger.read() as connection:
        rows = connection.execute(text("SELECT id, channel FROM touch WHERE batch IS NOT NULL ORDER BY id")).all()
        for start in range(0, len(rows), 1000):
            known = recipients(connection, [row.id for row in rows[start : start + 1000]], running.bundle.types)
            for touch, channel in rows[start : start + 1000]:
                token = make_token(room.token_key, Kind.TOUCH, touch)
                name = CHANNEL_NAMES[channel]
                found.append(render(running.bundle, wave, templates, name, 0, token, known[touch]))
    return found
