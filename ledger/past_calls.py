"""Calls that were made before multiwave, or beside it: learnt from, counted for caps, and a no in them stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Text, case, cast, func, literal, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.conversions import CHUNK, customers_by_key
from ledger.dial_tables import past_call
from ledger.sql import among
from ledger.suppressions import suppress_since
from waves.dispositions import ENDS_ALL_CONTACT, Disposition
from waves.outcomes import word

ENDED = {int(disposition): word(disposition) for disposition in ENDS_ALL_CONTACT}


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


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of imported calls; those of customers nobody imported are not stored."""

    new: int = 0
    known: int = 0
    unknown_customer: int = 0
    suppressed: int = 0
    """Customers of whom it is said for the first time in a call that they are never to be contacted again."""

    def __add__(self, other: Kept) -> Kept:
        return Kept(*(mine + theirs for mine, theirs in zip(astuple(self), astuple(other), strict=True)))


def record_past_calls(connection: Connection, calls: Sequence[PastCall]) -> Kept:
    """Store calls, each once by (source, source id): as it was said first, or as a later word that ends all contact.

    Who asked in one never to be called again, or died, is suppressed on every channel in the same commit.
    """
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
    ended = (or_(p.id > mark, among(p.id, _further_noes(connection, rows))), p.disposition.in_(ENDED))
    suppressed = connection.scalar(select(func.count(p.customer.distinct())).where(*ended)) or 0
    if suppressed:
        said = (
            p.customer,
            literal(0, Integer).label("channel"),
            cast(case(ENDED, value=p.disposition), Text).label("reason"),
            literal("history").label("source"),
            func.min(p.at).label("since"),
        )
        suppress_since(connection, select(*said).where(*ended).group_by(p.customer, p.disposition))
    return Kept(new, len(rows) - new, len(calls) - len(rows), suppressed)


def _further_noes(connection: Connection, rows: Sequence[Mapping[str, Any]]) -> list[int]:
    """The stored calls that one of these, of the same customer, says ended all contact where another word stood."""
    p = past_call.c
    ends = {
        (row["customer"], row["source"], row["source_id"]): row["disposition"]
        for row in rows
        if row["disposition"] in ENDED
    }
    stood = select(p.id, p.customer, p.source, p.source_id).where(p.disposition.not_in(ENDED))
    stored = connection.execute(stood.where(among(p.source_id, sorted({call[2] for call in ends})))) if ends else ()
    found = {row.id: ends[call] for row in stored if (call := (row.customer, row.source, row.source_id)) in ends}
    for number, said in found.items():
        connection.execute(update(past_call).where(p.id == number).values(disposition=said))
    return list(found)
