"""Tables of what the channels bring; campaigns and customers are in tables, the engine in engine_tables."""

from __future__ import annotations

from sqlalchemy import Column, Index, SmallInteger, Table, Text, UniqueConstraint

from ledger.tables import Id, metadata
from ledger.types import Moment

seed_touch = Table(
    "seed_touch",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("run", Text, nullable=False),  # wave:ID, or test:WORD for a test
    Column("campaign", Text, nullable=False),
    Column("wave", Text, nullable=False),
    Column("seed", Text, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("variant", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),  # a touch's; claimed and nothing more: in doubt, never sent again
    Column("reason", SmallInteger),
    Column("provider", Text),
    Column("provider_ref", Text),
    Column("claimed_at", Moment, nullable=False),
    Column("sent_at", Moment),
    Column("outcome", SmallInteger),  # the highest that came back
    Column("arrived_at", Moment),  # of the first report that says it is there
    Column("arrived_by", Text),  # whose report that was
    UniqueConstraint("run", "wave", "seed", "channel", "variant"),
    Index("ix_seed_touch_campaign", "campaign"),
    Index("ix_seed_touch_provider_ref", "provider_ref"),
)
