"""Standing instructions not to contact a customer or an address: they act at the next claim, on every campaign."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.audit import record
from waves.errors import InputError, LedgerError

FROM_CALL = "call"
"""The source of an instruction that a call's disposition gave."""


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
    if not added:
        # A person's word stands by itself: it does not end when the file of calls is undone that said it first.
        s = t.suppression.c
        who = s.customer == customer if customer is not None else s.value == value
        alike = (who, s.channel == channel, s.reason == reason, s.until.is_(None), s.source == FROM_CALL)
        connection.execute(update(t.suppression).where(*alike).values(source=by))
    if added:
        record(connection, now, by, "suppress", f"customer {customer}" if customer else "an address", after=reason)
    return bool(added)


def suppress_since(connection: Connection, rows: Select[Any]) -> None:
    """Suppress whom reports named, as rows of (customer, channel, reason, source, since).

    An instruction stands since the first report that gave it, whichever came in first.
    """
    s = t.suppression.c
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    columns = [s.customer, s.channel, s.reason, s.source, s.since]
    connection.execute(make(t.suppression).from_select(columns, rows).on_conflict_do_nothing())
    said = rows.subquery("said")
    customer, channel, reason, source, since = said.c
    alike = (s.customer == customer, s.channel == channel, s.reason == reason, s.value.is_(None), s.until.is_(None))
    others = (s.source == FROM_CALL, source != FROM_CALL)  # as in `suppress`: it outlives the file of those calls
    connection.execute(update(t.suppression).where(*alike, *others).values(source=source))
    connection.execute(update(t.suppression).where(*alike, s.source == source, s.since > since).values(since=since))


def unsuppress(
    connection: Connection, customer: int | None, value: str | None, channel: int | None, by: str, now: datetime
) -> int:
    """Lift the standing instructions on a customer or an address (channel None: whatever the channel); how many.

    InputError when neither is named, or both: nobody's instructions are everybody's.
    """
    if (customer is None) == (value is None):
        raise InputError("say whose instructions: a customer's or an address's")
    s = t.suppression.c
    who = s.customer == customer if customer is not None else s.value == value
    where = [who, (s.until.is_(None)) | (s.until > now)]
    if channel is not None:
        where.append(s.channel == channel)
    lifted = connection.execute(update(t.suppression).where(*where).values(until=now)).rowcount
    if lifted:
        record(connection, now, by, "unsuppress", f"customer {customer}" if customer else "an address")
    return int(lifted)
