"""Nothing is scored by what came after it, and scores are calibrated on scores alone that were made in time."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from segments.capture import Floats
from segments.walk import FEWEST, STEP, Score, calibrate, walk


@given(st.integers(1, 900), st.integers(1, 1500), st.integers(50, 2000), st.integers(1, 400))
def test_a_model_knows_the_calls_before_and_is_never_old(begin: int, more: int, window: int, step: int) -> None:
    asked: list[tuple[int, int, int, int]] = []

    def learn(first: int, last: int) -> Score:
        def score(start: int, stop: int) -> Floats:
            asked.append((first, last, start, stop))
            return np.full(stop - start, 0.5)

        return score

    outcomes = np.tile([0.0, 1.0], (begin + more + 1) // 2)[: begin + more]
    walked = walk(outcomes, learn, begin, window, step)
    assert len(walked.scores) == more
    assert all(last == start and last - first <= window for first, last, start, _ in asked)
    assert all(0 < stop - start <= step for _, _, start, stop in asked)
    assert [start for _, _, start, _ in asked] == list(range(begin, begin + more, step))


def test_a_later_result_changes_no_earlier_score() -> None:
    lot = np.random.default_rng(7)
    outcomes = (lot.random(3000) < 0.3).astype(np.float64)

    def learn_of(told: Floats) -> Floats:
        return walk(told, lambda a, b: lambda c, d: np.full(d - c, told[a:b].mean()), 1000).scores

    other = outcomes.copy()
    other[2500:] = 1 - other[2500:]
    assert list(learn_of(outcomes)[:1500]) == list(learn_of(other)[:1500])


def test_no_step_is_longer_than_the_reference_allows() -> None:
    assert STEP <= 250


def test_scores_that_are_too_high_come_down_and_few_are_left_alone() -> None:
    lot = np.random.default_rng(1)
    truth = lot.uniform(0.02, 0.3, 5000)
    outcomes = (lot.random(5000) < truth).astype(np.float64)
    loud = np.clip(truth * 3, 0, 0.99)
    line = calibrate(loud, outcomes)
    assert line.apply(loud).mean() == pytest.approx(outcomes.mean(), abs=0.02)
    assert list(np.argsort(line.apply(loud), kind="stable")) == list(np.argsort(loud, kind="stable"))
    few = calibrate(loud[: FEWEST - 1], outcomes[: FEWEST - 1])
    assert few.apply(loud) == pytest.approx(loud)


def test_a_score_that_tells_nothing_comes_near_the_rate_of_all() -> None:
    lot = np.random.default_rng(2)
    outcomes = (lot.random(5000) < 0.2).astype(np.float64)
    noise = lot.uniform(0.02, 0.6, 5000)
    spread = calibrate(noise, outcomes).apply(noise)
    assert spread.std() < noise.std() / 4
    assert spread.mean() == pytest.approx(0.2, abs=0.02)
