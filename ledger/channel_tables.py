"""Tables of what the channels bring; campaigns and customers are in tables, the engine in engine_tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, SmallInteger, Table, Text

from ledger.tables import metadata

legal_cap = Table(
    "legal_cap",
    metadata,
    Column("rules", BigInteger, primary_key=True, autoincrement=False),  # as in legal_window
    Column("zone_set", BigInteger, primary_key=True, autoincrement=False),
    Column("place", Text, primary_key=True),  # whose law
    Column("counted", SmallInteger, primary_key=True, autoincrement=False),  # law_caps.Counted
    Column("calls", SmallInteger, primary_key=True, autoincrement=False),  # so many and no more ...
    Column("within_us", BigInteger, primary_key=True, autoincrement=False),  # ... in any window of this length
    sqlite_with_rowid=False,
)
