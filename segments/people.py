"""Customers and their profiles: what the ledger holds of the keys in a chunk, and how the rest is written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from segments.rows import FACTS, Row
from segments.staging import staged
from segments.values import Value
from waves.draw import bucket_of

ZoneIds = dict[tuple[str, str], int]


@dataclass(frozen=True, slots=True)
class Person:
    """What the ledger holds of one key."""

    id: int
    erased: bool
    facts: tuple[Value, ...]
    where: tuple[str, str]
    """Zones and jurisdictions, as in `zone_set`."""
    profile: tuple[Value, ...] | None


def zone_ids(connection: Connection, rows: Iterable[Row], known: ZoneIds) -> None:
    """Make sure that `known` has the id of every zone set in these rows."""
    wanted = sorted({(row.zones, row.jurisdictions) for row in rows} - known.keys())
    if not wanted:
        return
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    values = [{"zones": zones, "jurisdictions": places} for zones, places in wanted]
    connection.execute(make(t.zone_set).on_conflict_do_nothing(), values)
    z = t.zone_set.c
    known.update(
        {(zones, places): id_ for id_, zones, places in connection.execute(select(z.id, z.zones, z.jurisdictions))}
    )


def known_people(connection: Connection, keys: Sequence[str], types: Mapping[str, str]) -> dict[str, Person]:
    """The customers with these keys, held against erasure until the transaction ends."""
    facts = ", ".join(f'c."{name}"' for name in FACTS)
    profile = "".join(f', p."{name}"' for name in sorted(types))
    held = "FOR NO KEY UPDATE OF c" if connection.dialect.name == "postgresql" else ""
    edge = 6 + len(FACTS)
    with staged(connection, "stage_key", {"key": "text"}, [(key,) for key in keys]):
        found = connection.exec_driver_sql(
            f"SELECT c.key, c.id, c.erased_at IS NOT NULL, p.customer, z.zones, z.jurisdictions, {facts}{profile} "
            "FROM stage_key s CROSS JOIN customer c LEFT JOIN profile p ON p.customer = c.id "
            "LEFT JOIN zone_set z ON z.id = c.zone_set "
            f"WHERE c.key = s.key ORDER BY c.id {held}"
        ).all()
    return {
        row[0]: Person(
            id=row[1],
            erased=bool(row[2]),
            facts=tuple(row[6:edge]),
            where=(row[4] or "", row[5] or ""),
            profile=tuple(row[edge:]) if row[3] is not None else None,
        )
        for row in found
    }


def write_people(
    connection: Connection, rows: Sequence[Row], zones: ZoneIds, types: Mapping[str, str], now: int
) -> dict[str, int]:
    """Insert or update customers and profiles, an erased one never; their ids by key."""
    if not rows:
        return {}
    columns = ("key", *FACTS, "zone_set", "bucket")
    kinds = dict.fromkeys(columns, "text") | {"zone_set": "integer", "bucket": "integer"}
    attributes = {f"p_{name}": types[name] for name in sorted(types)}
    staged_rows = [
        (n, row.key, *row.facts, zones[row.zones, row.jurisdictions], bucket_of(row.key), *row.profile)
        for n, row in enumerate(rows)
    ]
    with staged(connection, "stage_customer", {"n": "integer", **kinds, **attributes}, staged_rows):
        listed = ", ".join(f'"{name}"' for name in columns)
        changes = ", ".join(f'"{name}" = excluded."{name}"' for name in (*columns[1:], "imported_at"))
        connection.exec_driver_sql(
            f"INSERT INTO customer ({listed}, imported_at) SELECT {listed}, {now:d} FROM stage_customer WHERE true "
            f"ORDER BY n ON CONFLICT (key) DO UPDATE SET {changes} WHERE customer.erased_at IS NULL"
        )
        _write_profiles(connection, sorted(types))
        ids = connection.exec_driver_sql(
            "SELECT c.key, c.id FROM stage_customer s CROSS JOIN customer c WHERE c.key = s.key AND c.erased_at IS NULL"
        )
        return {row[0]: row[1] for row in ids}


def _write_profiles(connection: Connection, names: Sequence[str]) -> None:
    into = "".join(f', "{name}"' for name in names)
    out_of = "".join(f', s."p_{name}"' for name in names)
    changes = ", ".join(f'"{name}" = excluded."{name}"' for name in names)
    connection.exec_driver_sql(
        f"INSERT INTO profile (customer{into}) SELECT c.id{out_of} FROM stage_customer s CROSS JOIN customer c "
        "WHERE c.key = s.key AND c.erased_at IS NULL ORDER BY s.n "
        f"ON CONFLICT (customer) DO {f'UPDATE SET {changes}' if names else 'NOTHING'}"
    )
