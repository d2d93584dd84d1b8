"""Treated against held out: the worked numbers of the measurement reference, and the corners of small arms."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from console.review.effect import effect, sample_ratio
from ledger.report import Arm

VECTORS = json.loads((Path(__file__).parent / "measurement_vectors.json").read_text())


@pytest.mark.parametrize("wave", VECTORS["waves"], ids=lambda wave: f"wave {wave['wave']}")
def test_the_worked_numbers(wave: dict[str, Any]) -> None:
    seen = effect(Arm(wave["n_t"], wave["conv_t"]), Arm(wave["n_h"], wave["conv_h"]))
    assert seen.difference == pytest.approx(wave["diff"], abs=1e-6)
    assert (seen.low, seen.high) == pytest.approx(wave["newcombe"], abs=1e-6)
    assert seen.incremental[0] == pytest.approx(wave["incremental"])
    assert seen.incremental[1:] == pytest.approx(wave["incremental_ci"], abs=0.005)
    each = seen.cost_each(wave["cost"])
    if wave["cost_per_incremental"] is None:
        assert each is None
        assert seen.power == pytest.approx(wave["power"], abs=0.005)
    else:
        assert each is not None
        assert each[0] == pytest.approx(wave["cost_per_incremental"], abs=0.005)
        assert each[1:] == pytest.approx(wave["cost_per_incremental_ci"], abs=0.005)
        assert seen.power is None


@pytest.mark.parametrize("case", VECTORS["sample_ratio"], ids=lambda case: str(case["treated"]))
def test_the_sample_ratio(case: dict[str, Any]) -> None:
    found = sample_ratio(case["treated"], case["held_out"], case["planned_share"])
    assert found.chi2 == pytest.approx(case["chi2"], abs=0.05)
    assert found.p == pytest.approx(case["p"], rel=0.05)
    assert found.flagged is case["flagged"]


@pytest.mark.parametrize(
    ("treated", "held_out"),
    [(Arm(1000, 0), Arm(50, 0)), (Arm(5, 5), Arm(1, 0)), (Arm(1, 0), Arm(1, 1)), (Arm(3, 3), Arm(3, 3))],
)
def test_the_interval_holds_the_difference_whatever_the_counts(treated: Arm, held_out: Arm) -> None:
    seen = effect(treated, held_out)
    assert -1 <= seen.low <= seen.difference <= seen.high <= 1
    assert seen.low < seen.high, "no count is so small that nothing is uncertain"
