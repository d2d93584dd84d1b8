"""The limit of the import benchmark: rows that are read already, staged and merged by SQL for an empty ledger."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, text

from ledger.store import Ledger

CUSTOMER = {
    **dict.fromkeys(("key", "name", "language", "household", "owner", "branch", "zones", "jurisdictions"), "text"),
    "bucket": "bigint",
}
PROFILE = {"age": "bigint", "contract_end": "bigint", "plan_name": "text", "worth": "double precision"}
ADDRESS = {
    "key": "text",
    "channel": "smallint",
    "value": "text",
    "consent": "smallint",
    "consent_source": "text",
    "consent_at": "bigint",
    "preference": "smallint",
}
Rows = Sequence[tuple[Any, ...]]

MERGES = (
    "INSERT INTO zone_set (zones, jurisdictions) SELECT DISTINCT zones, jurisdictions FROM stage_c WHERE true "
    "ON CONFLICT DO NOTHING",
    "INSERT INTO customer (key, name, language, household, owner, branch, zone_set, bucket, imported_at) "
    "SELECT s.key, s.name, s.language, s.household, s.owner, s.branch, z.id, s.bucket, {now} FROM stage_c s "
    "JOIN zone_set z ON z.zones = s.zones AND z.jurisdictions = s.jurisdictions WHERE true "
    "ON CONFLICT (key) DO UPDATE SET name = excluded.name, language = excluded.language, "
    "household = excluded.household, owner = excluded.owner, branch = excluded.branch, "
    "zone_set = excluded.zone_set, imported_at = excluded.imported_at",
    "INSERT INTO profile (customer, age, contract_end, plan_name, worth) "
    "SELECT c.id, age, contract_end, plan_name, worth FROM stage_c s JOIN customer c ON c.key = s.key WHERE true "
    "ON CONFLICT (customer) DO UPDATE SET age = excluded.age, contract_end = excluded.contract_end, "
    "plan_name = excluded.plan_name, worth = excluded.worth",
    "INSERT INTO address (customer, channel, value, consent, consent_source, consent_at, state, preference) "
    "SELECT c.id, channel, value, consent, consent_source, consent_at, 0, preference FROM stage_a s "
    "JOIN customer c ON c.key = s.key WHERE true ON CONFLICT (customer, channel, value) DO UPDATE SET "
    "consent = excluded.consent, consent_source = excluded.consent_source, consent_at = excluded.consent_at, "
    "preference = excluded.preference",
)
SHARED = (
    "UPDATE address SET shared = true WHERE (channel, value) IN "
    "(SELECT channel, value FROM address GROUP BY channel, value HAVING count(*) > 1)"
)


def read_back(connection: Connection, size: int) -> Iterator[tuple[Rows, Rows]]:
    """The customers and addresses that an import wrote, as rows to load again, `size` customers at a time."""
    low, last = 0, connection.scalar(text("SELECT max(id) FROM customer")) or 0
    profile = ", ".join(PROFILE)
    customers = text(
        "SELECT key, name, c.language, household, owner, branch, zones, jurisdictions, bucket, "
        f"{profile} FROM customer c JOIN profile p ON p.customer = c.id JOIN zone_set z ON z.id = c.zone_set "
        "WHERE c.id > :low AND c.id <= :high ORDER BY c.id"
    )
    addresses = text(
        "SELECT key, channel, value, consent, consent_source, consent_at, preference "
        "FROM address a JOIN customer c ON c.id = a.customer WHERE c.id > :low AND c.id <= :high ORDER BY a.id"
    )
    while low < last:
        span = {"low": low, "high": low + size}
        yield (
            [tuple(row) for row in connection.execute(customers, span)],
            [tuple(row) for row in connection.execute(addresses, span)],
        )
        low += size


def load_by_hand(ledger: Ledger, chunks: Iterable[tuple[Rows, Rows]], now: int) -> float:
    """Load the rows, a chunk a transaction, and mark shared addresses at the end; the seconds that took."""
    seconds = 0.0
    for customers, addresses in chunks:
        began = time.perf_counter()
        with ledger.write() as connection:
            _stage(connection, "stage_c", CUSTOMER | PROFILE, customers)
            _stage(connection, "stage_a", ADDRESS, addresses)
            for merge in MERGES:
                connection.execute(text(merge.format(now=now)))
            for name in ("stage_c", "stage_a"):
                connection.execute(text(f"DROP TABLE {name}"))
        seconds += time.perf_counter() - began
    began = time.perf_counter()
    with ledger.write() as connection:
        connection.execute(text(SHARED))
    return seconds + time.perf_counter() - began


def _stage(connection: Connection, name: str, columns: Mapping[str, str], rows: Rows) -> None:
    if connection.dialect.name == "sqlite":
        connection.execute(text(f"CREATE TEMP TABLE {name} ({', '.join(columns)})"))
        connection.exec_driver_sql(f"INSERT INTO {name} VALUES ({', '.join('?' * len(columns))})", list(rows))
        return
    listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
    connection.execute(text(f"CREATE TEMP TABLE {name} ({listed}) ON COMMIT DROP"))
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
