"""Spread what came due over time at a stated rate, each within its permitted hours: never a burst, day or night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    MetaData,
    Table,
    case,
    func,
    insert,
    select,
    type_coerce,
    update,
)

from ledger import tables as t
from ledger.legal_hours import Rules, cover
from ledger.types import Moment
from waves.hours import Kind
from waves.outcomes import State

LONGEST = timedelta(days=31)
"""Permitted hours are looked up so far ahead; no wave releases for longer."""
PASSES = 64

late = Table(
    "late",
    MetaData(),
    Column("touch", BigInteger, primary_key=True, autoincrement=False),
    Column("batch", BigInteger, nullable=False),
    Column("zone_set", BigInteger),
    Column("at", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    prefixes=["TEMPORARY"],
)


@dataclass(frozen=True, slots=True)
class Pace:
    """So many messages a second, within these hours."""

    rate: float
    rules: Rules


@dataclass(frozen=True, slots=True)
class Spread:
    """When the last one goes, and how many have no place before their wave ends."""

    until: datetime
    too_late: int


def spread(connection: Connection, which: Sequence[ColumnElement[bool]], pace: Pace, now: datetime) -> Spread | None:
    """Give the touches their places in one queue from `now` on; None when there are none.

    Each goes when it may and the one before went 1 / rate earlier: in the order of the hour from which they may go,
    the n-th goes at n / rate + max(hour of the i-th - i / rate, i <= n). Who would then go outside permitted hours, as
    the day ends before the queue does, stands in it again from the next hours on, until nobody does.
    """
    c = t.touch.c
    late.create(connection)
    rows = select(c.id, c.batch, t.customer.c.zone_set, type_coerce(now, Moment), c.not_after)
    rows = rows.join(t.customer, t.customer.c.id == c.customer).where(*which, c.not_after > now)
    connection.execute(insert(late).from_select([column.name for column in late.c], rows))
    last = connection.scalar(select(func.max(late.c.not_after)))
    if last is not None:
        cover(connection, pace.rules, now, min(last, now + LONGEST))
        _wait_for_hours(connection, pace.rules)
        for _ in range(PASSES):
            _stand_in_line(connection, round(1_000_000 / pace.rate))
            if not _wait_for_hours(connection, pace.rules):
                break
        _write(connection)
    found = connection.execute(
        select(
            func.max(case((late.c.at < late.c.not_after, late.c.at))),
            func.count(case((late.c.at >= late.c.not_after, 1))),
        )
    ).one()
    late.drop(connection)
    return None if last is None else Spread(found[0] or now, found[1])


def _stand_in_line(connection: Connection, step: int) -> None:
    """Each at least `step` microseconds after the one before."""
    at = type_coerce(late.c.at, BigInteger)
    place = (func.row_number().over(order_by=(late.c.at, late.c.touch)) - 1) * step
    numbered = select(late.c.touch, at.label("at"), place.label("place")).subquery("numbered")
    n = numbered.c
    least = func.max(n.at - n.place).over(order_by=(n.at, n.touch), rows=(None, 0))
    line = select(n.touch, (n.place + least).label("at")).subquery("line")
    connection.execute(update(late).where(late.c.touch == line.c.touch).values(at=type_coerce(line.c.at, Moment)))


def _wait_for_hours(connection: Connection, rules: Rules) -> int:
    """Who would go outside permitted hours waits for the next of them (pk_legal_window); how many."""
    w = t.legal_window.c
    hour = func.min(case((w.opens < late.c.at, late.c.at), else_=w.opens))
    mine = (w.rules == rules.id, w.kind == int(Kind.MESSAGE), w.zone_set == late.c.zone_set, w.closes > late.c.at)
    next_hour = select(hour).where(*mine).correlate(late).scalar_subquery()
    waits = late.c.at < next_hour
    return connection.execute(update(late).where(waits).values(at=next_hour)).rowcount


def _write(connection: Connection) -> None:
    """The places as the touches' own, and each batch due by its first."""
    c, b = t.touch.c, t.batch.c
    connection.execute(update(t.touch).where(c.id == late.c.touch).values(not_before=late.c.at))
    first = select(func.min(c.not_before)).where(c.batch == b.id, c.state == int(State.QUEUED)).scalar_subquery()
    mine = b.id.in_(select(late.c.batch))
    connection.execute(update(t.batch).where(mine, b.done_at.is_(None)).values(due=first))  # ix_touch_batch
