"""How many numbers a dialler dials: the rule's bound is kept, and one more would break it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waves.pacing import Calls, dials_now, dials_per_agent_hour, lines_to_add, mode_for, progressive_occupancy

CALLS = Calls(0.3, 180)


def test_progressive_occupancy() -> None:
    assert progressive_occupancy(CALLS) == pytest.approx(0.714, abs=5e-4)


def test_dials_keep_the_agents_that_busy() -> None:
    assert dials_per_agent_hour(CALLS, 0.9) == pytest.approx(60)
    assert dials_per_agent_hour(CALLS, 0.9, abandoned=0.03) == pytest.approx(60 / 0.97)


@pytest.mark.parametrize(
    ("agents", "answers", "mode"),
    [(7, 1000, "progressive"), (8, 50, "predictive"), (8, 49, "progressive"), (200, 5000, "predictive")],
)
def test_small_teams_and_few_answers_dial_progressively(agents: int, answers: int, mode: str) -> None:
    assert mode_for(agents, answers) == mode


@pytest.mark.parametrize(("idle", "ringing", "lines", "more"), [(3, 1, 1.0, 2), (1, 3, 1.0, 0), (3, 1, 2.0, 5)])
def test_lines_for_each_idle_agent(idle: int, ringing: int, lines: float, more: int) -> None:
    assert lines_to_add(idle, ringing, lines) == more


def excess(calls: Calls, idle: int, busy: int, lines: int) -> float:
    """E[(X - Y)+] for normals, by its integral, as the rule's S."""
    p, q = calls.answer_rate, 1 - math.exp(-calls.ring_s / calls.handle_s)
    m = lines * p - idle - busy * q
    s = math.sqrt(lines * p * (1 - p) + busy * q * (1 - q))
    if s == 0:
        return max(0.0, m)
    steps, top = 1000, max(m, 0) + 10 * s
    width = top / steps
    points = ((i + 0.5) * width for i in range(steps))
    return sum(x * math.exp(-(((x - m) / s) ** 2) / 2) for x in points) * width / (s * math.sqrt(2 * math.pi))


@given(
    st.sampled_from([0.05, 0.15, 0.3, 0.6, 0.99]),
    st.integers(0, 30),
    st.integers(0, 60),
    st.integers(0, 60),
    st.floats(0.001, 0.5),
)
def test_it_is_the_largest_number_that_keeps_the_bound(
    p: float, idle: int, busy: int, ringing: int, tolerance: float
) -> None:
    calls = Calls(p, 180)
    more = dials_now(calls, idle, busy, ringing, tolerance)
    lines, fewest = ringing + more, lines_to_add(idle, ringing)
    assert more >= fewest
    if more > fewest:
        assert excess(calls, idle, busy, lines) <= tolerance * lines * p + 1e-6
    for further in range(lines + 1, min(lines + 5, 10 * (idle + busy)) + 1):
        assert excess(calls, idle, busy, further) > tolerance * further * p - 1e-6


@pytest.mark.parametrize(("idle", "busy", "ringing", "more"), [(0, 0, 0, 0), (1, 0, 0, 1), (0, 5, 0, 0)])
def test_a_floor_with_nothing_to_spare_is_dialled_progressively(idle: int, busy: int, ringing: int, more: int) -> None:
    assert dials_now(CALLS, idle, busy, ringing, 0.03) == more
