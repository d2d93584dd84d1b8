"""A process that claims all it can of an open wave beside its rivals, and writes the touches it got into a file."""

from __future__ import annotations

import random
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from config.settings import Settings
from flows.room import open_room
from flows.running import gates_of, load_running
from flows.sending import next_batch
from ledger import touches
from tests.chaos.home import CAMPAIGN, WAVE
from waves.message import CHANNEL_CODES


def claim_all(home: str, url: str, number: int, barrier: Barrier) -> None:
    """Lease after lease, chunk after chunk of any size; a lease is kept, as no claim of it is ever settled."""
    given: dict[str, Any] = {"home": home, "database_url": url}
    room, dice = open_room(Settings(**given)), random.Random(number)
    running = load_running(room.ledger, CAMPAIGN)
    wave = running.plan.wave(WAVE)
    channels = [CHANNEL_CODES["sms"], CHANNEL_CODES["email"]]
    mine: list[int] = []
    barrier.wait(60)
    for channel in channels if number % 2 else reversed(channels):
        while leased := next_batch(room, running, wave, channel, room.ledger.now(), None):
            claimed: list[touches.Claimed] | None = []
            while claimed is not None:
                mine += [one.touch for one in claimed]
                now = room.ledger.now()
                with room.ledger.write() as connection:
                    gates = gates_of(running, wave, now)
                    claimed = touches.claim(connection, leased, gates, running.types, dice.randint(100, 1000), now)
    room.ledger.close()
    (Path(home) / f"claimed-{number}.txt").write_text("\n".join(map(str, mine)))
