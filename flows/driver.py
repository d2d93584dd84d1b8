"""`advance` inside this process: the engine lock, the clock, and Prefect only when there is work for it."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from flows.campaign import anything_due
from flows.embedded import engine_lock, prepare
from flows.room import Room
from flows.upkeep import upkeep
from ledger.store import read_meta, write_meta
from waves.errors import EngineError

UNREACHED = "Failed to reach API"
"""How Prefect's client begins the RuntimeError that a server which is not there makes."""
ADVANCED = "advanced"
"""The meta row that says when `advance` last came to its end, and how many waves it moved."""


def advance_embedded(room: Room, now: datetime | None) -> list[dict[str, Any]]:
    """Everything due at `now` (moving a simulated clock there) or at the ledger's time; the waves it moved."""
    with engine_lock(room):
        if now is not None:
            room.ledger.set_now(now)
        moment = room.ledger.now()
        moves = advance_locked(room, moment)
        note_advanced(room, moment, len(moves))
        return moves


def advance_locked(room: Room, now: datetime) -> list[dict[str, Any]]:
    """The same for a caller that holds the engine's lock: Prefect is started when something is due, and not before.

    EngineError when Prefect's server does not answer, at the beginning or in the middle.
    """
    upkeep(room, now)
    if not anything_due(room, now):
        return []
    prepare(room.settings.home)
    import httpx
    from prefect.exceptions import PrefectException

    from flows.deploy import be_quick, enter, run_advance

    be_quick()
    try:
        return list(run_advance(enter(room), now))
    except (httpx.HTTPError, PrefectException, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not str(error).startswith(UNREACHED):
            raise
        raise EngineError(f"Prefect's server does not answer ({type(error).__name__}); what is due waits") from error


def note_advanced(room: Room, now: datetime, moves: int) -> None:
    """Remember in the ledger that everything due at `now` was done."""
    with room.ledger.write() as connection:
        write_meta(connection, ADVANCED, json.dumps({"at": now.isoformat(), "moves": moves}))


def last_advance(room: Room) -> tuple[datetime, int] | None:
    """When `advance` last came to its end by the ledger's clock, and how many waves it moved; None before the first."""
    with room.ledger.read() as connection:
        said = read_meta(connection, ADVANCED)
    if said is None:
        return None
    known = json.loads(said)
    return datetime.fromisoformat(known["at"]), known["moves"]
