"""Open a ledger, run transactions in it, and hide the few differences between SQLite and PostgreSQL."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, event, select, text
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, OperationalError
from sqlalchemy.pool import ConnectionPoolEntry

from ledger import tables as t
from waves.errors import LedgerError

BACKUP_OF = "backup_of"
"""The meta row of a backup that was not taken into use yet: the moment it shows."""
MIGRATIONS = Path(__file__).parent / "migrations"
BUSY_S = 600
"""A writer waits so long for SQLite's one lock, then says that the ledger does not answer."""
LOOK_AGAIN_S = 0.002
GAP = 1 / 64
"""The share of its time that long work leaves to other writers."""
# PostgreSQL advisory locks.
ENROL_LOCK = 0x6D77_656E  # who may number batches and lay down their touches
PATIENCE = {
    "idle_in_transaction_session_timeout": "'60s'",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""How long PostgreSQL waits for a connection that says nothing."""
ADVANCE_LOCK = 0x6D77_6164  # who advances the ledger
SCORE_LOCK = 0x6D77_7363  # with a wave's id: who keeps its scores
WAVE_LOCK = 0x6D77_7776  # with a wave's id: who claims of it, or closes it
RECORD_LOCK = 0x6D77_6576  # who may record reports


def _prepare_sqlite(dbapi_connection, _record: ConnectionPoolEntry) -> None:  # type: ignore[no-untyped-def]
    dbapi_connection.isolation_level = None  # we say BEGIN ourselves, see _begin
    cursor = dbapi_connection.cursor()
    for pragma in (
        f"busy_timeout = {BUSY_S * 1000}",  # first of all: to look at the journal's mode may have to wait as well
        "journal_mode = WAL",
        "synchronous = FULL",  # a claim must survive a power cut, or its customer is asked twice
        "case_sensitive_like = ON",
        "wal_autocheckpoint = 20000",
        "temp_store = MEMORY",
        "cache_size = -65536",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    if not connection.get_execution_options().get("writes", False):
        connection.exec_driver_sql("BEGIN")
        return
    # SQLite has no queue of writers, and its own busy handler comes back ever more seldom, each 100 ms in the end: a
    # long enrolment would be one range ahead of it every time. So we look often, and `give_way` leaves the gap.
    handle = connection.connection.dbapi_connection
    assert isinstance(handle, sqlite3.Connection)
    handle.execute("PRAGMA busy_timeout = 0")
    try:
        until = time.monotonic() + BUSY_S
        while time.monotonic() < until and _is_taken(handle):
            time.sleep(LOOK_AGAIN_S)
    finally:
        handle.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
    if not handle.in_transaction:
        connection.exec_driver_sql("BEGIN IMMEDIATE")


def _is_taken(handle: sqlite3.Connection) -> bool:
    """Whether somebody else writes; otherwise we do, or SQLite has another complaint."""
    try:
        handle.execute("BEGIN IMMEDIATE")
    except sqlite3.OperationalError as error:
        return error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
    return False


def _prepare_postgresql(dbapi_connection, _record: ConnectionPoolEntry) -> None:  # type: ignore[no-untyped-def]
    # The locks of a machine that stands still, or lost its power, would otherwise be held for hours.
    with dbapi_connection.cursor() as cursor:
        for name, value in PATIENCE.items():
            cursor.execute(f"SET {name} = {value}")
    dbapi_connection.commit()


def make_engine(url: str) -> Engine:
    """An engine for `sqlite:///FILE` or `postgresql+psycopg://...`; LedgerError for anything else."""
    try:
        parsed = make_url(url)
    except ArgumentError as error:
        raise LedgerError("the ledger's address cannot be read; write sqlite:///FILE or postgresql://...") from error
    backend = parsed.get_backend_name()
    # Addresses are parameters, and an error's text ends up in logs.
    if backend == "sqlite":
        engine = create_engine(parsed, hide_parameters=True)
        event.listen(engine, "connect", _prepare_sqlite)
        event.listen(engine, "begin", _begin)
        return engine
    if backend == "postgresql":
        engine = create_engine(parsed.set(drivername="postgresql+psycopg"), pool_pre_ping=True, hide_parameters=True)
        event.listen(engine, "connect", _prepare_postgresql)
        return engine.execution_options(preserve_rowcount=True)  # psycopg: INSERT ... SELECT counts -1 without it
    raise LedgerError(f"{backend!r} is no database multiwave knows; write sqlite:///FILE or postgresql://...")


class Ledger:
    """An open ledger: its engine, its clock, its transactions."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dialect = engine.dialect.name
        self._writer = engine.execution_options(writes=True)
        with self.read() as connection:
            self.simulated = read_meta(connection, "clock") == "simulated"

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """A read transaction: one snapshot on SQLite, read committed on PostgreSQL."""
        with _translated(self.engine), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A read transaction that sees one moment, however many statements it takes."""
        whole = self.dialect == "postgresql"
        engine = self.engine.execution_options(isolation_level="REPEATABLE READ") if whole else self.engine
        with _translated(engine), engine.begin() as connection:
            yield connection

    @contextmanager
    def write(self) -> Iterator[Connection]:
        """A write transaction, committed at the end; on SQLite the writers queue from its first line."""
        with _translated(self.engine), self._writer.begin() as connection:
            yield connection

    def give_way(self, held_s: float) -> None:
        """Between two transactions of long work: let in who waited while the last one held the ledger so long.

        PostgreSQL's locks have queues.
        """
        if self.dialect == "sqlite":
            time.sleep(held_s * GAP)

    def now(self) -> datetime:
        """The ledger's time, aware UTC: the wall clock, or on a simulated ledger the last `--now` given."""
        if self.simulated:
            with self.read() as connection:
                said = read_meta(connection, "now")
            if said:
                return datetime.fromisoformat(said)
        return datetime.now(UTC)

    def set_now(self, now: datetime) -> None:
        """Move a simulated clock forward; LedgerError on a real ledger or when time would run backwards."""
        if not self.simulated:
            raise LedgerError("this ledger runs on the real clock; --now works on one made with init --simulated-clock")
        with self.write() as connection:
            said = read_meta(connection, "now")
            if said and now < datetime.fromisoformat(said):
                raise LedgerError(f"the simulated clock stands at {said}; it cannot go back to {now.isoformat()}")
            write_meta(connection, "now", now.isoformat())

    @contextmanager
    def advancing(self) -> Iterator[Advancing | None]:
        """The right to advance this ledger, one of all machines; None when another one has it.

        On PostgreSQL it dies with its connection; on SQLite the lock file of the home is all there is.
        """
        if self.dialect != "postgresql":
            yield Advancing(None)
            return
        with _translated(self.engine), self.engine.connect() as opened:
            connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            taken = connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": ADVANCE_LOCK})
            try:
                yield Advancing(connection) if taken else None
            finally:
                connection.invalidate()  # gives up the lock, even one that cannot be asked any more

    @contextmanager
    def scoring(self, wave: int) -> Iterator[None]:
        """Until the end no other machine scores a wave; waits while another one does.

        On SQLite the lock file of the home is all there is.
        """
        if self.dialect != "postgresql":
            yield
            return
        with _translated(self.engine), self.engine.connect() as opened:
            connection = opened.execution_options(isolation_level="AUTOCOMMIT")
            connection.execute(text("SELECT pg_advisory_lock(:of, :wave)"), {"of": SCORE_LOCK, "wave": wave})
            try:
                yield
            finally:
                connection.invalidate()  # gives up the lock

    def close(self) -> None:
        """Give the connections back."""
        self.engine.dispose()


@dataclass(frozen=True, slots=True)
class Advancing:
    """The right to advance, held by a connection of its own."""

    _connection: Connection | None

    def check(self) -> None:
        """LedgerError when it was lost, as it is when the database was restarted."""
        if self._connection is not None:
            with _translated(self._connection.engine):
                self._connection.scalar(text("SELECT 1"))


def read_meta(connection: Connection, key: str) -> str | None:
    """One of the ledger's own settings, None when it was never written."""
    return connection.scalar(select(t.meta.c.value).where(t.meta.c.key == key))


def write_meta(connection: Connection, key: str, value: str) -> None:
    """Set one of the ledger's own settings."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = make(t.meta).values(key=key, value=value)
    connection.execute(row.on_conflict_do_update(index_elements=["key"], set_={"value": value}))


def keep_meta(connection: Connection, key: str, value: str) -> str:
    """The same, unless it was set before; what it is now."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    connection.execute(make(t.meta).values(key=key, value=value).on_conflict_do_nothing())
    return read_meta(connection, key) or value


def migration_config() -> Config:
    """Alembic's configuration, found beside this file."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


def migrate(engine: Engine, revision: str = "head") -> None:
    """Bring the tables to a revision: up to `head`, down to `base`."""
    config = migration_config()
    with engine.execution_options(writes=True).begin() as connection:
        config.attributes["connection"] = connection
        current = MigrationContext.configure(connection).get_current_revision()
        if revision == "base" or (current is not None and revision not in ("head", current)):
            command.downgrade(config, revision)
        else:
            command.upgrade(config, revision)


def create_ledger(url: str, simulated: bool = False) -> Ledger:
    """Make the tables of a new ledger, or bring an old one up to date, and open it."""
    engine = make_engine(url)
    with _disposed_if_refused(engine):
        migrate(engine)
        with engine.execution_options(writes=True).begin() as connection:
            clock = read_meta(connection, "clock")
            wanted = "simulated" if simulated else "real"
            if clock is None:
                write_meta(connection, "clock", wanted)
            elif simulated and clock != wanted:
                raise LedgerError("this ledger runs on the real clock and keeps it; make another home for a simulation")
        return Ledger(engine)


def open_ledger(url: str, restored: bool = False) -> Ledger:
    """Open a ledger that `init` made; LedgerError when it is missing or of another version.

    A backup opens only for whoever says that it is `restored`.
    """
    engine = make_engine(url)
    database = engine.url.database
    if engine.dialect.name == "sqlite" and database not in (None, "", ":memory:") and not Path(str(database)).exists():
        raise LedgerError(f"there is no ledger at {database}; make one with: multiwave init")
    with _disposed_if_refused(engine):
        with engine.connect() as connection:
            current = MigrationContext.configure(connection).get_current_revision()
        head = ScriptDirectory.from_config(migration_config()).get_current_head()
        if current != head:
            raise LedgerError(f"the ledger is at version {current}, this release wants {head}; run: multiwave init")
        ledger = Ledger(engine)
        with ledger.read() as connection:
            backup_of = read_meta(connection, BACKUP_OF)
        if backup_of and not restored:
            raise LedgerError(
                f"this ledger is a backup of {backup_of}: what was sent since then is not in it, and would be sent "
                "again; read `Back up and restore` in the README, then run: multiwave restored"
            )
        return ledger


@contextmanager
def _disposed_if_refused(engine: Engine) -> Iterator[None]:
    try:
        with _translated(engine):
            yield
    except LedgerError:
        engine.dispose()
        raise
    except DatabaseError as error:
        engine.dispose()
        raise LedgerError(f"{engine.url.database} is no ledger of multiwave: {error.orig}") from error


@contextmanager
def _translated(engine: Engine) -> Iterator[None]:
    try:
        yield
    except OperationalError as error:
        where = engine.url.render_as_string(hide_password=True)
        reason = str(error.orig).strip().splitlines()[0]
        raise LedgerError(f"the ledger at {where} does not answer: {reason}") from error


def empty_log(ledger: Ledger) -> None:
    """Move SQLite's log into its file and empty it, so that what was overwritten is in neither; else nothing."""
    if ledger.dialect == "sqlite":
        raw = ledger.engine.raw_connection()
        try:
            raw.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            raw.close()


def keep_out_new_touches(connection: Connection, wave: int) -> None:
    """Until the transaction ends nobody lays down touches that its count of contacts would miss, nor closes the wave.

    Claims share it. SQLite has one writer at a time anyway.
    """
    if connection.dialect.name == "postgresql":
        # The wave first, as a close does, or the two would wait for each other.
        both = "SELECT pg_advisory_xact_lock_shared(:of_wave, :wave), pg_advisory_xact_lock_shared(:key)"
        connection.execute(text(both), {"of_wave": WAVE_LOCK, "wave": wave, "key": ENROL_LOCK})


def keep_out_claims(connection: Connection, wave: int) -> None:
    """Until the transaction ends nobody claims, lists or gives back a touch of the wave."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:of, :wave)"), {"of": WAVE_LOCK, "wave": wave})


def keep_open(connection: Connection, waves: Sequence[int]) -> None:
    """Until the transaction ends nobody closes these waves."""
    if connection.dialect.name == "postgresql":
        for wave in sorted(waves):
            connection.execute(text("SELECT pg_advisory_xact_lock_shared(:of, :wave)"), {"of": WAVE_LOCK, "wave": wave})


def record_alone(connection: Connection) -> None:
    """Until the transaction ends nobody else records reports."""
    if connection.dialect.name == "postgresql":
        # Two who fold reports of one touch at once would each see their own, and the last would win, not the highest.
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": RECORD_LOCK})


def next_batch_id(connection: Connection) -> int:
    """The first free batch number; holds the right to number batches, and to lay down touches, to the end."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ENROL_LOCK})
    return 1 + (connection.scalar(text("SELECT max(id) FROM batch")) or 0)
