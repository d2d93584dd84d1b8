"""What a sender's provider allows: a rate, a daily cap, a wait it asked for; one row a sender, shared by all workers.

The rate is kept by virtual scheduling (GCRA, ITU-T I.371): the row holds the moment from which the next message may
begin, and who takes n messages moves it n / rate further. On PostgreSQL its clock is the database's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, case, func, literal, select, update
from sqlalchemy.dialects import postgresql, sqlite

from ledger.engine_tables import sender as table
from ledger.types import EPOCH
from waves.senders import Sender

SLICE_S = 0.25
"""A limited sender begins the messages of so many seconds of its rate at once, and then waits."""
TRIAL = 1
"""So many messages at a time try a sender that its breaker paused, until the provider takes one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """So many messages may begin from a moment on; none: ask again then."""

    messages: int
    begins: datetime
    ends: datetime | None = None
    """From when on the next ones may begin, by the rate."""
    waits_s: float = 0.0
    """How far away `begins` is by the sender's own clock."""
    day: int | None = None
    """The day whose cap it counts against."""


def take(
    connection: Connection, sender: Sender, wanted: int, now: datetime, patience: timedelta, simulated: bool = False
) -> Grant:
    """Take room for up to `wanted` messages; none when the first could not begin within `patience`.

    A clock that stands still knows no rate and no wait: on a simulated one only caps and holds count.
    """
    row: Row[Any] | None
    if sender.is_limited:
        row, now = locked(connection, sender.sender, now, simulated)
    else:
        row = connection.execute(_of(sender.sender)).one_or_none()
    begins = _opens(row, sender, now, simulated)
    if begins - now > (timedelta(0) if simulated else patience):
        return Grant(0, begins)
    messages = min(wanted, TRIAL) if row is not None and on_trial(row) else wanted
    waits_s = (begins - now).total_seconds()
    if row is None or not sender.is_limited:
        return Grant(messages, begins, waits_s=waits_s)
    day, begun, cap = _cap(row, sender, begins)
    messages = messages if cap is None else min(messages, cap - begun)
    ends = None
    if sender.rate is not None and not simulated:
        messages = min(messages, max(1, int(sender.rate * SLICE_S)))
        ends = begins + timedelta(seconds=messages / sender.rate)
    first = day if row.first_day is None else row.first_day
    values = {"free_at": ends or row.free_at, "first_day": first, "day": day, "day_count": begun + messages}
    connection.execute(update(table).where(table.c.name == sender.sender).values(values))
    return Grant(messages, begins, ends, waits_s, day)


def opens(connection: Connection, sender: Sender, now: datetime, simulated: bool = False) -> datetime:
    """From when a message of this sender may begin, by its rate, cap and holds; `now` when at once. Takes nothing."""
    return _opens(connection.execute(_of(sender.sender)).one_or_none(), sender, now, simulated)


def _opens(row: Row[Any] | None, sender: Sender, now: datetime, simulated: bool) -> datetime:
    if row is None:
        return now
    at = now if row.held_until is None else max(now, row.held_until)
    if sender.rate is not None and not simulated:
        at = max(at, row.free_at)
    day, begun, cap = _cap(row, sender, at)
    if cap is not None and begun >= cap:
        return EPOCH + timedelta(days=day + 1)
    return at


def _cap(row: Row[Any], sender: Sender, at: datetime) -> tuple[int, int, int | None]:
    """The day of a moment, what was begun on it, and what may be. A clock that went back is still on the later day."""
    day = max((at - EPOCH).days, row.day or 0)
    first = day if row.first_day is None else row.first_day
    return day, row.day_count if row.day == day else 0, sender.cap_on(day - first)


def give_back(connection: Connection, sender: Sender, grant: Grant, unused: int) -> None:
    """Room that was taken and not needed: of its day's cap always, of the rate unless others took some after it."""
    if grant.day is None or not unused:
        return
    c = table.c
    values: dict[str, Any] = {"day_count": case((c.day == grant.day, c.day_count - unused), else_=c.day_count)}
    if grant.ends is not None and sender.rate is not None:
        earlier = grant.ends - timedelta(seconds=unused / sender.rate)
        values["free_at"] = case((c.free_at == grant.ends, literal(earlier, c.free_at.type)), else_=c.free_at)
    connection.execute(update(table).where(c.name == sender.sender).values(values))


def charge(connection: Connection, sender: Sender, units: int) -> None:
    """Messages took so many units more than one each: the next ones begin later."""
    if sender.rate is None or units <= 0:
        return
    row, _ = locked(connection, sender.sender, EPOCH, True)
    later = row.free_at + timedelta(seconds=units / sender.rate)
    connection.execute(update(table).where(table.c.name == sender.sender).values(free_at=later))


def hold(connection: Connection, name: str, until: datetime, why: str) -> None:
    """Nothing of this sender begins before `until`, as its provider asked; a later one stays."""
    row, _ = locked(connection, name, EPOCH, True)
    if row.held_until is None or row.held_until < until:
        connection.execute(update(table).where(table.c.name == name).values(held_until=until, held_why=why))


def held(connection: Connection, now: datetime) -> Sequence[Row[Any]]:
    """(name, held_until, held_why) of the senders whose provider asked to wait."""
    c = table.c
    return connection.execute(select(c.name, c.held_until, c.held_why).where(c.held_until > now).order_by(c.name)).all()


@dataclass(frozen=True, slots=True)
class Counted:
    """What is known of a sender at a moment; of one that never sent, nothing."""

    held_until: datetime | None = None
    held_why: str | None = None
    attempts: int = 0
    failures: int = 0
    on_trial: bool = False
    today: int = 0
    age: int = 0
    """Days since its first message."""


def counted(connection: Connection, now: datetime) -> dict[str, Counted]:
    """Every sender that the ledger knows, by name."""
    day = (now - EPOCH).days
    return {
        row.name: Counted(
            row.held_until if row.held_until and row.held_until > now else None,
            row.held_why,
            row.attempts,
            row.failures,
            on_trial(row),
            row.day_count if row.day == day else 0,
            0 if row.first_day is None else max(day - row.first_day, 0),
        )
        for row in connection.execute(select(table))
    }


def on_trial(row: Row[Any]) -> bool:
    """Whether the breaker paused this sender and nothing was taken since: more failures are noted than attempts."""
    return bool(row.failures > row.attempts)


def _of(name: str) -> Any:
    return select(table).where(table.c.name == name)


def locked(connection: Connection, name: str, now: datetime, given: bool) -> tuple[Row[Any], datetime]:
    """The sender's row, locked, and the time after the wait for it: the database's, unless `now` is given as it is."""
    query = _of(name).with_for_update()
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
