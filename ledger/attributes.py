"""The declared attributes of customers as typed columns of `profile` and `member`: only ever added."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import Connection, insert, select
from sqlalchemy.schema import CreateColumn

from ledger import tables as t
from waves.errors import LedgerError

RESERVED = frozenset({"campaign", "customer", "arm"})
"""Names that the member table uses itself."""


def attribute_types(connection: Connection) -> dict[str, str]:
    """Every attribute the ledger knows, name to type word."""
    rows = connection.execute(select(t.attribute.c.name, t.attribute.c.type))
    return {row.name: row.type for row in rows}


def declare_attributes(connection: Connection, types: Mapping[str, str]) -> None:
    """Add the columns of new attributes; LedgerError when a known one changed its type or a name is taken."""
    known = attribute_types(connection)
    for name, kind in sorted(types.items()):
        if name in RESERVED:
            raise LedgerError(f"an attribute cannot be called {name!r}; choose another name in customers.yaml")
        if name in known and known[name] != kind:
            raise LedgerError(
                f"the attribute {name!r} is {known[name]} in the ledger and {kind} in customers.yaml; "
                "a type never changes: declare it under another name"
            )
        if name not in known:
            for table in (t.profile_table({name: kind}), t.member_table({name: kind})):
                column = CreateColumn(table.c[name]).compile(dialect=connection.dialect)
                connection.exec_driver_sql(f"ALTER TABLE {table.name} ADD COLUMN {column}")
            connection.execute(insert(t.attribute).values(name=name, type=kind))
