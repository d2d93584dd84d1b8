"""Rows from Python into a temporary table, as fast as each database takes them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from sqlalchemy import Connection

TEXT = 'text COLLATE "C"'
"""Text that is compared byte by byte, as in the columns it is joined with (ledger.types.plain_text)."""
TYPES = {
    "integer": "bigint",
    "number": "double precision",
    "text": TEXT,
    "boolean": "boolean",
    "date": "bigint",
    "datetime": "bigint",
}
"""The PostgreSQL column for each attribute type; SQLite keeps what it is given."""


@contextmanager
def staged(
    connection: Connection, name: str, columns: Mapping[str, str], rows: Sequence[tuple[object, ...]]
) -> Iterator[None]:
    """A temporary table `name` with these rows, gone at the end; `columns` is column name to a word of TYPES."""
    if connection.dialect.name == "postgresql":
        listed = ", ".join(f'"{column}" {TYPES[kind]}' for column, kind in columns.items())
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name} ({listed}) ON COMMIT DROP")
        _copy(connection, name, rows)
    else:
        listed = ", ".join(f'"{column}"' for column in columns)
        connection.exec_driver_sql(f"CREATE TEMP TABLE {name} ({listed})")
        if rows:
            places = ", ".join("?" * len(columns))
            connection.exec_driver_sql(f"INSERT INTO {name} VALUES ({places})", list(rows))
    yield
    connection.exec_driver_sql(f"DROP TABLE {name}")


def _copy(connection: Connection, name: str, rows: Sequence[tuple[object, ...]]) -> None:
    driver: Any = connection.connection.driver_connection
    with driver.cursor() as cursor, cursor.copy(f"COPY {name} FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
