"""Tables of the running engine: senders, switches, sends in doubt, workers; campaigns and customers are in tables."""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, Index, Integer, SmallInteger, Table, Text

from ledger.tables import Id, metadata
from ledger.types import Moment

sender = Table(
    "sender",
    metadata,
    Column("name", Text, primary_key=True),
    Column("free_at", Moment, nullable=False),  # when its next message may begin, by its rate
    Column("held_until", Moment),  # null: nobody asked us to wait
    Column("held_why", Text),
    Column("first_day", Integer),  # days since 1970 (UTC) of its first message: a warm-up counts from there
    Column("day", Integer),
    Column("day_count", BigInteger, nullable=False, server_default="0"),  # messages begun on that day
    Column("attempts", Integer, nullable=False, server_default="0"),  # since the breaker counted last
    Column("failures", Integer, nullable=False, server_default="0"),
)

sender_slot = Table(
    "sender_slot",
    metadata,
    Column("sender", Text, primary_key=True),
    Column("slot", SmallInteger, primary_key=True, autoincrement=False),
    Column("owner", Text),
    Column("until", Moment),
)

kill_switch = Table(
    "kill_switch",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("scope", Text, nullable=False),  # everything, channel:sms, sender:NAME, wave:CAMPAIGN/WAVE ...
    Column("rule", Text),  # of a segment: whom it names
    Column("since", Moment, nullable=False),
    Column("until", Moment),  # null: until a person lifts it
    Column("by", Text, nullable=False),
    Column("why", Text, nullable=False),
    Column("lifted_at", Moment),
    Column("lifted_by", Text),
)
Index(
    "uq_kill_switch_on",
    kill_switch.c.scope,
    unique=True,
    sqlite_where=kill_switch.c.lifted_at.is_(None),
    postgresql_where=kill_switch.c.lifted_at.is_(None),
)

doubt = Table(
    "doubt",
    metadata,
    Column("touch", BigInteger, primary_key=True, autoincrement=False),
    Column("wave", BigInteger, nullable=False),
    Column("since", Moment, nullable=False),
    Column("asked_at", Moment),  # when the provider was asked last
    Column("said", Text),  # what it said: accepted, refused, unknown, no answer, cannot be asked
    Column("decided", Text),  # null: not yet; else a word of ledger.doubts.DECISIONS
    Column("decided_at", Moment),
    Column("decided_by", Text),
    Column("resends", SmallInteger, nullable=False, server_default="0"),
    Index("ix_doubt_wave", "wave"),
)
Index(
    "ix_doubt_open", doubt.c.touch, sqlite_where=doubt.c.decided.is_(None), postgresql_where=doubt.c.decided.is_(None)
)

worker = Table(
    "worker",
    metadata,
    Column("name", Text, primary_key=True),
    Column("instance", Text, nullable=False),  # who started it: two workers with one name are told apart
    Column("wave", BigInteger),  # null: it works on whatever is due
    Column("started_at", Moment, nullable=False),
    Column("seen_at", Moment, nullable=False),  # by the database's clock
    Column("skew_us", BigInteger, nullable=False),  # its clock less the database's
)
