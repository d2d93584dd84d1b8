"""End a campaign or a wave before its time: nothing more is claimed at once, what is queued is withdrawn in ranges."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any

from flows.room import Room
from flows.running import load_running
from ledger import campaigns, pausing
from ledger.giving_up import who_waits
from ledger.strides import in_strides

GiveUp = Callable[[Any, int, Sequence[int]], int]
"""Gives up what customers have queued in a wave, by a connection; how many touches."""
BEGUN = ("enrolling", "open", "closing")


def abort(room: Room, name: str, by: str, now: datetime) -> int:
    """Stop a campaign for good; how many touches were withdrawn.

    What a killed abort has left is withdrawn when its waves close, at the next `advance`.
    """
    with room.ledger.write() as connection:
        campaigns.abort(connection, name, by, now)
    begun = [row.id for row in load_running(room.ledger, name).rows if row.state in BEGUN]
    return sum(give_up_queued(room, wave, campaigns.withdraw) for wave in begun)


def stop_wave(room: Room, name: str, wave: str, by: str, now: datetime) -> pausing.Stopped:
    """Let a wave send nothing more; what that leaves. Again is harmless, and `advance` does what a killed one left."""
    with room.ledger.write() as connection:
        stopped = pausing.stop_wave(connection, name, wave, by, now)
    withdrawn = withdraw_stopped(room, stopped, now)
    with room.ledger.read() as connection:
        return pausing.what_is_left(connection, stopped, withdrawn)


def withdraw_stopped(room: Room, wave: int, now: datetime) -> int:
    """Withdraw what a stopped wave has queued, such as the touches of an enrolment that ended after the stop."""

    def give_up(connection: Any, wave: int, customers: Sequence[int]) -> int:
        return pausing.withdraw_stopped(connection, wave, customers, now)

    return give_up_queued(room, wave, give_up)


def give_up_queued(room: Room, wave: int, give_up: GiveUp) -> int:
    """Give up all that a wave has queued and that nobody can claim any more, in ranges; how many touches."""
    return in_strides(
        room.ledger,
        room.settings.enrol_range,
        lambda connection, low, size: who_waits(connection, wave, low, size),
        lambda connection, customers: give_up(connection, wave, customers),
        lambda: room.is_over,
    )
