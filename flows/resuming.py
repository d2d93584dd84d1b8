"""Let a paused campaign go on: what came due meanwhile is counted by the plan's times and the ledger's."""

from __future__ import annotations

from datetime import datetime

from flows.room import Room
from flows.running import Running, current_wave, load_running
from ledger import pausing
from ledger.spreading import Pace


def resume(
    room: Room,
    campaign: str,
    policy: pausing.Policy | None,
    by: str,
    now: datetime,
    past_alarm: bool = False,
    rate: float | None = None,
) -> pausing.Resumed:
    """Resume by the policy, catching up at `rate` messages a second; CampaignError as of `pausing.resume`."""
    running = load_running(room.ledger, campaign)
    pace = Pace(rate, running.rules) if rate else None
    with room.ledger.write() as connection:
        opening = overdue_wave(running, now)
        return pausing.resume(connection, campaign, policy, opening, by, now, past_alarm, pace)


def overdue_wave(running: Running, now: datetime) -> str | None:
    """The wave that was to open by `now` and has not: the first that is not closed, if it is still pending."""
    current = current_wave(running)
    if current is None:
        return None
    wave, row, opens = current
    return wave.wave if row.state == "pending" and row.stopped_at is None and now >= opens else None
