"""Abandoned calls: each region's measure and window, the bound, and the gate's word."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waves.abandonment import (
    HANDLED,
    AbandonmentRow,
    AbandonmentRules,
    Answers,
    HouseLimits,
    Limits,
    Measure,
    Window,
    Word,
    abandoned_of,
    answers_of,
    limits_of,
    row_for,
    standing,
    upper_bound,
    window_at,
)
from waves.dispositions import Disposition as D

HOUSE = HouseLimits(soft=0.02, hard=0.028, from_answered=50)
HERE = limits_of(HOUSE, None)


def row(place: str, window: Window = "24_hours", **more: object) -> AbandonmentRow:
    told = {"for": place, "window": window, "source": "a test", "as_of": date(2026, 11, 1), "reviewed": "no"}
    return AbandonmentRow.model_validate({**told, **more})


@pytest.mark.parametrize(
    ("answers", "counts", "share"),
    [
        (Answers(9, 29, 7), "ofcom_acr", 0.6444),
        (Answers(9, 29, 0), "ofcom_acr", 29 / 38),
        (Answers(9, 29, 7), "answered_by_live_person", 29 / 38),
        (Answers(97, 3), "answered_by_live_person", 0.03),
    ],
)
def test_each_measure_has_its_denominator(answers: Answers, counts: Measure, share: float) -> None:
    lost, answered = abandoned_of(answers, counts)
    assert lost / answered == pytest.approx(share, abs=5e-5)


def test_the_sheets_acr() -> None:
    assert abandoned_of(Answers(9, 29, 7), "ofcom_acr") == (16.3125, 25.3125)


def test_only_machines_leave_nothing_to_judge() -> None:
    assert abandoned_of(Answers(0, 5, 3), "ofcom_acr") == (0.0, 0.0)


def test_dispositions_become_answers() -> None:
    counts = {D.SALE: 3, D.HUNG_UP: 2, D.WRONG_NUMBER: 1, D.ABANDONED: 4, D.MACHINE: 50, D.NO_ANSWER: 90, D.DEAD_AIR: 1}
    assert answers_of(counts, machines=7) == Answers(live=6, abandoned=4, machines=7)
    assert {d for d in D if d < D.ABANDONED} == HANDLED


START = datetime(2026, 1, 31, 15, 0, tzinfo=UTC)
TICK = timedelta(microseconds=1)
KYIV = ZoneInfo("Europe/Kyiv")


@pytest.mark.parametrize(
    ("window", "days", "first", "last"),
    [
        ("each_30_days", 0, START, START + timedelta(days=30)),
        ("each_30_days", 29.9, START, START + timedelta(days=30)),
        ("each_30_days", 30, START + timedelta(days=30), START + timedelta(days=60)),
        ("each_30_days", 95, START + timedelta(days=90), START + timedelta(days=120)),
        ("24_hours", 3, START + timedelta(days=2) + TICK, START + timedelta(days=3) + TICK),
        ("calendar_month", 0, datetime(2025, 12, 31, 22, tzinfo=UTC), datetime(2026, 1, 31, 22, tzinfo=UTC)),
        ("calendar_month", 0.3, datetime(2026, 1, 31, 22, tzinfo=UTC), datetime(2026, 2, 28, 22, tzinfo=UTC)),
        ("calendar_month", 58, datetime(2026, 2, 28, 22, tzinfo=UTC), datetime(2026, 3, 31, 21, tzinfo=UTC)),
    ],
)
def test_windows(window: Window, days: float, first: datetime, last: datetime) -> None:
    assert window_at(window, START, START + timedelta(days=days), KYIV) == (first, last)


@given(st.sampled_from(["each_30_days", "calendar_month"]), st.integers(0, 400 * 24 * 60))
def test_a_moment_lies_in_its_window_and_windows_do_not_overlap(window: Window, minutes: int) -> None:
    at = START + timedelta(minutes=minutes)
    first, last = window_at(window, START, at, KYIV)
    assert first <= at < last
    assert window_at(window, START, first, KYIV) == (first, last)
    assert window_at(window, START, last, KYIV)[0] == last


@pytest.mark.parametrize(
    ("answers", "word"),
    [
        (Answers(0, 0), "ok"),
        (Answers(29, 20), "ok"),  # 49: too few to judge
        (Answers(30, 20), "hard"),
        (Answers(98, 2), "ok"),
        (Answers(97, 2), "soft"),
        (Answers(243, 7), "soft"),  # 2.8 % and no more
        (Answers(242, 7), "hard"),
    ],
)
def test_the_gates_word(answers: Answers, word: Word) -> None:
    assert standing(HERE, answers).word == word


def test_the_gate_tells_rate_bound_and_denominator() -> None:
    found = standing(HERE, Answers(970, 30))
    assert (found.rate, found.answered) == (0.03, 1000)
    assert found.upper == pytest.approx(0.0402, abs=5e-5)
    assert standing(HERE, Answers(0, 0)).upper == 1.0


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_the_bound_is_above_the_rate_and_comes_nearer_with_more_calls(answered: int, lost: int) -> None:
    lost = min(lost, answered)
    bound = upper_bound(lost, answered)
    assert lost / answered <= bound + 1e-12
    assert bound <= 1 + 1e-12
    assert upper_bound(10 * lost, 10 * answered) <= bound + 1e-12


@pytest.mark.parametrize(
    ("law", "limits"),
    [
        (None, Limits(0.02, 0.028, 50, "answered_by_live_person", "each_30_days")),
        (row("US", "each_30_days", limit=0.03), Limits(0.02, 0.028, 50, "answered_by_live_person", "each_30_days")),
        (row("GB", target=0.01, counts="ofcom_acr"), Limits(0.01, 0.028, 50, "ofcom_acr", "24_hours")),
        (
            row("CA", "calendar_month", limit=0.015),
            Limits(0.015, 0.015, 50, "answered_by_live_person", "calendar_month"),
        ),
    ],
)
def test_a_row_can_only_make_the_house_stricter(law: AbandonmentRow | None, limits: Limits) -> None:
    assert limits_of(HOUSE, law) == limits


def test_a_part_of_a_country_has_its_own_row_or_its_countrys() -> None:
    rules = AbandonmentRules(house=HOUSE, rows=(row("US"), row("US-TX")))
    found = {
        place: bound and bound.place for place in ("US", "US-TX", "US-CA", "GB") for bound in [row_for(rules, place)]
    }
    assert found == {"US": "US", "US-TX": "US-TX", "US-CA": "US", "GB": None}


def test_soft_above_hard_is_refused() -> None:
    with pytest.raises(ValueError, match="it has to warn before"):
        HouseLimits(soft=0.03, hard=0.028, from_answered=50)
