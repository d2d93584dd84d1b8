"""The law of permitted hours: an instant is in a window exactly when every zone's clock and calendar allow it."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import holidays
from hypothesis import given, settings
from hypothesis import strategies as st

from waves.bans import Ban
from waves.hours import Kind, open_windows
from waves.hours_set import HoursSet, accepting

STEP = timedelta(minutes=15)
"""Every zone's clock reads a quarter of an hour on a quarter of UTC, and every window drawn ends on a half."""
CHANGES = [
    ("Europe/London", date(2026, 3, 29)),
    ("Europe/London", date(2026, 10, 25)),
    ("America/New_York", date(2026, 11, 1)),
    ("Australia/Sydney", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 4, 5)),
    ("Australia/Lord_Howe", date(2026, 10, 4)),
    ("Africa/Cairo", date(2026, 4, 24)),
    ("Africa/Cairo", date(2026, 10, 30)),
    ("America/Santiago", date(2026, 4, 5)),
    ("America/Havana", date(2026, 11, 1)),
    ("Asia/Kathmandu", date(2026, 12, 25)),
    ("Pacific/Kiritimati", date(2026, 12, 25)),
    ("Pacific/Apia", date(2011, 12, 30)),  # a whole day skipped
]
COUNTRIES = {
    "Europe/London": {"GB", "GG", "IM", "JE"},
    "America/New_York": {"US"},
    "Australia/Sydney": {"AU"},
    "Australia/Lord_Howe": {"AU"},
    "Africa/Cairo": {"EG"},
    "America/Santiago": {"CL"},
    "America/Havana": {"CU"},
    "Asia/Kathmandu": {"NP"},
    "Pacific/Kiritimati": {"KI"},
    "Pacific/Apia": {"WS"},
}
"""Of tzdata's zone1970.tab and its links."""
PLACES = ("US", "US-TX", "GB", "UA", "AU", "CL", "EG")
Day = list[tuple[int, int]]


@st.composite
def a_day(draw: st.DrawFn) -> Day:
    """Up to two windows on the half hours; often about the hours when clocks change, often the whole day."""
    if draw(st.booleans()):
        return draw(st.sampled_from([[], [(0, 48)], [(18, 40)], [(0, 3)], [(3, 48)], [(46, 48)]]))
    marks = sorted(draw(st.sets(st.integers(0, 8) | st.integers(40, 48), min_size=4, max_size=4)))
    return draw(st.sampled_from([[(marks[0], marks[3])], [(marks[0], marks[1]), (marks[2], marks[3])]]))


@st.composite
def a_row(draw: st.DrawFn, place: str) -> dict[str, Any]:
    week = {"mon_fri": draw(a_day()), "sat": draw(a_day()), "sun": draw(a_day())}
    asked = draw(st.sampled_from(["local", "none", ["US-TX"]]))
    holiday = draw(st.sampled_from(["inherit", "weekend"]) | a_day())
    reviewed = draw(st.sampled_from([True, True, True, False]))
    return {"for": place, **week, "holiday": holiday, "holidays": asked, "reviewed": reviewed}


@st.composite
def a_ban(draw: st.DrawFn, start: datetime) -> dict[str, Any]:
    """Around the days that are looked at, sometimes over all of them."""
    begins = start + STEP * draw(st.integers(-80, 120))
    stops = draw(st.sampled_from(["calls", "messages", "both"]))
    ends = begins + STEP * draw(st.integers(1, 120))
    return {"place": draw(st.sampled_from((*PLACES, "everywhere"))), "from": begins, "until": ends, "stops": stops}


@st.composite
def a_case(draw: st.DrawFn) -> dict[str, Any]:
    zone, day = draw(st.sampled_from(CHANGES))
    local = draw(st.lists(st.sampled_from(PLACES), max_size=2, unique=True))
    rows = [draw(a_row(place)) for place in ("everywhere", *local)]
    start = datetime(day.year, day.month, day.day, tzinfo=UTC) + STEP * draw(st.integers(-144, 48))
    return {
        "rows": rows,
        "zones": [zone, *draw(st.lists(st.sampled_from([zone for zone, _ in CHANGES]), max_size=1))],
        "places": draw(st.lists(st.sampled_from(PLACES), min_size=1, max_size=2)),
        "start": start,
        "end": start + STEP * draw(st.integers(1, 200)),
        "accepted": draw(st.lists(st.sampled_from(("everywhere", *PLACES)), max_size=2)),
        "elsewhere": draw(st.sampled_from(["open", "open", "closed"])),
        "bans": draw(st.lists(a_ban(start), max_size=2)),
        "kind": draw(st.sampled_from(list(Kind))),
    }


def half_hours(count: int) -> str:
    return f"{count // 2:02d}:{count % 2 * 30:02d}"


def written(row: Mapping[str, Any]) -> dict[str, Any]:
    """The row as its author would write it."""

    def windows(day: Any) -> Any:
        return day if isinstance(day, str) else [[half_hours(a), half_hours(b)] for a, b in day] or None

    hours = {kind: windows(row[kind]) for kind in ("mon_fri", "sat", "sun", "holiday")}
    review = {"by": "a test", "on": "2026-11-24"}
    more = {
        "for": row["for"],
        "holidays": row["holidays"],
        "source": "drawn",
        "as_of": "2026-11-24",
        "reviewed": review if row["reviewed"] else "no",
    }
    return {"messages": hours, "calls": hours, **more}


def candidate_places(zones: Sequence[str], given_places: Sequence[str]) -> set[str]:
    """The places, their countries, and the countries of zones that lie in none of these."""
    countries = {place.partition("-")[0] for place in given_places}
    elsewhere = [COUNTRIES[zone] for zone in zones if not COUNTRIES[zone] & countries]
    return {*given_places, *countries, *(country for each in elsewhere for country in each)}


@cache
def calendar(place: str, year: int) -> frozenset[date]:
    return frozenset(holidays.country_holidays(*place.split("-"), years=year))


def is_holiday(row: Mapping[str, Any], places: Collection[str], day: date) -> bool:
    if row["holidays"] == "none":
        return False
    more = row["holidays"] if isinstance(row["holidays"], list) else []
    return any(day in calendar(place, day.year) for place in (*places, *more))


def reads_open(row: Mapping[str, Any], places: Collection[str], wall: datetime) -> bool:
    """Whether a clock on the wall that reads this is inside one of the row's windows."""
    day: Any = row["sat"] if wall.weekday() == 5 else row["sun"] if wall.weekday() == 6 else row["mon_fri"]
    half_hour, holiday = wall.hour * 2 + wall.minute // 30, is_holiday(row, places, wall.date())

    def within(windows: Day) -> bool:
        return any(a <= half_hour < b for a, b in windows)

    if holiday and row["holiday"] == "weekend":
        return within(day) if wall.weekday() > 4 else within(row["sat"]) and within(row["sun"])
    return within(row["holiday"] if holiday and row["holiday"] != "inherit" else day)


def allows(row: Mapping[str, Any], places: Collection[str], zone: str, at: datetime) -> bool:
    """Whether a row is open at an instant: of an hour that comes twice, the first pass only if it was open before the
    hour and ever since, the second only if it stays open to the hour's end.
    """
    place = ZoneInfo(zone)

    def opens(moment: datetime) -> bool:
        return reads_open(row, places, moment.astimezone(place))

    def twice(moment: datetime) -> bool:
        wall = moment.astimezone(place)
        return wall.replace(fold=0).utcoffset() > wall.replace(fold=1).utcoffset()  # type: ignore[operator]

    step = STEP if at.astimezone(place).fold else -STEP
    while opens(at) and twice(at):
        at += step
        if step > STEP * 0 and not twice(at):
            return True
    return opens(at)


def may_be_there(place: str, places: Collection[str]) -> bool:
    country, _, part = place.partition("-")
    parts = [each for each in places if each.startswith(f"{country}-")]
    return place in places or bool(part and country in places and not parts)


def binding_rows(case: Mapping[str, Any], places: Collection[str]) -> list[Mapping[str, Any]]:
    strict = case["elsewhere"] == "closed"
    return [
        row
        for row in case["rows"]
        if row["for"] in ("everywhere", *places) or (strict and may_be_there(row["for"], places))
    ]


def lets_nobody_out(case: Mapping[str, Any], places: Collection[str]) -> bool:
    """A binding row that nobody reviewed and the plan does not accept, or a country of which the set says nothing."""
    told = {row["for"].partition("-")[0] for row in case["rows"]}
    unread = [row for row in binding_rows(case, places) if not row["reviewed"] and row["for"] not in case["accepted"]]
    return bool(unread) or (case["elsewhere"] == "closed" and not {place.partition("-")[0] for place in places} <= told)


def banned(case: Mapping[str, Any], places: Collection[str], at: datetime) -> bool:
    kinds = ("both", "messages" if case["kind"] == Kind.MESSAGE else "calls")
    return any(
        ban["from"] <= at < ban["until"]
        and ban["stops"] in kinds
        and (ban["place"] == "everywhere" or may_be_there(ban["place"], places))
        for ban in case["bans"]
    )


@settings(max_examples=150, deadline=None)
@given(case=a_case())
def test_an_instant_is_permitted_exactly_when_every_clock_and_calendar_allow_it(case: dict[str, Any]) -> None:
    """And nothing of it is banned, and no row that binds is left unreviewed, unless the plan accepts it by name."""
    rows = [written(row) for row in case["rows"]]
    chosen = HoursSet.model_validate({"title": "Drawn", "elsewhere": case["elsewhere"], "rows": rows})
    taken = accepting(chosen, case["accepted"])
    bans = [
        Ban.model_validate(
            {**ban, "why": "drawn", "source": "drawn"}
            | {key: f"{ban[key]:%Y-%m-%d %H:%M} UTC" for key in ("from", "until")}
        )
        for ban in case["bans"]
    ]
    asked = (case["kind"], case["zones"], case["places"], case["start"], case["end"])
    found = open_windows(taken, *asked, bans)
    assert found is not None
    assert all(case["start"] <= opens < closes <= case["end"] for opens, closes in found)
    assert all(one[1] < two[0] for one, two in pairwise(found))

    places = candidate_places(case["zones"], case["places"])
    binding, shut = binding_rows(case, places), lets_nobody_out(case, places)
    at = case["start"]
    while at < case["end"]:
        allowed = not shut and not banned(case, places, at)
        allowed = allowed and all(allows(row, places, zone, at) for row in binding for zone in case["zones"])
        inside = any(opens <= at and at + STEP <= closes for opens, closes in found)
        touched = any(opens < at + STEP and at < closes for opens, closes in found)
        assert (inside, touched) == (allowed, allowed), at
        at += STEP
