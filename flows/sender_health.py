"""How each configured sender fares: whether it carries its channel now, what stops it, what its breaker counted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from channels.registry import PROVIDERS
from flows.carriers import carrier
from flows.room import Room
from ledger.kill_switches import switches_on
from ledger.pace import Counted, counted


@dataclass(frozen=True, slots=True)
class SenderHealth:
    """One sender of one channel."""

    channel: str
    place: int
    """1: it is asked first; 2 and on: the fallbacks in their order."""
    sender: str
    provider: str
    carries: bool
    """Whether the channel's messages go by it at this moment."""
    state: str
    """works, on trial (one message at a time after a pause), waits (its provider asked to) or stopped."""
    until: datetime | None
    why: str | None
    attempts: int
    failures: int
    """Of the attempts that its breaker counted last."""
    today: int
    """Messages begun today (UTC), where they are counted."""
    cap: int | None


def sender_health(room: Room, now: datetime) -> list[SenderHealth]:
    """Every sender that the settings or config/senders.yaml name, by channel and place."""
    named = [channel for channel in PROVIDERS if channel in room.settings.providers or _has_own(room, channel)]
    with room.ledger.read() as connection:
        rows = counted(connection, now)
        switches = {switch.scope: switch for switch in switches_on(connection, now)}
        carrying = {channel: carrier(room, channel, connection, now).sender for channel in named}
    found = []
    for channel in named:
        for place, one in enumerate(room.senders_of(channel), 1):
            row = rows.get(one.sender, Counted())
            scopes = f"sender:{one.sender}", f"provider:{one.provider}", f"channel:{channel}", "everything"
            stopped = next((switches[scope] for scope in scopes if scope in switches), None)
            state, until, why = "works", None, None
            if stopped is not None:
                state, until, why = "stopped", stopped.until, stopped.why
            elif row.held_until is not None:
                state, until, why = "waits", row.held_until, row.held_why
            elif row.on_trial:
                state = "on trial"
            carries = one.sender == carrying[channel] and stopped is None
            counts = (row.attempts, row.failures, row.today, one.cap_on(row.age))
            found.append(SenderHealth(channel, place, one.sender, one.provider, carries, state, until, why, *counts))
    return found


def _has_own(room: Room, channel: str) -> bool:
    return any(sender.channel == channel for sender in room.senders.values())
