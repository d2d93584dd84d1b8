"""A copy of the embedded ledger while it runs; the copy says of itself that it is one, and sends nothing as it is."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from ledger.store import BACKUP_OF, Ledger
from waves.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Backup:
    """A verified copy: where, of what moment, how large."""

    file: Path
    at: datetime
    size: int


def back_up(ledger: Ledger, file: Path, now: datetime) -> Backup:
    """Copy the ledger as of one moment, without holding anybody up, and verify the copy; nothing is overwritten.

    LedgerError on PostgreSQL, which has its own means, and when the copy is not whole.
    """
    if ledger.dialect != "sqlite":
        raise LedgerError(
            "this ledger is on PostgreSQL: use pg_dump --format=custom, and afterwards `restored --since`"
        )
    if file.exists():
        raise LedgerError(f"{file} is there already, and a backup overwrites nothing; name another file")
    partial = file.with_name(f".{file.name}.partial")
    os.close(os.open(partial, os.O_CREAT | os.O_TRUNC | os.O_WRONLY, 0o600))
    try:
        _copy(ledger, partial, now)
        _verify(partial, file)
        _sync(partial)
        os.link(partial, file)  # unlike a rename it overwrites nothing
        _sync(file.absolute().parent)
    except sqlite3.DatabaseError as error:
        raise LedgerError(f"the backup {file} could not be made: {error}") from error
    except FileExistsError:
        raise LedgerError(f"{file} came into being meanwhile, and a backup overwrites nothing") from None
    finally:
        partial.unlink()
    return Backup(file, now, file.stat().st_size)


def _copy(ledger: Ledger, partial: Path, now: datetime) -> None:
    source = ledger.engine.raw_connection()
    try:
        with closing(sqlite3.connect(partial, isolation_level=None)) as target:
            source.driver_connection.backup(target)  # type: ignore[union-attr]
            target.execute("PRAGMA journal_mode = DELETE")  # one file, and nothing beside it
            target.execute("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", (BACKUP_OF, now.isoformat()))
    finally:
        source.close()


def _verify(partial: Path, file: Path) -> None:
    with closing(sqlite3.connect(partial)) as copy:
        said = [row[0] for row in copy.execute("PRAGMA integrity_check")]
        stamped = copy.execute("SELECT value FROM meta WHERE key = ?", (BACKUP_OF,)).fetchone()
        version = copy.execute("SELECT version_num FROM alembic_version").fetchone()
    if said != ["ok"] or not stamped or not version:
        raise LedgerError(f"the backup {file} was not whole and is deleted; SQLite says: {said[0]}")


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
