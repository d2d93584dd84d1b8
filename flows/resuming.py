"""Let a paused campaign go on: what came due meanwhile is counted by the plan's times and the ledger's."""

from __future__ import annotations

import time
from contextlib import closing
from dataclasses import replace
from datetime import datetime

from flows.room import Room
from flows.running import Running, current_wave, load_running
from ledger import campaigns, pausing, spreading
from ledger.giving_up import who_waits
from ledger.spreading import Pace, Spread
from ledger.strides import in_strides


def resume(
    room: Room,
    campaign: str,
    policy: pausing.Policy | None,
    by: str,
    now: datetime,
    past_alarm: bool = False,
    rate: float | None = None,
) -> pausing.Resumed:
    """Resume by the policy, catching up at `rate` messages a second; CampaignError as of `pausing.may_resume`."""
    running = load_running(room.ledger, campaign)
    with room.ledger.read() as connection:
        due = pausing.may_resume(connection, campaign, policy, overdue_wave(running, now), now, past_alarm)
    expired = 0
    for row in running.rows:
        if row.state in ("enrolling", "open"):
            expired += _expire_late(room, running, row.id, now) if policy == "expire" else 0
            if policy == "reschedule":
                _move_touches(room, running, row.id, now)
    spread = _spread(room, running, Pace(rate, running.rules), now) if rate else None
    with room.ledger.write() as connection:
        done = pausing.resume(connection, campaign, policy, due, by, now, past_alarm)
    return replace(done, expired=expired, spread=spread)


def _spread(room: Room, running: Running, pace: Pace, now: datetime) -> Spread | None:
    """Those that came due take their places in a line; how that went, None when there are none."""
    ledger = room.ledger
    with ledger.read() as connection:
        which = pausing.in_line(connection, running.id, now)
        last = spreading.furthest(connection, which, now)
    if last is None:
        return None
    with ledger.write() as connection:
        spreading.begin(connection, running.id, last, pace, now)
    with ledger.snapshot() as connection:
        found = spreading.line_up(connection, which, pace, now)
        with closing(spreading.places(connection)) as line:
            for places in line:
                began = time.monotonic()
                with ledger.write() as writing:
                    pausing.take_places(writing, running.id, places)
                ledger.give_way(time.monotonic() - began)
        spreading.late.drop(connection)
    return found


def _expire_late(room: Room, running: Running, wave: int, now: datetime) -> int:
    return in_strides(
        room.ledger,
        room.settings.enrol_range,
        lambda connection, low, size: pausing.who_is_late(connection, running.id, wave, now, low, size),
        lambda connection, customers: pausing.expire_late(connection, running.id, wave, customers, now),
    )


def _move_touches(room: Room, running: Running, wave: int, now: datetime) -> None:
    """Move what a wave has queued; what a killed resume moved stays as far as it was moved, and the rest goes there."""
    with room.ledger.read() as connection:
        paused_at = campaigns.find(connection, running.name).paused_at
        by, past = pausing.half_moved(connection, wave) or (now - paused_at, -1)
    in_strides(
        room.ledger,
        room.settings.enrol_range,
        lambda connection, low, size: who_waits(connection, wave, max(low, past), size),
        lambda connection, customers: pausing.move_touches(connection, running.id, wave, customers, by),
    )


def overdue_wave(running: Running, now: datetime) -> str | None:
    """The wave that was to open by `now` and has not: the first that is not closed, if it is still pending."""
    current = current_wave(running)
    if current is None:
        return None
    wave, row, opens = current
    return wave.wave if row.state == "pending" and row.stopped_at is None and now >= opens else None
