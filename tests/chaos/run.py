"""One chaos run from the first customer to the verified close."""

from __future__ import annotations

import os
import random
import time
from collections import Counter
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from threading import Event

from flows.room import Room
from flows.wave import live
from tests.chaos.blows import Crew, Weather, schedule
from tests.chaos.checks import Found, look, look_at_halts, read_record
from tests.chaos.databases import Database
from tests.chaos.home import BOTH, CAMPAIGN, FIRST, WAVE, make_home
from tests.chaos.rig import SECRET, SECRET_ENV, start_sink

WORKERS = 3
BATCH = 200
LANES = 2
"""Channels of the wave: a worker has a chunk of each in its hands."""
ENDS_WITHIN_S = 60.0


@dataclass(frozen=True, slots=True)
class Ran:
    """One line of the table."""

    seed: int
    database: str
    found: Found
    struck: Counter[str]
    halt_s: float
    seconds: float

    @property
    def sound(self) -> bool:
        return not self.found.wrong


def base_rules(seed: int, channels: str) -> list[dict[str, object]]:
    """How the sink behaves on a quiet day: some answers are slow, and of a `first_of` some requests are refused."""
    slow = {"fault": "slow", "share": 0.1, "seconds": 0.1, "seed": seed}
    refuse = {"fault": "refuse_each", "share": 0.05, "seed": seed + 1}
    return [slow, refuse] if channels == FIRST else [slow]


def play(database: Database, folder: Path, seed: int, people: int, blows: int) -> Ran:
    """Everything of one seed, on a database of its own."""
    begun, dice = time.monotonic(), random.Random(seed)
    channels = FIRST if dice.random() < 0.4 else BOTH
    people = people * 2 if channels == FIRST else people
    sink = start_sink(folder / "record.txt")
    os.environ[SECRET_ENV] = SECRET
    try:
        home = make_home(folder / "home", database.url, sink.url, SECRET_ENV, people, channels, BATCH)
        room = home.room()
        rules = base_rules(seed, channels)
        sink.fail(*rules)
        crew = Crew(home, WORKERS, folder / "workers.log")
        weather = Weather(crew, database, sink, room.ledger, dice, rules)
        crew.fill()
        try:
            for blow in schedule(dice, blows, database.name):
                weather.strike(blow)
            weather.calm()
            crew.fill()
            ended = finish(room)
        finally:
            weather.calm()
            crew.end()
        found = look(database, sink.record, room.token_key, channels == FIRST)
        record = read_record(sink.record, room.token_key)
        halt_s = look_at_halts(found, record, weather.halts, bool(weather.asleep))
        most = weather.hands * LANES * BATCH
        found.expect(ended, f"the wave did not end within {ENDS_WITHIN_S:g} s")
        found.expect(found.lost_workers <= most, f"{found.lost_workers} in doubt for {weather.hands} lost workers")
        found.wrong += crew.broken
        look_at_status(found, home.folder, home.environment, database)
        room.ledger.close()
    finally:
        sink.stop()
    return Ran(seed, database.name, found, weather.struck, halt_s, time.monotonic() - begun)


def finish(room: Room) -> bool:
    """Wait until nothing is on its way, then close the wave, the workers still at it; False when that took too long."""
    end = time.monotonic() + ENDS_WITHIN_S
    while time.monotonic() < end:
        with room.ledger.read() as connection:
            left = connection.exec_driver_sql(
                "SELECT (SELECT count(*) FROM touch WHERE state IN (0, 1)) + (SELECT count(*) FROM wave WHERE state <> 'open')"
            ).scalar_one()
        if not left:
            break
        Event().wait(0.2)
    else:
        return False
    return live(room, CAMPAIGN, WAVE, room.ledger.now() + timedelta(hours=5), nobody) is not None


def nobody(*_: object) -> object:
    raise AssertionError("a batch was leased when nothing was left to send")


def look_at_status(found: Found, home: Path, environment: dict[str, str], database: Database) -> None:
    """`multiwave status` says how many are in doubt, and names them."""
