"""What ranks a call list: the value of an agent hour, the slots of the week, the share that is drawn by lot."""

from __future__ import annotations

from datetime import datetime
from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waves.call_slots import SLOTS, slot_of
from waves.dial_value import CallTimes, value_by_dialler, value_by_preview
from waves.exploration import explorers, p_assign

TIMES = CallTimes(handle=180, preview=10, ring=12, no_answer=25)


def test_an_agent_hour_is_worth_what_its_calls_bring() -> None:
    """By hand: p .2, c .1, v 50: 1 a call, 10 + 2.4 + 20 s of waiting and 36 s of talking."""
    assert value_by_preview(0.2, 0.1, 50.0, TIMES) == pytest.approx(3600 * 1.0 / 68.4)
    assert value_by_dialler(0.2, 0.1, 50.0, TIMES, dial_cost=0.05) == pytest.approx(3600 * (5 - 0.25) / 180)


def test_who_answers_seldom_costs_an_agent_that_waits_and_hardly_a_dialler() -> None:
    seldom, often = (0.05, 0.2, 50.0), (0.4, 0.1, 50.0)
    assert value_by_preview(*often, TIMES) > value_by_preview(*seldom, TIMES)
    assert value_by_dialler(*seldom, TIMES) > value_by_dialler(*often, TIMES)


@pytest.mark.parametrize(
    ("local", "slot"),
    [
        ("2026-12-04 08:59", "weekday 09-12"),
        ("2026-12-04 11:59", "weekday 09-12"),
        ("2026-12-04 12:00", "weekday 12-14"),
        ("2026-12-04 16:59", "weekday 14-17"),
        ("2026-12-04 18:30", "weekday 17-19"),
        ("2026-12-05 20:59", "saturday 19-21"),
        ("2026-12-05 23:00", "saturday 19-21"),
        ("2026-12-06 13:00", "sunday 12-14"),
        ("2026-12-07 19:00", "weekday 19-21"),
    ],
)
def test_every_hour_has_its_slot(local: str, slot: str) -> None:
    assert SLOTS[slot_of(datetime.fromisoformat(local))] == slot


@given(st.integers(1, 60), st.integers(1, 80), st.floats(0.05, 0.10))
def test_the_probabilities_of_a_list_add_up_to_its_length(size: int, count: int, share: float) -> None:
    size = min(size, count)
    drawn = explorers(size, share)
    chances = [p_assign(place, count, size, drawn) for place in range(count)]
    assert sum(chances) == pytest.approx(size, rel=1e-9)
    assert all(0 < chance <= 1 + 1e-12 for chance in chances)
    assert chances == sorted(chances, reverse=True)


@pytest.mark.parametrize(("size", "share", "drawn"), [(100, 0.07, 7), (100, 0.055, 6), (300, 0.07, 21), (1, 0.05, 1)])
def test_a_share_is_rounded_up_and_a_whole_one_is_not(size: int, share: float, drawn: int) -> None:
    assert explorers(size, share) == drawn


def test_the_tail_is_the_one_that_counting_gives() -> None:
    """A list of 12 of 30, 3 by lot: the candidate at place 10 is listed when two of the ten before are explorers."""
    ways = sum(comb(10, hits) * comb(19, 3 - hits) for hits in (2, 3)) / comb(29, 3)
    assert p_assign(10, 30, 12, 3) == pytest.approx(0.1 + 0.9 * ways)


@pytest.mark.parametrize("share", [0.0, 0.04, 0.11])
def test_another_share_is_refused(share: float) -> None:
    with pytest.raises(ValueError, match="between"):
        explorers(100, share)
