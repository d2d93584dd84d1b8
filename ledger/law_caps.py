"""How often the law lets somebody be called: its caps as rows beside the windows, counted in SQL over all campaigns."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Row,
    ScalarSelect,
    Select,
    case,
    false,
    func,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.channel_tables import legal_cap
from ledger.limits import CALL, CONTACT, SILENT, made_calls
from ledger.sql import inline
from ledger.types import EPOCH, MICROSECOND
from waves.dispositions import Disposition
from waves.hours_set import HoursRow, HoursSet, binding, candidates


class Counted(IntEnum):
    """What a cap counts."""

    PERSON = 1
    PHONE = 2
    REFUSAL = 3


COUNTED_IN_WORDS = {
    Counted.PERSON: "calls to one person",
    Counted.PHONE: "calls to one number",
    Counted.REFUSAL: "calls that ended in a refusal",
}


@dataclass(frozen=True, slots=True)
class Called:
    """Who is to be called: the columns of a statement that say it."""

    customer: ColumnElement[int]
    zone_set: ColumnElement[int]
    number: ColumnElement[str] | None = None
    """None: caps of a number are not asked."""
    wave: int | None = None
    """The wave that asks: its own listing of the customer, not called yet, is the call in question; None: no wave's."""


def _caps(row: HoursRow) -> list[tuple[Counted, int, timedelta]]:
    found = []
    if row.cap:
        found.append((Counted.PHONE if row.cap.key == "phone" else Counted.PERSON, row.cap.n, row.cap.within))
    if row.refusal_rest_days:
        found.append((Counted.REFUSAL, 1, timedelta(days=row.refusal_rest_days)))
    return found


def counted_by(sets: Collection[HoursSet]) -> frozenset[Counted]:
    """What the caps of these sets count; nothing where no row has one, and then no statement asks."""
    return frozenset(what for one in sets for row in one.rows for what, _, _ in _caps(row))


def note_caps(
    connection: Connection, rules: int, zone_set: int, sets: Collection[HoursSet], places: Sequence[Sequence[str]]
) -> None:
    """Write down the caps that bind the customers of a set of zones; `places` are its zones and its jurisdictions."""
    there = candidates(*places)
    rows = {
        (row.place, int(what), n, within // MICROSECOND)
        for one in sets
        for row in binding(one, there)
        for what, n, within in _caps(row)
    }
    if rows:
        make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        names = ("place", "counted", "calls", "within_us")
        values = [{"rules": rules, "zone_set": zone_set, **dict(zip(names, row, strict=True))} for row in sorted(rows)]
        connection.execute(make(legal_cap).on_conflict_do_nothing(), values)


def used_up(
    rules: int, counted: Collection[Counted], who: Called, until: datetime, held: bool = True
) -> ColumnElement[bool]:
    """Whether a cap of the law leaves no call to this customer, or this number, in a window that ends at `until`.

    For a moment that is still to come it counts what will be in its window then, by the calls known now. With `held`
    somebody on a live list counts as called.
    """
    c = legal_cap.c
    since = type_coerce(literal((until - EPOCH) // MICROSECOND, BigInteger) - c.within_us, CONTACT.c.sent_at.type)
    asked = [what for what in sorted(counted) if what is not Counted.PHONE or who.number is not None]
    if not asked:
        return false()
    counts = {what: _count(what, since, who, held) for what in asked}
    reached = case(*[(c.counted == inline(what), count) for what, count in counts.items()], else_=literal(0, Integer))
    found = select(c.calls).where(
        c.rules == rules, c.zone_set == who.zone_set, c.counted.in_([int(what) for what in asked]), reached >= c.calls
    )
    return found.correlate_except(legal_cap).exists()  # pk_legal_cap


def _count(what: Counted, since: ColumnElement[datetime], who: Called, held: bool) -> ColumnElement[int]:
    if what is Counted.REFUSAL:
        return _number_of(_refusals(since).where(CONTACT.c.customer == who.customer))
    listed, called = made_calls(since, held)
    if who.wave is not None:
        listed = listed.where(~((CONTACT.c.customer == who.customer) & (CONTACT.c.wave == who.wave)))
    if what is Counted.PHONE and who.number is not None:
        same = t.address.alias("same_number")
        # What was listed for whoever has this number; and (ix_call_number) what the dialler dialled instead of another.
        there = (CONTACT.c.customer == same.c.customer) & (CONTACT.c.address == same.c.id)
        mine = (same.c.channel == inline(CALL), same.c.value == who.number)  # ix_address_channel_value
        made = (part.join(same, there).where(*mine) for part in (listed, called))
        k, own = t.call.c, t.address.alias("own_number")
        rang = k.disposition.not_in(SILENT)
        strayed = select(CONTACT.c.id).join_from(t.call, CONTACT, CONTACT.c.id == k.touch)
        as_listed = select(own.c.id).where(own.c.id == CONTACT.c.address, own.c.value == who.number)
        other = ~as_listed.correlate_except(own).exists()
        return sum(map(_number_of, made), _number_of(strayed.where(k.number == who.number, k.at > since, rang, other)))
    of_them = (part.where(CONTACT.c.customer == who.customer) for part in (listed, called))  # ix_touch_customer
    return sum(map(_number_of, of_them), literal(0, Integer))


def _refusals(since: ColumnElement[datetime]) -> Select[Any]:
    k = t.call.c
    refused = k.disposition.in_([int(Disposition.NOT_INTERESTED), int(Disposition.DNC_REQUEST)])
    return select(CONTACT.c.id).join_from(t.call, CONTACT, CONTACT.c.id == k.touch).where(k.at > since, refused)


def _number_of(rows: Select[Any]) -> ScalarSelect[int]:
    return rows.with_only_columns(func.count()).correlate_except(CONTACT, t.call).scalar_subquery()


def caps_of(connection: Connection, rules: int, customer: int) -> Sequence[Row[Any]]:
    """The caps that bind a customer: place, counted, calls, within_us."""
    c = legal_cap.c
    mine = select(t.customer.c.zone_set).where(t.customer.c.id == customer).scalar_subquery()
    query = select(c.place, c.counted, c.calls, c.within_us).where(c.rules == rules, c.zone_set == mine)
    return connection.execute(query.order_by(c.place, c.counted, c.calls, c.within_us)).all()
