"""How a campaign's answered calls came out: read from the calls that were returned, late ones too."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, case, func, select

from ledger import tables as t
from waves.abandonment import HANDLED
from waves.dispositions import DIALS, Disposition

ANSWERED = HANDLED | {Disposition.ABANDONED}


@dataclass(frozen=True, slots=True)
class CallCount:
    """Calls to customers of these jurisdictions that ended so; `by_agent`: an agent is named."""

    places: tuple[str, ...]
    disposition: Disposition
    by_agent: bool
    calls: int


def first_call(connection: Connection, campaign: int) -> datetime | None:
    """When the campaign's first call was made; None before it."""
    k, c, w = t.call.c, t.touch.c, t.wave.c
    joined = t.wave.join(t.touch, c.wave == w.id).join(t.call, k.touch == c.id)
    found: datetime | None = connection.scalar(select(func.min(k.at)).select_from(joined).where(w.campaign == campaign))
    return found


def count_calls(
    connection: Connection, campaign: int, dispositions: Collection[Disposition], start: datetime, end: datetime
) -> list[CallCount]:
    """The campaign's calls in [start, end) that ended in one of these dispositions."""
    k, c, w, z = t.call.c, t.touch.c, t.wave.c, t.zone_set.c
    # ix_call_touch, by the touches of the campaign's waves (uq_touch_wave_customer_channel)
    by_agent = k.agent.is_not(None).label("by_agent")
    rows = connection.execute(
        select(func.coalesce(z.jurisdictions, "").label("places"), k.disposition, by_agent, func.count().label("calls"))
        .select_from(t.wave)
        .join(t.touch, c.wave == w.id)
        .join(t.call, k.touch == c.id)
        .join(t.customer, t.customer.c.id == c.customer)
        .outerjoin(t.zone_set, z.id == t.customer.c.zone_set)
        .where(w.campaign == campaign, k.at >= start, k.at < end, k.disposition.in_([int(d) for d in dispositions]))
        .group_by(z.jurisdictions, k.disposition, by_agent)
        .order_by(z.jurisdictions, k.disposition, by_agent)
    )
    return [
        CallCount(tuple(row.places.split()), Disposition(row.disposition), bool(row.by_agent), row.calls)
        for row in rows
    ]


@dataclass(frozen=True, slots=True)
class Measured:
    """What a campaign's calls came to: of the first, second ... dial of each touch how many there were and answered."""

    dials: tuple[int, ...]
    answers: tuple[int, ...]
    handle_s: float | None
    """Mean seconds of talk and wrap of the calls that an agent took and the dialler timed."""
    timed: int


def measured(connection: Connection, campaign: int) -> Measured:
    """The campaign's answers by dial, and how long its calls took."""
    k, c, w = t.call.c, t.touch.c, t.wave.c
    handled = k.disposition.in_([int(d) for d in HANDLED])
    seconds = case((handled, k.talk_s + func.coalesce(k.wrap_s, 0.0)))
    # ix_call_touch, by the touches of the campaign's waves (uq_touch_wave_customer_channel)
    each = (
        select(
            func.row_number().over(partition_by=k.touch, order_by=(k.at, k.call_id)).label("number"),
            case((k.disposition.in_([int(d) for d in ANSWERED]), 1), else_=0).label("answered"),
            seconds.label("seconds"),
        )
        .select_from(t.wave)
        .join(t.touch, c.wave == w.id)
        .join(t.call, k.touch == c.id)
        .where(w.campaign == campaign, k.disposition.in_([int(d) for d in DIALS]))
        .subquery("each_call")
    )
    x = each.c
    rows = connection.execute(
        select(
            func.count().label("dials"),
            func.sum(x.answered).label("answers"),
            func.sum(x.seconds).label("seconds"),
            func.count(x.seconds).label("timed"),
        )
        .group_by(x.number)
        .order_by(x.number)
    ).all()
    timed = sum(row.timed for row in rows)
    mean = sum(row.seconds or 0.0 for row in rows) / timed if timed else None
    return Measured(tuple(row.dials for row in rows), tuple(int(row.answers) for row in rows), mean, timed)
