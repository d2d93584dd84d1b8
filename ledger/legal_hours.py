"""Permitted hours as rows: worked out once for each set of zones, so that the gates ask them in SQL."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, cached_property
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, ScalarSelect, Select, bindparam, case, func, literal, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.hours_tables import legal_span, legal_window
from ledger.law_caps import Counted, counted_by, note_caps
from ledger.sql import among
from ledger.types import When, later
from waves.bans import Ban
from waves.calendars import calendars
from waves.hours import Kind, open_windows
from waves.hours_set import HoursSet, rules_id

Window = tuple[datetime, datetime]
DAY = timedelta(days=1)
AHEAD = 2 * DAY
"""Windows are followed this far beyond what is asked, so that the last of them is whole."""


@dataclass(frozen=True)
class Rules:
    """The sets of hours that bind together, and the bans: every one of them has to allow a moment."""

    sets: tuple[HoursSet, ...]
    bans: tuple[Ban, ...] = ()

    @cached_property
    def id(self) -> int:
        """The key of these sets' rows in legal_window: below 2**60, the same for the same rules and calendars."""
        ids = sorted({rules_id(one) for one in self.sets})
        banned = (sorted(ban.acts for ban in self.bans),) if self.bans else ()
        return int(hashlib.sha256(repr((ids, calendars(), *banned)).encode()).hexdigest()[:15], 16)

    @cached_property
    def counted(self) -> frozenset[Counted]:
        """What the caps of these sets count; empty where the law caps no calls."""
        return counted_by(self.sets)


def cover(connection: Connection, rules: Rules, start: datetime, end: datetime) -> int:
    """Work out the permitted windows from `start` to `end` of every set of zones that lacks them; of how many sets.

    The caps of the law that bind there are noted with them.

    Safe to run twice and by several at once: windows that overlap say the same.
    """
    missing = uncovered(connection, rules, end)
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for row in missing:
        begins, ends = row.covered_until or start, end + DAY
        where = (row.zones.split(), row.jurisdictions.split())
        found = {kind: permitted(rules, kind, *where, begins, ends) for kind in Kind}
        rows = [
            {"rules": rules.id, "kind": int(kind), "zone_set": row.id, "opens": opens, "closes": closes}
            for kind, windows in found.items()
            for opens, closes in windows or ()
            if opens < ends
        ]
        if rows:
            connection.execute(make(legal_window).on_conflict_do_nothing(), rows)
        note_caps(connection, rules.id, row.id, rules.sets, where)
        known = all(windows is not None for windows in found.values())
        span = make(legal_span).values(
            rules=rules.id, zone_set=row.id, known=known, covered_from=begins, covered_until=ends
        )
        connection.execute(
            span.on_conflict_do_update(index_elements=["rules", "zone_set"], set_={"covered_until": ends})
        )
    return len(missing)


def uncovered(connection: Connection, rules: Rules, end: datetime) -> Sequence[Row[tuple[int, str, str, datetime]]]:
    """The sets of zones whose windows are not worked out as far as `end`."""
    return connection.execute(_uncovered(), {"of_rules": rules.id, "end": end}).all()


@cache
def _uncovered() -> Select[Any]:
    z, s = t.zone_set.c, legal_span.c
    return (
        select(z.id, z.zones, z.jurisdictions, s.covered_until)
        .outerjoin(legal_span, (s.zone_set == z.id) & (s.rules == bindparam("of_rules")))
        .where(s.covered_until.is_(None) | (s.covered_until < bindparam("end")))
        .order_by(z.id)
    )


def permitted(
    rules: Rules, kind: Kind, zones: Sequence[str], places: Sequence[str], start: datetime, end: datetime
) -> list[Window] | None:
    """The permitted windows of a set of zones, from `start` to a while after `end`, by every set; None: unknown."""
    allowed: list[Window] | None = [(start, end + AHEAD)]
    for one in rules.sets:
        found = open_windows(one, kind, zones, places, start, end + AHEAD, rules.bans)
        allowed = None if found is None or allowed is None else list(_both(allowed, found))
    return allowed


def _both(first: Iterable[Window], second: Sequence[Window]) -> Iterable[Window]:
    for opens, closes in first:
        for other_opens, other_closes in second:
            if max(opens, other_opens) < min(closes, other_closes):
                yield max(opens, other_opens), min(closes, other_closes)


def first_hours(rules: int, asked: Mapping[str, tuple[Kind, datetime, datetime]]) -> Select[Any]:
    """Each zone set: `known`, and under each name asked its first permitted moment from a start to an end."""
    w, s = legal_window.c, legal_span.c
    columns = [
        func.min(case(((w.kind == int(kind)) & (w.closes > start) & (w.opens < end), _from(start)))).label(name)
        for name, (kind, start, end) in asked.items()
    ]
    beside = (w.rules == s.rules) & (w.zone_set == s.zone_set)
    return (
        select(s.zone_set, s.known, *columns)
        .outerjoin_from(legal_span, legal_window, beside)
        .where(s.rules == rules)
        .group_by(s.zone_set, s.known)
    )


def first_hour(
    rules: int,
    kind: ColumnElement[int],
    zone_set: ColumnElement[int],
    start: When,
    end: ColumnElement[datetime],
    takes: timedelta,
) -> ScalarSelect[datetime]:
    """The first permitted moment from `start` to `end` of one zone set; NULL when there is none (pk_legal_window).

    A window that ends sooner than `takes` after the start is over.
    """
    w = legal_window.c
    mine = (w.rules == rules, w.kind == kind, w.zone_set == zone_set, w.closes > later(start, takes), w.opens < end)
    return select(func.min(_from(start))).where(*mine).correlate_except(legal_window).scalar_subquery()


def open_until(rules: int, kind: Kind, zone_set: ColumnElement[int], now: datetime) -> ScalarSelect[datetime]:
    """The end of the permitted window that one zone set is in at `now`; NULL outside of one (pk_legal_window)."""
    w = legal_window.c
    mine = (w.rules == rules, w.kind == int(kind), w.zone_set == zone_set, w.opens <= now, w.closes > now)
    return select(func.max(w.closes)).where(*mine).correlate_except(legal_window).scalar_subquery()


def hours_ends(
    connection: Connection, touches: Sequence[int], rules: Rules, kind: Kind, now: datetime
) -> dict[int, datetime]:
    """Touch to the end of the permitted window that its customer is in at `now`."""
    c, p = t.touch.c, t.customer.c
    query = select(c.id, open_until(rules.id, kind, p.zone_set, now)).join_from(t.touch, t.customer, p.id == c.customer)
    return {touch: end for touch, end in connection.execute(query.where(among(c.id, touches))) if end is not None}


def is_known(rules: int, zone_set: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether anybody knows the hours of a zone set (pk_legal_span)."""
    s = legal_span.c
    mine = select(s.zone_set).where(s.rules == rules, s.zone_set == zone_set, s.known)
    return mine.correlate_except(legal_span).exists()


def _from(start: When) -> ColumnElement[datetime]:
    opens = legal_window.c.opens
    return case((opens < start, start if isinstance(start, ColumnElement) else literal(start, opens.type)), else_=opens)
