"""The simulated floor: closed forms within three standard errors, the sheet's table within four points."""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random

import pytest

from waves.dial_simulation import Controlled, Estimate, Pace, Steady, play_dialler, play_queue
from waves.erlang import Queue, deterministic_patience, erlang_a, erlang_c
from waves.pacing import Calls, progressive_occupancy

DICE = Random(2)
QUEUES: list[tuple[str, Queue, int, float, float, Callable[[], float]]] = [
    ("M/M/10+D", deterministic_patience(10, 8 / 180, 180, 2), 10, 8 / 180, 180, lambda: 2.0),
    ("M/M/50+D", deterministic_patience(50, 45 / 180, 180, 2), 50, 45 / 180, 180, lambda: 2.0),
    ("Erlang C", erlang_c(14, 100 / 1800, 180), 14, 100 / 1800, 180, lambda: math.inf),
    ("Erlang A", erlang_a(50, 48 / 60, 60, 120), 50, 48 / 60, 60, lambda: DICE.expovariate(1 / 120)),
]


def off(found: Estimate, truth: float) -> float:
    """How many standard errors lie between an estimate and the truth."""
    return abs(found.value - truth) / found.error if found.error else abs(found.value - truth) * math.inf


@pytest.mark.parametrize(
    ("queue", "agents", "arrivals", "handle_s", "patience"), [q[1:] for q in QUEUES], ids=[q[0] for q in QUEUES]
)
def test_the_floor_reproduces_the_closed_forms(
    queue: Queue, agents: int, arrivals: float, handle_s: float, patience: Callable[[], float]
) -> None:
    played = play_queue(agents, arrivals, handle_s, patience, 20, 20, Random(7).random)
    assert off(played.must_wait, queue.must_wait) < 3
    assert off(played.occupancy, queue.occupancy) < 3
    assert played.abandoned.value == queue.abandoned == 0 or off(played.abandoned, queue.abandoned) < 3
    assert played.must_wait.error < 0.05 * queue.must_wait
    assert off(played.dials, arrivals * 3600 / agents) < 3


@pytest.mark.parametrize(("p", "handle_s"), [(0.3, 180), (0.15, 180), (0.3, 90)])
def test_progressive_dialling_keeps_agents_as_busy_as_the_formula_says(p: float, handle_s: float) -> None:
    """The formula loses half a tick after each dial: 24.5 s end amid a tick, while 25 s would end on one."""
    calls = Calls(p, handle_s, no_answer_s=24.5)
    played = play_dialler(4, calls, Steady, 50, 10, Random(7).random)
    assert off(played.occupancy, progressive_occupancy(calls)) < 3
    assert played.abandoned.value == 0


# agents, p, AHT; progressive: occupancy; 2.0 an idle agent: abandoned, occupancy; controlled: occupancy, dials
TABLE = [
    (5, 0.30, 180, 71.8, 7.9, 84.0, 76.7, 54),
    (20, 0.30, 180, 71.9, 0.75, 84.3, 86.6, 59),
    (5, 0.15, 180, 53.6, 1.7, 70.7, 69.7, 94),
    (10, 0.30, 90, 56.2, 1.0, 72.7, 76.2, 104),
]


@pytest.mark.parametrize(("agents", "p", "handle_s", "progressive", "lost", "double", "controlled", "dials"), TABLE)
def test_the_table_within_four_points(
    agents: int,
    p: float,
    handle_s: float,
    progressive: float,
    lost: float,
    double: float,
    controlled: float,
    dials: float,
) -> None:
    calls = Calls(p, handle_s)

    def play(pace: Callable[[], Pace]) -> tuple[float, float, float]:
        played = play_dialler(agents, calls, pace, 8, 6, Random(7).random)
        return 100 * played.occupancy.value, 100 * played.abandoned.value, played.dials.value

    assert play(Steady) == (
        pytest.approx(progressive, abs=4),
        0,
        pytest.approx(36 * progressive / p / handle_s, rel=0.06),
    )
    assert play(lambda: Steady(2.0))[:2] == (pytest.approx(double, abs=4), pytest.approx(lost, abs=1))
    occupancy, abandoned, dialled = play(lambda: Controlled(calls, 0.03))
    assert occupancy == pytest.approx(controlled, abs=4)
    assert dialled == pytest.approx(dials, rel=0.08)
    assert abandoned < 3.2


@pytest.mark.parametrize("target", [0.01, 0.03])
def test_the_target_is_met_when_there_is_time_to(target: float) -> None:
    calls = Calls(0.3, 180)
    played = play_dialler(20, calls, lambda: Controlled(calls, target), 20, 4, Random(7).random)
    assert played.abandoned.value == pytest.approx(target, rel=0.1)


def test_the_first_fifty_answers_of_a_day_lose_nobody() -> None:
    calls = Calls(0.3, 180)
    pace = Controlled(calls, 0.03)
    assert [pace.dials(2, 20, ringing) for ringing in (0, 5)] == [2, 0]
    pace.heard(50, 0)
    assert pace.dials(2, 20, 0) > 2


def test_an_abandoned_call_counts_though_nobody_answered_that_second() -> None:
    calls = Calls(0.3, 180)
    paces = [Controlled(calls, 0.03) for _ in range(2)]
    for pace in paces:
        pace.heard(50, 0)
        pace.heard(10, 0)
    paces[0].heard(0, 5)
    for pace in paces:
        for _ in range(200):
            pace.heard(1, 0)
    assert paces[0].dials(10, 40, 0) < paces[1].dials(10, 40, 0)


def test_the_same_seed_plays_the_same_shifts() -> None:
    calls = Calls(0.3, 180)
    once, again = (play_dialler(9, calls, lambda: Controlled(calls, 0.03), 1, 3, Random(7).random) for _ in range(2))
    assert once == again


def test_nothing_dialled_is_no_division_by_zero() -> None:
    played = play_dialler(1, Calls(0.3, 180), Steady, 0.001, 2, Random(7).random)
    assert played.abandoned == Estimate(0.0, None)
