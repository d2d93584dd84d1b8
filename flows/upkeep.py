"""Housekeeping between waves: claims of lost workers become in doubt, and doubts are cleared."""

from __future__ import annotations

from datetime import datetime

from flows.doubting import clear_doubts
from flows.room import Room
from ledger import workers
from ledger.touches import sweep


def upkeep(room: Room, now: datetime) -> int:
    """Sweep up after workers that are past their lease; how many touches are in doubt or proved sent."""
    with room.ledger.write() as connection:
        workers.forget(connection)
        gone = room.all_workers_gone and not workers.others_work(connection, room.instance, room.settings.lease)
        swept = sweep(connection, now, gone)
    clear_doubts(room, now)
    return swept
