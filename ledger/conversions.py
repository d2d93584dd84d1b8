"""Conversions as imported: each once by (source, source id); a reversal is a fact of its own, never a deletion."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from sqlalchemy import Connection, bindparam, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.sql import among

CHUNK = 10_000


@dataclass(frozen=True, slots=True)
class NewConversion:
    """One conversion of a customer, named by key."""

    customer: str
    goal: str
    at: datetime
    value: Decimal | None
    currency: str | None
    source: str
    source_id: str
    product: str | None = None
    reversed_at: datetime | None = None


def customers_by_key(connection: Connection, keys: set[str]) -> dict[str, int]:
    """The ids of the customers among these keys; an erasure of one of them waits until this transaction ends."""
    found: dict[str, int] = {}
    ordered = sorted(keys)
    for start in range(0, len(ordered), CHUNK):
        c = t.customer.c
        query = select(c.key, c.id).where(c.key.in_(ordered[start : start + CHUNK]))
        rows = connection.execute(query.with_for_update(read=True, key_share=True))  # which changes their key
        found.update((row.key, row.id) for row in rows)
    return found


def customer_keys(connection: Connection, touches: set[int]) -> dict[int, str]:
    """The key of the customer behind each touch; those who were erased are left out."""
    c, p = t.touch.c, t.customer.c
    query = select(c.id, p.key).join_from(t.touch, t.customer, p.id == c.customer).where(p.erased_at.is_(None))
    rows = connection.execute(query.where(among(c.id, touches))).all() if touches else []
    return {row.id: row.key for row in rows}


def record_conversions(connection: Connection, conversions: Sequence[NewConversion]) -> tuple[int, int, int]:
    """Store conversions; (new, known already, of unknown customers: those are not stored).

    One with `reversed_at` reverses what is known under its source and id; the first reversal stays.
    """
    ids = customers_by_key(connection, {conversion.customer for conversion in conversions})
    rows = [
        {
            "customer": ids[c.customer],
            "goal": c.goal,
            "at": c.at,
            "value": c.value,
            "currency": c.currency,
            "product": c.product,
            "source": c.source,
            "source_id": c.source_id,
            "reversed_at": c.reversed_at,
        }
        for c in conversions
        if c.customer in ids
    ]
    mark = connection.scalar(select(func.coalesce(func.max(t.conversion.c.id), 0)))
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for start in range(0, len(rows), CHUNK):
        connection.execute(make(t.conversion).on_conflict_do_nothing(), rows[start : start + CHUNK])
    _reverse(connection, [row for row in rows if row["reversed_at"]])
    new = connection.scalar(select(func.count()).where(t.conversion.c.id > mark)) or 0
    return new, len(rows) - new, len(conversions) - len(rows)


def _reverse(connection: Connection, rows: Sequence[Mapping[str, object]]) -> None:
    v = t.conversion.c
    if not rows:
        return
    named = (v.source == bindparam("of_source")) & (v.source_id == bindparam("of_id"))  # uq_conversion_source_source_id
    connection.execute(
        update(t.conversion).where(named, v.reversed_at.is_(None)).values(reversed_at=bindparam("undone")),
        [{"of_source": row["source"], "of_id": row["source_id"], "undone": row["reversed_at"]} for row in rows],
    )
