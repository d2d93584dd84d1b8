"""The enrolling sieve, counted instead of written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ledger import tables as t
from ledger.gates import Gates, Members
from ledger.sieve import sieved
from ledger.types import Span
from waves.outcomes import Verdict

RANGE = 50_000
"""Customers sieved at a time."""


@dataclass(frozen=True, slots=True)
class WaveCount:
    """How many members get each verdict, how many touches each channel (by code) is asked for first, and examples."""

    verdicts: Counter[Verdict]
    touches: Counter[int]
    lowest: dict[Verdict, int]
    """The lowest customer id of each verdict."""


def count_members(connection: Connection, members: Members) -> tuple[int, int]:
    """(treated, held out) members of a source."""
    rows = connection.execute(select(members.c.arm, func.count()).group_by(members.c.arm))
    by_arm = {row[0]: row[1] for row in rows}
    return by_arm.get(0, 0), by_arm.get(1, 0)


def count_verdicts(connection: Connection, members: Members, gates: Gates) -> WaveCount:
    """Count what opening the wave at `gates.now` would write for these members, by the enrolment's own sieve."""
    counted = WaveCount(Counter(), Counter(), {})
    for span in _spans(connection):
        inside = select(members).where(members.c.customer > span[0], members.c.customer <= span[1]).subquery("m")
        with sieved(connection, inside, gates, span, rivals=members) as found:
            f = found.c
            query = select(f.verdict, f.channels, func.count(), func.min(f.customer)).group_by(f.verdict, f.channels)
            for verdict, mask, count, lowest in connection.execute(query):
                _add(counted, gates, Verdict(verdict), mask, count, lowest)
    return counted


def _spans(connection: Connection) -> Iterator[Span]:
    low, c = 0, t.customer.c
    while True:
        ahead = select(c.id).where(c.id > low).order_by(c.id)
        high = connection.scalar(ahead.offset(RANGE - 1).limit(1))
        if high is None:
            yield low, connection.scalar(select(func.max(c.id))) or 0
            return
        yield low, high
        low = high


def _add(counted: WaveCount, gates: Gates, verdict: Verdict, mask: int, count: int, lowest: int) -> None:
    counted.verdicts[verdict] += count
    counted.lowest[verdict] = min(lowest, counted.lowest.get(verdict, lowest))
    if verdict == Verdict.GO:
        for group in gates.groups:
            chosen = next((code for code in group if mask & 1 << code), None)
            if chosen is not None:
                counted.touches[chosen] += count


def examples(connection: Connection, counted: WaveCount) -> dict[Verdict, str]:
    """One customer's key for each verdict."""
    c = t.customer.c
    keys = dict(connection.execute(select(c.id, c.key).where(c.id.in_(counted.lowest.values()))).tuples().all())
    return {verdict: keys[customer] for verdict, customer in counted.lowest.items()}


def one_of_each_language(connection: Connection, members: Members) -> list[str]:
    """The key of one treated member for each language, so that every wording can be shown."""
    c = t.customer.c
    first = (
        select(func.min(c.id).label("customer"))
        .join_from(members, t.customer, c.id == members.c.customer)
        .where(members.c.arm == 0)
        .group_by(c.language)
        .subquery("first")
    )
    return list(connection.scalars(select(c.key).join(first, first.c.customer == c.id).order_by(c.id)))


def some_members(connection: Connection, members: Members, count: int) -> list[str]:
    """The keys of so many treated members, the same ones each time and drawn regardless of who they are."""
    c = t.customer.c
    drawn = select(c.key).join_from(members, t.customer, c.id == members.c.customer).where(members.c.arm == 0)
    return list(connection.scalars(drawn.order_by(c.bucket, c.id).limit(count)))
