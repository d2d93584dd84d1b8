"""What doctor advises for a database that has grown; a small one is left in peace."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, text

from ledger.advice import BIG, housekeeping
from ledger.store import Ledger, create_ledger

EVENTS = "INSERT INTO event (id, provider, provider_event_id, outcome, action, at, received_at, raw) "
MANY = EVENTS + "SELECT n, 'p', n, 0, 0, 0, 0, '{}' FROM generate_series(1, :many) n"


@pytest.fixture
def ledger(ledger_url: str) -> Iterator[Ledger]:
    made = create_ledger(ledger_url)
    yield made
    made.close()


def big(connection: Connection) -> None:
    """A customer whose number says that there are many."""
    columns = "INSERT INTO customer (id, key, bucket, imported_at) "
    connection.execute(text(f"{columns} VALUES ({BIG}, 'c', 0, 0)"))


def test_nothing_is_advised_on_a_small_ledger(ledger: Ledger) -> None:
    with ledger.read() as connection:
        assert housekeeping(connection) == []


def test_sqlite_without_statistics(ledger: Ledger) -> None:
    if ledger.dialect == "postgresql":
        return
    with ledger.write() as connection:
        big(connection)
        assert [one.do for one in housekeeping(connection)] == ["ANALYZE"]
        connection.execute(text("ANALYZE"))
        assert housekeeping(connection) == []


def test_dead_rows_and_missing_statistics_on_postgresql(ledger: Ledger) -> None:
    if ledger.dialect == "sqlite":
        return
    with ledger.write() as connection:
        connection.execute(text("ALTER TABLE event SET (autovacuum_enabled = false)"))
        connection.execute(text(MANY), {"many": BIG})
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    with ledger.read() as connection:
        assert [one.do for one in housekeeping(connection)] == ["ANALYZE event"]
    with ledger.write() as connection:
        connection.execute(text("UPDATE event SET raw = '{ }' WHERE id <= :some"), {"some": BIG // 2})
        connection.execute(text("SELECT pg_stat_force_next_flush()"))
    with ledger.read() as connection:
        (advice,) = housekeeping(connection)
    assert (advice.do, "50,000 dead rows beside 100,000 living" in advice.said) == ("VACUUM (ANALYZE) event", True)
