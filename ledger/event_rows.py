"""Reports into the ledger in bulk, each once: SQLite takes the rows as they are, PostgreSQL a COPY and a merge."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from functools import cache
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import Column, Connection, MetaData, Table, bindparam, select
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateTable, DropTable

from ledger import tables as t
from ledger.types import EPOCH, MICROSECOND

WORTH_A_COPY = 200
"""From so many rows on, a staging table costs less than sending them one by one."""
AT_ONCE = 500
"""SQLite spends half the time on an insert of so many rows that it spends on as many inserts of one."""
ONCE = ["provider", "provider_event_id"]


class EventRow(NamedTuple):
    """One row of `event` as the database stores it, its times in microseconds."""

    provider: str
    provider_event_id: str
    touch: int | None
    outcome: int
    reason: int | None
    action: int
    at: int
    received_at: int
    raw: str


STAGE = Table(
    "event_stage",
    MetaData(),
    *[Column(name, t.event.c[name].type) for name in EventRow._fields],
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


def stored(moment: datetime) -> int:
    """The moment as the database stores it; a naive one is refused by the subtraction."""
    return (moment - EPOCH) // MICROSECOND


def add_events(connection: Connection, rows: Sequence[EventRow]) -> None:
    """Insert each row unless its (provider, provider_event_id) is known (uq_event_provider_provider_event_id)."""
    if connection.dialect.name != "postgresql":
        _insert(connection, rows)
    elif len(rows) < WORTH_A_COPY:
        connection.execute(
            _postgresql_insert(), [{f"a_{name}": v for name, v in row._asdict().items()} for row in rows]
        )
    else:
        _copy(connection, rows)


def _insert(connection: Connection, rows: Sequence[EventRow]) -> None:
    whole = len(rows) - len(rows) % AT_ONCE
    parts = [tuple(chain.from_iterable(rows[start : start + AT_ONCE])) for start in range(0, whole, AT_ONCE)]
    if parts:
        connection.exec_driver_sql(_sqlite_insert(AT_ONCE), parts)
    if whole < len(rows):
        connection.exec_driver_sql(_sqlite_insert(1), list(rows[whole:]))


def _copy(connection: Connection, rows: Sequence[EventRow]) -> None:
    connection.execute(CreateTable(STAGE))
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {STAGE.name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    connection.execute(_merge())
    connection.execute(DropTable(STAGE))


@cache
def _merge() -> postgresql.Insert:
    into = postgresql.insert(t.event).from_select(list(EventRow._fields), select(STAGE))
    return into.on_conflict_do_nothing(index_elements=ONCE)


@cache
def _postgresql_insert() -> postgresql.Insert:
    values = {name: bindparam(f"a_{name}", type_=_plain(name)) for name in EventRow._fields}
    return postgresql.insert(t.event).values(values).on_conflict_do_nothing(index_elements=ONCE)


def _plain(name: str) -> Any:
    """The column's own type without the conversion of its values: the rows hold them as they are stored."""
    kind = t.event.c[name].type
    return getattr(kind, "impl", kind)


@cache
def _sqlite_insert(rows: int) -> str:
    row = f"({', '.join('?' * len(EventRow._fields))})"
    into = f"INSERT INTO {t.event.name} ({', '.join(EventRow._fields)}) VALUES {', '.join([row] * rows)}"
    return f"{into} ON CONFLICT ({', '.join(ONCE)}) DO NOTHING"
