"""Permitted hours: clock changes, several zones and jurisdictions, holidays, and what makes hours unknown."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from tests.hours_rows import ALL_DAY, HOUSE, NINE, WEEK, days, row, rules, utc
from waves.hours import Kind, kind_of, open_windows, why_unknown
from waves.hours_set import HoursSet, rules_id
from waves.message import CHANNEL_CODES


def shown(
    chosen: HoursSet, zones: str, places: str, start: str, end: str, kind: Kind = Kind.MESSAGE
) -> list[str] | None:
    """The windows as `29 09:00 - 29 20:00` in UTC, the day of the month first."""
    found = open_windows(chosen, kind, zones.split(), places.split(), utc(start), utc(end))
    return None if found is None else [f"{opens:%d %H:%M} - {closes:%d %H:%M}" for opens, closes in found]


DAY_OF_CHANGE = [  # zone, local date, window, what is open in UTC from noon before to noon after
    ("Europe/London", "2026-03-29", ["09:00", "20:00"], ["29 08:00 - 29 19:00"]),
    ("Europe/London", "2026-03-29", ["01:30", "20:00"], ["29 01:00 - 29 19:00"]),  # 01:30 is skipped
    ("Europe/London", "2026-03-29", ["00:30", "01:30"], ["29 00:30 - 29 01:00"]),
    ("Europe/London", "2026-03-29", ["01:10", "01:50"], []),
    ("Europe/London", "2026-03-29", ["01:00", "02:00"], []),
    (
        "Europe/London",
        "2026-03-29",
        [["00:30", "01:15"], ["01:45", "08:00"]],
        ["29 00:30 - 29 07:00"],
    ),  # no gap is left
    ("Europe/London", "2026-10-25", ["09:00", "20:00"], ["25 09:00 - 25 20:00"]),
    ("Europe/London", "2026-10-25", ["01:30", "20:00"], ["25 01:30 - 25 20:00"]),  # 01:30 comes twice
    ("Europe/London", "2026-10-25", ["00:30", "01:30"], ["24 23:30 - 25 00:30"]),
    ("Europe/London", "2026-10-25", ["01:10", "01:50"], []),
    ("Europe/London", "2026-10-25", ["00:30", "03:00"], ["24 23:30 - 25 03:00"]),
    ("America/New_York", "2026-03-08", ["09:00", "20:00"], ["08 13:00 - 09 00:00"]),
    ("America/New_York", "2026-03-08", ["02:30", "20:00"], ["08 07:00 - 09 00:00"]),
    ("America/New_York", "2026-11-01", ["01:15", "20:00"], ["01 06:15 - 02 01:00"]),
    ("America/New_York", "2026-11-01", ["00:00", "01:15"], ["01 04:00 - 01 05:15"]),
    ("Australia/Sydney", "2026-04-05", ["09:00", "20:00"], ["04 23:00 - 05 10:00"]),
    ("Australia/Sydney", "2026-04-05", ["02:30", "03:30"], ["04 16:30 - 04 17:30"]),
    ("Australia/Sydney", "2026-10-04", ["09:00", "20:00"], ["03 22:00 - 04 09:00"]),
    ("Australia/Sydney", "2026-10-04", ["01:00", "02:45"], ["03 15:00 - 03 16:00"]),
    ("Africa/Cairo", "2026-04-24", ["00:00", "08:00"], ["23 22:00 - 24 05:00"]),  # from 00:00 to 01:00
    ("Africa/Cairo", "2026-10-29", ["20:00", "24:00"], ["29 17:00 - 29 22:00"]),  # from 24:00 to 23:00
    ("Africa/Cairo", "2026-10-29", ["23:30", "24:00"], ["29 21:30 - 29 22:00"]),
    ("Africa/Cairo", "2026-10-29", ["20:00", "23:30"], ["29 17:00 - 29 20:30"]),
    ("America/Santiago", "2026-09-06", ["00:30", "08:00"], ["06 04:00 - 06 11:00"]),
    ("America/Santiago", "2026-04-04", ["20:00", "24:00"], ["04 23:00 - 05 04:00"]),
    ("Australia/Lord_Howe", "2026-04-05", ["01:45", "09:00"], ["04 15:15 - 04 22:30"]),  # half an hour back
    ("Australia/Lord_Howe", "2026-10-04", ["02:15", "09:00"], ["03 15:30 - 03 22:00"]),  # half an hour on
    ("America/Havana", "2026-11-01", ["00:00", "08:00"], ["01 05:00 - 01 13:00"]),  # 00:00 comes twice
]


@pytest.mark.parametrize(("zone", "day", "window", "expected"), DAY_OF_CHANGE)
def test_a_day_when_clocks_change(zone: str, day: str, window: list[Any], expected: list[str]) -> None:
    changing = date.fromisoformat(day)
    shut = {"mon_fri": None, "sat": None, "sun": None}
    kind = {5: "sat", 6: "sun"}.get(changing.weekday(), "mon_fri")
    chosen = rules(row({**shut, kind: window, "holiday": "inherit"}))
    begins = datetime.combine(changing, time.min, ZoneInfo(zone)).astimezone(UTC)
    ends = datetime.combine(changing, time(23, 59), ZoneInfo(zone)).replace(fold=1).astimezone(UTC) + timedelta(
        minutes=1
    )
    found = open_windows(chosen, Kind.MESSAGE, [zone], [], begins, ends)
    assert found is not None
    assert [f"{opens:%d %H:%M} - {closes:%d %H:%M}" for opens, closes in found] == expected


SPANS: dict[str, tuple[HoursSet, str, str, str, str, list[str] | None]] = {
    "one zone": (rules(HOUSE), "Europe/London", "GB", "2026-12-01", "2026-12-02", ["01 09:00 - 01 20:00"]),
    "clipped": (
        rules(HOUSE),
        "Europe/London",
        "GB",
        "2026-12-01 10:00",
        "2026-12-02 09:30",
        ["01 10:00 - 01 20:00", "02 09:00 - 02 09:30"],
    ),
    "nothing asked": (rules(HOUSE), "Europe/London", "GB", "2026-12-01 10:00", "2026-12-01 10:00", []),
    "two candidate zones": (
        rules(HOUSE),
        "America/New_York America/Los_Angeles",
        "US",
        "2026-12-01",
        "2026-12-02",
        ["01 00:00 - 01 01:00", "01 17:00 - 02 00:00"],
    ),
    "zones that share no hour": (
        rules(row(days(["09:00", "12:00"]))),
        "Asia/Tokyo America/New_York",
        "US",
        "2026-12-01",
        "2026-12-08",
        [],
    ),
    "a week": (
        rules(HOUSE),
        "Europe/London",
        "GB",
        "2026-11-27",
        "2026-12-01",
        ["27 09:00 - 27 20:00", "28 09:00 - 28 20:00", "30 09:00 - 30 20:00"],
    ),
    "always open is one window": (
        rules(row(days(ALL_DAY))),
        "America/Havana",
        "CU",
        "2026-10-30",
        "2026-11-04",
        ["30 00:00 - 04 00:00"],
    ),
    "several windows a day": (
        rules(row(days([["14:00", "20:00"], ["10:00", "13:00"]]))),
        "Europe/London",
        "GB",
        "2026-12-01",
        "2026-12-02",
        ["01 10:00 - 01 13:00", "01 14:00 - 01 20:00"],
    ),
    "a state's row binds beside everywhere's": (
        rules(HOUSE, row(days(["12:00", "21:00"]), "US-TX"), row(days(["08:00", "18:00"]), "US")),
        "America/Chicago",
        "US US-TX",
        "2026-12-01",
        "2026-12-02",
        ["01 18:00 - 02 00:00"],
    ),
    "a state's row binds nobody else": (
        rules(HOUSE, row(days(None), "US-TX"), row(days(None), "DE")),
        "America/Chicago",
        "US US-IL",
        "2026-12-01 12:00",
        "2026-12-02",
        ["01 15:00 - 02 00:00"],
    ),
    "a state stands in its country": (
        rules(HOUSE, row(days(None), "US")),
        "America/Chicago",
        "US-IL",
        "2026-12-01",
        "2026-12-02",
        [],
    ),
    "a zone of a country not named adds it": (
        rules(HOUSE, row(days(None), "DE")),
        "America/New_York Europe/Berlin",
        "US",
        "2026-12-01",
        "2026-12-02",
        [],
    ),
    "a national holiday": (rules(HOUSE), "Europe/London", "GB", "2026-12-25", "2026-12-26", []),
    "a holiday of a state": (rules(HOUSE), "America/Chicago", "US US-TX", "2026-03-02 12:00", "2026-03-03 06:00", []),
    "that is none elsewhere": (
        rules(HOUSE),
        "America/Chicago",
        "US US-WI",
        "2026-03-02 12:00",
        "2026-03-03 06:00",
        ["02 15:00 - 03 02:00"],
    ),
    "a day off that stands for a Saturday": (
        rules(HOUSE),
        "America/New_York",
        "US",
        "2026-07-03 06:00",
        "2026-07-05 00:00",
        [],
    ),
    "a day off that stands for next year's": (
        rules(HOUSE),
        "America/New_York",
        "US",
        "2027-12-31 06:00",
        "2028-01-01 06:00",
        [],
    ),
    "one candidate's holiday counts for all": (
        rules(HOUSE),
        "Europe/London",
        "GB US",
        "2026-11-26",
        "2026-11-27",
        [],
    ),
    "a holiday as on that weekday": (
        rules(row(days(NINE))),
        "Europe/London",
        "GB",
        "2026-12-25",
        "2026-12-26",
        ["25 09:00 - 25 20:00"],
    ),
    "hours of holidays": (
        rules(row(days(NINE, holiday=["10:00", "12:00"]))),
        "Europe/London",
        "GB",
        "2026-12-25",
        "2026-12-26",
        ["25 10:00 - 25 12:00"],
    ),
    "holidays of a row's list": (
        rules(row(WEEK, holidays=["GB-ENG"])),
        "Europe/London",
        "GB",
        "2026-04-06",
        "2026-04-07",
        [],
    ),
    "the same day without the list": (
        rules(HOUSE),
        "Europe/London",
        "GB",
        "2026-04-06",
        "2026-04-07",
        ["06 08:00 - 06 19:00"],
    ),
    "no holidays": (
        rules(row(WEEK, holidays="none")),
        "Europe/London",
        "GB",
        "2026-12-25",
        "2026-12-26",
        ["25 09:00 - 25 20:00"],
    ),
    "holidays of the countries of the zone": (rules(HOUSE), "Europe/Berlin", "", "2026-10-03", "2026-10-04", []),
    "no zone": (rules(HOUSE), "", "GB", "2026-12-01", "2026-12-02", None),
    "a zone that is none": (rules(HOUSE), "Europe/London Mars/Base", "GB", "2026-12-01", "2026-12-02", None),
    "a folder of zones": (rules(HOUSE), "Europe", "GB", "2026-12-01", "2026-12-02", None),
    "no country": (rules(HOUSE), "UTC", "", "2026-12-01", "2026-12-02", None),
    "no country, and holidays do not matter": (
        rules(row(days(NINE))),
        "UTC",
        "",
        "2026-12-01",
        "2026-12-02",
        ["01 09:00 - 01 20:00"],
    ),
    "a country without a calendar": (rules(HOUSE), "Europe/London", "GB ZZ", "2026-12-01", "2026-12-02", None),
    "a calendar that ends": (rules(HOUSE), "Asia/Colombo", "LK", "2027-12-01", "2027-12-02", None),
    "not reviewed": (rules(row(WEEK, reviewed="no")), "Europe/London", "GB", "2026-12-01", "2026-12-02", []),
    "one row not reviewed": (
        rules(HOUSE, row(days(ALL_DAY), "GB", reviewed="no")),
        "Europe/London",
        "GB",
        "2026-12-01",
        "2026-12-02",
        [],
    ),
    "not reviewed for others": (
        rules(HOUSE, row(days(ALL_DAY), "US", reviewed="no")),
        "Europe/London",
        "GB",
        "2026-12-01",
        "2026-12-02",
        ["01 09:00 - 01 20:00"],
    ),
    "not reviewed and no zone": (rules(row(WEEK, reviewed="no")), "", "GB", "2026-12-01", "2026-12-02", None),
}


@pytest.mark.parametrize("case", SPANS)
def test_open_windows(case: str) -> None:
    chosen, zones, places, start, end, expected = SPANS[case]
    assert shown(chosen, zones, places, start, end) == expected
    unknown = why_unknown(chosen, Kind.MESSAGE, zones.split(), places.split(), utc(start), utc(end) - utc(start))
    assert (unknown is not None) == (expected is None)


def test_messages_and_calls_have_hours_of_their_own() -> None:
    chosen = rules(row(days(NINE), calls=days(["10:00", "12:00"])))
    asked = ("Europe/London", "GB", "2026-12-01", "2026-12-02")
    assert shown(chosen, *asked, Kind.MESSAGE) == ["01 09:00 - 01 20:00"]
    assert shown(chosen, *asked, Kind.CALL) == ["01 10:00 - 01 12:00"]
    kinds = {name: kind_of(code) for name, code in CHANNEL_CODES.items()}
    assert {name for name, kind in kinds.items() if kind == Kind.CALL} == {"call_list", "visit"}


def test_only_the_asked_kind_has_to_be_known() -> None:
    chosen = rules(row(days(NINE), calls=WEEK))
    asked = ("UTC", "", "2026-12-01", "2026-12-02")
    assert shown(chosen, *asked, Kind.MESSAGE) == ["01 09:00 - 01 20:00"]
    assert shown(chosen, *asked, Kind.CALL) is None


BOTH = rules(HOUSE, row(days(["12:00", "21:00"], holiday=None), "US-TX", holidays=["GB"], reviewed="no"))


def test_rules_read_back_are_the_same_rules() -> None:
    again = HoursSet.model_validate(BOTH.model_dump(mode="json", by_alias=True))
    assert (again, rules_id(again)) == (BOTH, rules_id(BOTH))
    assert rules_id(rules(HOUSE)) != rules_id(BOTH)


@pytest.mark.parametrize("rows", [[], [row(WEEK, "US")], [row(WEEK, "XX")], [row({"mon_fri": None})]])
def test_a_set_with_a_hole_is_refused(rows: list[dict[str, Any]]) -> None:
    with pytest.raises(ValidationError):
        rules(*rows)
