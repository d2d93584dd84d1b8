"""Waves of more important campaigns that open on the same day: what they will take is kept for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from flows.running import Running, gates_of, load_running, opens_at
from ledger.gates import Rival
from ledger.progress import live_campaigns
from ledger.store import Ledger
from waves.plan import Plan, Wave


def rivals_of(ledger: Ledger, plan: Plan, now: datetime) -> tuple[Rival, ...]:
    """The waves that will open on the calendar day of `now`, in the plan's zone, and go before it."""
    with ledger.read() as connection:
        names = live_campaigns(connection, above=plan.priority)
    found = [_rival(load_running(ledger, name), now.astimezone(ZoneInfo(plan.starts.zone))) for name in names]
    return tuple(rival for rival in found if rival is not None)


def _rival(running: Running, now: datetime) -> Rival | None:
    closed: Any = None
    for wave in running.plan.waves:
        row = running.row(wave.wave)
        if row.state == "closed":
            closed = row.closed
            continue
        opens = opens_at(running, wave, closed)
        pending = running.state == "running" and row.state == "pending" and row.stopped_at is None
        same_day = opens.astimezone(now.tzinfo).date() <= now.date()
        return Rival(_gates(running, wave, max(opens, now)), running.types) if pending and same_day else None
    return None


def _gates(running: Running, wave: Wave, opens: datetime) -> Any:
    released = opens + wave.release
    rest_from = opens + wave.ramp.hold if wave.ramp else None
    gates = gates_of(running, wave, opens)
    return replace(gates, released=released, closes=released + wave.listen, rest_from=rest_from)
