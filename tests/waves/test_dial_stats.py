"""The rates of a dial desk by hand: what each is a share of, its interval, and when it is not shown."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from waves.dial_stats import (
    FEW,
    NOT_BY_PERSON,
    NOT_TOLD,
    Ended,
    People,
    Promised,
    Rate,
    count,
    local_time,
    rates,
    share,
)
from waves.dispositions import DIALS, LIVE
from waves.dispositions import Disposition as D

ENDED = [
    Ended(D.SALE, 20, converted=18, by_agent=20, timed=20, timed_converted=18, seconds=7200.0),
    Ended(D.NOT_INTERESTED, 20, by_agent=20, timed=16, seconds=3600.0),
    Ended(D.WRONG_NUMBER, 10, by_agent=10),
    Ended(D.ABANDONED, 10),
    Ended(D.NO_ANSWER, 100),
    Ended(D.MACHINE, 38),
    Ended(D.AGENT_ERROR, 2),
    Ended(D.SUPPRESSED_RULE, 7),
    Ended(D.NOT_ATTEMPTED, 3),
]
PEOPLE = People(loaded=160, attempted=150, attempts=200, contacted=45, converted=18, complete=40)


def test_every_rate_by_hand() -> None:
    found = rates(ENDED, PEOPLE, Promised(due=40, kept=36))
    fractions = {name: (rate.numerator, rate.denominator, rate.value) for name, rate in found.items()}
    assert fractions == {
        "hit": (60, 200, 0.3),
        "contact": (50, 200, 0.25),
        "contact_by_person": (45, 150, 0.3),
        "right_party": (40, 200, 0.2),
        "conversion_per_right_party": (18, 40, 0.45),
        "conversion_per_record": (18, 160, 0.1125),
        "conversions_per_agent_hour": (18, 3.0, 6.0),
        "penetration": (150, 160, 0.9375),
        "depth": (200, 160, 1.25),
        "completion": (40, 160, 0.25),
        "callbacks_kept": (36, 40, 0.9),
    }
    assert found["conversions_per_agent_hour"].n == 36, "timed calls"
    assert (found["depth"].low, found["depth"].high) == (None, None)
    assert (count(ENDED), count(ENDED, LIVE)) == (200, 60)


def test_intervals_are_wilsons() -> None:
    of_sheet = share(312, 400)  # measurement.md, CSAT
    assert (of_sheet.value, of_sheet.low, of_sheet.high) == pytest.approx((0.78, 0.7368, 0.8178), abs=5e-5)
    assert (share(0, 30).low, share(30, 30).high) == (0, 1)
    assert share(0, 30).high == pytest.approx(1 - share(30, 30).low)  # type: ignore[operator]
    hourly = rates([Ended(D.SALE, 30, 10, 30, 30, 10, 3600.0)], None, Promised())["conversions_per_agent_hour"]
    # 10 + z²/2 ± z √(10 + z²/4) with z² = 3.8415: √10.9604 = 3.3106, times 1.9600
    assert (hourly.low, hourly.high) == pytest.approx((11.9207 - 6.4887, 11.9207 + 6.4887), abs=1e-3)


def test_a_rate_of_fewer_than_thirty_is_not_shown_and_its_counts_are() -> None:
    assert share(29, 29) == Rate(29, 29, 29, None, None, None, FEW)
    assert share(29, 30).value is not None
    found = rates([Ended(D.SALE, 29, 29, 29, 29, 29, 3600.0)], People(29, 29, 29, 29, 29, 29), Promised(29, 29))
    assert {rate.reason for rate in found.values()} == {FEW}
    assert all(rate.value is rate.low is rate.high is None for rate in found.values())
    assert rates([], None, Promised())["hit"] == Rate(0, 0, 0, None, None, None, FEW)


def test_what_cannot_be_known_says_why() -> None:
    without_people, silent = rates(ENDED, None, Promised()), rates(ENDED, PEOPLE, Promised(), told=False)
    of_people = {"contact_by_person", "conversion_per_record", "penetration", "depth", "completion"}
    assert {name for name, rate in without_people.items() if rate.reason == NOT_BY_PERSON} == of_people
    assert {name for name, rate in silent.items() if rate.reason == NOT_TOLD} == {
        "conversion_per_right_party",
        "conversion_per_record",
        "conversions_per_agent_hour",
    }
    untimed = [Ended(D.SALE, 40, 40, 40, 40, 40, 0.0)]
    assert rates(untimed, None, Promised())["conversions_per_agent_hour"].reason == "no time was reported"


def test_a_moment_by_the_customers_clock() -> None:
    at = datetime(2026, 12, 1, 3, 30, tzinfo=UTC)
    assert local_time(["America/New_York"], at, "%H") == "22"
    assert local_time(["America/New_York"], at, "%Y-%m-%d") == "2026-11-30"
    assert local_time(["America/Boise", "America/Denver"], at, "%H") == "20", "two zones, one clock"
    assert local_time(["America/Denver", "America/Los_Angeles"], at, "%H") is None
    assert local_time(["America/Denver", "America/Los_Angeles"], at, "%Y-%m-%d") == "2026-11-30"
    assert local_time([], at, "%H") is None
    assert local_time(["Asia/Kathmandu"], at, "%H:%M") == "09:15"
    assert D.AGENT_ERROR in DIALS
