"""Tables of the permitted hours that were worked out, by set of rules and of time zones."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, SmallInteger, Table

from ledger.tables import metadata
from ledger.types import Moment

legal_window = Table(
    "legal_window",
    metadata,
    Column("rules", BigInteger, primary_key=True, autoincrement=False),  # the set's digest, its first 60 bits
    Column("kind", SmallInteger, primary_key=True, autoincrement=False),
    Column("zone_set", BigInteger, primary_key=True, autoincrement=False),
    Column("opens", Moment, primary_key=True, autoincrement=False),
    Column("closes", Moment, nullable=False),
    sqlite_with_rowid=False,
)

legal_span = Table(
    "legal_span",
    metadata,
    Column("rules", BigInteger, primary_key=True, autoincrement=False),
    Column("zone_set", BigInteger, primary_key=True, autoincrement=False),
    Column("known", Boolean(create_constraint=False), nullable=False),  # false: the hours there are unknown
    Column("covered_from", Moment, nullable=False),
    Column("covered_until", Moment, nullable=False),
    sqlite_with_rowid=False,
)
