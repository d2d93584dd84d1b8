"""The rows behind a report: one per member and wave, as the ledger knew them at a moment; every count sums over them.

Reports are read from `event` and `call` by when they were received, never from what was folded into the touch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Subquery,
    case,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
)

from ledger import tables as t
from ledger.events import DENIALS
from ledger.suppressions import FROM_CALL
from ledger.words import RANKS, STATE_RANKS, part_column
from waves.dispositions import EFFECTS, RIGHT_PARTY, Disposition
from waves.message import CHANNEL_CODES
from waves.outcomes import PART_OF_OUTCOME, Action, Outcome, Part, State, Verdict

SENT, DELIVERED, REACHED = 1, 2, 3
"""How far a touch got; 0 is nowhere."""
ANSWERED = [int(o) for o, part in PART_OF_OUTCOME.items() if part in (Part.ENGAGED, Part.DECLINED)]
ARRIVED = [int(o) for o, part in PART_OF_OUTCOME.items() if part is Part.RECEIVED]
RANG = [int(o) for o in (Outcome.NO_ANSWER, Outcome.BUSY, Outcome.MACHINE)]
CALL = CHANNEL_CODES["call_list"]
SAYS = {int(d): int(effect.outcome) for d, effect in EFFECTS.items() if effect.outcome}


@dataclass(frozen=True, slots=True)
class Lens:
    """What a report looks at: conversions of a goal in their window, all of it as known at `as_of`."""

    goal: str
    within: timedelta
    as_of: datetime
    prices: Mapping[int, Decimal]
    """Cost by channel code of a sent touch that carries none of its own."""


@dataclass(frozen=True, slots=True)
class OpenedWave:
    """A wave that had opened by then; `closed` is None while it was open, `mark` the last event of its balance."""

    id: int
    name: str
    opened: datetime
    closes: datetime
    closed: datetime | None
    mark: int | None
    channels: tuple[int, ...]


def opened_waves(connection: Connection, campaign: int, as_of: datetime) -> list[OpenedWave]:
    """The campaign's waves that had opened by `as_of`, in order."""
    w = t.wave.c
    rows = connection.execute(select(t.wave).where(w.campaign == campaign, w.opened <= as_of).order_by(w.seq)).all()
    return [_opened_wave(row, as_of) for row in rows]


def _opened_wave(row: Any, as_of: datetime) -> OpenedWave:
    closed = row.closed if row.closed is not None and row.closed <= as_of else None
    mark = json.loads(row.balance).get("event_mark") if closed else None
    channels = tuple(code for group in json.loads(row.channels) for code in group)
    return OpenedWave(row.id, row.name, row.opened, row.closes, closed, mark, channels)


def _flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return case((condition, 1), else_=0)


def _by_close(wave: OpenedWave) -> ColumnElement[bool]:
    """Whether an event was known when the wave closed; of an open wave every known event."""
    if wave.closed is None:
        return true()
    return t.event.c.received_at <= wave.closed if wave.mark is None else t.event.c.id <= wave.mark


def _said(wave: OpenedWave, lens: Lens) -> Subquery:
    """Each touch with the highest outcome reported, whether calls speak for it, whether the provider surely had it."""
    ev, k, c = t.event.c, t.call.c, t.touch.c
    early = _by_close(wave)
    by_call: ColumnElement[bool] = k.event.is_not(None)
    tried: ColumnElement[bool] = func.coalesce(k.disposition, 0) != int(Disposition.NOT_ATTEMPTED)
    known = (ev.touch == c.id) & (ev.received_at <= lens.as_of)
    source = t.touch.outerjoin(t.event, known)  # uq_touch_wave_customer_channel, ix_event_touch
    calls: list[ColumnElement[int]] = []
    if CALL in wave.channels:
        source = source.outerjoin(t.call, k.event == ev.id)
        calls = [func.max(_flag(by_call)).label("called"), func.max(_flag(by_call & early)).label("called_early")]
    else:  # only an entry of a dial list is ever called
        by_call, tried = false(), true()
    ladder = ~by_call & (ev.outcome <= max(Outcome))
    proof = ev.id.is_not(None) & tried
    stop = ev.outcome.in_(DENIALS) | (ev.action == int(Action.DROP_CONSENT))
    return (
        select(
            *(c.id, c.customer, c.channel, c.state, c.sent_at, c.cost),
            func.max(case((ladder, ev.outcome))).label("heard"),
            func.max(case((ladder & early, ev.outcome))).label("heard_early"),
            *calls,
            func.max(_flag(proof)).label("proof"),
            func.max(_flag(proof & early)).label("proof_early"),
            func.max(_flag(stop)).label("stop"),
        )
        .select_from(source)
        .where(c.wave == wave.id)
        .group_by(c.id)
        .subquery("said")
    )


def _counted(wave: OpenedWave, lens: Lens, which: ColumnElement[bool], name: str) -> Subquery:
    """Per touch the one of its known calls that counts, by the order of `ledger.calls`."""
    ev, k, c = t.event.c, t.call.c, t.touch.c
    order = (k.strength.desc(), k.at.desc(), k.call_id.desc())
    ranked = (
        select(
            k.touch,
            case(SAYS, value=k.disposition, else_=None).label("outcome"),
            _flag(k.disposition.in_([int(d) for d in RIGHT_PARTY])).label("right_party"),
            func.row_number().over(partition_by=k.touch, order_by=order).label("place"),
        )
        .join_from(t.call, t.event, ev.id == k.event)
        .join(t.touch, c.id == k.touch)
        .where(c.wave == wave.id, ev.received_at <= lens.as_of, k.disposition.in_(SAYS), which)
        .subquery()
    )
    return select(ranked).where(ranked.c.place == 1).subquery(name)


def _listed(wave: OpenedWave, lens: Lens) -> Subquery:
    """The touches on a dial list that had not come back, or came back only after the wave's books had closed."""
    d, e, c = t.dial_list.c, t.dial_entry.c, t.touch.c
    out = or_(d.returned_at.is_(None), d.returned_at > lens.as_of)
    if wave.closed is not None:
        out = or_(out, (d.returned_at >= wave.closed) & (c.state == int(State.LISTED)))
    return (
        select(e.touch)
        .join(t.dial_list, d.id == e.list)
        .join(t.touch, c.id == e.touch)
        .where(d.wave == wave.id, d.pulled_at <= lens.as_of, out)  # ix_dial_list_wave, ix_dial_entry_list
        .group_by(e.touch)
        .subquery("listed")
    )


def _level(wave: OpenedWave, sent: ColumnElement[bool], outcome: ColumnElement[Any], channel: Any) -> Any:
    arrived = outcome.in_(ARRIVED)
    if CALL in wave.channels:
        arrived = arrived | (channel == CALL) & outcome.in_(RANG)
    return case((outcome.in_(ANSWERED), REACHED), (arrived, DELIVERED), (sent, SENT), else_=0)


def _touches(wave: OpenedWave, lens: Lens) -> Subquery:
    """Per member with a touch: how far it got by the close and by now, what spoke highest, stops, cost."""
    said = _said(wave, lens)
    c, source = said.c, cast(FromClause, said)
    handed = c.state.in_([int(State.SENT), int(State.IN_DOUBT)]) & (c.sent_at <= lens.as_of)
    outcome: ColumnElement[Any] = c.heard
    outcome_early: ColumnElement[Any] = c.heard_early
    right_party: ColumnElement[int] = literal(0)
    if CALL in wave.channels:
        listed = _listed(wave, lens)
        early, now = _counted(wave, lens, _by_close(wave), "early"), _counted(wave, lens, true(), "now")
        for counted in (early, now, listed):
            source = source.outerjoin(counted, counted.c.touch == c.id)
        handed = handed | listed.c.touch.is_not(None)
        outcome = case((c.called == 1, now.c.outcome), else_=c.heard)
        outcome_early = case((c.called_early == 1, early.c.outcome), else_=c.heard_early)
        right_party = func.coalesce(now.c.right_party, 0)
    sent = handed | (c.proof == 1)
    sent_early = handed | (c.proof_early == 1)
    heard = case(
        (outcome_early.is_not(None), outcome_early * literal(RANKS, Integer)),
        (sent_early & (c.state == int(State.IN_DOUBT)), STATE_RANKS[State.IN_DOUBT]),
        (sent_early, STATE_RANKS[State.SENT]),
        (c.state == int(State.REFUSED), STATE_RANKS[State.REFUSED]),
        else_=0,
    )
    prices = {code: literal(price, c.cost.type) for code, price in lens.prices.items()}
    cost = func.coalesce(c.cost, case(prices, value=c.channel, else_=null())) if prices else c.cost
    return (
        select(
            c.customer,
            func.max(_level(wave, sent_early, outcome_early, c.channel)).label("level"),
            func.max(_level(wave, sent, outcome, c.channel)).label("level_by_now"),
            func.max(heard).label("heard"),
            func.max(outcome).label("outcome"),
            *([func.max(right_party).label("right_party")] if CALL in wave.channels else []),
            func.max(c.stop).label("stop"),
            func.sum(_flag(sent)).label("touches"),
            func.sum(case((sent, cost))).label("cost"),
            func.sum(_flag(sent & cost.is_(None))).label("uncosted"),
        )
        .select_from(source)
        .group_by(c.customer)
        .subquery("touched")
    )


def known_conversions(lens: Lens, start: datetime) -> ColumnElement[bool]:
    """Conversions of the goal in the window from `start` that had happened by then; a call's since its report came.

    The sale of a file of results that was undone never was: no conversion, and no refund.
    """
    v, c, ev = t.conversion.c, t.touch.alias("of_call"), t.event.c
    later = (
        select(ev.id)
        .join_from(c, t.event, ev.touch == c.c.id)
        .where(c.c.customer == v.customer, ev.received_at > lens.as_of)  # ix_touch_customer, ix_event_touch
        .where(ev.provider + ":" + ev.provider_event_id == v.source_id)
        .correlate(t.conversion)
    )
    return (
        (v.goal == lens.goal)
        & (v.at >= start)
        & (v.at < start + lens.within)
        & (v.at <= lens.as_of)
        & or_(v.source != FROM_CALL, ~later.exists() & or_(v.reversed_at.is_(None), v.reversed_at > v.at))
    )


def standing(lens: Lens) -> ColumnElement[bool]:
    """Whether a conversion had not been reversed by then."""
    v = t.conversion.c
    return or_(v.reversed_at.is_(None), v.reversed_at > lens.as_of)


def converters(lens: Lens, start: datetime) -> Subquery:
    """(customer, their first standing conversion in the window from `start`)."""
    v = t.conversion.c
    rows = select(v.customer, func.min(v.at).label("at")).where(known_conversions(lens, start), standing(lens))
    return rows.group_by(v.customer).subquery("conv")


def wave_rows(wave: OpenedWave, lens: Lens, raw: bool = False) -> Select[Any]:
    """One row per member that the wave looked at: verdict, part and counts as closed, counts by now, conversion.

    `raw` leaves the part as the code that `ledger.words.CODE_PARTS` reads, which is quicker to group by.
    """
    e, touched, conv = t.enrolment.c, _touches(wave, lens), converters(lens, wave.opened)
    went = e.verdict == int(Verdict.GO)
    level, by_now = touched.c.level, touched.c.level_by_now
    called = CALL in wave.channels
    right_party = func.coalesce(touched.c.right_party, 0) if called else literal(0, Integer)
    code = func.coalesce(touched.c.heard, 0)
    part = case((went, code if raw else part_column(code)))
    engaged_codes = [int(o) for o, its in PART_OF_OUTCOME.items() if its is Part.ENGAGED]
    return (
        select(
            e.customer,
            e.verdict,
            part.label("part"),
            touched.c.outcome,
            _flag(e.verdict.in_([int(Verdict.GO), int(Verdict.WAVE_HELD_OUT)])).label("eligible"),
            _flag(e.verdict == int(Verdict.WAVE_HELD_OUT)).label("held_out"),
            _flag(went).label("treated"),
            _flag(level >= SENT).label("sent"),
            _flag(level >= DELIVERED).label("delivered"),
            _flag(level >= REACHED).label("reached"),
            _flag(part == int(Part.ENGAGED)).label("engaged"),
            _flag(by_now >= SENT).label("sent_by_now"),
            _flag(by_now >= DELIVERED).label("delivered_by_now"),
            _flag(by_now >= REACHED).label("reached_by_now"),
            _flag(touched.c.outcome.in_(engaged_codes)).label("engaged_by_now"),
            right_party.label("right_party"),
            func.coalesce(touched.c.stop, 0).label("opted_out"),
            func.coalesce(touched.c.touches, 0).label("touches"),
            touched.c.cost,
            func.coalesce(touched.c.uncosted, 0).label("uncosted"),
            _flag(conv.c.at.is_not(None)).label("converted"),
            conv.c.at.label("converted_at"),
        )
        .outerjoin_from(t.enrolment, touched, touched.c.customer == e.customer)
        .outerjoin(conv, conv.c.customer == e.customer)
        .where(e.wave == wave.id)
    )


def campaign_rows(campaign: int, lens: Lens, start: datetime) -> Select[Any]:
    """One row per member: arm, and the first standing conversion in the window from the first opening."""
    m = t.member.c
    conv = converters(lens, start)
    return (
        select(
            m.customer,
            m.arm.label("held_out"),
            _flag(conv.c.at.is_not(None)).label("converted"),
            conv.c.at.label("converted_at"),
        )
        .outerjoin_from(t.member, conv, conv.c.customer == m.customer)
        .where(m.campaign == campaign)
    )
