"""What is kept for a while only: the text that a report came with, which can hold a person's address."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, select, update

from ledger import tables as t
from ledger.store import Ledger, read_meta, write_meta

RANGE = 10_000
"""Reports looked at in one go: a fraction of a second, and 80 million a day at one go every 10 s."""
DROPPED_TO = "raw_dropped_to"
EMPTY = "{}"


def drop_old_raw(ledger: Ledger, before: datetime) -> int:
    """Empty the text of the next reports that came before this moment; how many were looked at.

    Reports are numbered as they come in, so the old ones are a range that only grows.
    """
    with ledger.read() as connection:
        mark, end = _old_range(connection, before)
    if mark == end:
        return 0
    ev = t.event.c
    with ledger.write() as connection:
        old = (ev.id > mark, ev.id <= end, ev.raw != EMPTY)
        connection.execute(update(t.event).where(*old).values(raw=EMPTY))
        write_meta(connection, DROPPED_TO, str(end))
    return end - mark


def _old_range(connection: Connection, before: datetime) -> tuple[int, int]:
    """After which event, and to which, the next old ones lie (pk_event); the same twice when there are none."""
    ev = t.event.c
    mark = int(read_meta(connection, DROPPED_TO) or 0)
    part = select(ev.id, ev.received_at).where(ev.id > mark).order_by(ev.id).limit(RANGE).subquery()
    young = connection.scalar(select(func.min(part.c.id)).where(part.c.received_at >= before))
    if young is not None:
        return mark, max(mark, young - 1)
    return mark, connection.scalar(select(func.max(part.c.id))) or mark
