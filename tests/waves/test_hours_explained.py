"""What people are told of permitted hours: what blocks, until when, why they are unknown, where somebody may be."""

from __future__ import annotations

from typing import Any

import pytest

from tests.hours_rows import ALL_DAY, HOUSE, NINE, days, row, rules, utc
from waves.hours import Kind, explain, next_open, why_unknown
from waves.hours_set import candidates

UNKNOWN: list[tuple[list[str], list[str]]] = [
    ([], ["GB"]),
    (["Mars/Base"], ["GB"]),
    (["UTC"], []),
    (["UTC"], ["ZZ"]),
    (["UTC"], ["GB"]),
]


def test_an_unknown_is_told_in_words() -> None:
    chosen, at = rules(HOUSE), utc("2026-12-01")
    told = [why_unknown(chosen, Kind.MESSAGE, zones, places, at) for zones, places in UNKNOWN]
    assert told == [
        "no time zone is known",
        "Mars/Base is no time zone",
        "the row for everywhere asks for holidays, and the customer's country is not known",
        "the row for everywhere asks for holidays, and there is no calendar for these days of one of ZZ",
        None,
    ]


ZONES = ("America/New_York", "America/Chicago")
TEXAS = rules(HOUSE, row(days(["12:00", "21:00"], holiday=None), "US-TX"), row(days(NINE), "GB", reviewed="no"))
EXPLAINED = [  # instant in UTC, the rows and zones that block, with local time, day, what the day allows, until when
    ("2026-12-01 20:00", []),
    (
        "2026-12-01 15:00",
        [
            "US-TX America/New_York 10:00 Tuesday 12:00-21:00 until 01 17:00",
            "US-TX America/Chicago 09:00 Tuesday 12:00-21:00 until 01 18:00",
        ],
    ),
    ("2026-12-02 01:30", ["everywhere America/New_York 20:30 Tuesday 09:00-20:00 until 02 14:00"]),
    (
        "2026-03-02 18:30",
        [
            "everywhere America/New_York 13:30 Texas Independence Day closed until 03 14:00",
            "everywhere America/Chicago 12:30 Texas Independence Day closed until 03 15:00",
            "US-TX America/New_York 13:30 Texas Independence Day closed until 03 17:00",
            "US-TX America/Chicago 12:30 Texas Independence Day closed until 03 18:00",
        ],
    ),
]


@pytest.mark.parametrize(("at", "expected"), EXPLAINED)
def test_what_blocks_is_explained(at: str, expected: list[str]) -> None:
    blocked = explain(TEXAS, Kind.MESSAGE, ZONES, ["US", "US-TX"], utc(at))
    assert [f"{b.place} {b.zone} {b.local:%H:%M} {b.day} {b.why} until {b.until:%d %H:%M}" for b in blocked] == expected


def test_a_row_that_nobody_reviewed_is_explained() -> None:
    (blocked,) = explain(TEXAS, Kind.MESSAGE, ["Europe/London"], ["GB"], utc("2026-12-01 12:00"))
    assert (blocked.place, blocked.why, blocked.until) == ("GB", "nobody has reviewed this row", None)


NEXT = [
    (HOUSE, "2026-12-01 10:00", ("01 10:00", "01 20:00")),
    (HOUSE, "2026-12-01 20:00", ("02 09:00", "02 20:00")),
    (HOUSE, "2026-12-24 20:00", ("29 09:00", "29 20:00")),  # Christmas, Boxing Day, Sunday, its day off
    (row(days(ALL_DAY)), "2026-12-01 10:00", ("01 10:00", "15 10:00")),
    (row(days(None)), "2026-12-01 10:00", None),
]


@pytest.mark.parametrize(("only", "at", "expected"), NEXT)
def test_the_next_window(only: dict[str, Any], at: str, expected: tuple[str, str] | None) -> None:
    found = next_open(rules(only), Kind.MESSAGE, ["Europe/London"], ["GB"], utc(at))
    assert (found and tuple(f"{each:%d %H:%M}" for each in found)) == expected


CANDIDATES = [
    ("Europe/London", "GB", "GB"),
    ("America/Chicago", "US-TX", "US US-TX"),
    ("Europe/Copenhagen", "", "DK"),
    ("America/Phoenix", "", "CA US"),
    ("America/Phoenix", "US", "US"),
    ("Europe/Berlin", "US", "DE DK NO SE SJ US"),
    ("UTC", "US", "US"),
    ("UTC", "", ""),
]


@pytest.mark.parametrize(("zones", "given_places", "expected"), CANDIDATES)
def test_the_candidate_jurisdictions(zones: str, given_places: str, expected: str) -> None:
    assert " ".join(candidates(zones.split(), given_places.split())) == expected
