"""Who did what to what, when: append-only."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, insert

from ledger import tables as t


def record(
    connection: Connection,
    now: datetime,
    who: str,
    did: str,
    what: str,
    before: str | None = None,
    after: str | None = None,
) -> None:
    """Append one line to the audit; `what` and the digests name campaigns and ids, never a person."""
    connection.execute(insert(t.audit).values(at=now, who=who, did=did, what=what, before=before, after=after))
