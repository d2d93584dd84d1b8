"""What a sender's provider allows: a rate, a daily cap, so many batches at once; shared by all workers by one row.

The rate is kept by virtual scheduling (GCRA, ITU-T I.371): the row holds the moment from which the next message may
begin, and who takes n messages moves it n / rate further. On PostgreSQL its clock is the database's.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta

from sqlalchemy import Connection, Row, case, func, literal, null, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.engine_tables import sender as table
from ledger.engine_tables import sender_slot
from ledger.types import EPOCH
from waves.message import Receipt
from waves.outcomes import Action, Reason
from waves.senders import Sender

SLICE_S = 0.25
"""A limited sender begins the messages of so many seconds of its rate at once, and then waits."""
AT_FAULT = frozenset({Action.PAUSE_SENDER, Action.STOP_PROVIDER, Action.BUG})
"""Refusals that speak of the sender, not of the message or its address."""


@dataclass(frozen=True, slots=True)
class Grant:
    """So many messages may begin from a moment on; none: ask again then."""

    messages: int
    begins: datetime
    ends: datetime | None = None
    waits_s: float = 0.0
    """How far away `begins` is by the sender's own clock."""


def take(
    connection: Connection, sender: Sender, wanted: int, now: datetime, patience: timedelta, simulated: bool = False
) -> Grant:
    """Take room for up to `wanted` messages; none when the first could not begin within `patience`.

    A clock that stands still knows no rate: on a simulated one only caps and holds count.
    """
    row, now = _row(connection, sender.sender, now, simulated)
    if row.held_until is not None and row.held_until > now:
        return Grant(0, row.held_until)
    today = (now - EPOCH).days
    first, begun = today if row.first_day is None else row.first_day, row.day_count if row.day == today else 0
    cap = sender.cap_on(today - first)
    if cap is not None and begun >= cap:
        return Grant(0, datetime.combine(now.date() + timedelta(days=1), time(), UTC))
    messages = wanted if cap is None else min(wanted, cap - begun)
    begins, ends = now, row.free_at
    if sender.rate is not None and not simulated:
        messages = min(messages, max(1, int(sender.rate * SLICE_S)))
        begins = max(row.free_at, now)
        if begins - now > patience:
            return Grant(0, begins)
        ends = begins + timedelta(seconds=messages / sender.rate)
    values = {"free_at": ends, "first_day": first, "day": today, "day_count": begun + messages}
    connection.execute(update(table).where(table.c.name == sender.sender).values(values))
    return Grant(messages, begins, ends, (begins - now).total_seconds())


def give_back(connection: Connection, sender: Sender, grant: Grant, unused: int) -> None:
    """Room that was taken and not needed: of the day's cap always, of the rate unless others took some after it."""
    c = table.c
    spare = timedelta(seconds=unused / sender.rate) if sender.rate and grant.ends else timedelta(0)
    back = literal(grant.ends - spare, c.free_at.type) if grant.ends else c.free_at
    earlier = case((c.free_at == grant.ends, back), else_=c.free_at)
    values = {"free_at": earlier, "day_count": c.day_count - unused}
    connection.execute(update(table).where(c.name == sender.sender).values(values))


def charge(connection: Connection, sender: Sender, units: int) -> None:
    """Messages took so many units more than one each: the next ones begin later."""
    if sender.rate is None or units <= 0:
        return
    free_at = connection.scalar(select(table.c.free_at).where(table.c.name == sender.sender).with_for_update())
    if free_at is not None:
        later = free_at + timedelta(seconds=units / sender.rate)
        connection.execute(update(table).where(table.c.name == sender.sender).values(free_at=later))


def hold(connection: Connection, name: str, until: datetime, why: str, now: datetime) -> None:
    """Nothing of this sender begins before `until`, as its provider asked; a later one stays."""
    row, _ = _row(connection, name, now, True)
    if row.held_until is None or row.held_until < until:
        connection.execute(update(table).where(table.c.name == name).values(held_until=until, held_why=why))


def heard(connection: Connection, sender: Sender, receipts: list[Receipt], now: datetime) -> str | None:
    """Count a chunk's receipts; why the sender should pause when too many of its last attempts failed, else None."""
    waits = [r.retry_after_s for r in receipts if r.result == "not_sent" and r.reason is Reason.RATE_LIMITED]
    longest = max((wait for wait in waits if wait is not None), default=None)
    if longest is not None:
        hold(connection, sender.sender, now + timedelta(seconds=longest), "the provider asked to wait", now)
    failed = [r for r in receipts if _at_fault(r)]
    row, _ = _row(connection, sender.sender, now, True)
    attempts, failures = row.attempts + len(receipts), row.failures + len(failed)
    breaker = sender.breaker
    broken = failures > breaker.failures * breaker.of
    if broken or attempts >= breaker.of:
        attempts, failures_kept = 0, 0
    else:
        failures_kept = failures
    values = {"attempts": attempts, "failures": failures_kept}
    connection.execute(update(table).where(table.c.name == sender.sender).values(values))
    if not broken:
        return None
    reasons = sorted({r.reason.name.lower() for r in failed if r.reason})
    return f"{failures} of its last {row.attempts + len(receipts)} attempts failed ({', '.join(reasons)})"


def _at_fault(receipt: Receipt) -> bool:
    if receipt.result == "refused":
        return receipt.action in AT_FAULT
    return receipt.result == "in_doubt" or (receipt.result == "not_sent" and receipt.reason is Reason.PROVIDER)


def _row(connection: Connection, name: str, now: datetime, given: bool) -> tuple[Row[tuple[object, ...]], datetime]:
    """The sender's row, locked, and the time after the wait for it: the database's, unless `now` is given as it is."""
    query = select(table).where(table.c.name == name).with_for_update()
    row = connection.execute(query).one_or_none()
    if row is None:
        make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
        connection.execute(make(table).values(name=name, free_at=EPOCH).on_conflict_do_nothing())
        row = connection.execute(query).one()
    return row, now if given else _clock(connection)


def _clock(connection: Connection) -> datetime:
    if connection.dialect.name == "postgresql":
        return connection.execute(select(func.clock_timestamp())).scalar_one().astimezone(UTC)  # type: ignore[no-any-return]
    return datetime.now(UTC)


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
    )
    return connection.execute(taken).rowcount == 1


def free_slot(connection: Connection, sender: Sender, owner: str) -> None:
    """Leave the place to the next batch."""
    s = sender_slot.c
    mine = (s.sender == sender.sender, s.owner == owner)
    connection.execute(update(sender_slot).where(*mine).values(owner=null(), until=null()))
