"""What `doctor` asks the database: is it well, and what lies about in it that somebody must look after."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection, func, select, text

from ledger import tables as t
from ledger.channel_tables import reply
from ledger.close import balance
from ledger.engine_tables import doubt
from ledger.sql import inline
from waves.outcomes import Side, State


@dataclass(frozen=True, slots=True)
class Books:
    """Whether one opened wave balances now, and did when it closed (None: it is open)."""

    campaign: str
    wave: str
    now: bool
    as_closed: bool | None


def revision(connection: Connection) -> str | None:
    """The version of the tables."""
    return MigrationContext.configure(connection).get_current_revision()


def journal_mode(connection: Connection) -> str | None:
    """SQLite's journal mode in lower case (`wal`, as it should be); None on PostgreSQL."""
    if connection.dialect.name != "sqlite":
        return None
    return str(connection.scalar(text("PRAGMA journal_mode"))).lower()


def database_clock(connection: Connection) -> datetime | None:
    """What time the database server says it is, aware UTC; None on SQLite, which has our own clock."""
    if connection.dialect.name == "sqlite":
        return None
    said = connection.scalar(select(func.clock_timestamp()))
    return said.astimezone(UTC) if said else None


def books(connection: Connection) -> list[Books]:
    """Every wave that was opened, counted from its rows."""
    w, c = t.wave.c, t.campaign.c
    query = select(w.id, w.campaign, w.name, w.state, w.balance, c.name.label("of")).join(
        t.campaign, c.id == w.campaign
    )
    rows = connection.execute(query.where(w.state.in_(["open", "closing", "closed"])).order_by(w.id)).all()
    return [
        Books(row.of, row.name, balance(connection, row.id, row.campaign).balanced, _as_closed(row)) for row in rows
    ]


def _as_closed(row: Any) -> bool | None:
    return bool(json.loads(row.balance)["balanced"]) if row.state == "closed" and row.balance else None


def expired_leases(connection: Connection, now: datetime) -> int:
    """Batches whose worker is past its lease; the next upkeep takes them back."""
    b = t.batch.c
    query = select(func.count()).where(b.done_at.is_(None), b.lease_owner.is_not(None), b.lease_until <= now)
    return connection.scalar(query) or 0


def not_understood(connection: Connection, since: datetime) -> dict[str, int]:
    """Reports of kinds that this release does not know, by sender, received since a moment; replies are none of them.

    They are kept as they came (ix_event_unknown).
    """
    ev = t.event.c
    replied = select(reply.c.event).where(reply.c.event == ev.id).correlate(t.event).exists()
    query = (
        select(ev.provider, func.count())
        .where(ev.outcome == inline(Side.UNKNOWN), ev.received_at >= since, ~replied)
        .group_by(ev.provider)
        .order_by(ev.provider)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def in_doubt(connection: Connection) -> dict[str, int]:
    """Touches in doubt by campaign, of waves that are still open; those held for a person of every wave."""
    held = select(doubt.c.touch).where(doubt.c.touch == t.touch.c.id, doubt.c.decided == "hold").exists()
    query = (
        select(t.campaign.c.name, func.count())
        .join(t.wave, t.wave.c.id == t.touch.c.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(t.touch.c.state == int(State.IN_DOUBT), t.wave.c.state.in_(["open", "closing"]) | held)
        .group_by(t.campaign.c.name)
        .order_by(t.campaign.c.name)
    )
    return {row[0]: row[1] for row in connection.execute(query)}


def overdue_lists(connection: Connection, now: datetime) -> list[tuple[int, str]]:
    """(id, team) of dial lists past their lease that nobody returned; their wave cannot tell who was called."""
    d = t.dial_list.c
    query = select(d.id, d.team).where(d.returned_at.is_(None), d.lease_until <= now).order_by(d.id)
    return [(row.id, row.team) for row in connection.execute(query)]
