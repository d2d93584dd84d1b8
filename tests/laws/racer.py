"""A process of its own over a shared ledger, which does what it is told the moment that its rival begins too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from sqlalchemy import event

from channels.outbox import read_outbox
from config.settings import Settings
from flows.campaign import advance_campaign
from flows.dialling import pull
from flows.room import Room, open_room
from flows.sending import send_batch
from flows.wave import live
from waves.message import CHANNEL_CODES

TRIES = 100
"""How often a racer asks again while its rival's wave is being enrolled."""


@dataclass(frozen=True)
class Told:
    """What one racer does in a round: send a campaign's wave as far as it gets, or pull lists of it."""

    campaign: str
    now: datetime
    lists: bool = False


@dataclass(frozen=True)
class Contacts:
    """Whom a racer reached since the barrier, by name, and how often it found the way barred by the other."""

    names: tuple[str, ...]
    barred: int


def open_racer(home: Path, url: str, key: str) -> Room:
    """A room over the shared ledger with an outbox of its own, in many small ranges and batches."""
    home.mkdir(parents=True, exist_ok=True)
    chosen: dict[str, Any] = {"home": home, "database_url": url, "token_key": key, "batch_size": 12, "enrol_range": 30}
    room = open_room(Settings(**chosen))
    if room.ledger.dialect == "sqlite":
        event.listen(room.ledger.engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
        room.ledger.engine.dispose()
    return room


def race(home: Path, url: str, key: str, line: Connection, barrier: Barrier) -> None:
    """Do what the line says, each time after both racers passed the barrier, until it says None."""
    room = open_racer(home, url, key)
    offsets: dict[str, int] = {}
    while told := line.recv():
        barrier.wait(60)
        line.send(_pulled(room, told) if told.lists else _sent(room, told, offsets))
    room.ledger.close()


def _sent(room: Room, told: Told, offsets: dict[str, int]) -> Contacts:
    barred = 0
    step: Callable[..., Any] = lambda room, name, wave, now: live(room, name, wave, now, send_batch)  # noqa: E731
    while not list(advance_campaign(room, told.campaign, told.now, step)) and barred < TRIES:
        barred += 1
    names = []
    for channel in CHANNEL_CODES:
        lines, offsets[channel] = read_outbox(
            room.settings.home / "outbox" / f"{channel}.jsonl", offsets.get(channel, 0)
        )
        names += [str(one["name"]) for one in lines]
    return Contacts(tuple(names), barred)


def _pulled(room: Room, told: Told) -> Contacts:
    """Short lists one after the other, so that the rival sends between them."""
    names: list[str] = []
    for number in range(6):
        cut = pull(room, told.campaign, "wave", "north", f"shift {number}", 10, 8, "racer", told.now)
        names += [str(entry.name) for entry in cut.entries]
    return Contacts(tuple(names), 0)
