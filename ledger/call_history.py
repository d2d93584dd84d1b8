"""Every call the ledger knows of, its own and imported ones, with what was known of the customer before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    Select,
    SmallInteger,
    Text,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    select,
    true,
    type_coerce,
    union_all,
)

from ledger import tables as t
from ledger.dial_tables import past_call
from ledger.types import later
from waves.dispositions import COULD_BE_ANSWERED

MOST_CALLS = 200_000
LONGEST_AGO = timedelta(days=730)
"""The newest calls are read, and none from longer ago: those say little of today, and a fit is to take seconds."""
OF = "of_"
"""What stands before an attribute's name where it is a column beside ours, which it could be called like."""
TRIED = tuple(sorted(map(int, COULD_BE_ANSWERED)))


@dataclass(frozen=True, slots=True)
class CallGoal:
    """What a call is to bring: a conversion of this goal, known by the disposition, or else within this long after."""

    event: str
    dispositions: tuple[int, ...]
    within: timedelta


@dataclass(frozen=True, slots=True)
class Extent:
    """Which calls are read: made before `until`, reported up to these rows of `call` and `past_call`."""

    until: datetime
    event: int
    past_call: int


def read_calls(
    connection: Connection, goal: CallGoal, types: Mapping[str, str], extent: Extent, most: int = MOST_CALLS
) -> Sequence[Row[Any]]:
    """The newest calls that could have been answered, oldest first.

    A row has `at` (microseconds since 1970 UTC), customer, number, disposition, attempt, zones, language, same_goal,
    converted, and each attribute as OF with its name. `attempt` is null where a file did not say it, `same_goal` says
    that the call was for this goal, `converted` whether it met it (null: not yet to be told). Within a campaign an
    attribute is what it was when the campaign started, if a rule of it names the attribute; otherwise, and for imported
    calls, what it is now. Erased customers are left out.
    """
    both = union_all(_own(goal, types, extent), _imported(goal, types, extent)).subquery("calls")
    order = (both.c.at.desc(), both.c.source.desc(), both.c.place.desc())
    return connection.execute(select(both).order_by(*order).limit(most)).all()[::-1]


def _own(goal: CallGoal, types: Mapping[str, str], extent: Extent) -> Select[Any]:
    k, c, p = t.call.c, t.touch.c, t.customer.c
    member, profile = t.member_table(types), t.profile_table(types)
    nth = func.row_number().over(partition_by=k.touch, order_by=(k.at, k.event))
    known = [func.coalesce(member.c[name], profile.c[name]).label(OF + name) for name in types]
    return (
        select(
            type_coerce(k.at, BigInteger).label("at"),
            c.customer,
            cast(func.coalesce(k.number, t.address.c.value), Text).label("number"),
            k.disposition,
            cast(nth, SmallInteger).label("attempt"),
            t.zone_set.c.zones,
            p.language,
            (t.campaign.c.goal == goal.event).label("same_goal"),
            _converted(goal, k.disposition, k.at, c.customer, extent.until).label("converted"),
            literal(1, SmallInteger).label("source"),
            k.event.label("place"),
            *known,
        )
        .join_from(t.call, t.touch, c.id == k.touch)
        .join(t.wave, t.wave.c.id == c.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .join(t.customer, p.id == c.customer)
        .outerjoin(t.address, t.address.c.id == c.address)
        .outerjoin(t.zone_set, t.zone_set.c.id == p.zone_set)
        .outerjoin(member, (member.c.campaign == t.wave.c.campaign) & (member.c.customer == c.customer))
        .outerjoin(profile, profile.c.customer == c.customer)
        .where(_told(k, extent), k.event <= extent.event, p.erased_at.is_(None))
    )


def _imported(goal: CallGoal, types: Mapping[str, str], extent: Extent) -> Select[Any]:
    k, p = past_call.c, t.customer.c
    profile = t.profile_table(types)
    return (
        select(
            type_coerce(k.at, BigInteger).label("at"),
            k.customer,
            cast(k.number, Text).label("number"),
            k.disposition,
            k.attempt,
            t.zone_set.c.zones,
            p.language,
            literal(True).label("same_goal"),
            _converted(goal, k.disposition, k.at, k.customer, extent.until).label("converted"),
            literal(0, SmallInteger).label("source"),
            k.id.label("place"),
            *[profile.c[name].label(OF + name) for name in types],
        )
        .join_from(past_call, t.customer, p.id == k.customer)
        .outerjoin(t.zone_set, t.zone_set.c.id == p.zone_set)
        .outerjoin(profile, profile.c.customer == k.customer)
        .where(_told(k, extent), k.id <= extent.past_call, p.erased_at.is_(None))
    )


def _told(calls: Any, extent: Extent) -> ColumnElement[bool]:
    return and_(calls.disposition.in_(TRIED), calls.at < extent.until, calls.at >= extent.until - LONGEST_AGO)


def _converted(
    goal: CallGoal,
    disposition: ColumnElement[int],
    at: ColumnElement[datetime],
    customer: ColumnElement[int],
    until: datetime,
) -> ColumnElement[Any]:
    if goal.dispositions:
        return disposition.in_(goal.dispositions)
    v = t.conversion.c
    met = (
        select(v.id)  # ix_conversion_customer
        .where(v.customer == customer, v.goal == goal.event, v.at >= at, v.at < later(at, goal.within), v.at < until)
        .where(v.reversed_at.is_(None))
        .correlate_except(t.conversion)
        .exists()
    )
    # Whose time still runs teaches nothing either way: to keep only its successes would make all calls look like sales.
    return case((at > until - goal.within, null()), (met, true()), else_=false())


def newest(connection: Connection, until: datetime) -> Extent:
    """All that the ledger holds now, up to a moment."""
    marks = (select(func.coalesce(func.max(column), 0)) for column in (t.call.c.event, past_call.c.id))
    own, imported = (connection.scalar(mark) or 0 for mark in marks)
    return Extent(until, own, imported)


def calls_after(connection: Connection, wave: int, event: int) -> int:
    """How many calls of a wave that could have been answered were reported after an event (pk_call)."""
    k = t.call.c
    counted = select(func.count()).select_from(t.call).join(t.touch, t.touch.c.id == k.touch)
    return connection.scalar(counted.where(k.event > event, t.touch.c.wave == wave, k.disposition.in_(TRIED))) or 0
