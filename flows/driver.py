"""`advance` inside this process: the engine lock, the clock, and Prefect only when there is work for it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.campaign import anything_due
from flows.embedded import engine_lock, prepare
from flows.room import Room
from flows.upkeep import upkeep


def advance_embedded(room: Room, now: datetime | None) -> list[dict[str, Any]]:
    """Everything due at `now` (moving a simulated clock there) or at the ledger's time; the waves it moved."""
    with engine_lock(room):
        if now is not None:
            room.ledger.set_now(now)
        return advance_locked(room, room.ledger.now())


def advance_locked(room: Room, now: datetime) -> list[dict[str, Any]]:
    """The same for a caller that holds the engine's lock: Prefect is started when something is due, and not before."""
    upkeep(room, now)
    if not anything_due(room, now):
        return []
    prepare(room.settings.home)
    from flows.deploy import enter, quick_flows, run_advance

    with quick_flows():
        return list(run_advance(enter(room), now))
