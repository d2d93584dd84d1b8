"""Bytes per row of the ledger's tables on both databases: `python -m bench.sizes [CUSTOMERS]`, 100,000 unless said.

A made-up ledger takes the first of the benchmarks' waves, sent and answered, with one report for each message. Indexes
count to their table. SQLite is asked by `dbstat`, PostgreSQL by pg_table_size and pg_indexes_size after a VACUUM.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

from sqlalchemy import text

from bench.campaign import FIRST, answer, enrol, open_room, opened, start_campaign
from bench.databases import Database, both
from bench.world import NOW, micros, populate, settle
from ledger.store import Ledger, create_ledger

SQLITE = """
SELECT m.tbl_name AS name, sum(CASE WHEN m.type = 'table' THEN s.pgsize ELSE 0 END) AS own, sum(s.pgsize) AS whole
FROM dbstat s JOIN sqlite_master m ON m.name = s.name WHERE s.aggregate = 1 GROUP BY m.tbl_name
"""
POSTGRESQL = """
SELECT relname AS name, pg_table_size(oid) AS own, pg_table_size(oid) + pg_indexes_size(oid) AS whole
FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace
"""
EVENTS = """
INSERT INTO event (provider, provider_event_id, touch, outcome, action, at, received_at, raw)
SELECT 'gateway', 'delivery-' || (100000000 + id), id, 40, 0, :at, :at, '{"status": "delivered", "segments": 1}'
FROM touch WHERE wave = (SELECT id FROM wave WHERE name = :wave) AND state = 2
"""
Sizes = dict[str, tuple[int, int, int]]
"""By table: rows, bytes of the table alone, bytes with its indexes."""
LEAST_ROWS = 1_000
"""Of fewer rows the bytes say nothing."""


def sizes(database: Database, customers: int) -> Sizes:
    """The sizes of a ledger of so many customers on one database."""
    with TemporaryDirectory(prefix="multiwave-bench-") as home:
        ledger = create_ledger(database.make("sizes"), simulated=True)
        populate(ledger, customers)
        room = open_room(Path(home), ledger)
        start_campaign(room)
        enrol(room, opened(room, FIRST), FIRST)
        answer(room)
        with ledger.write() as connection:
            connection.execute(text(EVENTS), {"at": micros(NOW), "wave": FIRST})
        settle(ledger)
        found = _read(ledger)
        ledger.close()
    database.drop("sizes")
    return found


def _read(ledger: Ledger) -> Sizes:
    with ledger.read() as connection:
        rows = connection.execute(text(SQLITE if ledger.dialect == "sqlite" else POSTGRESQL)).all()
        return {
            row.name: (connection.scalar(text(f"SELECT count(*) FROM {row.name}")) or 0, row.own, row.whole)
            for row in sorted(rows, key=lambda row: -row.whole)
            if not row.name.startswith("sqlite_")
        }


def table(found: dict[str, Sizes], customers: int) -> str:
    """Both databases as one table in Markdown, the largest first."""
    lines = ["| table | rows a customer | SQLite, bytes a row (with indexes) | PostgreSQL |", "|---|--:|--:|--:|"]
    for name, (rows, _, _) in found["postgresql"].items():
        if rows >= LEAST_ROWS:
            each = [found[database][name] for database in ("sqlite", "postgresql")]
            cells = [f"{own / count:,.0f} ({whole / count:,.0f})" for count, own, whole in each]
            lines.append(f"| {name} | {rows / customers:.2f} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure both and print the table."""
    customers = int(sys.argv[1]) if len(sys.argv) > 1 else 100_000
    with both() as databases:
        found = {database.name: sizes(database, customers) for database in databases}
    print(table(found, customers))


if __name__ == "__main__":
    main()
