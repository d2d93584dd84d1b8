"""The windows of a day as people write them: closed, one, or several, for each kind of day."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import date
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BeforeValidator, WithJsonSchema

from waves.plan import Record

CLOCK = r"([01]?\d|2[0-3]):[0-5]\d|24:00"

Minutes = tuple[int, int]
"""A window of one day: minutes of the local clock since midnight, the end exclusive."""


def _minutes(text: object) -> int:
    if not re.fullmatch(CLOCK, str(text)):
        raise ValueError(f'{text!r} is no hour of the day; write such as "09:00", up to "24:00"')
    hour, minute = str(text).split(":")
    return int(hour) * 60 + int(minute)


def _window(value: Sequence[object]) -> Minutes:
    opens, closes = (each if isinstance(each, int) else _minutes(each) for each in value)
    if closes <= opens:
        said = f"{clock(opens)} to {clock(closes)} ends before it starts"
        raise ValueError(f'{said}; write such as ["09:00", "20:00"], and a night as two windows, parted at "24:00"')
    return opens, closes


def parse_day(value: object) -> tuple[Minutes, ...]:
    """The windows of one kind of day, in order: none (not that day), one `["09:00", "20:00"]`, or a list of such."""
    if value is None:
        return ()
    pairs = value if isinstance(value, list | tuple) else [value]
    if len(pairs) == 2 and not any(isinstance(each, list | tuple) for each in pairs):
        pairs = [pairs]
    if not all(isinstance(pair, list | tuple) and len(pair) == 2 for pair in pairs):
        raise ValueError('this is no window; write ["09:00", "20:00"], a list of such, or null for not on that day')
    windows = sorted(map(_window, pairs))
    for one, next_one in pairwise(windows):
        if next_one[0] < one[1]:
            raise ValueError(f"{in_words((one,))} and {in_words((next_one,))} overlap; write one window, or part them")
    return tuple(windows)


def _parse_holiday(value: object) -> object:
    return value if value in ("inherit", "weekend") else parse_day(value)


def both(one: Iterable[Minutes], two: Sequence[Minutes]) -> tuple[Minutes, ...]:
    """What two days' windows have in common."""
    pairs = ((max(a, c), min(b, d)) for a, b in one for c, d in two)
    return tuple((opens, closes) for opens, closes in pairs if opens < closes)


def clock(minutes: int) -> str:
    """540 as 09:00."""
    return f"{minutes // 60:02d}:{minutes % 60:02d}"


def in_words(day: Iterable[Minutes]) -> str:
    """The windows of a day as people read them: `10:00-13:00, 14:00-20:00`, or `closed`."""
    return ", ".join(f"{clock(opens)}-{clock(closes)}" for opens, closes in day) or "closed"


_PAIR = {"type": "array", "items": {"type": "string", "pattern": f"^({CLOCK})$"}, "minItems": 2, "maxItems": 2}
_DAY = [{"type": "null"}, _PAIR, {"type": "array", "items": _PAIR, "minItems": 1}]
Day = Annotated[tuple[Minutes, ...], BeforeValidator(parse_day), WithJsonSchema({"anyOf": _DAY})]
HolidayDay = Annotated[
    tuple[Minutes, ...] | Literal["inherit", "weekend"],
    BeforeValidator(_parse_holiday),
    WithJsonSchema({"anyOf": [*_DAY, {"enum": ["inherit", "weekend"]}]}),
]


class Days(Record):
    """The windows of each kind of day; a holiday may `inherit` those of its weekday, or be as on a `weekend`."""

    mon_fri: Day
    sat: Day
    sun: Day
    holiday: HolidayDay

    def on(self, day: date, holiday: bool) -> tuple[Minutes, ...]:
        """The windows of this local date."""
        weekday = day.weekday()
        if holiday and self.holiday == "weekend" and weekday < 5:
            return both(self.sat, self.sun)
        if holiday and not isinstance(self.holiday, str):
            return self.holiday
        return self.sat if weekday == 5 else self.sun if weekday == 6 else self.mon_fri
