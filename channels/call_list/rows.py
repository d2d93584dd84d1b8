"""The one line of a dial list that every format is a projection of, and the one result of a call they are read into."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from waves.dispositions import Disposition


@dataclass(frozen=True, slots=True)
class Phone:
    """A number in E.164 and what it is (mobile, landline, voip), if that is known."""

    number: str
    kind: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DialRow:
    """One entry of a dial list; `phones` in the order to try them, `extra` further cells by name, times aware."""

    token: str
    phones: tuple[Phone, ...]
    rank: int
    """1 is called first."""
    tier: str
    team: str
    valid_until: datetime
    list: int | None = None
    batch: str | None = None
    campaign: str | None = None
    wave: str | None = None
    score: float | None = None
    tz: str | None = None
    callable_from: datetime | None = None
    callable_until: datetime | None = None
    not_before: datetime | None = None
    callback_at: datetime | None = None
    callback_agent: str | None = None
    callback_note: str | None = None
    attempts_total: int | None = None
    attempts_today: int | None = None
    attempts_left: int | None = None
    last_attempt_at: datetime | None = None
    last_disposition: str | None = None
    language: str | None = None
    skill: str | None = None
    product: str | None = None
    agent_owner: str | None = None
    caller_id: str | None = None
    name: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    company: str | None = None
    address: str | None = None
    city: str | None = None
    state: str | None = None
    postal_code: str | None = None
    country: str | None = None
    email: str | None = None
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RecallRow:
    """An entry of a list out there that must not be dialled any more, and why (`converted`, `opted_out`, ...)."""

    token: str
    phones: tuple[Phone, ...]
    reason: str
    at: datetime
    list: int | None = None


@dataclass(frozen=True, slots=True)
class Shortened:
    """A text that its column could not hold: `kept` of `had` characters were written, or entries for `phones`."""

    token: str
    column: str
    had: int
    kept: int


@dataclass(frozen=True, slots=True)
class Written:
    """What became of a list: its entries, what was shortened in them, and what a lead should know."""

    rows: int
    shortened: tuple[Shortened, ...] = ()
    notes: tuple[str, ...] = ()


Word = Literal["loaded", "there", "unscheduled", "off", "not_there", "on_a_call", "refused", "in_doubt", "not_asked"]
"""What a dialler's API made of an entry.

loaded        it is there now                       there       ... and was before
unscheduled   ... and is held: nobody calls it at the time that was promised
off           nobody dials it any more              not_there   it was never there
on_a_call     it is in a call, and may be dialled again after that: ask again
refused       it was not done, and why              in_doubt    nobody knows; nothing was repeated
not_asked     it was surely not done, for a reason that is none of the entry's
"""


@dataclass(frozen=True, slots=True)
class Answered:
    """What a dialler's API said of one entry; `why` in its words, without what it echoes of people."""

    token: str
    word: Word
    why: str = ""


@dataclass(frozen=True, slots=True)
class DispositionRow:
    """What a dialler says of one call; seconds are None when it does not say."""

    line: int
    token: str
    disposition: Disposition
    at: datetime
    call_id: str
    number: str | None
    agent: str | None
    ring_s: float | None
    talk_s: float | None
    wrap_s: float | None
    callback_at: datetime | None = None
    """When the customer was promised to be called again."""
    raw_code: str | None = None
    """The dialler's own word for the disposition, where it has one."""


@dataclass(frozen=True, slots=True)
class Results:
    """The calls of a file of results in file order, and how its doubtful parts were read; to go through once."""

    rows: Iterator[DispositionRow]
    notes: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[DispositionRow]:
        return self.rows
