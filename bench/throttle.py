"""How exactly four processes hold one sender to its rate: what the ledger granted against what was asked for."""

from __future__ import annotations

import sys
from datetime import UTC, datetime, timedelta
from multiprocessing import get_context
from time import monotonic, sleep
from typing import Any

from bench.databases import both
from ledger import pace
from ledger.store import create_ledger, open_ledger
from waves.senders import Sender

RATE, WORKERS, SECONDS = 80.0, 4, 15.0
PATIENCE = timedelta(seconds=5)
PREFECT_STRICT, PREFECT_EVEN = "68/s of 80, never over (10 slots)", "77/s of 80, 70 to 90 in a second (20 slots)"
"""Prefect 3's global rate limits, measured with the same four processes: 8 ms each, single waits up to 8 s."""


def run(scale: float) -> list[dict[str, Any]]:
    """A row for each database; RuntimeError when a window of a second held more than the rate and a slice."""
    with both() as databases:
        return [_held(database.name, database.make("throttle"), max(1.0, SECONDS * scale)) for database in databases]


def _held(name: str, url: str, seconds: float) -> dict[str, Any]:
    create_ledger(url).close()
    with get_context("spawn").Pool(WORKERS) as pool:
        found = sorted(grant for mine in pool.map(_worker, [(url, seconds)] * WORKERS) for grant in mine)
    within = [(begins, n) for begins, n in found if n and begins - found[0][0] < seconds]
    rate = sum(n for _, n in within[:-1]) / (within[-1][0] - within[0][0])
    most = max(sum(n for begins, n in within if start <= begins < start + 1) for start, _ in within)
    print(f"{name}: {rate:.1f}/s of {RATE:.0f} ({rate / RATE:.3f}), at most {most} in a second", file=sys.stderr)
    print(f"  Prefect's global limits: {PREFECT_STRICT}; {PREFECT_EVEN}", file=sys.stderr)
    if most > RATE * (1 + pace.SLICE_S):
        raise RuntimeError(f"{most} messages in a second at {RATE:.0f}/s")
    return {"database": name, "n": len(within), "rate": rate, "limit_rate": RATE}


def _worker(asked: tuple[str, float]) -> list[tuple[float, int]]:
    """(when, how many) of every grant, each waited for as a worker does."""
    url, seconds = asked
    ledger, sender = open_ledger(url), Sender(sender="bench", channel="sms", provider="http", rate=RATE)
    granted, ends = list[tuple[float, int]](), monotonic() + seconds + 1
    while monotonic() < ends:
        with ledger.write() as connection:
            grant = pace.take(connection, sender, 500, datetime.now(UTC), PATIENCE)
        sleep(max(0.0, grant.waits_s))
        granted.append((monotonic(), grant.messages))
    ledger.close()
    return granted
