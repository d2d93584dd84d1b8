"""The figures of a ranking: by hand where it is small, against scikit-learn's where that has them."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from segments.capture import LIST, area, beats, bins, capture, capture_within, trailing


def floats(*values: float) -> np.ndarray:
    return np.array(values, np.float64)


def test_the_best_half_holds_what_it_holds() -> None:
    assert capture(floats(0.9, 0.1, 0.8, 0.2), floats(1, 1, 0, 0), 0.5) == 0.5
    assert capture(floats(0.9, 0.1, 0.8, 0.2), floats(1, 0, 1, 0), 0.5) == 1.0


def test_among_equal_scores_the_lot_decides() -> None:
    """The order of the file is no merit: a score that is one for all captures what any half does."""
    assert capture(np.ones(10), floats(1, 1, 1, 1, 0, 0, 0, 0, 0, 0), 0.5) == pytest.approx(0.5)
    assert capture(floats(0.9, 0.5, 0.5, 0.5), floats(0, 1, 0, 0), 0.5) == pytest.approx(1 / 3)


def test_within_lists_when_counts_for_nothing() -> None:
    """A score that knows the list and nobody in it is perfect over all, and no better than the lot within."""
    outcomes = np.concatenate([np.tile([1.0, 0.0], LIST // 2), np.zeros(LIST)])
    scores = np.repeat([0.9, 0.1], LIST)
    assert capture(scores, outcomes, 0.5) == 1.0
    assert capture_within(scores, outcomes, 0.5) == pytest.approx(0.5)


def test_nothing_is_captured_where_nothing_came() -> None:
    assert math.isnan(capture(floats(0.5), floats(0), 0.5))
    assert math.isnan(capture_within(floats(0.5), floats(0), 0.5))
    assert math.isnan(area(floats(0.5), floats(1)))


@given(st.lists(st.tuples(st.integers(0, 9), st.booleans()), min_size=2, max_size=60))
def test_the_area_is_the_one_that_scikit_learn_gives(calls: list[tuple[int, bool]]) -> None:
    scores, outcomes = floats(*(score for score, _ in calls)), floats(*(came for _, came in calls))
    if len(set(outcomes)) == 2:
        assert area(scores, outcomes) == pytest.approx(roc_auc_score(outcomes, scores))


def test_the_trailing_rate_is_of_the_calls_before() -> None:
    outcomes = np.concatenate([np.ones(3), np.zeros(LIST)])
    rates = trailing(outcomes)
    assert list(rates[:5]) == [0, 1, 1, 1, 3 / 4]
    assert rates[LIST] == 3 / LIST
    assert rates[LIST + 2] == 1 / LIST


def test_bins_are_tenths_from_the_lowest() -> None:
    found = bins(np.linspace(0.1, 0.9, 20), floats(*[0] * 10, *[1] * 10))
    assert [one.n for one in found] == [2] * 10
    assert [one.observed for one in found] == [0] * 5 + [1] * 5
    assert found[0].predicted < found[9].predicted


@pytest.mark.parametrize(
    ("within", "rival", "positives", "said"),
    [(0.60, 0.48, 3727, True), (0.60, 0.48, 20, False), (0.52, 0.30, 100, False), (0.60, 0.59, 3727, False)],
)
def test_a_model_must_be_surely_better(within: float, rival: float, positives: float, said: bool) -> None:
    assert beats(within, rival, positives) is said
    assert beats(within, rival, 0) is False
