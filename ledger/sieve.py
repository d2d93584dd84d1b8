"""The sieve: every member of a wave through all its gates, set by set, with the address each channel would use."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    Table,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    select,
    type_coerce,
)
from sqlalchemy.schema import Column
from sqlalchemy.types import TypeEngine

from ledger import tables as t
from ledger.gates import PASSES, Gates, Members, Span, address_gate, drawn, member_gate, suppressed
from ledger.sql import greatest, unindexed
from ledger.words import heard_by, heard_name
from waves.outcomes import Verdict

STEP, NEXT = 1 << 55, 1 << 40
"""A reach is gate * STEP - preference * NEXT - address id: the largest is the furthest gate, there the best address."""
NOWHERE = int(Verdict.NO_ADDRESS) * STEP


@contextmanager
def sieved(
    connection: Connection, members: Members, gates: Gates, span: Span, rivals: Members | None = None
) -> Iterator[Table]:
    """A temporary table of the members: customer, bucket, verdict, channels, place_CODE; gone at the end.

    `channels` is the mask of those that passed; there, and only there, the place is the address to use. The members lie
    in `span`. Run and dry run read the same table; in a dry run `rivals` are those among whom an address is shared.
    """
    gates = replace(gates, span=span)
    with ExitStack() as kept:

        def keep(name: str, rows: Select[Any], **columns: Any) -> Table:
            return kept.enter_context(_kept(connection, name, rows, columns))

        heard = [keep(heard_name(wave), heard_by(wave, span), **{heard_name(wave): Integer}) for wave in gates.heard]
        first = keep("first_gates", _asked(members, heard, gates), bucket=BigInteger, gate=Integer)
        places = {f"place_{code}": BigInteger for code in gates.channels}
        rows = _verdicts(_reaches(first, gates, span, rivals), gates)
        yield keep("sieve", rows, bucket=BigInteger, verdict=SmallInteger, channels=Integer, **places)


def _asked(members: Members, heard: list[Table], gates: Gates) -> Select[Any]:
    """Each member with the gate that stopped it, 0 for none."""
    source, columns = members, []
    for table in heard:
        source = source.outerjoin(table, table.c.customer == members.c.customer)
        columns.append(table.c[table.name])
    m = select(*members.c, *columns).select_from(source).subquery("m") if heard else members
    return select(m.c.customer, m.c.bucket, member_gate(m, gates))


@contextmanager
def _kept(connection: Connection, name: str, rows: Select[Any], columns: Mapping[str, Any]) -> Iterator[Table]:
    table = _table(name, tuple(columns.items()), connection.dialect.name == "sqlite")
    table.create(connection, checkfirst=False)
    connection.execute(insert(table).from_select(list(table.c), rows))
    yield table
    table.drop(connection, checkfirst=False)


@lru_cache(maxsize=256)
def _table(name: str, columns: tuple[tuple[str, type[TypeEngine[Any]]], ...], keyed: bool) -> Table:
    """A temporary table, made once so that statements about it are compiled once.

    SQLite gets a key: it would read a CTE or an unkeyed table again for every row joined. PostgreSQL hashes.
    """
    key = Column("customer", t.Id, primary_key=keyed, autoincrement=False)
    return Table(name, MetaData(), key, *[Column(*column) for column in columns], prefixes=["TEMPORARY"])


def _reach(first: FromClause, channel: int, gates: Gates, rivals: Members | None) -> ColumnElement[int]:
    """How far a row of `address` gets, and how good it is there, as one number."""
    a = t.address.c
    gate = address_gate(gates, rivals, suppressed(first.c.customer, gates.now, channel, False, gates.span))
    step, following = literal(STEP, BigInteger), literal(NEXT, BigInteger)
    return gate * step - a.preference * following - a.id


def _reaches(first: FromClause, gates: Gates, span: Span, rivals: Members | None) -> Select[Any]:
    """Each member with its best reach on every channel; the LEFT JOIN makes SQLite go from the members to addresses."""
    a = t.address.c
    best = [
        func.coalesce(func.max(case((a.channel == code, _reach(first, code, gates, rivals)))), NOWHERE).label(
            f"reach_{code}"
        )
        for code in gates.channels
    ]
    wanted = and_(
        a.customer == first.c.customer,  # uq_address_customer_channel_value
        a.customer > span[0],
        a.customer <= span[1],
        unindexed(a.channel).in_(gates.channels),
        first.c.gate < 1,  # not = 0: PostgreSQL takes a third of the members to pass it, where it would take one in 200
    )
    return (
        select(first.c.customer, func.max(first.c.bucket).label("bucket"), func.max(first.c.gate).label("gate"), *best)
        .outerjoin_from(first, t.address, wanted)
        .group_by(first.c.customer)
    )


def _verdicts(reaches: Select[Any], gates: Gates) -> Select[Any]:
    """What the reaches come to; whoever a member's gate stopped has reached nothing."""
    r = reaches.subquery("reaches")
    reached = {code: r.c[f"reach_{code}"] for code in gates.channels}
    best = type_coerce(
        greatest(*reached.values()) if len(reached) > 1 else r.c[f"reach_{gates.channels[0]}"], BigInteger
    )
    short = (PASSES - 1) * STEP
    mask: ColumnElement[int] = literal(0, Integer)
    for code, reach in reached.items():
        mask = mask + case((reach > short, 1 << code), else_=0)
    held = drawn(r.c.bucket, *gates.holdout) if gates.holdout else false()
    verdict = case(
        (r.c.gate != 0, r.c.gate),
        (best <= short, (best + (STEP - 1)) // STEP),
        (held, int(Verdict.WAVE_HELD_OUT)),
        else_=int(Verdict.GO),
    )
    places = [(PASSES * STEP - reach) % NEXT for reach in reached.values()]
    return select(r.c.customer, r.c.bucket, verdict, mask, *places)
