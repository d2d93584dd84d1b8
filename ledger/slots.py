"""A sender's places for batches in hand: so many requests in the air at once over all workers, and no more."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, func, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.engine_tables import sender_slot
from waves.senders import Sender


def take_slot(connection: Connection, sender: Sender, slots: int, owner: str, now: datetime, until: datetime) -> bool:
    """One of the sender's places for a batch in hand, until the lease ends; False when all are taken."""
    s = sender_slot.c
    there = connection.scalar(select(func.count()).where(s.sender == sender.sender)) or 0
    if there < slots:
        make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        rows = [{"sender": sender.sender, "slot": n} for n in range(there, slots)]
        connection.execute(make(sender_slot).on_conflict_do_nothing(), rows)
    free = (
        select(s.slot)
        .where(s.sender == sender.sender, s.slot < slots, or_(s.until.is_(None), s.until <= now))
        .order_by(s.slot)
        .limit(1)
        .with_for_update(skip_locked=True)
        .cte("free")
    )
    taken = (
        update(sender_slot)
        .where(s.sender == sender.sender, s.slot.in_(select(free.c.slot)))
        .values(owner=owner, until=until)
        .returning(s.slot)  # sqlite3 counts no rows of a statement that begins with WITH
    )
    return connection.execute(taken).one_or_none() is not None


def free_slot(connection: Connection, sender: Sender, owner: str) -> None:
    """Leave the place to the next batch."""
    s = sender_slot.c
    mine = (s.sender == sender.sender, s.owner == owner)
    connection.execute(update(sender_slot).where(*mine).values(owner=null(), until=null()))
