"""The enrolling statement, counted instead of written."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ledger import tables as t
from ledger.gates import Gates, Members, verdicts
from waves.outcomes import Verdict


@dataclass(frozen=True, slots=True)
class WaveCount:
    """How many members get each verdict, and how many touches each channel (by code) is asked for first."""

    verdicts: Counter[Verdict]
    touches: Counter[int]


def count_members(connection: Connection, members: Members) -> tuple[int, int]:
    """(treated, held out) members of a source."""
    rows = connection.execute(select(members.c.arm, func.count()).group_by(members.c.arm))
    by_arm = {row[0]: row[1] for row in rows}
    return by_arm.get(0, 0), by_arm.get(1, 0)


def count_verdicts(connection: Connection, members: Members, gates: Gates) -> WaveCount:
    """Count what opening the wave at `gates.now` would write for these members."""
    v = verdicts(members, gates, dry=True).subquery("v")
    rows = connection.execute(select(v.c.verdict, v.c.channels, func.count()).group_by(v.c.verdict, v.c.channels))
    counted = WaveCount(Counter(), Counter())
    for verdict, mask, count in rows:
        counted.verdicts[Verdict(verdict)] += count
        if verdict == Verdict.GO:
            for group in gates.groups:
                chosen = next((code for code in group if mask & 1 << code), None)
                if chosen is not None:
                    counted.touches[chosen] += count
    return counted


def examples(connection: Connection, members: Members, gates: Gates) -> dict[Verdict, str]:
    """One customer's key for each verdict."""
    v = verdicts(members, gates, dry=True).subquery("v")
    first = select(v.c.verdict, func.min(v.c.customer).label("customer")).group_by(v.c.verdict).subquery("first")
    rows = connection.execute(
        select(first.c.verdict, t.customer.c.key).join(t.customer, t.customer.c.id == first.c.customer)
    )
    return {Verdict(verdict): key for verdict, key in rows}


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
