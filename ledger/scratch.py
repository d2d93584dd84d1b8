"""A scratch copy of a ledger in a SQLite file: what a rehearsal plays on instead of the ledger itself."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Select, Table, event, func, insert, select, update

from ledger import tables as t
from ledger.attributes import attribute_types, declare_attributes
from ledger.gates import drawn
from ledger.store import Ledger, create_ledger, make_engine, open_ledger, write_meta
from waves.draw import Draw

CHUNK = 5_000
LEFT_BEHIND = frozenset({"meta", "attribute", "event", "audit", "batch", "legal_window", "legal_span", "legal_cap"})
"""What no gate of a new campaign reads, or what is made anew."""
Tick = Callable[[str, int, int], None]


def copy_ledger(source: Ledger, target: Path, now: datetime, share: float, tick: Tick) -> None:
    """Copy the ledger into the new file `target`, its clock simulated and standing at `now`.

    Below a `share` of 1 only the customers are copied that a lottery over their buckets draws.
    """
    if source.dialect == "sqlite" and share >= 1:
        _back_up(source, target)
        with closing(sqlite3.connect(target)) as file, file:
            file.execute("UPDATE meta SET value = 'simulated' WHERE key = 'clock'")
            file.execute("DELETE FROM meta WHERE key = 'now'")
        copied = open_ledger(_url(target))
    else:
        copied = create_ledger(_url(target), simulated=True)
        with source.read() as origin, copied.write() as connection:
            _copy_rows(origin, connection, share, tick)
    with copied.write() as connection:
        write_meta(connection, "now", now.isoformat())
        # Only one wave is enrolled at a time: another campaign's, caught in the middle, would block this one for ever.
        connection.execute(update(t.wave).where(t.wave.c.state == "enrolling").values(state="open"))
    copied.close()


def customer_count(ledger: Ledger) -> int:
    """How many customers a ledger has."""
    with ledger.read() as connection:
        return connection.scalar(select(func.count()).select_from(t.customer)) or 0


class Scratch:
    """A copy that is opened again and again, each time as it was first; the engine is kept, and what it compiled."""

    def __init__(self, original: Path, live: Path) -> None:
        self.original = original
        self.live = live
        self.engine = make_engine(_url(live))
        event.listen(self.engine, "connect", _careless)

    def fresh(self) -> Ledger:
        """The ledger as the original has it; what was done to it before is forgotten."""
        self.close()
        for suffix in ("-wal", "-shm"):
            self.live.with_name(self.live.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(self.original, self.live)
        return Ledger(self.engine)

    def close(self) -> None:
        """Let go of the file."""
        self.engine.dispose()


def _careless(dbapi_connection: Any, _record: object) -> None:
    """Nothing of a scratch copy needs to survive a power cut."""
    dbapi_connection.execute("PRAGMA synchronous = OFF")


def _url(path: Path) -> str:
    return f"sqlite:///{path}"


def _back_up(source: Ledger, target: Path) -> None:
    with source.engine.connect() as connection, closing(sqlite3.connect(target)) as copy:
        live = connection.connection.driver_connection
        if not isinstance(live, sqlite3.Connection):
            raise TypeError("only a SQLite ledger can be backed up into a file")
        live.backup(copy)


def _copy_rows(origin: Connection, target: Connection, share: float, tick: Tick) -> None:
    types = attribute_types(origin)
    declare_attributes(target, types)
    typed = {"profile": t.profile_table(types), "member": t.member_table(types)}
    tables = [typed.get(name, table) for name, table in t.metadata.tables.items() if name not in LEFT_BEHIND]
    for done, table in enumerate(tables):
        tick("copying the ledger", done, len(tables))
        rows = origin.execution_options(yield_per=CHUNK).execute(_sampled(table, share))
        for part in rows.mappings().partitions(CHUNK):
            target.execute(insert(table), [dict(row) for row in part])
    tick("copying the ledger", len(tables), len(tables))


def _sampled(table: Table, share: float) -> Select[Any]:
    query = select(table)
    if share >= 1:
        return query
    chosen = drawn(t.customer.c.bucket, Draw.named("rehearsal", "sample"), share)
    kept = select(t.customer.c.id).where(chosen)
    c = table.c
    if table.name == "customer":
        return query.where(chosen)
    if "customer" in c:
        return query.where(c.customer.in_(kept) | c.customer.is_(None))
    if "touch" in c:
        return query.where(c.touch.in_(select(t.touch.c.id).where(t.touch.c.customer.in_(kept))))
    return query
