"""A dial list by its blocks, in which it is dialled: what share of the dials was expected to be answered, and was."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, and_, case, func, select

from ledger import tables as t
from ledger.answer_counts import ANSWERED
from ledger.types import Moment
from waves.dial_split import TIERS
from waves.dispositions import DIALS, Disposition
from waves.recycling import Tried


@dataclass(frozen=True, slots=True)
class Block:
    """The entries of one tier, who stand in no order inside it."""

    tier: str
    entries: int
    by_lot: int
    """How many of them came by lot, not by their score."""
    hit_rate: float | None
    """The share of first dials from this list that is expected to be answered; None: nothing was known of anybody."""
    dials: int
    """What came back so far: dials from this list, and those that a person answered."""
    answers: int


def blocks(connection: Connection, number: int, first: int = 1) -> list[Block]:
    """The blocks of a list from this rank on, as they are dialled (ix_dial_entry_list, ix_call_touch)."""
    e, k = t.dial_entry.c, t.call.c
    dialled = (
        select(
            k.entry,
            func.count().label("dials"),
            func.sum(case((k.disposition.in_([int(d) for d in ANSWERED]), 1), else_=0)).label("answers"),
        )
        .join_from(t.dial_entry, t.call, (k.entry == e.id) & (k.touch == e.touch))
        .where(e.list == number, k.disposition.in_([int(d) for d in DIALS]))
        .group_by(k.entry)
        .subquery("dialled")
    )
    d = dialled.c
    query = (
        select(
            e.tier,
            func.count(),
            func.sum(case((e.explored, 1), else_=0)),
            func.avg(e.p_answer),
            func.coalesce(func.sum(d.dials), 0),
            func.coalesce(func.sum(d.answers), 0),
        )
        .select_from(t.dial_entry)
        .outerjoin(dialled, d.entry == e.id)
        .where(e.list == number, e.rank >= first)
        .group_by(e.tier)
    )
    found = [Block(row[0], row[1], int(row[2]), row[3], int(row[4]), int(row[5])) for row in connection.execute(query)]
    return sorted(found, key=lambda block: TIERS.index(block.tier))


@dataclass(frozen=True, slots=True)
class OnList:
    """One entry: until when it may be dialled, whether the list holds it still, and the calls from it."""

    call_until: datetime
    held: bool
    calls: list[Tried]


def on_list(connection: Connection, number: int) -> list[OnList]:
    """Every entry of a list (ix_dial_entry_list, ix_call_touch); those recalled are not held."""
    e, k, d = t.dial_entry.c, t.call.c, t.dial_list.c
    query = (
        select(
            e.id,
            func.coalesce(e.call_until, d.valid_until, d.lease_until, type_=Moment()).label("call_until"),
            and_(e.active, e.recalled_at.is_(None)).label("held"),
            *(k.at, k.disposition, k.call_id, k.number, k.agent, k.callback_at),
        )
        .select_from(t.dial_entry)
        .join(t.dial_list, d.id == e.list)
        .outerjoin(t.call, (k.entry == e.id) & (k.touch == e.touch))
        .where(e.list == number)
    )
    found: dict[int, OnList] = {}
    for row in connection.execute(query):
        one = found.setdefault(row.id, OnList(row.call_until, bool(row.held), []))
        if row.at is not None:
            one.calls.append(
                Tried(row.at, Disposition(row.disposition), row.call_id, row.number, row.agent, row.callback_at)
            )
    return list(found.values())


def cards_of(connection: Connection, number: int) -> Sequence[int]:
    """The model cards by which a list and what was added to it were ranked, oldest first (ix_dial_entry_list)."""
    e = t.dial_entry.c
    return connection.scalars(
        select(e.card).where(e.list == number, e.card.is_not(None)).distinct().order_by(e.card)
    ).all()
