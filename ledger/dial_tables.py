"""Tables of what call lists are learnt from, of what was learnt, and of files of results that can be undone."""

from __future__ import annotations

from sqlalchemy import BigInteger, Boolean, Column, Float, Index, Integer, SmallInteger, Table, Text, UniqueConstraint

from ledger.tables import Id, call, metadata
from ledger.types import Moment, plain_text

past_call = Table(
    "past_call",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("customer", BigInteger, nullable=False),
    Column("number", plain_text()),  # E.164; null: the customer was erased
    Column("at", Moment, nullable=False),
    Column("disposition", SmallInteger, nullable=False),
    Column("attempt", SmallInteger),  # from 1; null: the file did not say
    Column("agent", Text),
    Column("source", plain_text(), nullable=False),
    Column("source_id", plain_text(), nullable=False),
    UniqueConstraint("source", "source_id"),
    Index("ix_past_call_customer", "customer"),
    Index("ix_past_call_number", "number"),
)

model_card = Table(
    "model_card",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("campaign", BigInteger, nullable=False),
    Column("wave", BigInteger, nullable=False),
    Column("kind", Text, nullable=False),  # answer, convert
    Column("fitted_at", Moment, nullable=False),
    Column("fitted_by", Text, nullable=False),
    Column("window_from", Moment),  # of the first and the last call it learnt from; null: there was none
    Column("window_to", Moment),
    Column("n", Integer, nullable=False),
    Column("positives", Integer, nullable=False),
    Column("tested", Integer, nullable=False),  # calls that were scored before their result was learnt from
    Column("features", Text, nullable=False),  # JSON: names
    Column("auc", Float(53)),  # null: too few calls to tell, as all below
    Column("within50", Float(53)),  # the share of what came of a list that is in its best half
    Column("within20", Float(53)),
    Column("trailing50", Float(53)),  # the same for the rate of the calls just before
    Column("beats", Boolean(create_constraint=False), nullable=False),  # whether it ranks better than that rate
    Column("calibration", Text, nullable=False),  # JSON: predicted, observed and number by tenth
    Column("recipe", Text, nullable=False),  # JSON: what the same fit is made anew from
    Column("digest", Text, nullable=False),  # SHA-256 of what it learnt from and how
    Index("ix_model_card_wave", "wave", "kind"),
)

call_file = Table(
    "call_file",
    metadata,
    Column("id", Id, primary_key=True, autoincrement=True),
    Column("name", Text, nullable=False),  # without its folder
    Column("digest", Text, nullable=False),  # SHA-256
    Column("dialler", Text, nullable=False),
    Column("at", Moment, nullable=False),
    Column("by", Text, nullable=False),
    Column("calls", Integer, nullable=False),  # those that no file had brought before
    Column("undone_at", Moment),
    Column("undone_by", Text),
    Index("ix_call_file_digest", "digest"),
)

reversed_call = Table(  # no longer in `call`, so that whoever reads calls need not know of it
    "reversed_call",
    metadata,
    Column("event", BigInteger, primary_key=True, autoincrement=False),
    *[Column(each.name, each.type, nullable=each.nullable) for each in call.c if each.name != "event"],
    Column("reversed_at", Moment, nullable=False),
    Index("ix_reversed_call_touch", "touch"),
)

spare_call = Table(  # what a file said of a call that another one had brought before, or that is of nobody we know
    "spare_call",
    metadata,
    Column("file", BigInteger, primary_key=True, autoincrement=False),
    Column("provider", plain_text(), primary_key=True),
    Column("call_id", plain_text(), primary_key=True),
    Column("event", BigInteger),  # null: it was known
    Column("touch", BigInteger),
    Column("entry", BigInteger),
    Column("number", Text),
    Column("at", Moment, nullable=False),
    Column("disposition", SmallInteger, nullable=False),
    Column("agent", Text),
    Column("ring_s", Float(53)),
    Column("talk_s", Float(53)),
    Column("wrap_s", Float(53)),
    Column("callback_at", Moment),
    Column("raw_code", Text),
    Index("ix_spare_call_call_id", "provider", "call_id"),
    Index("ix_spare_call_touch", "touch"),
)

called_address = Table(  # how an address stood before a file's calls acted on it
    "called_address",
    metadata,
    Column("file", BigInteger, primary_key=True, autoincrement=False),
    Column("address", BigInteger, primary_key=True, autoincrement=False),
    Column("state", SmallInteger, nullable=False),
    Column("consent", SmallInteger, nullable=False),
    Column("consent_source", Text),
    Column("consent_at", Moment),
    Column("mark", BigInteger, nullable=False),  # the last report that is in it
    Column("at", Moment, nullable=False),
    Index("ix_called_address_address", "address"),
)

call_score = Table(
    "call_score",
    metadata,
    Column("wave", BigInteger, primary_key=True, autoincrement=False),
    Column("customer", BigInteger, primary_key=True, autoincrement=False),
    Column("answer", Float(53), nullable=False),  # at the hour it was scored
    Column("convert", Float(53), nullable=False),
    Column("best_slot", SmallInteger, nullable=False),  # of waves.call_slots
    Column("score", Float(53)),  # null: the plan's rank has no value for them
    Column("scored_at", Moment, nullable=False),
    sqlite_with_rowid=False,
)
