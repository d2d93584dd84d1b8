"""Whom we promised to call, and whether we did: one row for each call that ended in a promise with a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, func, select

from ledger import tables as t
from ledger.sql import among
from ledger.types import later
from waves.dispositions import DIALS
from waves.recycling import PUNCTUAL


@dataclass(frozen=True, slots=True)
class Promise:
    """One promised call: `waits`, `listed` (on a live list), `kept` within 15 minutes, `settled` sooner, `missed`."""

    at: datetime
    customer: str
    campaign: str
    wave: str
    agent: str | None
    state: str
    list: int | None


def kept_or_sooner() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Whether the promise of a row of `call` was dialled within 15 minutes of its time, or before that (ix_call_touch).

    What the dialler stopped by itself, at a wrong hour or by a rule, is no dial.
    """
    k, next_ = t.call.c, t.call.alias("next_call")
    mine = (next_.c.touch == k.touch) & (next_.c.at > k.at)
    made = select(next_.c.event).where(mine, next_.c.disposition.in_([int(d) for d in DIALS])).correlate(t.call)
    begins, ends = later(k.callback_at, -PUNCTUAL), later(k.callback_at, PUNCTUAL)
    kept = made.where(next_.c.at >= begins, next_.c.at <= ends).exists()
    return kept, made.where(next_.c.at < begins).exists()


def promises(connection: Connection, now: datetime, hours_past: float, hours_ahead: float) -> list[Promise]:
    """The promises for this span, the soonest first (ix_call_callback_at, ix_call_touch, ix_dial_entry_touch)."""
    k, c, e, p, w = t.call.c, t.touch.c, t.dial_entry.c, t.customer.c, t.wave.c
    kept, sooner = kept_or_sooner()
    on = select(func.min(e.list)).where(e.touch == k.touch, e.active).correlate(t.call).scalar_subquery()
    query = (
        select(k.callback_at, p.key, t.campaign.c.name, w.name, k.agent, kept, sooner, on)
        .join_from(t.call, t.touch, c.id == k.touch)
        .join(t.customer, p.id == c.customer)
        .join(t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .where(k.callback_at >= now - timedelta(hours=hours_past), k.callback_at <= now + timedelta(hours=hours_ahead))
        .order_by(k.callback_at, p.key)
    )
    found = []
    for at, customer, campaign, wave, agent, was_kept, was_settled, number in connection.execute(query):
        open_yet = "missed" if at + PUNCTUAL < now else "waits" if number is None else "listed"
        state = "kept" if was_kept else "settled" if was_settled else open_yet
        found.append(Promise(at, customer, campaign, wave, agent, state, number))
    return found


def called_people(connection: Connection, touches: Collection[int]) -> Sequence[Row[Any]]:
    """Of each of these touches the customer's key and zones, the campaign, and when the wave closes (pk_touch)."""
    c, p, w, z = t.touch.c, t.customer.c, t.wave.c, t.zone_set.c
    return connection.execute(
        select(c.id.label("touch"), p.key, w.closes, t.campaign.c.name.label("campaign"), z.zones, z.jurisdictions)
        .join_from(t.touch, t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .join(t.customer, p.id == c.customer)
        .outerjoin(t.zone_set, z.id == p.zone_set)
        .where(among(c.id, touches), w.closes > w.opened)
    ).all()
