"""Import of a million customers from a CSV file into an empty ledger, against the same rows loaded by SQL by hand.

The limit is handed rows that are read, checked and normalised already: it only stages them (COPY or executemany) and
merges them with ON CONFLICT, so the ratio says what reading, checking and comparing cost on top of the bare load.
Telephone numbers reserved for fiction are few: one customer in ten has one, and about three share each.
"""

from __future__ import annotations

import csv
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from sqlalchemy import Connection, text

from bench.databases import Database, both
from bench.load_by_hand import load_by_hand, read_back
from bench.race import compare
from config import PACKAGED
from config.schema import CustomersSchema, attribute_types
from ledger.attributes import declare_attributes
from ledger.store import Ledger, create_ledger
from segments.customers import CHUNK, import_customers
from segments.rows import declared_columns
from segments.values import microseconds

NOW = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)
SCHEMA = CustomersSchema.model_validate(
    {
        "key": "customer_id",
        "name": "full_name",
        "language": "lang",
        "household": "household",
        "columns": {"age": "integer", "worth": "number", "plan_name": "text", "contract_end": "date"},
        "addresses": [
            {"column": "mobile", "channels": ["sms", "call_list"]},
            {"column": "email", "channels": ["email"]},
            {"column": "push", "channels": ["web_push"]},
        ],
        "consent": {
            "sms": {"column": "sms_ok", "source": "crm"},
            "email": {"column": "email_ok", "source": "crm"},
            "web_push": {"column": "push_ok", "source": "browser"},
            "call_list": {"always": "granted", "source": "contract"},
        },
        "zone": "zone",
    }
)
ZONES = ("America/New_York", "America/Chicago", "America/Denver", "America/Los_Angeles", "")
CONSENTS = ("yes", "yes", "yes", "no", "")
PLANS = ("basic", "family", "business")


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases; RuntimeError when the two sides did not load the same."""
    size = max(1_000, round(1_000_000 * scale))
    with TemporaryDirectory(prefix="multiwave-bench-") as name, both() as databases:
        path = Path(name) / "customers.csv"
        write_customers(path, size)
        return [import_into(database, path, size) for database in databases]


def write_customers(path: Path, size: int) -> None:
    """A customers file as the schema wants it, drawn by arithmetic on the row's number."""
    with (PACKAGED / "demo" / "area_codes.csv").open(encoding="utf-8", newline="") as file:
        areas = [row["area_code"] for row in csv.DictReader(file)]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(declared_columns(SCHEMA))
        for i in range(size):
            draw = i * 48_271 % 2_147_483_647
            slot = i // 10 % (len(areas) * 100)
            cells = {
                "customer_id": f"c{i}",
                "full_name": f"Customer {i}",
                "lang": ("en", "es")[draw % 2],
                "household": "",
                "age": 18 + draw % 70,
                "worth": draw % 100_000 / 100,
                "plan_name": PLANS[draw % 3],
                "contract_end": f"2027-{draw % 12 + 1:02}-{draw % 28 + 1:02}",
                "mobile": f"+1{areas[slot // 100]}55501{slot % 100:02}" if i % 10 == 0 else "",
                "email": f"customer-{i}@example.com" if draw % 8 else "",
                "push": f"https://push.example.com/v1/{i}" if draw % 5 < 2 else "",
                "sms_ok": CONSENTS[draw % 5],
                "email_ok": CONSENTS[draw // 7 % 5],
                "push_ok": CONSENTS[draw // 11 % 5],
                "zone": ZONES[draw // 13 % 5],
            }
            writer.writerow([cells[column] for column in declared_columns(SCHEMA)])


def import_into(database: Database, path: Path, size: int) -> dict[str, Any]:
    """The row of one database: rows per second of the import, and of the load by hand without the reading."""
    imported = create_ledger(database.make("imported"))
    began = time.perf_counter()
    import_customers(imported, SCHEMA, path, path.with_name("rejects.csv"), NOW)
    ours = time.perf_counter() - began
    loaded = create_ledger(database.make("loaded"))
    with loaded.write() as connection:
        declare_attributes(connection, attribute_types(SCHEMA))
    with imported.read() as connection:
        by_hand = load_by_hand(loaded, read_back(connection, CHUNK), microseconds(NOW))
    stored = [_stored(imported), _stored(loaded)]
    for name, ledger in (("imported", imported), ("loaded", loaded)):
        ledger.close()
        database.drop(name)
    compare(*stored)
    print(f"import into {database.name}: {ours:.1f} s, load by hand {by_hand:.1f} s", file=sys.stderr)
    return {"database": database.name, "n": size, "rate": size / ours, "limit_rate": size / by_hand}


def _stored(ledger: Ledger) -> list[tuple[object, ...]]:
    with ledger.read() as connection:
        return [
            *_folded(connection, "SELECT count(*), sum(bucket), min(name), max(name), count(language) FROM customer"),
            *_folded(connection, "SELECT count(*), sum(age), min(worth), max(worth), sum(contract_end) FROM profile"),
            *_folded(
                connection,
                "SELECT channel, consent, consent_source, state, shared, count(*), sum(bucket), min(value), max(value) "
                "FROM address JOIN customer ON customer.id = address.customer "
                "GROUP BY channel, consent, consent_source, state, shared ORDER BY 1, 2, 3, 4, 5",
            ),
            *_folded(
                connection,
                "SELECT zones, jurisdictions, count(*) FROM customer JOIN zone_set ON zone_set.id = zone_set "
                "GROUP BY zones, jurisdictions ORDER BY zones, jurisdictions",
            ),
        ]


def _folded(connection: Connection, statement: str) -> Iterator[tuple[object, ...]]:
    for row in connection.execute(text(statement)):
        yield tuple(str(int(value) if isinstance(value, bool) else value) for value in row)
