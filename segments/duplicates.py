"""Who is in the ledger twice: the same person under two keys, and one address under two people."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

from sqlalchemy import Connection

from ledger.store import Ledger
from segments.addresses import KINDS
from segments.contacts import LIVE
from waves.errors import InputError
from waves.message import CHANNEL_CODES

HEADER = ("finding", "key_a", "key_b", "they_share")
SAME_PERSON, SHARED_ADDRESS = "same_person", "shared_address"
TELLING = frozenset({"phone", "email"})
"""What tells people apart: both of them, or one and the name, make two keys one person."""
SLICE = 10_000


@dataclass(frozen=True, slots=True)
class Duplicates:
    """The pairs found in the whole ledger; an address that many hold counts as pairs with the first of them."""

    same_person: int
    """Pairs of keys that share telephone and e-mail, or one of them and the name."""
    shared_address: int
    """Other pairs of keys that share an address."""


def report_duplicates(ledger: Ledger, path: Path) -> Duplicates:
    """Write every pair to a CSV file with the addresses masked; InputError when the file cannot be written."""
    found = Counter[str]()
    try:
        stream = path.open("w", encoding="utf-8", newline="")
    except OSError as error:
        raise InputError(f"{path}: the duplicates cannot be written there ({error.strerror})") from error
    with stream, ledger.read() as connection:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(HEADER)
        for (key_a, key_b), rows in groupby(_shared_by_pairs(connection), lambda row: (row[0], row[1])):
            shared = [tuple(row[2:]) for row in rows]
            kinds = {kind for kind, _, _ in shared}
            same_name = bool(shared[0][2])
            same = kinds >= TELLING or (same_name and not TELLING.isdisjoint(kinds))
            finding = SAME_PERSON if same else SHARED_ADDRESS
            found[finding] += 1
            told = [f"{kind} {masked(kind, value)}" for kind, value, _ in shared]
            writer.writerow((finding, key_a, key_b, "; ".join([*told, "name"] if same_name else told)))
    return Duplicates(found[SAME_PERSON], found[SHARED_ADDRESS])


def masked(kind: str, value: str) -> str:
    """Enough of an address to know it again by, and too little to use it."""
    if kind == "email":
        local, _, domain = value.partition("@")
        return f"{local[:1]}***@{domain}"
    return f"***{value[-2:]}" if kind == "phone" else "***"


def _shared_by_pairs(connection: Connection) -> Iterator[Any]:
    """(key, key, kind, value, same name) of each address that two customers share, pair by pair in the keys' order.

    The pairs grow with the addresses, not with their squares: each holder of an address with its first holder, each of
    one name with the first of that name there, and each of one telephone and e-mail with the first who has both.
    """
    words = " ".join(f"WHEN {CHANNEL_CODES[channel]} THEN '{kind}'" for channel, kind in KINDS.items())
    postgresql = connection.dialect.name == "postgresql"
    collate, gone = (' COLLATE "C"', "ON COMMIT DROP") if postgresql else ("", "")
    connection.exec_driver_sql(
        f"CREATE TEMP TABLE held {gone} AS SELECT DISTINCT a.customer, CASE a.channel {words} END AS kind, a.value, "
        f"lower(nullif(trim(c.name), ''){collate}) AS name FROM ("
        f"SELECT customer, channel, value FROM address WHERE shared AND {LIVE}) a "
        "JOIN customer c ON c.id = a.customer WHERE c.erased_at IS NULL"
    )
    connection.exec_driver_sql("CREATE INDEX ix_held ON held (customer, kind, value)")
    if postgresql:
        connection.exec_driver_sql("ANALYZE held")
    with connection.exec_driver_sql(PAIRS, execution_options={"stream_results": True, "yield_per": SLICE}) as found:
        for part in found.partitions(SLICE):
            yield from part
    connection.exec_driver_sql("DROP TABLE held")


PAIRS = """
WITH pair AS (
    SELECT min(customer) OVER (PARTITION BY kind, value) AS a, customer AS b FROM held
    UNION
    SELECT min(customer) OVER (PARTITION BY kind, value, name), customer FROM held
    WHERE name IS NOT NULL AND kind IN ('phone', 'email')
    UNION
    SELECT min(p.customer) OVER (PARTITION BY p.value, e.value), p.customer FROM held p
    JOIN held e ON e.customer = p.customer AND e.kind = 'email' WHERE p.kind = 'phone'
)
SELECT ca.key, cb.key, x.kind, x.value, coalesce(x.name = y.name, false)
FROM pair
JOIN held x ON x.customer = pair.a
JOIN held y ON y.customer = pair.b AND y.kind = x.kind AND y.value = x.value
JOIN customer ca ON ca.id = pair.a
JOIN customer cb ON cb.id = pair.b
WHERE pair.a < pair.b
ORDER BY ca.key, cb.key, x.kind, x.value
"""
