"""The limit of `events`: reports staged and merged by SQL written by hand, a batch a transaction.

The rows are staged (COPY into a temporary table, or executemany), each is inserted
once, and outcomes climb. Left out is what few reports ask for: consent, dead addresses, sends in doubt, calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import Connection, text

from ledger.store import Ledger

COLUMNS = "provider, provider_event_id, touch, outcome, reason, action, at, received_at, raw"
STAGE = """
CREATE TEMP TABLE stage (provider text, provider_event_id text, touch bigint, outcome smallint, reason smallint,
    action smallint, at bigint, received_at bigint, raw text) {dropped}
"""
INSERT = f"INSERT INTO event ({COLUMNS}) SELECT {COLUMNS} FROM stage WHERE true ON CONFLICT DO NOTHING"
CLIMB = """
UPDATE touch SET outcome = s.outcome, reason = s.reason, action = s.action FROM (
    SELECT touch, outcome, reason, action,
        row_number() OVER (PARTITION BY touch ORDER BY outcome DESC, action DESC, at) AS place
    FROM stage WHERE outcome <= 95) AS s
WHERE touch.id = s.touch AND s.place = 1 AND (touch.outcome IS NULL OR touch.outcome < s.outcome)
"""


def merge_by_hand(ledger: Ledger, batches: Iterable[Sequence[tuple[Any, ...]]]) -> None:
    """Every batch in a transaction of its own."""
    for rows in batches:
        with ledger.write() as connection:
            _stage(connection, rows)
            connection.execute(text(INSERT))
            connection.execute(text(CLIMB))
            connection.execute(text("DROP TABLE stage"))


def _stage(connection: Connection, rows: Sequence[tuple[Any, ...]]) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text(STAGE.format(dropped="")))
        connection.exec_driver_sql(f"INSERT INTO stage VALUES ({', '.join('?' * 9)})", list(rows))
        return
    connection.execute(text(STAGE.format(dropped="ON COMMIT DROP")))
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy("COPY stage FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
