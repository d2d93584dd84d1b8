"""Waves of more important campaigns that open on the same day: what they will take is kept for them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from zoneinfo import ZoneInfo

from flows.running import Running, current_wave, gates_of, load_running
from ledger.gates import Gates, Rival
from ledger.progress import live_campaigns
from ledger.store import Ledger
from waves.errors import PlanError
from waves.plan import Plan, Wave


def rivals_of(ledger: Ledger, plan: Plan, now: datetime) -> tuple[Rival, ...]:
    """The waves that will open on the calendar day of `now`, in the plan's zone, and go before it."""
    with ledger.read() as connection:
        names = live_campaigns(connection, above=plan.priority)
    found = [_rival(load_running(ledger, name), now.astimezone(ZoneInfo(plan.starts.zone))) for name in names]
    return tuple(rival for rival in found if rival is not None)


def _rival(running: Running, now: datetime) -> Rival | None:
    current = current_wave(running)
    if current is None or running.state != "running":
        return None
    wave, row, opens = current
    if row.state != "pending" or row.stopped_at is not None or opens.astimezone(now.tzinfo).date() > now.date():
        return None
    try:
        return Rival(_gates(running, wave, max(opens, now)), running.types)
    except PlanError:  # it has lost its hours rules: it cannot open, and says so when it is its own turn
        return None


def _gates(running: Running, wave: Wave, opens: datetime) -> Gates:
    released = opens + wave.release
    rest_from = opens + wave.ramp.hold if wave.ramp else None
    gates = gates_of(running, wave, opens)
    return replace(gates, released=released, closes=released + wave.listen, rest_from=rest_from)
