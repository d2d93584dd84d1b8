"""Standing instructions not to contact a customer or an address: they act at the next claim, on every campaign."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.audit import record
from waves.errors import LedgerError


def customer_id(connection: Connection, key: str) -> int:
    """The customer with this key; LedgerError when there is none."""
    found = connection.scalar(select(t.customer.c.id).where(t.customer.c.key == key))
    if found is None:
        raise LedgerError("there is no customer with this key; import it first: multiwave customers import FILE")
    return int(found)


def suppress(
    connection: Connection,
    customer: int | None,
    value: str | None,
    channel: int,
    reason: str,
    by: str,
    now: datetime,
    until: datetime | None = None,
) -> bool:
    """Suppress a customer or an address on one channel (0: all); False when the same instruction stands already."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    added = connection.execute(
        make(t.suppression)
        .values(customer=customer, value=value, channel=channel, reason=reason, source=by, since=now, until=until)
        .on_conflict_do_nothing()
    ).rowcount
    if added:
        record(connection, now, by, "suppress", f"customer {customer}" if customer else "an address", after=reason)
    return bool(added)


def unsuppress(
    connection: Connection, customer: int | None, value: str | None, channel: int | None, by: str, now: datetime
) -> int:
    """Lift the standing instructions on a customer or an address (channel None: whatever the channel); how many."""
    s = t.suppression.c
    who = s.customer == customer if customer is not None else s.value == value
    where = [who, (s.until.is_(None)) | (s.until > now)]
    if channel is not None:
        where.append(s.channel == channel)
    lifted = connection.execute(update(t.suppression).where(*where).values(until=now)).rowcount
    if lifted:
        record(connection, now, by, "unsuppress", f"customer {customer}" if customer else "an address")
    return int(lifted)
