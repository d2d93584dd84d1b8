"""Emergency bans and the rules of the law: who may be in a place, what a ban stops, what a plan accepts."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from tests.hours_rows import ALL_DAY, HOUSE, days, row, rules, utc
from waves.bans import Ban
from waves.hours import Kind, explain, next_open, open_windows
from waves.hours_set import HoursSet, accepted_rows, accepting, may_be_in, rules_id

CHICAGO = ["America/Chicago"]


def ban(place: str = "US-LA", stops: str = "both", **more: Any) -> Ban:
    fixed = {"from": "2026-12-01 12:00 America/Chicago", "until": "2026-12-02 12:00 America/Chicago"}
    return Ban.model_validate(
        {"place": place, "stops": stops, "why": "a hurricane", "source": "R-29617"} | fixed | more
    )


@pytest.mark.parametrize(
    ("place", "places", "expected"),
    [
        ("US-LA", ["US", "US-LA"], True),
        ("US-LA", ["US", "US-TX"], False),
        ("US-LA", ["US"], True),  # in no known part of the country, so maybe there
        ("US-LA", ["GB", "GB-ENG", "US"], True),
        ("US-LA", ["GB"], False),
        ("US", ["US", "US-TX"], True),
        ("US", ["GB"], False),
        ("US-LA", [], True),  # nobody knows where
    ],
)
def test_who_may_be_in_a_place(place: str, places: list[str], expected: bool) -> None:
    assert may_be_in(place, places) == expected


@pytest.mark.parametrize(
    ("one", "places", "kinds"),
    [
        (ban(), ["US", "US-LA"], {Kind.MESSAGE, Kind.CALL}),
        (ban(stops="calls"), ["US", "US-LA"], {Kind.CALL}),
        (ban(stops="messages"), ["US", "US-LA"], {Kind.MESSAGE}),
        (ban(), ["US"], {Kind.MESSAGE, Kind.CALL}),
        (ban("everywhere"), ["GB"], {Kind.MESSAGE, Kind.CALL}),
        (ban(), ["US", "US-TX"], set()),
        (ban("US"), ["US", "US-TX"], {Kind.MESSAGE, Kind.CALL}),
    ],
)
def test_what_a_ban_stops(one: Ban, places: list[str], kinds: set[Kind]) -> None:
    always = rules(row(days(ALL_DAY), calls=days(ALL_DAY)))
    start, end = utc("2026-12-01"), utc("2026-12-04")
    for kind in Kind:
        found = open_windows(always, kind, CHICAGO, places, start, end, [one])
        cut = [(start, one.since.at), (one.until.at, end)]
        assert found == (cut if kind in kinds else [(start, end)])


def test_a_ban_is_explained_with_its_reason_and_end() -> None:
    asked = (rules(HOUSE), Kind.MESSAGE, CHICAGO, ["US", "US-LA"], utc("2026-12-01 19:00"))
    (blocked,) = explain(*asked, bans=[ban()])
    assert (blocked.place, blocked.why, blocked.ban) == ("US-LA", "a hurricane (R-29617)", True)
    assert blocked.until == utc("2026-12-02 18:00")
    assert next_open(*asked, bans=[ban()]) == (utc("2026-12-02 18:00"), utc("2026-12-03 02:00"))
    assert explain(*asked) == []


@pytest.mark.parametrize(
    "more",
    [
        {"until": "2026-12-01 11:00 America/Chicago"},
        {"place": "US-XX"},
        {"stops": "none"},
        {"from": "2026-12-01 12:00"},
    ],
)
def test_a_ban_that_says_nothing_clear_is_refused(more: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        ban(**more)


def test_a_ban_is_on_from_its_first_moment_until_its_last() -> None:
    moments = ["2026-12-01 17:59", "2026-12-01 18:00", "2026-12-02 17:59", "2026-12-02 18:00"]
    asked = (rules(HOUSE), Kind.MESSAGE, CHICAGO, ["US", "US-LA"])
    blocked = [explain(*asked, utc(moment), bans=[ban()]) for moment in moments]
    assert [sum(one.ban for one in each) for each in blocked] == [0, 1, 1, 0]


UNREAD = rules(HOUSE, row(days(["12:00", "13:00"]), "US", reviewed="no"), row(days(ALL_DAY), "US-TX", reviewed="no"))
DAY = (utc("2026-12-01 06:00"), utc("2026-12-02 06:00"))


@pytest.mark.parametrize(
    ("accepted", "places", "expected"),
    [
        ([], ["US"], []),
        (["US"], ["US"], [(utc("2026-12-01 18:00"), utc("2026-12-01 19:00"))]),  # its hours bind all the same
        (["US"], ["US", "US-TX"], []),
        (["US-TX"], ["US", "US-TX"], []),
        (["US", "US-TX"], ["US", "US-TX"], [(utc("2026-12-01 18:00"), utc("2026-12-01 19:00"))]),
    ],
)
def test_an_unreviewed_row_binds_when_the_plan_accepts_it_by_name(
    accepted: list[str], places: list[str], expected: Any
) -> None:
    taken = accepting(UNREAD, accepted)
    assert open_windows(taken, Kind.MESSAGE, CHICAGO, places, *DAY) == expected
    assert [each.place for each in accepted_rows(taken)] == accepted


def test_what_is_accepted_is_part_of_the_rules_and_the_reviewed_rows_are_not() -> None:
    ids = {rules_id(accepting(UNREAD, accepted)) for accepted in ([], ["US"], ["US-TX"], ["US-TX", "US"])}
    assert len(ids) == 4
    assert accepting(UNREAD, ["everywhere", "GB"]) is UNREAD


CLOSED = HoursSet.model_validate(
    {
        "title": "Law",
        "elsewhere": "closed",
        "rows": [row(days(ALL_DAY)), row(days(ALL_DAY), "US"), row(days(None), "US-LA")],
    }
)


@pytest.mark.parametrize(
    ("zone", "places", "is_open"),
    [
        ("America/Chicago", ["US", "US-TX"], True),
        ("America/Chicago", ["US", "US-LA"], False),
        ("America/Chicago", ["US"], False),  # in no known state: the rows of all of them bind
        ("Europe/London", ["GB"], False),  # no row for the country
        ("Europe/London", ["US", "US-TX"], False),  # a zone of a country without a row
    ],
)
def test_a_set_that_is_closed_elsewhere(zone: str, places: list[str], is_open: bool) -> None:
    assert (next_open(CLOSED, Kind.MESSAGE, [zone], places, DAY[0]) is not None) == is_open


def test_a_country_without_a_row_is_named() -> None:
    found = explain(CLOSED, Kind.MESSAGE, ["Europe/London"], ["GB"], DAY[0])
    assert [(blocked.place, blocked.why, blocked.until) for blocked in found] == [
        ("GB", "this set has no row for it", None)
    ]


@pytest.mark.parametrize(
    ("at", "is_open"),
    [("2026-12-25 11:00", True), ("2026-12-25 09:30", False), ("2026-12-25 17:30", False), ("2026-12-24 09:30", True)],
)
def test_a_holiday_on_a_weekday_as_on_a_weekend(at: str, is_open: bool) -> None:
    hours = days(["09:00", "20:00"], sat=["10:00", "18:00"], sun=["10:00", "17:00"], holiday="weekend")
    found = next_open(rules(row(hours)), Kind.MESSAGE, ["Europe/London"], ["GB"], utc(at))
    assert (found is not None and found[0] == utc(at)) == is_open
