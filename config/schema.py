"""`customers.yaml`: what the columns of a customers file mean; `check` has the column types from here."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator

from config.nearest import write_instead
from config.sentences import read_record
from waves.message import CHANNEL_CODES
from waves.plan import NAME, Record
from waves.rules import RESERVED as RULE_WORDS

FILE = "customers.yaml"
AttributeType = Literal["integer", "number", "text", "boolean", "date", "datetime"]

LEDGER_WORDS = frozenset(("customer", "campaign", "arm", "id", "rowid"))
POSTGRES_WORDS = frozenset(("oid", "ctid", "xmin", "xmax", "cmin", "cmax", "tableoid"))
TEMPLATE_WORDS = frozenset(("name", "language", "wave", "title", "token", "body", "link", "unsubscribe"))
RESERVED = RULE_WORDS | LEDGER_WORDS | POSTGRES_WORDS | TEMPLATE_WORDS
"""Words that an attribute cannot be named, because a rule, a template or the ledger already uses them."""


def _real_channel(channel: str) -> str:
    if channel not in CHANNEL_CODES:
        raise ValueError(f"there is no channel {channel}; {write_instead(channel, CHANNEL_CODES)}")
    return channel


def _free_name(name: str) -> str:
    if not re.fullmatch(NAME, name):
        raise ValueError(f"{name!r} cannot name an attribute; write lower-case letters, digits and _, a letter first")
    if name in RESERVED:
        raise ValueError(f"{name} is a word of multiwave's own; call the column customer_{name}")
    return name


ChannelName = Annotated[str, AfterValidator(_real_channel)]
AttributeName = Annotated[str, AfterValidator(_free_name)]


class AddressColumn(Record):
    """A column that holds one address, and the channels that may use it; a lower preference is tried first."""

    column: str = Field(min_length=1)
    channels: tuple[ChannelName, ...] = Field(min_length=1)
    preference: int = Field(default=1, ge=1, le=99)


class ConsentColumn(Record):
    """Where a channel's consent is read: a yes/no column, or `always: granted` when a contract or a law gives it."""

    column: str | None = None
    at: str | None = None
    always: Literal["granted"] | None = None
    source: str = Field(min_length=1, max_length=80)

    @model_validator(mode="after")
    def _one(self) -> ConsentColumn:
        if (self.column is None) == (self.always is None):
            raise ValueError("write either `column: NAME` or `always: granted`")
        if self.always and self.at:
            raise ValueError("`at` goes with `column`; delete it beside `always`")
        return self


class ZoneColumn(Record):
    """The column with the customer's IANA time zone."""

    column: str = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: object) -> object:
        return {"column": value} if isinstance(value, str) else value


class GoneColumn(Record):
    """The column that says that a customer has left, and the words it says it with."""

    column: str = Field(min_length=1)
    values: tuple[str, ...] = Field(min_length=1)

    @field_validator("values", mode="before")
    @classmethod
    def _as_written(cls, value: object) -> object:
        if not isinstance(value, (list, tuple)):
            return value
        return [str(word).lower() if isinstance(word, (bool, int)) else word for word in value]


class CustomersSchema(Record):
    """The meaning of each column of a customers file; columns not named here are left alone."""

    key: str = Field(min_length=1)
    name: str | None = None
    language: str | None = None
    household: str | None = None
    owner: str | None = None
    branch: str | None = None
    delimiter: Literal[",", ";", "|", "\t"] = ","
    region: str = Field(default="US", pattern=r"^[A-Z]{2}$")
    columns: dict[AttributeName, AttributeType] = Field(default_factory=dict)
    addresses: tuple[AddressColumn, ...] = Field(min_length=1)
    consent: dict[ChannelName, ConsentColumn] = Field(default_factory=dict)
    zone: ZoneColumn | None = None
    postal: str | None = None
    country: str | None = None
    state: str | None = None
    gone: GoneColumn | None = None

    @field_validator("delimiter", mode="before")
    @classmethod
    def _tab(cls, value: object) -> object:
        return "\t" if value in ("tab", "\\t") else value

    @model_validator(mode="after")
    def _addresses_differ(self) -> CustomersSchema:
        pairs = [(entry.column, channel) for entry in self.addresses for channel in entry.channels]
        for column, channel in pairs:
            if pairs.count((column, channel)) > 1:
                raise ValueError(f"addresses name column {column} for {channel} twice; keep one")
        return self


def attribute_types(schema: CustomersSchema) -> dict[str, str]:
    """Attribute name to type word: the columns that rules and templates may name."""
    return dict(schema.columns)


def load_schema(config_dir: Path) -> CustomersSchema:
    """The schema in `config_dir`/customers.yaml; PlanError with every problem in it."""
    return read_record(CustomersSchema, config_dir / FILE, SAMPLES)


SAMPLES: Mapping[str, str] = {
    "key": "customer_id",
    "region": "US",
    "columns": "{age: integer, plan_name: text, contract_end: date}",
    "columns.*": "text",
    "addresses": "[{column: mobile, channels: [sms, call_list]}]",
    "addresses.*": "{column: mobile, channels: [sms, call_list]}",
    "column": "mobile",
    "channels": "[sms, call_list]",
    "channels.*": "sms",
    "preference": "1",
    "consent": "{sms: {column: sms_ok, source: crm}}",
    "consent.*": "{column: sms_ok, source: crm}",
    "source": "crm",
    "zone": "time_zone",
    "gone": "{column: status, values: [closed]}",
    "values": "[closed]",
    "values.*": "closed",
    "ZoneColumn.column": "time_zone",
    "delimiter": '";"',
}
"""What to write for each key (`key`, `Record.key`, or `key.*` inside it)."""
