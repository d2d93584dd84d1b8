"""Erlang's formulas give the published values, and each other where they meet."""

from __future__ import annotations

import math

import pytest

from waves.erlang import deterministic_patience, erlang_a, erlang_b, erlang_c, lines_for, load_at


@pytest.mark.parametrize(("servers", "load", "blocked"), [(10, 10, 0.21458), (5, 3, 0.11005), (2, 1, 0.2)])
def test_erlang_b(servers: int, load: float, blocked: float) -> None:
    assert erlang_b(servers, load) == pytest.approx(blocked, abs=5e-6)


@pytest.mark.parametrize(("lines", "load"), [(5, 1.875), (10, 5.529), (20, 13.997), (50, 41.933), (100, 90.794)])
def test_the_load_at_three_percent_blocking_and_the_lines_for_it(lines: int, load: float) -> None:
    assert load_at(lines, 0.03) == pytest.approx(load, abs=5e-4)
    assert lines_for(load - 0.001, 0.03) == lines
    assert lines_for(load + 0.001, 0.03) == lines + 1


def test_no_load_takes_no_blocking_line() -> None:
    assert lines_for(0.0, 0.01) == 1


def test_erlang_c() -> None:
    queue = erlang_c(14, 100 / 1800, 180)
    assert queue.must_wait == pytest.approx(0.174132, abs=5e-7)
    assert queue.answered_within(20) == pytest.approx(0.888350, abs=5e-7)
    assert queue.occupancy == pytest.approx(0.714286, abs=5e-7)


def test_erlang_c_of_fifty() -> None:
    queue = erlang_c(50, 48 / 60, 60)
    assert queue.must_wait == pytest.approx(0.6945, abs=5e-5)
    assert queue.mean_wait == pytest.approx(20.83, abs=5e-3)
    assert queue.wait_of(0.9) == pytest.approx(58.1, abs=0.05)
    assert queue.in_queue == pytest.approx(16.67, abs=5e-3)
    assert queue.wait_of(0.1) == 0


@pytest.mark.parametrize("arrivals", [50 / 60, 51 / 60])
def test_more_than_is_handled_has_no_erlang_c(arrivals: float) -> None:
    with pytest.raises(ValueError, match="too much for 50 agents"):
        erlang_c(50, arrivals, 60)


def test_erlang_a() -> None:
    queue = erlang_a(50, 48 / 60, 60, 120)
    assert queue.abandoned == pytest.approx(0.0309, abs=5e-5)
    assert queue.mean_wait == pytest.approx(3.71, abs=5e-3)
    assert queue.in_queue == pytest.approx(2.97, abs=5e-3)
    assert queue.occupancy == pytest.approx(0.930, abs=5e-4)


@pytest.mark.parametrize(("agents", "load", "abandoned"), [(10, 8, 0.1177), (50, 45, 0.0499)])
def test_deterministic_patience(agents: int, load: float, abandoned: float) -> None:
    assert deterministic_patience(agents, load / 180, 180, 2).abandoned == pytest.approx(abandoned, abs=5e-5)


def test_patience_that_does_not_end_is_erlang_c() -> None:
    endless = erlang_c(10, 8 / 180, 180)
    for queue in (erlang_a(10, 8 / 180, 180, 1e9), deterministic_patience(10, 8 / 180, 180, 1e5)):
        assert queue.must_wait == pytest.approx(endless.must_wait, rel=1e-5)
        assert queue.mean_wait == pytest.approx(endless.mean_wait, rel=1e-4)
        assert queue.abandoned == pytest.approx(0, abs=1e-5)


def test_no_patience_is_erlang_b() -> None:
    for queue in (erlang_a(10, 8 / 180, 180, 1e-9), deterministic_patience(10, 8 / 180, 180, 1e-9)):
        assert queue.abandoned == pytest.approx(erlang_b(10, 8), rel=1e-6)


@pytest.mark.parametrize("off", [-1e-3, -1e-9, -1e-12, 0.0, 1e-12, 1e-9, 1e-3])
def test_deterministic_patience_is_smooth_where_arrivals_meet_the_agents_rate(off: float) -> None:
    here, there = (deterministic_patience(10, 10 / 180 * (1 + each), 180, 2) for each in (off, 0.0))
    for name in ("must_wait", "abandoned", "mean_wait", "occupancy"):
        assert math.isclose(getattr(here, name), getattr(there, name), rel_tol=1e-2), name


@pytest.mark.parametrize("load", [1.0, 8.0, 12.0, 30.0])
def test_what_abandons_and_what_is_handled_add_up(load: float) -> None:
    for queue in (erlang_a(10, load / 180, 180, 5), deterministic_patience(10, load / 180, 180, 5)):
        assert 0 < queue.abandoned <= queue.must_wait < 1
        assert load * (1 - queue.abandoned) == pytest.approx(10 * queue.occupancy)
    assert erlang_a(10, load / 180, 180, 5).abandoned == pytest.approx(erlang_a(10, load / 180, 180, 5).mean_wait / 5)
