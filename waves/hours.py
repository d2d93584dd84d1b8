"""When a customer may be contacted: the rules as their author wrote them, and the permitted windows in UTC."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Annotated, Literal
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from waves.calendars import countries_of, country_of, holidays_between, known_jurisdictions
from waves.day_hours import Days, in_words
from waves.message import CHANNEL_CODES
from waves.plan import Record

EVERYWHERE = "everywhere"
MARGIN = timedelta(days=2)
"""Local days on either side of a span in UTC that are looked at, so that no zone's day is missed or cut."""

AHEAD = timedelta(days=14)
"""How far the next permitted hour is looked for."""

Span = tuple[datetime, datetime]
"""Aware UTC, half-open."""


class Kind(IntEnum):
    """What the hours are asked for: a message, or a call or visit by a person."""

    MESSAGE = 1
    CALL = 2


CALLS = frozenset(CHANNEL_CODES[name] for name in ("call_list", "visit"))


def kind_of(channel: int) -> Kind:
    """The kind of hours that a channel, by its code, keeps."""
    return Kind.CALL if channel in CALLS else Kind.MESSAGE


def _known_place(place: str) -> str:
    if place in known_jurisdictions():
        return place
    country = country_of(place)
    instead = ", ".join(sorted(one for one in known_jurisdictions() if country_of(one) == country))
    said = f"there is no jurisdiction {place} with a calendar of holidays"
    raise ValueError(f"{said}; write {f'one of {instead}' if instead else 'such as US, US-TX or GB'}")


def _row_place(place: str) -> str:
    if place == EVERYWHERE:
        return place
    if country_of(place) not in known_jurisdictions():
        raise ValueError(f"there is no jurisdiction {place}; write {EVERYWHERE}, or such as US, US-TX or GB")
    return _known_place(place)


def _parse_review(value: object) -> object:
    if isinstance(value, Mapping | Review | None):
        return value
    if value in ("no", False):
        return None
    raise ValueError("write {by: NAME, on: DATE}, or no as long as nobody has read every line of this row")


Place = Annotated[str, AfterValidator(_known_place)]
RowPlace = Annotated[str, AfterValidator(_row_place)]


class Review(Record):
    """Who read every line of a row, and when."""

    by: str = Field(min_length=1, max_length=200)
    on: date


class HoursRow(Record):
    """The hours of one jurisdiction, or of everywhere; one that nobody reviewed allows nothing."""

    place: RowPlace = Field(alias="for")
    messages: Days
    calls: Days
    holidays: Literal["local", "none"] | tuple[Place, ...] = "local"
    source: str = Field(min_length=1, max_length=500)
    as_of: date
    reviewed: Annotated[Review | None, BeforeValidator(_parse_review)]

    def days(self, kind: Kind) -> Days:
        """The hours that a message or a call keeps."""
        return self.messages if kind == Kind.MESSAGE else self.calls


class HoursSet(Record):
    """A named set of rows: the one for everywhere binds every customer, and so does each of their jurisdictions'."""

    title: str = Field(min_length=1, max_length=200)
    rows: tuple[HoursRow, ...]

    @model_validator(mode="after")
    def _somewhere_to_fall_back(self) -> HoursSet:
        if all(row.place != EVERYWHERE for row in self.rows):
            raise ValueError(f"no row of this set is `for: {EVERYWHERE}`; write one, it binds every customer")
        return self


def rules_id(rules: HoursSet) -> int:
    """The first 60 bits of the SHA-256 of what the set says; texts that say the same have the same."""
    canonical = json.dumps(rules.model_dump(mode="json", by_alias=True), sort_keys=True, ensure_ascii=False)
    return int(hashlib.sha256(canonical.encode()).hexdigest()[:15], 16)


def candidates(zones: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """Every jurisdiction the customer may be in: those given, their countries, and those of zones in none of these."""
    return _candidates(tuple(zones), tuple(given))


@lru_cache(maxsize=65_536)
def _candidates(zones: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    countries = {country_of(place) for place in given}
    strays = [found for zone in zones if not (found := countries_of(zone)) & countries]
    return tuple(sorted(countries.union(given, *strays)))


def binding(rules: HoursSet, places: Collection[str]) -> list[HoursRow]:
    """The rows that bind a customer of these jurisdictions: all must allow a contact."""
    return [row for row in rules.rows if row.place == EVERYWHERE or row.place in places]


@dataclass(frozen=True, slots=True)
class Blocked:
    """One row that is shut in one of the customer's zones, and what its day allows."""

    place: str
    zone: str
    local: datetime
    day: str
    """The weekday, or the holiday's name."""
    why: str
    until: datetime | None
    """When this row opens in this zone; None: not within the days looked at."""


class _Unknown(Exception):
    """The hours of a customer cannot be told."""


def open_windows(
    rules: HoursSet, kind: Kind, zones: Sequence[str], jurisdictions: Sequence[str], start: datetime, end: datetime
) -> list[Span] | None:
    """When every binding row allows a contact in every zone, sorted and merged within [start, end); None: unknown.

    Unknown: no zone, one that does not exist, or a rule about holidays with no calendar to ask. Where clocks change,
    a window that would begin in the hour that is skipped begins after it, one in the hour that comes twice at the
    second; it ends before the one and at the first of the other.
    """
    try:
        asked = _asked(rules, kind, zones, jurisdictions, start, end)
    except _Unknown:
        return None
    allowed = [(start.astimezone(UTC), end.astimezone(UTC))] if start < end else []
    for _, _, spans in asked:
        allowed = _overlap(allowed, spans)
    return allowed


def why_unknown(
    rules: HoursSet,
    kind: Kind,
    zones: Sequence[str],
    jurisdictions: Sequence[str],
    at: datetime,
    within: timedelta = AHEAD,
) -> str | None:
    """Why nobody can tell the hours of a customer from this instant on; None when they are known."""
    try:
        _asked(rules, kind, zones, jurisdictions, at, at + within)
    except _Unknown as unknown:
        return str(unknown)
    return None


def next_open(
    rules: HoursSet,
    kind: Kind,
    zones: Sequence[str],
    jurisdictions: Sequence[str],
    at: datetime,
    within: timedelta = AHEAD,
) -> Span | None:
    """The window that is open at this instant, from it on, or else the next; None: none within, or hours unknown."""
    return next(iter(open_windows(rules, kind, zones, jurisdictions, at, at + within) or ()), None)


def explain(
    rules: HoursSet,
    kind: Kind,
    zones: Sequence[str],
    jurisdictions: Sequence[str],
    at: datetime,
    within: timedelta = AHEAD,
) -> list[Blocked]:
    """Each row and zone that shuts the customer's hours at this instant; none when open, or unknown."""
    try:
        asked = _asked(rules, kind, zones, jurisdictions, at, at + within)
    except _Unknown:
        return []
    places = candidates(zones, jurisdictions)
    found = []
    for row, zone, spans in asked:
        coming = [span for span in spans if span[1] > at]
        if not coming or coming[0][0] > at:
            until = coming[0][0] if coming and coming[0][0] < at + within else None
            found.append(_blocked(row, kind, zone, places, at, until))
    return found


def _blocked(
    row: HoursRow, kind: Kind, zone: str, places: Sequence[str], at: datetime, until: datetime | None
) -> Blocked:
    local = at.astimezone(ZoneInfo(zone))
    names = _row_holidays(row, kind, places, local.date(), local.date()) or {}
    day = names.get(local.date(), f"{local:%A}")
    allowed = in_words(row.days(kind).on(local.date(), local.date() in names))
    return Blocked(row.place, zone, local, day, allowed if row.reviewed else "nobody has reviewed this row", until)


def _asked(
    rules: HoursSet, kind: Kind, zones: Sequence[str], given: Sequence[str], start: datetime, end: datetime
) -> list[tuple[HoursRow, str, tuple[Span, ...]]]:
    """Each binding row in each zone, and when it allows a contact around [start, end)."""
    if not zones:
        raise _Unknown("no time zone is known")
    for zone in zones:
        if zone_of(zone) is None:
            raise _Unknown(f"{zone} is no time zone")
    places = candidates(zones, given)
    rows = binding(rules, places)
    if any(row.reviewed is None for row in rows):
        return [(row, zone, ()) for row in rows if row.reviewed is None for zone in zones]
    first, last = (start - MARGIN).date(), (end + MARGIN).date()
    asked = []
    for row in rows:
        named = _row_holidays(row, kind, places, first, last)
        if named is None:
            raise _Unknown(f"the row for {row.place} asks for holidays, and {_no_calendar(row, places)}")
        off = frozenset(named)
        asked += [(row, zone, _spans(row.days(kind), zone, off, first, last)) for zone in zones]
    return asked


def _no_calendar(row: HoursRow, places: Sequence[str]) -> str:
    if not places:
        return "the customer's country is not known"
    more = () if isinstance(row.holidays, str) else row.holidays
    return f"there is no calendar for these days of one of {', '.join((*places, *more))}"


def _row_holidays(
    row: HoursRow, kind: Kind, places: Sequence[str], first: date, last: date
) -> Mapping[date, str] | None:
    if row.days(kind).holiday == "inherit" or row.holidays == "none":
        return {}
    more = () if isinstance(row.holidays, str) else row.holidays
    return holidays_between((*places, *more), first, last) if places else None


@lru_cache(maxsize=1024)
def zone_of(name: str) -> ZoneInfo | None:
    """The time zone of this name, None when there is none."""
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return None


@lru_cache(maxsize=65_536)
def _spans(days: Days, zone: str, off: frozenset[date], first: date, last: date) -> tuple[Span, ...]:
    """The windows of these local dates; what touches on the local clock, at midnight too, is one window."""
    local: list[list[datetime]] = []
    for number in range((last - first).days + 1):
        day = first + timedelta(days=number)
        midnight = datetime.combine(day, time.min)
        for opens, closes in days.on(day, day in off):
            begins, ends = midnight + timedelta(minutes=opens), midnight + timedelta(minutes=closes)
            if local and local[-1][1] == begins:
                local[-1][1] = ends
            else:
                local.append([begins, ends])
    found: list[Span] = []
    for begins, ends in local:
        opened, closed = _instant(begins, zone, True), _instant(ends, zone, False)
        if found and found[-1][1] == opened:  # all that lay between was skipped
            opened = found.pop()[0]
        if opened < closed:
            found.append((opened, closed))
    return tuple(found)


def _instant(local: datetime, zone: str, later: bool) -> datetime:
    """The instant of a local time: of two the later or the earlier, of none the end of the gap."""
    place = ZoneInfo(zone)
    one, two = (local.replace(tzinfo=place, fold=fold).astimezone(UTC) for fold in (0, 1))
    if one <= two:
        return two if later else one
    while one - two > timedelta(seconds=1):  # skipped: `two` is before the change and `one` is not
        middle = two + timedelta(seconds=(one - two) // timedelta(seconds=2))
        before = middle.astimezone(place).replace(tzinfo=None) < local
        two, one = (middle, one) if before else (two, middle)
    return one


def _overlap(left: Sequence[Span], right: Sequence[Span]) -> list[Span]:
    found = []
    i = j = 0
    while i < len(left) and j < len(right):
        begins, ends = max(left[i][0], right[j][0]), min(left[i][1], right[j][1])
        if begins < ends:
            found.append((begins, ends))
        if left[i][1] < right[j][1]:
            i += 1
        else:
            j += 1
    return found
