"""Which touch a provider's own reference means, for reports that do not name our token.

A report can come before the answer that gave its reference is committed: it waits in `early_report` until then, for
so long as a worker may still write that down, and is recorded as one of an unknown touch after that.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Select, and_, delete, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.channel_tables import early_report, provider_ref
from ledger.sql import among
from ledger.store import Ledger
from waves.message import Event

WAITS = timedelta(minutes=10)
AT_ONCE = 2000
"""Reports that waited and are recorded in one transaction."""
RANGE = 10_000
"""References dropped in one go."""
Ref = tuple[str, str]
"""A sender's name and its provider's reference."""


def keep_refs(connection: Connection, sender: str, refs: Sequence[tuple[str, int]]) -> None:
    """Reference to touch. A provider that counts anew from 1 means its latest message (pk_provider_ref)."""
    if not refs:
        return
    make = _insert(connection)(provider_ref)
    newest = make.on_conflict_do_update(index_elements=["sender", "ref"], set_={"touch": make.excluded.touch})
    connection.execute(newest, [{"sender": sender, "ref": ref, "touch": touch} for ref, touch in refs])


def give_up_refs(connection: Connection, sender: str, refs: Collection[str]) -> None:
    """These mean something else from now on (pk_provider_ref)."""
    c = provider_ref.c
    connection.execute(delete(provider_ref).where(c.sender == sender, among(c.ref, refs)))


def touches_of(connection: Connection, refs: Collection[Ref]) -> dict[Ref, int]:
    """The touches of those references that are known (pk_provider_ref)."""
    found: dict[Ref, int] = {}
    c = provider_ref.c
    for sender in sorted({sender for sender, _ in refs}):
        theirs = [ref for whose, ref in refs if whose == sender]
        rows = connection.execute(select(c.ref, c.touch).where(c.sender == sender, among(c.ref, theirs)))
        found |= {(sender, ref): touch for ref, touch in rows}
    return found


def hold_back(connection: Connection, events: Iterable[Event], now: datetime) -> None:
    """Keep reports whose reference is not known yet; one that came before is kept once."""
    rows = [
        {
            "provider": event.provider,
            "provider_event_id": event.provider_event_id,
            "ref": event.ref,
            "came_at": now,
            "report": json.dumps(event.as_json()),
        }
        for event in events
    ]
    if rows:
        connection.execute(_insert(connection)(early_report).on_conflict_do_nothing(), rows)


def any_held_back(connection: Connection) -> bool:
    """Whether a report waits for its reference: one look."""
    return connection.scalar(select(early_report.c.ref).limit(1)) is not None


def take_due(connection: Connection, now: datetime) -> list[tuple[Event, int | None]]:
    """Take out the next reports whose reference is known by now, with their touch, or that waited long enough."""
    e, r = early_report.c, provider_ref.c
    joined = early_report.outerjoin(provider_ref, and_(r.sender == e.provider, r.ref == e.ref))
    due = or_(r.touch.is_not(None), e.came_at <= now - WAITS)
    query = select(e.provider, e.provider_event_id, e.report, r.touch).select_from(joined).where(due)
    rows = connection.execute(query.order_by(e.came_at, e.provider, e.provider_event_id).limit(AT_ONCE)).all()
    for provider in sorted({row.provider for row in rows}):
        theirs = [row.provider_event_id for row in rows if row.provider == provider]
        connection.execute(delete(early_report).where(e.provider == provider, among(e.provider_event_id, theirs)))
    return [(Event.of_json(json.loads(row.report)), row.touch) for row in rows]


def drop_old_refs(ledger: Ledger, before: datetime) -> int:
    """Drop the next references of messages whose wave closed before this moment; how many.

    Touches are numbered as waves open, so the oldest reference tells whether there is anything to do
    (ix_provider_ref_touch).
    """
    r, c, w = provider_ref.c, t.touch.c, t.wave.c
    oldest = select(func.min(r.touch)).scalar_subquery()
    old = select(c.id).join(t.wave, w.id == c.wave).where(w.closed < before)
    with ledger.read() as connection:
        if connection.scalar(old.where(c.id == oldest)) is None:
            return 0
    with ledger.write() as connection:
        first = connection.scalars(select(r.touch).order_by(r.touch).limit(RANGE)).all()
        gone = connection.scalars(old.where(among(c.id, set(first)))).all()
        return connection.execute(delete(provider_ref).where(among(r.touch, gone))).rowcount


def forget_refs(connection: Connection, touches: Select[tuple[int]]) -> None:
    """Drop the references of these touches (ix_provider_ref_touch)."""
    connection.execute(delete(provider_ref).where(provider_ref.c.touch.in_(touches)))


def _insert(connection: Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
