"""Whom we promised to call, and whether we did: one row for each call that ended in a promise with a time."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, case, func, or_, select

from ledger import tables as t
from ledger.sql import among, inline
from ledger.types import later
from waves.dispositions import DIALS, LIVE
from waves.message import CHANNEL_CODES
from waves.outcomes import Reason, word
from waves.recycling import PUNCTUAL

CALL = CHANNEL_CODES["call_list"]


@dataclass(frozen=True, slots=True)
class Promise:
    """One promised call: `waits`, `listed` (on a live list), `kept` within 15 minutes, `settled` sooner, `missed`.

    `void`: at its time nobody was to call them any more; `reason` says why, in the word of a Reason.
    """

    at: datetime
    customer: str
    campaign: str
    wave: str
    agent: str | None
    state: str
    list: int | None
    reason: str | None
    zones: tuple[str, ...] = ()
    """The time zones that the customer may be in."""

    @property
    def told(self) -> str:
        """The state with its reason, as people read it."""
        return f"{self.state}: {self.reason.replace('_', ' ')}" if self.reason else self.state


def kept_or_sooner() -> tuple[ColumnElement[bool], ColumnElement[bool]]:
    """Whether the promise of a row of `call` was dialled within 15 minutes of its time, or answered before that.

    What the dialler stopped by itself, at a wrong hour or by a rule, is no dial (ix_call_touch).
    """
    k, next_ = t.call.c, t.call.alias("next_call")
    mine = (next_.c.touch == k.touch) & (next_.c.at > k.at)
    made = select(next_.c.event).where(mine, next_.c.disposition.in_([int(d) for d in DIALS])).correlate(t.call)
    begins, ends = later(k.callback_at, -PUNCTUAL), later(k.callback_at, PUNCTUAL)
    kept = made.where(next_.c.at >= begins, next_.c.at <= ends).exists()
    reached = next_.c.disposition.in_([int(d) for d in LIVE])
    return kept, made.where(next_.c.at < begins, reached).exists()


def void_for() -> ColumnElement[int | None]:
    """Why the promise of a row of `call` with its touch, customer, wave and campaign was off at its time; else null.

    As the number of a Reason: they bought (ix_conversion_customer), neither they nor any number of theirs is to be
    called (ix_suppression_customer, ix_suppression_value), or the wave was over. What came after its time changes
    nothing of it.
    """
    a, s, v, c, w, due = t.address.c, t.suppression.c, t.conversion.c, t.touch.c, t.wave.c, t.call.c.callback_at
    bought = select(v.id).where(
        v.customer == c.customer, v.goal == t.campaign.c.goal, v.at >= t.campaign.c.started_at, v.at <= due
    )
    stood = select(s.id).where(s.channel.in_([0, CALL]), s.since <= due, or_(s.until.is_(None), s.until > due))
    they = stood.where(s.customer == c.customer, s.value.is_(None)).correlate(t.touch, t.call).exists()
    number = stood.where(s.value == a.value).correlate(t.address, t.call).exists()
    free = select(a.id).where(a.customer == c.customer, a.channel == CALL, ~number).correlate(t.touch, t.call).exists()
    yes = bought.where(or_(v.reversed_at.is_(None), v.reversed_at > due)).correlate(t.touch, t.call, t.campaign)
    return case(
        (yes.exists(), inline(Reason.CONVERTED)),
        (or_(they, ~free, t.customer.c.erased_at <= due), inline(Reason.SUPPRESSED)),
        (or_(*[end <= due for end in (w.closes, w.closed, w.stopped_at)]), inline(Reason.WAVE_CLOSED)),
    )


def promises(connection: Connection, now: datetime, hours_past: float, hours_ahead: float) -> list[Promise]:
    """The promises for this span, the soonest first (ix_call_callback_at, ix_call_touch, ix_dial_entry_touch)."""
    k, c, e, p, w, z = t.call.c, t.touch.c, t.dial_entry.c, t.customer.c, t.wave.c, t.zone_set.c
    kept, sooner = kept_or_sooner()
    on = select(func.min(e.list)).where(e.touch == k.touch, e.active).correlate(t.call).scalar_subquery()
    query = (
        select(k.callback_at, p.key, t.campaign.c.name, w.name, k.agent, kept, sooner, on, void_for(), z.zones)
        .join_from(t.call, t.touch, c.id == k.touch)
        .join(t.customer, p.id == c.customer)
        .join(t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .outerjoin(t.zone_set, z.id == p.zone_set)
        .where(k.callback_at >= now - timedelta(hours=hours_past), k.callback_at <= now + timedelta(hours=hours_ahead))
        .order_by(k.callback_at, p.key)
    )
    found = []
    for at, customer, campaign, wave, agent, was_kept, was_settled, number, void, zones in connection.execute(query):
        open_yet = "missed" if at + PUNCTUAL < now else "waits" if number is None else "listed"
        state = "kept" if was_kept else "settled" if was_settled else "void" if void else open_yet
        why = word(Reason(void)) if state == "void" else None
        found.append(Promise(at, customer, campaign, wave, agent, state, number, why, tuple((zones or "").split())))
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
        .where(among(c.id, touches), w.closes.is_not(None))
    ).all()
