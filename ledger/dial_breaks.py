"""Calls that should not have been made: twice from two lists, too soon, too often, or past the permitted hours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Integer,
    Select,
    Subquery,
    Text,
    and_,
    cast,
    false,
    func,
    literal_column,
    null,
    or_,
    select,
    type_coerce,
    union_all,
)

from ledger import tables as t
from ledger.dial_scope import COLUMNS, By, Key, Which, flag, key_of, scoped
from ledger.dial_tables import past_call
from ledger.sql import inline
from ledger.types import EPOCH, MICROSECOND
from waves.dispositions import Disposition
from waves.recycling import DAY, PUNCTUAL, WEEK, DialRules, Often


@dataclass(frozen=True, slots=True)
class Breaks:
    """Attempts, and those of them that should not have been made; `rows`: in any of these ways.

    `double`: less than the gap after another attempt to the same customer or number, by another entry of a dial list or
    none. `outside`: after the row's end, which is that of the customer's permitted hours or of the list.
    """

    attempts: int = 0
    double: int = 0
    person_gap: int = 0
    person_cap: int = 0
    number_gap: int = 0
    number_cap: int = 0
    household_gap: int = 0
    outside: int = 0
    rows: int = 0


def breaks(connection: Connection, which: Which, rules: DialRules, by: By | None = None) -> dict[Key, Breaks]:
    """The attempts asked about, judged by the house's rules as a list is cut by them (waves.recycling.held_back).

    Against them count all attempts to the same customer and number, in every campaign and the imported ones. A call
    that the customer asked for, at its time, is free of the day's cap, and of the gap while nobody rang since.
    """
    x = _judged(which, rules, COLUMNS[by]).c
    asked, here = x.asked == 1, x.asked_here == 1
    bound, bound_here = or_(~asked, x.person_since == 1), or_(~here, x.number_since == 1)
    ways = {
        "double": or_(and_(x.person_double == 1, bound), and_(x.number_double == 1, bound_here)),
        "person_gap": and_(x.person_gap == 1, bound),
        "person_cap": or_(x.person_cap == 1, and_(x.person_day == 1, ~asked)),
        "number_gap": and_(x.number_gap == 1, bound_here),
        "number_cap": or_(x.number_cap == 1, and_(x.number_day == 1, ~here)),
        "household_gap": and_(x.household_gap == 1, ~asked) if rules.household else false(),
        "outside": x.outside == 1,
    }
    columns = [x[name] for name in COLUMNS[by]]
    sums = [func.sum(flag(way)) for way in (*ways.values(), or_(*ways.values()))]
    found: dict[Key, Breaks] = {}
    query = select(*columns, func.count(), *sums).where(x.scoped == 1).group_by(*columns)
    for row in connection.execute(query):
        key = key_of(by, tuple(row[: len(columns)]))
        more = (int(count or 0) for count in row[len(columns) :])
        found[key] = Breaks(*(a + b for a, b in zip(astuple(found.get(key, Breaks())), more, strict=True)))
    return found


def _judged(which: Which, rules: DialRules, names: Sequence[str]) -> Subquery:
    """One row for each attempt: 1 or 0 for `scoped` (it was asked about) and for each finding.

    They are laid under one another and grouped: SQLite would compare each with each to join them.
    """
    x = scoped(which).c
    attempted = x.disposition.in_(_attempts(rules))
    mine = select(x.customer).where(attempted)
    numbers = select(x.number).where(attempted, x.number.is_not(None))
    parts: list[tuple[Any, dict[str, Any]]] = []
    for to, attempts, often in (
        ("person", _to_customers(rules, mine), rules.person),
        ("number", _to_numbers(rules, numbers), rules.number),
    ):
        a = _in_order(attempts.subquery(f"of_{to}"), "customer" if to == "person" else "number", often).c
        near = a.at - a.own_before < _us(rules.gap)
        found = {
            f"{to}_gap": a.at - a.before < _us(rules.gap),
            f"{to}_day": a.at - a.of_day < _us(DAY),
            f"{to}_cap": or_(a.at - a.of_week < _us(WEEK), a.place > inline(often.ever)),
            f"{to}_double": and_(near, a.entry.is_distinct_from(a.own_entry)),
            f"{to}_since": a.before > a.promised_at,
        }
        if to == "person":
            asked = a.at >= a.promised - _us(PUNCTUAL)
            found |= {"asked": asked, "asked_here": and_(asked, a.promised_on == a.number)}
        parts.append((a, {name: flag(way) for name, way in found.items()}))
    if rules.household:
        a = _in_order(_to_homes(rules, mine).subquery("of_household"), "household", rules.person).c
        parts.append((a, {"household_gap": flag(a.at - a.before < _us(rules.household.gap))}))
    outside = flag(type_coerce(x.call_until, BigInteger) <= x.at)
    own = {name: x[name] for name in names} | {"scoped": literal_column("1", Integer), "outside": outside}
    parts.append((x, own))
    columns = [*names, *dict.fromkeys(name for _, found in parts for name in found if name not in names)]
    absent = {name: cast(null(), x[name].type) if name in names else literal_column("0", Integer) for name in columns}
    laid = [select(a.event, *[(absent | found)[name].label(name) for name in columns]) for a, found in parts]
    laid[-1] = laid[-1].where(attempted)
    u = union_all(*laid).subquery("laid").c
    return select(*[func.max(u[name]).label(name) for name in columns]).group_by(u.event).subquery("judged")


def capped(rules: DialRules, now: datetime, customers: Select[Any]) -> Select[Any]:
    """Those of these customers who are at a cap of the person's now, as a column `customer`."""
    a = _to_customers(rules, customers).subquery("attempts").c
    recent = [func.sum(flag(a.at > _us(now - span - EPOCH))) for span in (DAY, WEEK)]
    most = rules.person
    over = or_(recent[0] >= most.day, recent[1] >= most.week, func.count() >= most.ever)
    return select(a.customer).group_by(a.customer).having(over)


def _us(span: timedelta) -> int:
    return span // MICROSECOND


def _attempts(rules: DialRules) -> list[int]:
    return [int(d) for d in Disposition if rules.is_attempt(d)]


def _to_customers(rules: DialRules, customers: Select[Any]) -> CompoundSelect[Any]:
    """Every attempt to these customers (ix_touch_customer, ix_call_touch, ix_past_call_customer)."""
    return _all(rules, t.touch.c.customer.in_(customers), past_call.c.customer.in_(customers))


def _to_homes(rules: DialRules, customers: Select[Any]) -> Select[Any]:
    """Every attempt to anybody who shares a household with these customers (ix_customer_household), with it."""
    p, others = t.customer.c, t.customer.alias("of_home").c
    homes = select(p.household).where(p.id.in_(customers), p.household.is_not(None))
    whole = select(others.id).where(others.household.in_(homes), others.household.is_not(None))
    made = _to_customers(rules, whole).subquery("of_homes")
    return select(made, p.household).join(t.customer, p.id == made.c.customer)


def _to_numbers(rules: DialRules, numbers: Select[Any]) -> CompoundSelect[Any]:
    """Every attempt to these numbers, whosesoever they were (ix_call_number, ix_past_call_number)."""
    return _all(rules, t.call.c.number.in_(numbers), past_call.c.number.in_(numbers))


def _all(rules: DialRules, own: ColumnElement[bool], imported: ColumnElement[bool]) -> CompoundSelect[Any]:
    k, c, p = t.call.c, t.touch.c, past_call.c
    attempts = _attempts(rules)
    made = select(
        k.event,
        k.entry,
        k.touch,
        c.customer,
        cast(k.number, Text).label("number"),
        type_coerce(k.at, BigInteger).label("at"),
        type_coerce(k.callback_at, BigInteger).label("callback_at"),
    ).join_from(t.call, t.touch, c.id == k.touch)
    # An imported call has no event; minus its id keeps the order of equal times the same on both databases.
    nothing = cast(null(), BigInteger)
    of_old = select(-p.id, nothing, nothing, p.customer, cast(p.number, Text), type_coerce(p.at, BigInteger), nothing)
    return made.where(own, k.disposition.in_(attempts)).union_all(of_old.where(imported, p.disposition.in_(attempts)))


def _in_order(attempts: Subquery, to: str, often: Often) -> Subquery:
    """Each attempt with those before it, to the same customer or number.

    `before`: the last one, `of_day` and `of_week`: the one that many before as a day and a week may hold, `place`: its
    own place from 1 on, `own_before` and `own_entry`: the last one that was not imported. `promised`, `promised_on` and
    `promised_at`: what the last one of the same touch promised, its number and when it was made.
    """
    a = attempts.c
    order = (a.at, a.event)

    def back(column: ColumnElement[Any], by: Sequence[ColumnElement[Any]], places: int = 1) -> ColumnElement[Any]:
        return func.lag(column, inline(places), type_=column.type).over(partition_by=list(by), order_by=order)

    own = [a[to], flag(a.event > 0)]
    return select(
        a.event,
        a.entry,
        a.number,
        a.at,
        back(a.at, [a[to]]).label("before"),
        back(a.at, [a[to]], often.day).label("of_day"),
        back(a.at, [a[to]], often.week).label("of_week"),
        func.row_number().over(partition_by=a[to], order_by=order).label("place"),
        back(a.at, own).label("own_before"),
        back(a.entry, own).label("own_entry"),
        back(a.callback_at, [a.touch]).label("promised"),
        back(a.number, [a.touch]).label("promised_on"),
        back(a.at, [a.touch]).label("promised_at"),
    ).subquery(f"by_{to}")
