"""When a list runs dry: by hand where nothing is left to chance, and as a range where it is."""

from __future__ import annotations

from random import Random

import pytest

from waves.exhaustion import Dialable, Exhaustion, exhaustion

HOUR = 3600.0
SHIFT = 8 * HOUR


def dry(pool: list[Dialable], outcomes: list[float | None], rate: float = 400, within: float = SHIFT) -> Exhaustion:
    return exhaustion(pool, rate, outcomes, within, Random(3).random)


CASES: list[tuple[str, list[Dialable], list[float | None], float | None]] = [
    ("one dial each", [Dialable(0, SHIFT, 1)] * 1000, [None], 2.5 * HOUR),
    ("none left", [Dialable(0, SHIFT, 0)] * 1000, [None], 0),
    ("none at all", [], [None], 0),
    ("more than the shift dials", [Dialable(0, SHIFT, 1)] * 3200, [None], None),
    ("one too few", [Dialable(0, SHIFT, 1)] * 3199, [None], 7.75 * HOUR),
    ("opening later", [Dialable(0, SHIFT, 1)] * 400 + [Dialable(2 * HOUR, SHIFT, 1)] * 400, [None], HOUR),
    ("closing early", [Dialable(0, 2 * HOUR, 1)] * 3200, [None], 2 * HOUR),
    ("shut before it opens", [Dialable(3 * HOUR, 2 * HOUR, 1)] * 3200, [None], 0),
    ("open since yesterday", [Dialable(-9 * HOUR, SHIFT, 1)] * 1000, [None], 2.5 * HOUR),
    ("back in time", [Dialable(0, SHIFT, 2)] * 1000, [2 * HOUR], 5 * HOUR),
    ("back too late", [Dialable(0, SHIFT, 2)] * 1000, [4 * HOUR], 2.5 * HOUR),
    ("not back any more", [Dialable(0, 2 * HOUR, 9)] * 800, [3 * HOUR], 2 * HOUR),
]


@pytest.mark.parametrize(("pool", "outcomes", "at"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_by_hand(pool: list[Dialable], outcomes: list[float | None], at: float | None) -> None:
    assert dry(pool, outcomes) == Exhaustion(at, at, at)


def test_few_outcomes_leave_a_wider_range_than_many() -> None:
    pool = [Dialable(0, SHIFT, 3)] * 900
    few, many = (dry(pool, ([None] * 3 + [HOUR] * 7) * times) for times in (2, 60))
    for found in (few, many):
        assert found.p10 is not None
        assert found.p50 is not None
        assert found.p90 is not None
        assert found.p10 <= found.p50 <= found.p90
    assert few.p90 - few.p10 > many.p90 - many.p10  # type: ignore[operator]


def test_the_same_seed_forecasts_the_same() -> None:
    pool, outcomes = [Dialable(0, SHIFT, 3)] * 500, [None, HOUR, 2 * HOUR]
    assert dry(pool, outcomes) == dry(pool, outcomes)


def test_a_slow_team_waits_for_a_whole_record() -> None:
    assert dry([Dialable(0, SHIFT, 1)] * 3, [None], rate=0.5) == Exhaustion(7.75 * HOUR, 7.75 * HOUR, 7.75 * HOUR)
