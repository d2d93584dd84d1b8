"""Ramps: the first share of a wave is heard before the rest goes; an alarm pauses the campaign instead."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, or_, select, update

from ledger import tables as t
from ledger.audit import record
from ledger.campaigns import find, set_state
from ledger.events import DENIALS
from waves.outcomes import FAILURES, State
from waves.plan import Ramp


@dataclass(frozen=True, slots=True)
class Heard:
    """What came of a ramp's first part; the shares are of the messages tried: handed over, refused or in doubt."""

    tried: int
    failed: int
    left: int


def heard(connection: Connection, wave: int, ramp: Ramp, now: datetime) -> Heard | None:
    """What came of the first part of a wave; None while it is not out, or not held.

    Out is a first part with nothing left to send; held, when the ramp's hold has gone by since its last message.
    """
    b, c = t.batch.c, t.touch.c
    first = c.batch.in_(select(b.id).where(b.wave == wave, ~b.rest))  # ix_batch_wave, ix_touch_batch
    tried = c.state.in_([int(State.SENT), int(State.REFUSED), int(State.IN_DOUBT)])
    waits = or_(c.state == int(State.CLAIMED), (c.state == int(State.QUEUED)) & (c.not_after > now))
    failed = or_(c.state == int(State.REFUSED), c.outcome.in_(FAILURES))
    left = (
        select(t.event.c.id).where(t.event.c.touch == c.id, t.event.c.outcome.in_(DENIALS)).exists()
    )  # ix_event_touch
    row = connection.execute(
        select(
            func.count().filter(tried).label("tried"),
            func.count().filter(waits).label("waiting"),
            func.count().filter(tried & failed).label("failed"),
            func.count().filter(tried & left).label("left"),
            func.max(c.sent_at).label("last"),
        ).where(first)
    ).one()
    if row.waiting or (row.last is not None and row.last + ramp.hold > now):
        return None
    return Heard(row.tried, row.failed, row.left)


def judge(connection: Connection, campaign: str, wave: int, ramp: Ramp, found: Heard, now: datetime) -> bool:
    """Pass the ramp of a wave when what was heard of it is fit; True when an alarm paused the campaign instead."""
    w = t.wave.c
    row = connection.execute(select(w.name, w.ramp_passed, w.stopped_at).where(w.id == wave).with_for_update()).one()
    if row.ramp_passed or row.stopped_at or find(connection, campaign).state != "running":
        return False  # another worker has judged meanwhile
    name = row.name
    rung = [
        f"{n} of {found.tried} messages {what}, more than {share:.1%}"
        for n, what, share in (
            (found.failed, "failed", ramp.alarm.failed),
            (found.left, "were answered with an opt-out", ramp.alarm.opted_out),
        )
        if n > share * found.tried
    ]
    if not rung:
        connection.execute(update(t.wave).where(w.id == wave).values(ramp_passed=now))
        record(connection, now, "advance", "ramp passed", f"{campaign} {name}", after=f"{found.tried} tried, no alarm")
        return False
    connection.execute(update(t.wave).where(w.id == wave).values(alarm="; ".join(rung)))
    record(connection, now, "advance", "alarm", f"{campaign} {name}", after="; ".join(rung))
    set_state(connection, campaign, "paused", ("running",), "advance", now)
    return True
