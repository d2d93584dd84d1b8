"""Tables of what the channels bring; campaigns and customers are in tables, the engine in engine_tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Table, Text

from ledger.tables import metadata
from ledger.types import Moment

provider_ref = Table(
    "provider_ref",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("ref", Text, primary_key=True),  # what its reports name a message by, where they do not name our token
    Column("touch", BigInteger, nullable=False),
    Index("ix_provider_ref_touch", "touch"),
)

early_report = Table(
    "early_report",
    metadata,
    Column("provider", Text, primary_key=True),
    Column("provider_event_id", Text, primary_key=True),
    Column("ref", Text, nullable=False),  # of a message whose settling was not committed when it came
    Column("came_at", Moment, nullable=False),
    Column("report", Text, nullable=False),  # the event, as JSON
)

stop_told = Table(
    "stop_told",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("address", BigInteger, primary_key=True, autoincrement=False),  # stands on that sender's suppression list
    Column("told_at", Moment, nullable=False),
)
