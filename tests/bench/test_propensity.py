"""The benchmark's pipeline on a cut of the bank's contacts: the product's own model, in the order of the file."""

from __future__ import annotations

import pytest

from bench.__main__ import figures as tables
from bench.propensity import GATE, contacts, figures, kinds, score_many
from segments.converting import features_of

CUT = slice(-8_000, None)
BEGIN, WINDOW, STEP = 6_000, 4_000, 500


def test_a_cut_is_ranked_better_than_by_the_trailing_rate() -> None:
    columns, outcomes = contacts()
    assert len(outcomes) == 41_188
    assert round(outcomes[20_000:].mean(), 4) == 0.1759
    cut = {name: cells[CUT] for name, cells in columns.items()}
    found, rival = figures(cut, outcomes[CUT], BEGIN, WINDOW, STEP)
    assert found["auc"] > 0.6
    assert found["within50"] > max(0.55, found["trailing50"])
    assert found["within20"] > 0.22
    assert found["beats"]
    assert set(GATE) < set(found)
    assert 0 < rival["trailing_auc"] < 1


def test_the_call_s_length_is_there_and_not_learnt_from() -> None:
    columns, _ = contacts()
    assert "duration" in columns
    assert set(features_of(kinds(columns))) == set(columns) - {"duration"}


def test_candidates_are_scored_from_a_ledger() -> None:
    columns, outcomes = contacts()
    row = score_many({name: cells[-900:] for name, cells in columns.items()}, outcomes[-900:], 1_200)
    assert (row["n"], row["what"]) == (1_200, "scoring")


@pytest.mark.parametrize("figure", [0.79121, 1.0])
def test_figures_are_a_table_of_their_own(figure: float) -> None:
    rows = [{"bench": "propensity", "auc": 0.5}, {"bench": "propensity", "auc": figure}, {"bench": "enrol", "rate": 1}]
    assert tables(rows) == ["", "| propensity | auc |", "|---|--:|", f"| | {figure:.4f} |"]
