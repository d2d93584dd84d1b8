"""One chaos run from the first customer to the verified close."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event
from typing import Any

from sqlalchemy import text

from flows.room import Room
from flows.sending import Sent
from flows.wave import live
from ledger.types import EPOCH, MICROSECOND
from tests.chaos.blows import Crew, Weather, schedule
from tests.chaos.checks import Found, look, look_at_status, look_at_times, read_record
from tests.chaos.databases import Database
from tests.chaos.home import BOTH, CAMPAIGN, FIRST, WAVE, Home, make_home
from tests.chaos.on_prefect import PrefectServer
from tests.chaos.rig import ROOT, SECRET, SECRET_ENV, start_sink

WORKERS = 3
BATCH = 200
LANES = 2
"""Channels of the wave: a worker has a chunk of each in its hands."""
ENDS_WITHIN_S = 60.0
LEFT = """SELECT (SELECT count(*) FROM touch WHERE state IN (0, 1)) + (SELECT count(*) FROM batch WHERE done_at IS NULL)
    + (SELECT count(*) FROM doubt d JOIN touch t ON t.id = d.touch WHERE t.state = 7 AND d.asked_at IS NULL)"""
STATE = "SELECT state FROM wave"
DUE_NOW = (
    "UPDATE touch SET not_before = :now WHERE state = 0 AND not_before > :now",
    "UPDATE batch SET due = :now WHERE done_at IS NULL AND due > :now",
)


@dataclass(frozen=True, slots=True)
class Ran:
    """One line of the table."""

    seed: int
    database: str
    found: Found
    struck: Counter[str]
    seconds: float

    @property
    def sound(self) -> bool:
        return not self.found.wrong


def base_rules(seed: int, channels: str) -> list[dict[str, object]]:
    """How the sink behaves on a quiet day: some answers are slow, and of a `first_of` some requests are refused."""
    slow = {"fault": "slow", "share": 0.1, "seconds": 0.1, "seed": seed}
    refuse = {"fault": "refuse_each", "share": 0.05, "seed": seed + 1}
    return [slow, refuse] if channels == FIRST else [slow]


def play(
    database: Database, folder: Path, seed: int, people: int, blows: int, prefect: PrefectServer | None = None
) -> Ran:
    """Everything of one seed, on a database of its own; the workers' flows over `prefect`, or on plain functions."""
    begun, dice = time.monotonic(), random.Random(seed)
    channels = FIRST if dice.random() < 0.4 else BOTH
    people = people * 2 if channels == FIRST else people
    sink = start_sink(folder / "record.txt")
    os.environ[SECRET_ENV] = SECRET
    try:
        home = make_home(folder / "home", database.url, sink.url, SECRET_ENV, people, channels, BATCH)
        if prefect is not None:
            home.environment.update(prefect.environment)
        room = home.room()
        rules = base_rules(seed, channels)
        sink.fail(*rules)
        crew = Crew(home, WORKERS, folder / "workers.log")
        weather = Weather(crew, database, sink, room.ledger, dice, rules, prefect)
        crew.fill()
        try:
            for blow in schedule(dice, blows, weather.spared):
                weather.strike(blow)
            weather.calm()
            crew.fill()
            ended = finish(room)
        finally:
            weather.calm()
            crew.end()
        found = look(database, sink.record, room.token_key, channels == FIRST)
        look_at_times(found, database, read_record(sink.record, room.token_key), weather.halts, weather.woken)
        look_at_status(found, database, status(home))
        most = (weather.hands * LANES + weather.struck["reset"]) * BATCH
        ever = found.in_doubt + found.resolved
        found.expect(ended, f"the wave did not end within {ENDS_WITHIN_S:g} s")
        found.expect(ever <= most, f"{ever} were in doubt, with {weather.hands} workers lost")
        found.wrong += crew.broken
        room.ledger.close()
    finally:
        sink.stop()
    return Ran(seed, database.name, found, weather.struck, time.monotonic() - begun)


def finish(room: Room) -> bool:
    """Wait until nothing is on its way and each doubt was asked about, then close; False when that took too long.

    Once the wave is closing, whoever comes first closes it: this one or a worker.
    """
    hurry(room)
    end = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < end:
        with room.ledger.read() as connection:
            left, state = (connection.exec_driver_sql(query).scalar_one() for query in (LEFT, STATE))
        if state == "closed":
            return True
        if not left and state == "open":
            live(room, CAMPAIGN, WAVE, room.ledger.now() + timedelta(hours=5), nobody)
        Event().wait(0.2)
    return False


def hurry(room: Room) -> None:
    """What waits a minute for a gateway that failed goes now: the gateway is well again, and the run is to be short."""
    with room.ledger.write() as connection:
        for statement in DUE_NOW:
            connection.execute(text(statement), {"now": (room.ledger.now() - EPOCH) // MICROSECOND})


def nobody(*_: object) -> Sent:
    """What the one that closes does with a batch: there must be none."""
    raise AssertionError("a batch was leased when nothing was left to send")


def status(home: Home) -> Any:
    """`multiwave status chaos --json`, by the program."""
    command = [sys.executable, "-c", "from console.cli import main; main()", "status", CAMPAIGN, "--json"]
    environment = {**os.environ, **home.environment, "MULTIWAVE_HOME": str(home.folder)}
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True)
    return json.loads(said.stdout)
