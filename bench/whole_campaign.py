"""A whole campaign of four waves over a provider that accepts everything, at a size and at ten times that size.

Timed is all that the engine does: start, open, enrol, lease, claim, render, settle, close, step by step of a simulated
clock. Not timed is what the world does meanwhile: customers put in, answers given, statistics taken. Each size runs in
a process of its own, whose memory is the row's. The rate counts members. The limit of the larger size is the rate of
the smaller one: a ratio of 0.77 is 13 times the time for 10 times the members.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import event, text

from bench.campaign import OUTCOMES, open_room, start_campaign
from bench.databases import Database, both
from bench.null_channel import NullChannel
from bench.world import NOW, micros, populate, settle
from flows.campaign import advance_campaign
from flows.room import Room
from flows.running import load_running
from flows.sending import send_batch
from flows.upkeep import upkeep
from flows.wave import live
from ledger.close import Balance
from ledger.store import Ledger, create_ledger, open_ledger

PLAN = """\
campaign: bench
title: A benchmark
segment: everybody
starts: 2026-12-01 09:00 UTC
holdout: 5%
goal: {event: renewed, within: 14d}
limits: {contacts: 5, within: 7d}
hours: house
waves:
  - {wave: notice, channels: [web_push, {first_of: [sms, email]}], message: hello, release: 8h, listen: 1d}
  - wave: reminder
    wait: 15h
    enter: not converted and (notice.engaged or notice.missed)
    channels: [{first_of: [sms, email]}]
    message: hello
    holdout: 5%
    release: 8h
    listen: 1d
  - wave: offer
    wait: 15h
    enter: not converted and (notice.received or reminder.received)
    channels: [{first_of: [email, sms]}]
    message: hello
    release: 8h
    listen: 1d
  - wave: last_call
    wait: 15h
    enter: not converted and not offer.declined
    channels: [sms]
    message: hello
    release: 8h
    listen: 1d
"""
CHANNELS = ("web_push", "sms", "email")
STEP = timedelta(hours=2)
ANSWERED, LATEST = timedelta(hours=30), timedelta(days=4)
"""What was sent is answered so long after the wave opened; by the latter it is over."""
TENTH = 0.1
AT_ONCE = 200_000
"""Touches answered in one transaction."""


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases, the smaller size first."""
    large = max(2_000, round(1_000_000 * scale))
    with both() as databases:
        return [row for database in databases for row in _rows(database, round(large * TENTH), large)]


def _rows(database: Database, small: int, large: int) -> Iterator[dict[str, Any]]:
    before = None
    for members in (small, large):
        done = measured(database, members)
        rate = members / done["seconds"]
        row = {"database": database.name, "n": members, "rate": rate, "limit_rate": before, "peak_mb": done["peak_mb"]}
        yield row
        parts = ", ".join(f"{name} {seconds:.1f} s" for name, seconds in done["parts"].items())
        told = f"campaign of {members:,} on {database.name}: {done['seconds']:.1f} s ({parts}), {done['touches']:,} "
        told += f"touches, {done['peak_mb']:.0f} MB, longest transaction {done['longest_s']:.2f} s"
        print(told if before is None else f"{told}; {10 * before / rate:.1f} times the time", file=sys.stderr)
        before = rate


def measured(database: Database, members: int) -> dict[str, Any]:
    """One campaign in a process of its own, over a ledger made for it."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        ledger = create_ledger(database.make("whole"), simulated=True)
        populate(ledger, members)
        ledger.close()
        command = [sys.executable, "-m", "bench.whole_campaign", home, database.url("whole")]
        said = subprocess.run(command, cwd=Path(__file__).parent.parent, check=True, stdout=subprocess.PIPE, text=True)
        database.drop("whole")
    found: dict[str, Any] = json.loads(said.stdout)
    return found


class Clock:
    """Seconds of the engine's own work, by wave, and its longest transaction."""

    def __init__(self, ledger: Ledger) -> None:
        self.parts: dict[str, float] = {}
        self.longest_s = 0.0
        self._timing = False
        event.listen(ledger.engine, "begin", lambda connection: connection.info.update(began=time.monotonic()))
        for end in ("commit", "rollback"):
            event.listen(ledger.engine, end, self._ended)

    @contextmanager
    def timing(self, part: str) -> Iterator[None]:
        """Count what is done meanwhile."""
        self._timing, began = True, time.monotonic()
        yield
        self._timing = False
        self.parts[part] = self.parts.get(part, 0.0) + time.monotonic() - began

    def _ended(self, connection: Any) -> None:
        if self._timing and connection.get_execution_options().get("writes", False):
            self.longest_s = max(self.longest_s, time.monotonic() - connection.info["began"])


def run_campaign(room: Room) -> dict[str, Any]:
    """Start the campaign and take it to its end; what it took."""
    room.ledger.set_now(NOW)
    clock = Clock(room.ledger)
    with clock.timing("start"):
        start_campaign(room, PLAN)
    now = NOW
    for name in [row.name for row in load_running(room.ledger, "bench").rows]:
        due, answered = now, False
        while (row := load_running(room.ledger, "bench").row(name)).state != "closed":
            if now > due + LATEST:
                raise RuntimeError(f"{name} did not close")
            if row.state == "open" and not answered and now >= row.opened + ANSWERED:
                _answer(room.ledger, row.id, now)
                answered = True
            with clock.timing(name):
                _advance(room, now)
            if load_running(room.ledger, "bench").row(name).opened == now:
                settle(room.ledger)
            now += STEP
    with room.ledger.read() as connection:
        touches = connection.scalar(text("SELECT count(*) FROM touch WHERE wave <> 1000 AND wave <> 1001"))
    seconds = sum(clock.parts.values())
    return {"seconds": seconds, "parts": clock.parts, "touches": touches, "longest_s": clock.longest_s}


def _advance(room: Room, now: datetime) -> None:
    room.ledger.set_now(now)
    upkeep(room, now)
    for _ in advance_campaign(room, "bench", now, _launch):  # the rival is made of rows alone: it has no plan to run
        pass


def _launch(room: Room, name: str, wave: str, now: datetime) -> Balance | None:
    return live(room, name, wave, now, send_batch)


def _answer(ledger: Ledger, wave: int, now: datetime) -> None:
    """Most of what was sent is answered, or never arrived; in ranges, so that the peak memory is the engine's own."""
    with ledger.read() as connection:
        last = connection.scalar(text("SELECT max(id) FROM touch"))
    given = {"wave": wave, "now": micros(now)}
    for low in range(0, last + 1, AT_ONCE):
        with ledger.write() as connection:
            some = text(f"{OUTCOMES} AND state = 2 AND id > :low AND id <= :high")
            connection.execute(some, given | {"low": low, "high": low + AT_ONCE})
    settle(ledger)


def main() -> None:
    """Run one campaign in this process and print what it took."""
    from bench.__main__ import peak_mb

    home, url = sys.argv[1:]
    ledger = open_ledger(url)
    room = open_room(Path(home), ledger)
    room._channels.update({channel: NullChannel(channel) for channel in CHANNELS})
    done = run_campaign(room)
    ledger.close()
    print(json.dumps(done | {"peak_mb": peak_mb()}))


if __name__ == "__main__":
    main()
