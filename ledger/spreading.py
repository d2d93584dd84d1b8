"""Spread what came due over time at a stated rate, each within its permitted hours: never a burst, day or night.

The line is worked out in a temporary table beside other writers, and taken in short transactions while the campaign is
paused still. A note says that it was begun: who begins again counts those in who have their places already.
"""

from __future__ import annotations

import json
from collections.abc import Generator, Mapping, Sequence
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
    cast,
    delete,
    func,
    insert,
    literal,
    select,
    type_coerce,
    update,
)

from ledger import tables as t
from ledger.hours_tables import legal_window
from ledger.legal_hours import Rules, cover
from ledger.sql import greatest, told
from ledger.store import read_meta, write_meta
from ledger.types import Moment
from waves.hours import Kind
from waves.outcomes import State

LONGEST = timedelta(days=31)
"""Permitted hours are looked up so far ahead; no wave releases for longer."""
PASSES = 64
AT_ONCE = 10_000
"""Touches that take their places in one transaction."""
NOTE = "spreading:{}"

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


def furthest(connection: Connection, which: Sequence[ColumnElement[bool]], now: datetime) -> datetime | None:
    """The latest end of the touches' time to go; None when there are none."""
    end = t.touch.c.not_after
    found: datetime | None = connection.scalar(select(func.max(end)).where(*which, end > now))
    return found


def begin(connection: Connection, campaign: int, last: datetime, pace: Pace, now: datetime) -> None:
    """Note that what a paused campaign has waiting is about to stand in line, and know the hours it will ask for."""
    cover(connection, pace.rules, now, min(last, now + LONGEST))
    write_meta(connection, NOTE.format(campaign), now.isoformat())


def is_begun(connection: Connection, campaign: int) -> bool:
    """Whether that was begun and not ended: some stand in a line already, and the others not yet."""
    return read_meta(connection, NOTE.format(campaign)) is not None


def line_up(connection: Connection, which: Sequence[ColumnElement[bool]], pace: Pace, now: datetime) -> Spread:
    """Give the touches their places in one queue from `now` on, in table `late` of this connection.

    Each goes when it may and the one before went 1 / rate earlier: in the order of the hour from which they may go,
    the n-th goes at n / rate + max(hour of the i-th - i / rate, i <= n). Who would then go outside permitted hours, as
    the day ends before the queue does, stands in it again from the next hours on, until nobody does.
    """
    c = t.touch.c
    late.create(connection)
    at = type_coerce(greatest(c.not_before, literal(now, Moment())), Moment)
    rows = select(c.id, c.batch, t.customer.c.zone_set, at, c.not_after)
    rows = rows.join(t.customer, t.customer.c.id == c.customer).where(*which, c.not_after > now)
    connection.execute(insert(late).from_select([column.name for column in late.c], rows))
    _wait_for_hours(connection, pace.rules)
    for _ in range(PASSES):
        _stand_in_line(connection, round(1_000_000 / pace.rate))
        if not _wait_for_hours(connection, pace.rules):
            break
    found = connection.execute(
        select(
            func.max(case((late.c.at < late.c.not_after, late.c.at))),
            func.count(case((late.c.at >= late.c.not_after, 1))),
        )
    ).one()
    return Spread(found[0] or now, found[1])


def places(connection: Connection) -> Generator[dict[int, int]]:
    """The places of the line, touch to microseconds, so many at once as a short transaction can write."""
    rows = select(late.c.touch, type_coerce(late.c.at, BigInteger)).order_by(late.c.touch)
    with connection.execute(rows, execution_options={"yield_per": AT_ONCE}) as found:
        for some in found.partitions():
            yield dict(map(tuple, some))


def take_places(connection: Connection, places: Mapping[int, int]) -> None:
    """Whoever is queued still goes at his place, or later where a provider asked for that meanwhile.

    Batches stay due as they are: who leases one finds what may go, and lets go of it until the next one may.
    """
    c, each = t.touch.c, told(connection.dialect.name, "places")
    place = type_coerce(cast(each.c.value, BigInteger), Moment)
    mine = (c.id == cast(each.c.key, BigInteger), c.state == int(State.QUEUED))
    moved = update(t.touch).where(*mine).values(not_before=type_coerce(greatest(c.not_before, place), Moment))
    connection.execute(moved, {"places": json.dumps(places)})


def end(connection: Connection, campaign: int) -> None:
    """Nothing is half done any more."""
    connection.execute(delete(t.meta).where(t.meta.c.key == NOTE.format(campaign)))


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
    w = legal_window.c
    hour = func.min(case((w.opens < late.c.at, late.c.at), else_=w.opens))
    mine = (w.rules == rules.id, w.kind == int(Kind.MESSAGE), w.zone_set == late.c.zone_set, w.closes > late.c.at)
    next_hour = select(hour).where(*mine).correlate(late).scalar_subquery()
    waits = late.c.at < next_hour
    return connection.execute(update(late).where(waits).values(at=next_hour)).rowcount
