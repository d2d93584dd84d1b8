"""Calls that were made before multiwave, or beside it: kept to learn from, and acting on nobody."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.conversions import CHUNK, customers_by_key
from ledger.dial_tables import past_call
from waves.dispositions import Disposition


@dataclass(frozen=True, slots=True)
class PastCall:
    """One call of another system; `source` and `source_id` name it once and for all, `attempt` counts from 1."""

    customer: str
    number: str
    at: datetime
    disposition: Disposition
    source: str
    source_id: str
    attempt: int | None = None
    agent: str | None = None


def record_past_calls(connection: Connection, calls: Sequence[PastCall]) -> tuple[int, int, int]:
    """Store calls, each once by (source, source id); (new, known already, of unknown customers: not stored)."""
    p = past_call.c
    ids = customers_by_key(connection, {call.customer for call in calls})
    rows = [
        {
            "customer": ids[call.customer],
            "number": call.number,
            "at": call.at,
            "disposition": int(call.disposition),
            "attempt": call.attempt,
            "agent": call.agent,
            "source": call.source,
            "source_id": call.source_id,
        }
        for call in calls
        if call.customer in ids
    ]
    mark = connection.scalar(select(func.coalesce(func.max(p.id), 0)))
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    for start in range(0, len(rows), CHUNK):
        connection.execute(make(past_call).on_conflict_do_nothing(), rows[start : start + CHUNK])
    new = connection.scalar(select(func.count()).where(p.id > mark)) or 0  # pk_past_call
    return new, len(rows) - new, len(calls) - len(rows)
