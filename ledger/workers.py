"""Who works on this ledger: a row for each program that runs waves, kept fresh by the database's clock."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection, Row, delete, insert, select, text, update

from ledger import tables as t
from ledger.engine_tables import worker as table
from ledger.health import database_clock
from ledger.types import MICROSECOND

BEATS_EVERY = timedelta(seconds=10)
LIVE_FOR = timedelta(seconds=30)
"""Who was seen so lately is taken to be alive: three beats."""
KEPT_FOR = timedelta(hours=1)
SKEW, WRONG = timedelta(seconds=5), timedelta(minutes=1)
"""A clock so far from the database's is told of; so far, it may judge neither hours nor leases."""
WORKER_LOCK = 0x6D77_776B  # PostgreSQL advisory lock: workers arrive one by one


@dataclass(frozen=True, slots=True)
class Me:
    """A program: its name, with what follows a slash telling those of one worker apart, and who started it.

    Programs of one instance may share the name before the slash.
    """

    name: str
    instance: str

    @property
    def called(self) -> str:
        """The name that no other worker may have."""
        return self.name.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a program was received: it works from now on, unless a rival has its name or the wave has enough workers."""

    rival: Worker | None = None
    full: bool = False


@dataclass(frozen=True, slots=True)
class Worker:
    """One row, and whether that program is alive."""

    name: str
    instance: str
    campaign: str | None
    wave: str | None
    started_at: datetime
    seen_at: datetime
    skew_s: float
    alive: bool


def now_by(connection: Connection) -> datetime:
    """The database's time; on SQLite, whose clock is this machine's, ours."""
    return database_clock(connection) or datetime.now(UTC)


def arrive(
    connection: Connection, me: Me, skew: timedelta, wave: int | None = None, most: int = 1, alone: bool = False
) -> Arrival:
    """Take up work, on a wave if one is named, unless `most` others work on it already.

    `alone` says that no other program of this instance can be alive, so that what it left is cleared away.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": WORKER_LOCK})
    now = now_by(connection)
    there = workers(connection, now)
    rivals = [w for w in there if w.alive and w.instance != me.instance and w.name.partition("/")[0] == me.called]
    if rivals:
        return Arrival(rival=rivals[0])
    if wave is not None and working_on(connection, wave) >= most:
        return Arrival(full=True)
    c = table.c
    mine = (c.instance == me.instance) if alone else (c.name == me.name)
    connection.execute(delete(table).where(mine | (c.name == me.name)))
    row = {"name": me.name, "instance": me.instance, "wave": wave, "started_at": now, "seen_at": now}
    connection.execute(insert(table).values(**row, skew_us=skew // MICROSECOND))
    return Arrival()


def beat(connection: Connection, me: Me, skew: timedelta) -> bool:
    """Say that it is alive; False when the row is gone, or another's."""
    c = table.c
    seen = update(table).where(c.name == me.name, c.instance == me.instance)
    values = {"seen_at": now_by(connection), "skew_us": skew // MICROSECOND}
    return connection.execute(seen.values(values)).rowcount == 1


def leave(connection: Connection, me: Me) -> None:
    """Lay down work in order."""
    connection.execute(delete(table).where(table.c.name == me.name, table.c.instance == me.instance))


def forget(connection: Connection) -> None:
    """Clear away who was not seen for an hour."""
    connection.execute(delete(table).where(table.c.seen_at <= now_by(connection) - KEPT_FOR))


def workers(connection: Connection, now: datetime | None = None) -> Sequence[Worker]:
    """Everybody who works, or did within the hour, by name."""
    now, c = now or now_by(connection), table.c
    query = (
        select(table, t.wave.c.name.label("of_wave"), t.campaign.c.name.label("campaign"))
        .outerjoin_from(table, t.wave, t.wave.c.id == c.wave)
        .outerjoin(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .order_by(c.name)
    )
    return [_worker(row, now) for row in connection.execute(query)]


def _worker(row: Row[tuple[object, ...]], now: datetime) -> Worker:
    alive = row.seen_at > now - LIVE_FOR
    skew_s = row.skew_us / 1e6
    return Worker(row.name, row.instance, row.campaign, row.of_wave, row.started_at, row.seen_at, skew_s, alive)


def working_on(connection: Connection, wave: int) -> int:
    """How many programs work on a wave."""
    c = table.c
    fresh = c.seen_at > now_by(connection) - LIVE_FOR
    return len(connection.scalars(select(c.name).where(c.wave == wave, fresh)).all())


def others_work(connection: Connection, instance: str, within: timedelta) -> bool:
    """Whether a program of another instance was seen within so long: it may still hold a claim."""
    c = table.c
    fresh = c.seen_at > now_by(connection) - max(within, LIVE_FOR)
    return connection.scalar(select(c.name).where(c.instance != instance, fresh).limit(1)) is not None
