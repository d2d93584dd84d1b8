"""Tables of what the channels bring; campaigns and customers are in tables, the engine in engine_tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text, UniqueConstraint

from ledger.tables import Id, metadata
from ledger.types import Moment, plain_text

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

api_key = Table(
    "api_key",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", plain_text(), nullable=False),  # the source of the conversions that come with it
    Column("digest", Text, nullable=False, unique=True),  # SHA-256 of the key, which is shown once and kept nowhere
    Column("made_at", Moment, nullable=False),
    Column("made_by", Text, nullable=False),
    Column("revoked_at", Moment),
    Column("used_at", Moment),
    Column("taken", Integer, nullable=False, server_default="0"),  # conversions that came with it
    Column("unknown", Integer, nullable=False, server_default="0"),  # of these, of customers that nobody knows
)
Index(
    "uq_api_key_live",
    api_key.c.name,
    unique=True,
    sqlite_where=api_key.c.revoked_at.is_(None),
    postgresql_where=api_key.c.revoked_at.is_(None),
)

reply = Table(
    "reply",
    metadata,
    Column("event", BigInteger, primary_key=True, autoincrement=False),  # its text is event.raw, kept for a while only
    Column("channel", SmallInteger, nullable=False),
    Column("sealed", Text, nullable=False),  # the sender's address as a keyed digest (waves.seals)
    Column("customer", BigInteger),  # null: nobody has that address
    Column("keyword", Text),  # stop, start or help
    Column("asks", Text),  # what in it asks a person of ours to act
    Column("suppression", BigInteger),  # the open case: a suppression with reason open_case
    Index("ix_reply_sealed", "sealed"),
    Index("ix_reply_customer", "customer"),
    Index("ix_reply_suppression", "suppression"),
)

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

wave_gate = Table(
    "wave_gate",
    metadata,
    Column("wave", BigInteger, primary_key=True, autoincrement=False),
    Column("gate", Text, primary_key=True),  # complaints, filtered
    Column("hits", Integer, nullable=False),  # when it was counted last
    Column("sent", Integer, nullable=False),
    Column("level", Text),  # null, warned or acted
    Column("since", Moment),
)

stop_told = Table(
    "stop_told",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("address", BigInteger, primary_key=True, autoincrement=False),  # stands on that sender's suppression list
    Column("told_at", Moment, nullable=False),
)

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
