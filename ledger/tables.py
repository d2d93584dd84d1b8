"""Every table of the ledger, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Float,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.sql.schema import SchemaItem

from ledger.types import ATTRIBUTE_TYPES, Moment, Money, plain_text
from waves.outcomes import Reason, Side

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = BigInteger().with_variant(Integer(), "sqlite")


def _id() -> Column[int]:
    return Column("id", Id, primary_key=True, autoincrement=True)


def _table(name: str, *items: SchemaItem, **options: object) -> Table:
    return Table(name, metadata, *items, **options)  # type: ignore[arg-type]


meta = _table("meta", Column("key", Text, primary_key=True), Column("value", Text, nullable=False))

attribute = _table("attribute", Column("name", Text, primary_key=True), Column("type", Text, nullable=False))

zone_set = _table(
    "zone_set",
    _id(),
    Column("zones", Text, nullable=False),  # sorted IANA names, joined by spaces; empty = unknown
    Column("jurisdictions", Text, nullable=False),  # sorted, such as "US US-TX"
    UniqueConstraint("zones", "jurisdictions"),
)

customer = _table(
    "customer",
    _id(),
    Column("key", plain_text(), nullable=False, unique=True),
    Column("name", Text),
    Column("language", Text),
    Column("zone_set", BigInteger),
    Column("household", Text),
    Column("owner", Text),
    Column("branch", Text),
    Column("bucket", BigInteger, nullable=False),
    Column("imported_at", Moment, nullable=False),
    Column("erased_at", Moment),
)

profile = _table("profile", Column("customer", BigInteger, primary_key=True, autoincrement=False))

address = _table(
    "address",
    _id(),
    Column("customer", BigInteger, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("value", plain_text(), nullable=False),
    Column("consent", SmallInteger, nullable=False),
    Column("consent_source", Text),
    Column("consent_at", Moment),
    Column("state", SmallInteger, nullable=False),
    Column("preference", SmallInteger, nullable=False),
    Column("shared", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
    UniqueConstraint("customer", "channel", "value"),
    Index("ix_address_channel_value", "channel", "value"),
)

suppression = _table(
    "suppression",
    _id(),
    Column("customer", BigInteger),  # null: the address alone
    Column("channel", SmallInteger, nullable=False),  # 0: every channel
    Column("value", plain_text()),  # null: the customer, whatever the address
    Column("reason", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("since", Moment, nullable=False),
    Column("until", Moment),
    CheckConstraint("customer IS NOT NULL OR value IS NOT NULL", name="names_someone"),
    Index("ix_suppression_customer", "customer"),
    Index("ix_suppression_value", "value"),
)
Index(
    "uq_suppression_live",
    text("coalesce(customer, 0)"),
    suppression.c.channel,
    text("coalesce(value, '')"),
    suppression.c.reason,
    unique=True,
    sqlite_where=suppression.c.until.is_(None),
    postgresql_where=suppression.c.until.is_(None),
)

campaign = _table(
    "campaign",
    _id(),
    Column("name", Text, nullable=False, unique=True),
    Column("title", Text, nullable=False),
    Column("bundle", Text, nullable=False),  # every text the plan rests on; the YAML is never read again
    Column("digest", Text, nullable=False),
    Column("hours_digest", Text, nullable=False),
    Column("state", Text, nullable=False),  # starting, running, paused, aborted, finished
    Column("priority", SmallInteger, nullable=False),
    Column("goal", Text, nullable=False),
    Column("goal_dispositions", Text, nullable=False),  # words, joined by spaces
    Column("started_at", Moment, nullable=False),
    Column("started_by", Text, nullable=False),
    Column("limit_contacts", SmallInteger),  # null: the plan sets no limit
    Column("limit_within_us", BigInteger),
    Column("paused_at", Moment),  # null unless paused
    Column("frozen_to", BigInteger),  # while it starts: the last customer who was judged; else null
)

wave = _table(
    "wave",
    _id(),
    Column("campaign", BigInteger, nullable=False),
    Column("seq", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("state", Text, nullable=False),  # pending, enrolling, open, closing, closed
    Column(
        "channels", Text, nullable=False
    ),  # channel codes in the plan's order, a first_of in one list: [[1], [2, 3]]
    Column("holdout_stops", Boolean(create_constraint=False), nullable=False),
    Column("opened", Moment),
    Column("released", Moment),
    Column("closes", Moment),
    Column("closed", Moment),
    Column("event_mark", BigInteger),
    Column("enrolled_to", BigInteger, nullable=False, server_default=text("0")),
    Column("balance", Text),
    Column("rest_from", Moment),  # a ramp's rest is not sent before; null: the wave has no ramp
    Column("ramp_passed", Moment),  # when the rest was let go; null: not yet
    Column("alarm", Text),  # what the ramp's first part rang for
    Column("stopped_at", Moment),  # it sends nothing more; it listens on and closes as planned
    UniqueConstraint("campaign", "seq"),
    UniqueConstraint("campaign", "name"),
)
Index(
    "uq_wave_one_enrolling",
    wave.c.state,
    unique=True,
    sqlite_where=wave.c.state == "enrolling",
    postgresql_where=wave.c.state == "enrolling",
)

approval = _table(
    "approval",
    _id(),
    Column("campaign", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("by", Text, nullable=False),
    Column("at", Moment, nullable=False),
    UniqueConstraint("campaign", "digest"),
)

member = _table(
    "member",
    Column("campaign", BigInteger, primary_key=True, autoincrement=False),
    Column("customer", BigInteger, primary_key=True, autoincrement=False),
    Column("arm", SmallInteger, nullable=False),  # 0 treated, 1 held out
    Index("ix_member_customer", "customer"),
    sqlite_with_rowid=False,
)

enrolment = _table(
    "enrolment",
    Column("wave", BigInteger, primary_key=True, autoincrement=False),
    Column("customer", BigInteger, primary_key=True, autoincrement=False),
    Column("verdict", SmallInteger, nullable=False),
    Column("channels", Integer, nullable=False),  # bit 1 << code for each channel that passed
    sqlite_with_rowid=False,
)

batch = _table(
    "batch",
    Column("id", Id, primary_key=True, autoincrement=False),
    Column("wave", BigInteger, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("due", Moment, nullable=False),
    Column("rest", Boolean(create_constraint=False), nullable=False, server_default=text("false")),  # of a ramp
    Column("done_at", Moment),
    Column("lease_owner", Text),
    Column("lease_until", Moment),
    Index("ix_batch_wave", "wave"),
)
Index(
    "ix_batch_due",
    batch.c.due,
    sqlite_where=batch.c.done_at.is_(None),
    postgresql_where=batch.c.done_at.is_(None),
)

touch = _table(
    "touch",
    _id(),
    Column("wave", BigInteger, nullable=False),
    Column("customer", BigInteger, nullable=False),
    Column("channel", SmallInteger, nullable=False),
    Column("batch", BigInteger),  # null for calls: dial lists take them
    Column("address", BigInteger, nullable=False),
    Column("variant", SmallInteger, nullable=False),
    Column("state", SmallInteger, nullable=False),
    Column("outcome", SmallInteger),
    Column("disposition", SmallInteger),
    Column("reason", SmallInteger),
    Column("action", SmallInteger),
    Column("provider", Text),
    Column("provider_ref", Text),
    Column("not_before", Moment, nullable=False),
    Column("not_after", Moment, nullable=False),
    Column("claimed_by", Text),
    Column("claimed_at", Moment),
    Column("sent_at", Moment),
    Column("cost", Money),
    UniqueConstraint("wave", "customer", "channel"),
    Index("ix_touch_batch", "batch"),
    Index("ix_touch_customer", "customer"),
)

event = _table(
    "event",
    _id(),
    Column("provider", Text, nullable=False),
    Column("provider_event_id", Text, nullable=False),
    Column("touch", BigInteger),  # null: unknown, kept all the same
    Column("outcome", SmallInteger, nullable=False),
    Column("reason", SmallInteger),
    Column("action", SmallInteger, nullable=False),
    Column("at", Moment, nullable=False),
    Column("received_at", Moment, nullable=False),
    Column("raw", Text, nullable=False),
    UniqueConstraint("provider", "provider_event_id"),
    Index("ix_event_touch", "touch"),
)

call = _table(
    "call",
    Column("event", BigInteger, primary_key=True, autoincrement=False),
    Column("touch", BigInteger, nullable=False),
    Column("entry", BigInteger),
    Column("number", Text),
    Column("at", Moment, nullable=False),
    Column("call_id", Text, nullable=False),
    Column("disposition", SmallInteger, nullable=False),
    Column("strength", SmallInteger, nullable=False),
    Column("agent", Text),
    Column("ring_s", Float(53)),
    Column("talk_s", Float(53)),
    Column("wrap_s", Float(53)),
    Column("callback_at", Moment),  # when the customer was promised to be called again
    Column("raw_code", Text),  # the dialler's own code of it; null: it has none
    Column("file", BigInteger),  # the file of results that brought it first; null: no file did
    Column("late", Boolean(create_constraint=False), nullable=False, server_default=text("false")),
    Index("ix_call_touch", "touch"),
    Index("ix_call_file", "file"),
    Index("ix_call_number", "number"),
)

conversion = _table(
    "conversion",
    _id(),
    Column("customer", BigInteger, nullable=False),
    Column("goal", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("value", Money),
    Column("currency", Text),
    Column("product", Text),
    Column("source", Text, nullable=False),
    Column("source_id", Text, nullable=False),
    Column("reversed_at", Moment),
    UniqueConstraint("source", "source_id"),
    Index("ix_conversion_customer", "customer", "goal", "at"),
)

dial_list = _table(
    "dial_list",
    _id(),
    Column("wave", BigInteger, nullable=False),
    Column("team", Text, nullable=False),
    Column("shift", Text, nullable=False),
    Column("format", Text, nullable=False),
    Column("pulled_at", Moment, nullable=False),
    Column("pulled_by", Text, nullable=False),
    Column("lease_until", Moment, nullable=False),
    *(Column(name, Moment) for name in ("returned_at", "valid_until", "expired_at", "let_go_at", "loaded_at")),
    Column("loaded", Integer),
    Index("ix_dial_list_wave", "wave"),
)

dial_entry = _table(
    "dial_entry",
    _id(),
    Column("list", BigInteger, nullable=False),
    Column("touch", BigInteger, nullable=False),
    Column("rank", Integer, nullable=False),
    Column("tier", Text, nullable=False),
    *(Column(name, Float(53)) for name in ("score", "p_answer", "p_assign")),
    Column("customer", BigInteger, nullable=False),
    Column("number", Text, nullable=False),
    Column("household", Text),
    Column("call_until", Moment),  # the end of the customer's permitted hours, or of the list
    Column("active", Boolean(create_constraint=False), nullable=False),
    *(Column(name, Moment) for name in ("callback_at", "recalled_at")),
    Column("agent", Text),  # who promised to call then
    *(Column(name, Text) for name in ("recalled_for", "recalled_in")),  # the name of the file that took it off first
    Column("explored", Boolean(create_constraint=False), nullable=False, server_default=text("false")),  # by lot
    Column("card", BigInteger),  # of the answer model by which it is ranked; null: by no model
    Index("ix_dial_entry_list", "list"),
    Index("ix_dial_entry_touch", "touch"),
)
for _name, _column, _rare in (
    ("ix_event_complained", event.c.touch, event.c.outcome == int(Side.COMPLAINED)),
    ("ix_event_filtered", event.c.touch, event.c.reason == int(Reason.FILTERED)),
    ("ix_event_unknown", event.c.received_at, event.c.outcome == int(Side.UNKNOWN)),
    ("ix_call_callback_at", call.c.callback_at, call.c.callback_at.is_not(None)),
    ("ix_customer_household", customer.c.household, customer.c.household.is_not(None)),
    ("ix_dial_list_out", dial_list.c.valid_until, dial_list.c.returned_at.is_(None)),
):
    Index(_name, _column, sqlite_where=_rare, postgresql_where=_rare)
for _name in ("customer", "number", "household"):
    Index(
        f"uq_dial_entry_active_{_name}",
        dial_entry.c[_name],
        unique=True,
        sqlite_where=dial_entry.c.active,
        postgresql_where=dial_entry.c.active,
    )

audit = _table(
    "audit",
    _id(),
    Column("at", Moment, nullable=False),
    Column("who", Text, nullable=False),
    Column("did", Text, nullable=False),
    Column("what", Text, nullable=False),
    Column("before", Text),
    Column("after", Text),
)


@lru_cache(maxsize=64)
def _with_attributes(base: Table, types: tuple[tuple[str, str], ...]) -> Table:
    # One Table object for the same columns: SQLAlchemy's cache of compiled statements knows tables by identity.
    table = base.to_metadata(MetaData(naming_convention=metadata.naming_convention))
    for name, kind in types:
        table.append_column(Column(name, ATTRIBUTE_TYPES[kind]))
    return table


def profile_table(types: Mapping[str, str]) -> Table:
    """The profile with its declared columns, `types` being attribute name to type word."""
    return _with_attributes(profile, tuple(sorted(types.items())))


def member_table(types: Mapping[str, str]) -> Table:
    """The member table with the same columns; those that no rule of the campaign names stay null."""
    return _with_attributes(member, tuple(sorted(types.items())))
