"""Where campaigns stand, in a few numbers that the clock compares."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import Connection, func, select

from ledger import tables as t
from ledger.claims import let_go
from ledger.kill_switches import is_on


def live_campaigns(connection: Connection, above: int = -1) -> list[str]:
    """Names of the campaigns of a priority above that may still have something to do, the most important first."""
    c, w = t.campaign.c, t.wave.c
    unclosed = select(w.id).where(w.campaign == c.id, w.state.in_(["enrolling", "open", "closing"])).exists()
    # An enrolment that a pause cut short is finished all the same: it keeps every other campaign from enrolling. So is
    # a close: its wave sends nothing any more.
    halfway = select(w.id).where(w.campaign == c.id, w.state.in_(["enrolling", "closing"])).exists()
    due = c.state.in_(["starting", "running"]) | ((c.state == "aborted") & unclosed) | ((c.state == "paused") & halfway)
    query = select(c.name).where(due, c.priority > above)
    return list(connection.scalars(query.order_by(c.priority.desc(), c.id)))


def finished_campaigns(connection: Connection) -> list[str]:
    """Names of the campaigns whose every wave has closed, in the order they started."""
    c = t.campaign.c
    return list(connection.scalars(select(c.name).where(c.state == "finished").order_by(c.id)))


def wave_mark(connection: Connection, wave: int) -> tuple[str, int, int]:
    """(state, batches not done, batches): equal before and after a step means that the step found nothing to do."""
    b = t.batch.c
    state = connection.scalar(select(t.wave.c.state).where(t.wave.c.id == wave))
    row = connection.execute(
        select(func.count().filter(b.done_at.is_(None)), func.count()).select_from(t.batch).where(b.wave == wave)
    ).one()
    return str(state), row[0], row[1]


def batches_due(connection: Connection, wave: int, now: datetime, scopes: Mapping[int, Sequence[str]]) -> int:
    """How many batches of a wave are due at `now` on the channels named, each with the kill switches that stop it."""
    b = t.batch.c
    counts = select(b.channel, func.count().label("n")).join(t.wave, t.wave.c.id == b.wave).group_by(b.channel)
    due = counts.where(b.wave == wave, b.done_at.is_(None), b.due <= now, let_go(), t.wave.c.stopped_at.is_(None))
    found = {row.channel: row.n for row in connection.execute(due)}
    asked = {channel: n for channel, n in found.items() if channel in scopes}
    return sum(n for channel, n in asked.items() if not connection.scalar(select(is_on(scopes[channel], now))))


def next_due(connection: Connection, wave: int) -> list[datetime]:
    """The times at which the clock alone brings an open wave something to do: a batch that waits, its end."""
    b, w = t.batch.c, t.wave.c
    waiting = connection.scalar(select(func.min(b.due)).where(b.wave == wave, b.done_at.is_(None)))
    closes = connection.scalar(select(w.closes).where(w.id == wave))
    return [at for at in (waiting, closes) if at is not None]
