"""A dialler: how one connection's lists are written and its results read, and what each format can carry."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from waves.dispositions import Disposition
from waves.plan import NAME, Duration, Record

PhoneStyle = Literal["e164", "national", "digits"]
Delimiter = Literal["comma", "semicolon", "tab", "pipe"]
SIGNS: Mapping[str, str] = {"comma": ",", "semicolon": ";", "tab": "\t", "pipe": "|"}

FIELDS = (
    *("token", "phone", "phone_kind", "list", "batch", "campaign", "wave", "rank", "tier", "score", "team"),
    *("tz", "callable_from", "callable_until", "not_before", "valid_until"),
    *("callback_at", "callback_agent", "callback_note"),
    *("attempts_total", "attempts_today", "attempts_left", "last_attempt_at", "last_disposition"),
    *("language", "skill", "product", "agent_owner", "caller_id"),
    *("name", "first_name", "last_name", "company", "address", "city", "state", "postal_code", "country", "email"),
)
"""What a line of a dial list may tell; `phone_2` to `phone_10` and `extra.NAME` besides."""
OF_CUSTOMERS = (
    *("first_name", "last_name", "company", "address", "city", "state", "postal_code", "country", "email", "product"),
)
"""Those of them that the customer's attribute of that name tells, where it is a text."""
ANSWERS = ("token", "disposition", "at", "call_id", "number", "agent", "ring_s", "talk_s", "wrap_s", "callback_at")
"""What a line of results may tell."""
_MORE = re.compile(r"phone_(?:[2-9]|10)(?:_kind)?|extra\.[A-Za-z][A-Za-z0-9_]{0,62}")


def is_field(word: str) -> bool:
    """Whether a line of a dial list can tell this."""
    return word in FIELDS or _MORE.fullmatch(word) is not None


class ListLimits(Record):
    """Limits of one dialler, stricter than its format's own."""

    rows: int | None = Field(default=None, ge=1, le=1_000_000)
    """Entries in one file at most."""
    columns: dict[str, int] = Field(default_factory=dict)
    """Column -> characters at most."""


class DiallerApi(Record):
    """A dialler's own program interface: its address, who we are there, and how hard it is driven."""

    url: str
    user_env: str
    """The name of the environment variable that holds the user; the user itself is in no file."""
    password_env: str
    source: str = Field(default="multiwave", pattern=r"^[A-Za-z0-9_-]{2,20}$")
    """What the dialler's own log calls us."""
    campaign: str | None = Field(default=None, pattern=r"^[A-Za-z0-9_-]{2,8}$")
    """The dialler's campaign that promised calls are scheduled in."""
    parallel: int = Field(default=4, ge=1, le=16)
    """Requests in the air at once."""
    timeout: Duration = Field(default=timedelta(seconds=30), ge=timedelta(seconds=1), le=timedelta(minutes=2))
    """How long one request may take."""

    @field_validator("user_env", "password_env")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):  # what stands there is not shown: it may be the password
            raise ValueError("write the NAME of an environment variable, such as VICIDIAL_PASS; the value goes in it")
        return name


class Dialler(Record):
    """One connection to a dialler, as `config/diallers.yaml` names it."""

    dialler: str = Field(pattern=NAME)
    format: str
    zone: str | None = None
    """The IANA zone of times that its results tell without one, and of the times in its lists."""
    columns: dict[str, str] = Field(default_factory=dict)
    """Column of its lists -> what fills it, in order."""
    results: dict[str, str] = Field(default_factory=dict)
    """Column of its results -> what it tells."""
    wrap_ups: dict[str, str] = Field(default_factory=dict)
    """What its agents choose at the end of a call -> the disposition that it means."""
    phone_style: PhoneStyle | None = None
    region: str = Field(default="US", pattern=r"^[A-Z]{2}$")
    """The country of numbers without a country code."""
    caller_id: str | None = Field(default=None, pattern=r"^\+[1-9][0-9]{5,14}$")
    """The number, in E.164, that its customers see: one of ours, and one that is answered."""
    delimiter: Delimiter | None = None
    limits: ListLimits = ListLimits()
    list_id: int | None = Field(default=None, ge=100, le=99_999_999_999_999)
    """The dialler's own list that entries are loaded into (VICIdial)."""
    api: DiallerApi | None = None
    """Its program interface, to load lists and recall entries without a file (VICIdial)."""
    expires: Duration = timedelta(minutes=10)
    """How long after the pull a dial request may still be dialled (Amazon Connect)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What a dialler format can carry, as data: `check`, its writer and its reader go by it."""

    ending: str
    """The end of a list's file name."""
    recall_ending: str = ".csv"
    columns: Mapping[str, str]
    """Its columns in order, each with the field that fills it unless a connection says otherwise; "" for nothing."""
    fixed: bool = False
    """Whether these are all its columns: a connection may fill them otherwise, and have no others."""
    takes_extra: bool = True
    """Whether a list's further columns come along where a connection names no columns."""
    header: str = r"[^\r\n]{1,128}"
    """What the name of a column may be (a pattern)."""
    delimiters: tuple[Delimiter, ...] = ()
    """The first holds where a connection names none."""
    phone_styles: tuple[PhoneStyle, ...] = ("e164",)
    """The first holds where a connection names none; none: the format has one of its own."""
    max_rows: int | None = None
    max_columns: int | None = None
    cell: int | None = None
    """Characters in any cell at most."""
    lengths: Mapping[str, int] = field(default_factory=dict)
    """Column -> characters at most."""
    results: Mapping[str, str] = field(default_factory=dict)
    """Column of its results, lower case -> what it tells."""
    codes: Mapping[str, Disposition] = field(default_factory=dict)
    """Its own code of a call, upper case -> the disposition."""
    not_over: frozenset[str] = frozenset()
    """Its own codes, upper case, of a call that has no result yet."""
    needs_zone: bool = False
    """Whether its results tell times without a zone."""
    options: frozenset[str] = frozenset()
    """Keys of a connection that only this format reads."""

    def length(self, column: str) -> int | None:
        """Characters that a column holds at most."""
        return self.lengths.get(column, self.cell)


TIMES = frozenset({"not_before", "callback_at"})
"""What says when a promised call is to be made."""


def filled(dialler: Dialler, layout: Layout) -> Mapping[str, str]:
    """Column -> field of a connection's lists, but for the further columns of a list that takes all there are."""
    return {**layout.columns, **dialler.columns} if layout.fixed else dialler.columns or layout.columns


def tells_times(dialler: Dialler, layout: Layout) -> bool:
    """Whether a dialler learns from its list that an entry is not to be dialled at once."""
    return not TIMES.isdisjoint(filled(dialler, layout).values())
