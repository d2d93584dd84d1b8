"""What the database's own housekeeping has left undone: space that is not given back, statistics that are missing."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import Connection, text

BIG = 100_000
"""Rows below which no housekeeping matters."""
DEAD = 0.2
FREE = 0.25
LONGEST_LOG = 1_000_000_000
"""Bytes of SQLite's log: it is emptied at every checkpoint, unless a reader never lets go."""


@dataclass(frozen=True, slots=True)
class Advice:
    """One thing that costs time or space, and the statement that mends it."""

    said: str
    do: str


def housekeeping(connection: Connection) -> list[Advice]:
    """What a person should run on this database, the most telling first; nothing on a small one."""
    return _postgresql(connection) if connection.dialect.name == "postgresql" else _sqlite(connection)


def _postgresql(connection: Connection) -> list[Advice]:
    rows = connection.execute(
        text(
            "SELECT relname, n_live_tup, n_dead_tup, greatest(last_analyze, last_autoanalyze) IS NULL, "
            "n_mod_since_analyze FROM pg_stat_user_tables WHERE schemaname = current_schema() "
            "AND n_live_tup + n_dead_tup >= :big ORDER BY n_dead_tup DESC, relname"
        ),
        {"big": BIG},
    )
    found = []
    for name, live, dead, never, changed in rows:
        if dead > DEAD * (live + dead):
            found.append(Advice(f"{name}: {dead:,} dead rows beside {live:,} living", f"VACUUM (ANALYZE) {name}"))
        elif never or changed > live:
            found.append(Advice(f"{name}: no statistics that fit its {live:,} rows", f"ANALYZE {name}"))
    return found


def _sqlite(connection: Connection) -> list[Advice]:
    rows = connection.scalar(text("SELECT max(id) FROM touch")) or 0
    customers = connection.scalar(text("SELECT max(id) FROM customer")) or 0
    pages, free, size = (
        int(connection.scalar(text(f"PRAGMA {name}")) or 0) for name in ("page_count", "freelist_count", "page_size")
    )
    found = []
    if pages * size >= LONGEST_LOG // 10 and free > FREE * pages:
        found.append(Advice(f"{free * size / 1e6:,.0f} MB of the file are free", "VACUUM, while nothing runs"))
    known = connection.scalar(text("SELECT count(*) FROM sqlite_master WHERE name = 'sqlite_stat1'"))
    if not known and max(rows, customers) >= BIG:
        found.append(Advice("SQLite has no statistics of its tables", "ANALYZE"))
    log = _log_size(connection)
    if log > LONGEST_LOG:
        found.append(Advice(f"its log has {log / 1e9:,.1f} GB", "end what reads without end; it is then emptied"))
    return found


def _log_size(connection: Connection) -> int:
    name = connection.engine.url.database
    log = Path(f"{name}-wal")
    return log.stat().st_size if name and log.exists() else 0
