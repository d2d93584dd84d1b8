"""When a customer may be contacted: the permitted windows in UTC, by rules of hours and emergency bans."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from enum import IntEnum
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from waves.bans import Ban, binding_bans
from waves.calendars import holidays_between
from waves.day_hours import Days, in_words
from waves.hours_set import HoursRow, HoursSet, binding, candidates, without_a_row
from waves.message import CHANNEL_CODES

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
    ban: bool = False
    """Whether it is a ban and no row."""


class _Unknown(Exception):
    """The hours of a customer cannot be told."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """A rule that binds in one zone, and when it allows a contact; `why` it does not, where that is not its hours."""

    place: str
    zone: str
    spans: tuple[Span, ...]
    row: HoursRow | None = None
    why: str = ""
    ban: bool = False


def open_windows(
    rules: HoursSet,
    kind: Kind,
    zones: Sequence[str],
    jurisdictions: Sequence[str],
    start: datetime,
    end: datetime,
    bans: Sequence[Ban] = (),
) -> list[Span] | None:
    """When every binding row and ban allows a contact in every zone, merged within [start, end); None: unknown.

    Unknown: no zone, one that does not exist, or a rule about holidays with no calendar to ask. Where clocks change,
    a window that would begin in the hour that is skipped begins after it, one in the hour that comes twice at the
    second; it ends before the one and at the first of the other.
    """
    try:
        asked = _asked(rules, kind, zones, jurisdictions, bans, start, end)
    except _Unknown:
        return None
    allowed = [(start.astimezone(UTC), end.astimezone(UTC))] if start < end else []
    for each in asked:
        allowed = _overlap(allowed, each.spans)
    return allowed


def why_unknown(
    rules: HoursSet,
    kind: Kind,
    zones: Sequence[str],
    jurisdictions: Sequence[str],
    at: datetime,
    within: timedelta = AHEAD,
    bans: Sequence[Ban] = (),
) -> str | None:
    """Why nobody can tell the hours of a customer from this instant on; None when they are known."""
    try:
        _asked(rules, kind, zones, jurisdictions, bans, at, at + within)
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
    bans: Sequence[Ban] = (),
) -> Span | None:
    """The window that is open at this instant, from it on, or else the next; None: none within, or hours unknown."""
    found = open_windows(rules, kind, zones, jurisdictions, at, at + within, bans)
    return next(iter(found or ()), None)


def explain(
    rules: HoursSet,
    kind: Kind,
    zones: Sequence[str],
    jurisdictions: Sequence[str],
    at: datetime,
    within: timedelta = AHEAD,
    bans: Sequence[Ban] = (),
) -> list[Blocked]:
    """Each row, ban and zone that shuts the customer's hours at this instant; none when open, or unknown."""
    try:
        asked = _asked(rules, kind, zones, jurisdictions, bans, at, at + within)
    except _Unknown:
        return []
    places = candidates(zones, jurisdictions)
    found = []
    for each in asked:
        coming = [span for span in each.spans if span[1] > at]
        if not coming or coming[0][0] > at:
            until = coming[0][0] if coming and coming[0][0] < at + within else None
            found.append(_blocked(each, kind, places, at, until))
    return found


def _blocked(each: _Asked, kind: Kind, places: Sequence[str], at: datetime, until: datetime | None) -> Blocked:
    local = at.astimezone(ZoneInfo(each.zone))
    day, why = f"{local:%A}", each.why
    if each.row is not None:
        names = _row_holidays(each.row, kind, places, local.date(), local.date()) or {}
        day = names.get(local.date(), day)
        why = why or in_words(days_of(each.row, kind).on(local.date(), local.date() in names))
    return Blocked(each.place, each.zone, local, day, why, until, each.ban)


def days_of(row: HoursRow, kind: Kind) -> Days:
    """The hours that a message or a call keeps."""
    return row.messages if kind == Kind.MESSAGE else row.calls


def _asked(
    rules: HoursSet,
    kind: Kind,
    zones: Sequence[str],
    given: Sequence[str],
    bans: Sequence[Ban],
    start: datetime,
    end: datetime,
) -> list[_Asked]:
    """Each binding row and ban in each zone, and when it allows a contact around [start, end)."""
    if not zones:
        raise _Unknown("no time zone is known")
    for zone in zones:
        if zone_of(zone) is None:
            raise _Unknown(f"{zone} is no time zone")
    places = candidates(zones, given)
    rows = binding(rules, places)
    shut: list[tuple[str, HoursRow | None, str]]
    shut = [(country, None, "this set has no row for it") for country in without_a_row(rules, places)]
    shut += [(row.place, row, "nobody has reviewed this row") for row in rows if not rules.holds(row)]
    first, last = (start - MARGIN).date(), (end + MARGIN).date()
    asked = [
        _Asked(ban.place, zone, _around(ban, start - MARGIN, end + MARGIN), None, f"{ban.why} ({ban.source})", True)
        for ban in binding_bans(bans, kind == Kind.MESSAGE, places)
        for zone in zones
    ]
    if shut:
        return asked + [_Asked(place, zone, (), row, why) for place, row, why in shut for zone in zones]
    for row in rows:
        named = _row_holidays(row, kind, places, first, last)
        if named is None:
            raise _Unknown(f"the row for {row.place} asks for holidays, and {_no_calendar(row, places)}")
        off = frozenset(named)
        asked += [_Asked(row.place, zone, _spans(days_of(row, kind), zone, off, first, last), row) for zone in zones]
    return asked


def _around(ban: Ban, start: datetime, end: datetime) -> tuple[Span, ...]:
    """What a ban leaves of a span."""
    before, after = (start, min(end, ban.since.at)), (max(start, ban.until.at), end)
    return tuple((begins.astimezone(UTC), ends.astimezone(UTC)) for begins, ends in (before, after) if begins < ends)


def _no_calendar(row: HoursRow, places: Sequence[str]) -> str:
    if not places:
        return "the customer's country is not known"
    more = () if isinstance(row.holidays, str) else row.holidays
    return f"there is no calendar for these days of one of {', '.join((*places, *more))}"


def _row_holidays(
    row: HoursRow, kind: Kind, places: Sequence[str], first: date, last: date
) -> Mapping[date, str] | None:
    if days_of(row, kind).holiday == "inherit" or row.holidays == "none":
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
