"""A desk to import customers from, and customers who do not exist."""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import select, update

from config.schema import CustomersSchema
from ledger import tables as t
from ledger.attributes import attribute_types
from ledger.store import Ledger
from segments.customers import ImportSummary, import_customers
from segments.query import Query, asked
from segments.sheet import Source
from waves.message import CHANNEL_CODES, CHANNEL_NAMES, AddressState, Consent

NOW = datetime(2026, 6, 1, 12, 0, tzinfo=UTC)
SCHEMA: dict[str, Any] = {
    "key": "id",
    "name": "full_name",
    "language": "lang",
    "columns": {
        "age": "integer",
        "worth": "number",
        "plan_name": "text",
        "vip": "boolean",
        "due": "date",
        "seen": "datetime",
    },
    "addresses": [
        {"column": "mobile", "channels": ["sms", "call_list"], "preference": 1},
        {"column": "home", "channels": ["call_list"], "preference": 2},
        {"column": "email", "channels": ["email"]},
        {"column": "push", "channels": ["web_push"]},
    ],
    "consent": {
        "sms": {"column": "sms_ok", "at": "sms_at", "source": "crm"},
        "email": {"column": "email_ok", "source": "crm"},
        "call_list": {"always": "granted", "source": "contract"},
    },
    "zone": "tz",
    "postal": "zip",
    "country": "country",
}
HEADER = [
    "id",
    "full_name",
    "lang",
    "age",
    "worth",
    "plan_name",
    "vip",
    "due",
    "seen",
    "mobile",
    "home",
    "email",
    "push",
    "sms_ok",
    "sms_at",
    "email_ok",
    "tz",
    "zip",
    "country",
]


@dataclass
class Desk:
    """Where a test lays customers on the table and imports them."""

    ledger: Ledger
    folder: Path
    now: datetime = NOW
    schema: dict[str, Any] = field(default_factory=lambda: dict(SCHEMA))

    @property
    def rejects(self) -> Path:
        return self.folder / "rejects.csv"

    def write(self, rows: Sequence[Mapping[str, object]], header: Sequence[str] = HEADER) -> Path:
        """A CSV file of these rows; a cell that is not named is empty."""
        path = self.folder / "customers.csv"
        with path.open("w", encoding="utf-8", newline="") as stream:
            writer = csv.DictWriter(stream, header, restval="")
            writer.writeheader()
            writer.writerows([dict(row) for row in rows])
        return path

    @property
    def meaning(self) -> CustomersSchema:
        """The schema as the import takes it."""
        return CustomersSchema.model_validate(self.schema)

    def load(self, source: Path | Source, chunk: int = 1000, delta: bool = False) -> ImportSummary:
        """Import a file or another source at the desk's time."""
        return import_customers(self.ledger, self.meaning, source, self.rejects, self.now, chunk=chunk, delta=delta)

    def ask(self, url: str, text: str, delta: bool = False) -> ImportSummary:
        """Import what a query finds at the desk's time."""
        with asked(Query(url, text), self.meaning, delta) as source:
            return self.load(source, delta=delta)

    def put(self, *rows: Mapping[str, object], later: timedelta = timedelta(0), chunk: int = 1000) -> ImportSummary:
        """Import these rows, `later` than the last time."""
        self.now += later
        return self.load(self.write(rows), chunk)

    def addresses(self, *keys: str) -> list[tuple[Any, ...]]:
        """(key, channel, value, consent, source, at, state, preference, shared), sorted."""
        a, c = t.address.c, t.customer.c
        query = select(
            c.key, a.channel, a.value, a.consent, a.consent_source, a.consent_at, a.state, a.preference, a.shared
        ).join(t.customer, c.id == a.customer)
        with self.ledger.read() as connection:
            rows = connection.execute(query.where(c.key.in_(keys)) if keys else query).all()
        return sorted(
            (key, CHANNEL_NAMES[channel], value, Consent(consent).name, source, at, AddressState(state).name, *rest)
            for key, channel, value, consent, source, at, state, *rest in rows
        )

    def consent(self, key: str, channel: str) -> dict[str, tuple[str, str | None, datetime | None]]:
        """Of one customer and channel: value to consent, source and time."""
        return {row[2]: row[3:6] for row in self.addresses(key) if row[1] == channel}

    def people(self) -> list[tuple[Any, ...]]:
        """Every customer with zone set and profile, sorted by key; ids left out."""
        c, z = t.customer.c, t.zone_set.c
        with self.ledger.read() as connection:
            profile = t.profile_table(attribute_types(connection))
            attributes = [column for column in profile.c if column.name != "customer"]
            rows = connection.execute(
                select(
                    c.key,
                    c.name,
                    c.language,
                    c.household,
                    c.bucket,
                    c.imported_at,
                    z.zones,
                    z.jurisdictions,
                    *attributes,
                )
                .outerjoin(t.zone_set, z.id == c.zone_set)
                .outerjoin(profile, profile.c.customer == c.id)
            ).all()
        return sorted((tuple(row) for row in rows), key=lambda row: row[0])

    def content(self) -> tuple[object, object]:
        """All that an import may write."""
        return self.people(), self.addresses()

    def clear(self) -> None:
        """A ledger as before its first import, but for the numbers it gives."""
        with self.ledger.write() as connection:
            for table in ("customer", "profile", "address", "zone_set", "suppression"):
                connection.exec_driver_sql(f"DELETE FROM {table}")

    def change(self, key: str, channel: str, **values: object) -> None:
        """What the ledger does to a customer's addresses when events come back."""
        ids = select(t.customer.c.id).where(t.customer.c.key == key)
        where = t.address.c.customer.in_(ids), t.address.c.channel == CHANNEL_CODES[channel]
        with self.ledger.write() as connection:
            connection.execute(update(t.address).where(*where).values(**values))


def person(number: int, **cells: object) -> dict[str, object]:
    """A customer with one fictional number and one address at example.com."""
    return {
        "id": f"c{number}",
        "full_name": f"Name {number}",
        "lang": "en",
        "age": 30 + number,
        "mobile": f"+1512555{100 + number:04d}",
        "email": f"c{number}@example.com",
        "sms_ok": "yes",
        "sms_at": "2026-01-01T00:00:00Z",
        "email_ok": "yes",
        **cells,
    }
