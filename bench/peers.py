"""10,000 contacts through multiwave's whole dispatch against what else sends them, to the same sinks in one run.

Here `limit_rate` is the peer's contacts per second and the ratio is ours / theirs: above 1 we are faster. Ours leases,
claims, renders, signs, sends and settles, on one core: a message a request as the peers do and, in rows of their own,
a hundred a request, which no peer can. The peers may use every core but keep no such books. A slow peer sends to fewer
contacts and says so in its row. Start-up counts for nobody. Peers that are no part of the product are installed into
bench/.peers-venv from bench/peers.txt the first time.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench.claim_settle import queue
from bench.databases import Database, both
from bench.dispatch import messages_of, sent_in, way_out
from bench.sinks import http_sink, pinned, sink_of
from flows.running import load_running

HERE = Path(__file__).parent
OWN, NAMED = HERE / ".peers-venv", HERE / "peers.txt"
CONTACTS, ENROLLED = 10_000, 1.09
"""Contacts to send to, and the customers it takes for each: some are held out or have no address."""


@dataclass(frozen=True, slots=True)
class Peer:
    """One way to send, as the module bench.peer_NAME."""

    what: str
    name: str
    bar: float
    most: int = CONTACTS
    smtp: bool = False
    product: bool = True
    """It runs with the product's packages."""
    on: tuple[str, ...] = ()
    """Databases it keeps its own tables on; none: it has none."""

    @property
    def ways(self) -> tuple[int, ...]:
        """Our messages in a request to compare with; 0 for SMTP."""
        return (0,) if self.smtp else (1, 100)


PEERS = (
    Peer("pandas + twilio", "twilio", bar=8),
    Peer("prefect, a task each", "prefect", bar=40, most=500),
    Peer("procrastinate, a job each", "procrastinate", bar=15, most=1_000, product=False, on=("postgresql",)),
    Peer("celery, a task each", "celery", bar=15, most=1_000, product=False),
    Peer("django-post-office", "post_office", bar=8, most=2_000, smtp=True, product=False, on=("sqlite", "postgresql")),
)


def run(scale: float) -> list[dict[str, Any]]:
    """A row for each peer and database; RuntimeError when a side did not send every message."""
    contacts = max(100, round(CONTACTS * scale))
    with both() as databases:
        return list(compared(databases, contacts))


def compared(
    databases: tuple[Database, ...], contacts: int, peers: tuple[Peer, ...] = PEERS
) -> Iterator[dict[str, Any]]:
    """The rows, each told as it is known."""
    needed = sorted({each for peer in peers for each in peer.ways})
    ours = {(one.name, each): our_rate(one, contacts, each) for one in databases for each in needed}
    for peer in peers:
        theirs = 0.0
        for database in databases:
            if peer.on and database.name not in peer.on:
                continue
            number = min(peer.most, contacts)
            if peer.on or not theirs:
                theirs = peer_rate(peer, number, database)
            for each in peer.ways:
                n, rate = ours[database.name, each]
                what = peer.what if number == contacts else f"{peer.what}, {number:,} of them"
                what += ", ours by 100" if each > 1 else ""
                verdict = "kept" if rate / theirs >= peer.bar else "MISSED"
                said = f"{what} on {database.name}: {theirs:,.0f}/s, ours {rate:,.0f}/s, {rate / theirs:.1f} times"
                print(f"{said}; at least {peer.bar:.0f}: {verdict}", file=sys.stderr)
                yield {"what": what, "database": database.name, "n": n, "rate": rate, "limit_rate": theirs}


def our_rate(database: Database, contacts: int, each: int) -> tuple[int, float]:
    """Touches, and touches per second through the whole dispatch: so many a request, 0 for SMTP."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        queue(database, Path(home), round(contacts * ENROLLED))
        with way_out(database, Path(home), each) as way, pinned():
            running = load_running(way.room.ledger, "bench")
            touches = len(messages_of(way.room, running))
            cpu = time.process_time()
            seconds = sent_in(way.room, running, touches)
            cpu = time.process_time() - cpu
        line = f"HTTP, {each} a request" if each else "SMTP"
        print(f"ours on {database.name} by {line}: {cpu / touches * 1e6:,.0f} us of CPU a message", file=sys.stderr)
        database.drop("base")
    return touches, touches / seconds


def peer_rate(peer: Peer, contacts: int, database: Database) -> float:
    """The peer's contacts per second."""
    python = Path(sys.executable) if peer.product else installed()
    with ExitStack() as stack:
        home = stack.enter_context(TemporaryDirectory(prefix="multiwave-bench-"))
        sink = None if peer.smtp else stack.enter_context(http_sink(secret=None))
        port = sink.port if sink else stack.enter_context(sink_of("smtp_sink"))
        command = [str(python), "-m", f"bench.peer_{peer.name}", str(port), str(contacts)]
        if peer.on:
            command.append(database.make("peer").replace("postgresql+psycopg:", "postgresql:"))
            stack.callback(database.drop, "peer")
        asked = {"PREFECT_HOME": home, "PREFECT_LOGGING_LEVEL": "ERROR", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
        environment = {**os.environ, **asked, "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "true", "NO_PROXY": "127.0.0.1"}
        said = subprocess.run(
            command, cwd=HERE.parent, env=environment, check=True, stdout=subprocess.PIPE, text=True, timeout=900
        )
        if sink and (found := sink.ask("/counts")["tokens"]) != contacts:
            raise RuntimeError(f"{peer.what} sent {found} of {contacts}")
    return contacts / float(said.stdout.splitlines()[-1])


def installed() -> Path:
    """The interpreter that has the peers' packages, made when it is not there or they changed."""
    python, mark = OWN / "bin" / "python", OWN / "installed.txt"
    if not mark.exists() or mark.read_text("utf-8") != NAMED.read_text("utf-8"):
        print(f"== installing the peers of {NAMED.name}", file=sys.stderr)
        venv.create(OWN, clear=True, with_pip=True)
        pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "-r", str(NAMED)]
        subprocess.run(pip, check=True, stdout=sys.stderr)
        mark.write_text(NAMED.read_text("utf-8"), "utf-8")
    return python
