"""The trees: nothing that a call alone tells is learnt from, unknown words and empty columns do no harm."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from segments.converting import KNOWN_AFTERWARDS, Kind, boost, features_of

LOT = np.random.default_rng(3)
COUNT = 1500
TIER = LOT.choice(["gold", "plain", "rare one"], COUNT, p=[0.3, 0.695, 0.005])
AGE = LOT.integers(18, 90, COUNT)
CAME = (LOT.random(COUNT) < np.where(TIER == "gold", 0.6, 0.1)).astype(np.float64)


def rows(**more: Any) -> dict[str, Any]:
    return {"tier": list(TIER), "age": [int(age) for age in AGE]} | more


def test_who_converts_is_learnt() -> None:
    found = boost(rows(), CAME, {"tier": "word", "age": "number"}, 0, COUNT).probability(rows())
    assert found[TIER == "gold"].mean() == pytest.approx(CAME[TIER == "gold"].mean(), abs=0.05)
    assert found[TIER == "plain"].max() < found[TIER == "gold"].mean()


def test_what_is_known_only_afterwards_is_never_a_feature() -> None:
    """It would tell everything: here it is the result itself, and the scores are those without it."""
    kinds: dict[str, Kind] = {"tier": "word", "age": "number"}
    told = rows(**{name: list(CAME * 300) for name in KNOWN_AFTERWARDS})
    with_all = boost(told, CAME, kinds | dict.fromkeys(KNOWN_AFTERWARDS, "number"), 0, COUNT)
    assert with_all.encoder.kinds == kinds
    assert list(with_all.probability(told)) == list(boost(rows(), CAME, kinds, 0, COUNT).probability(rows()))
    assert features_of({"Duration": "number", "TALK_S": "number"}) == {}
    assert {"duration", "talk_s", "disposition", "agent"} <= KNOWN_AFTERWARDS


def test_words_that_were_rare_or_unseen_and_empty_cells_are_unknown_alike() -> None:
    learnt = boost(rows(), CAME, {"tier": "word", "age": "number"}, 0, COUNT)
    assert list(learnt.encoder.codes["tier"]) == ["gold", "plain"]
    asked = {"tier": ["rare one", "never seen", None], "age": [40, 40, 40]}
    assert len(set(learnt.probability(asked))) == 1
    assert np.isfinite(learnt.probability({"tier": [None], "age": [None]})).all()


def test_a_column_that_holds_nothing_is_left_out() -> None:
    empty = rows(nothing=[None] * COUNT, silence=[None] * COUNT)
    kinds = {"tier": "word", "nothing": "number", "silence": "word"}
    learnt = boost(empty, CAME, kinds, 0, COUNT)  # type: ignore[arg-type]
    assert list(learnt.encoder.kinds) == ["tier"]


def test_one_outcome_alone_gives_everybody_its_rate() -> None:
    assert list(boost(rows(), np.zeros(COUNT), {"age": "number"}, 0, COUNT).probability(rows(), 0, 3)) == [0, 0, 0]


def test_the_same_calls_give_the_same_scores() -> None:
    one, two = (boost(rows(), CAME, {"tier": "word", "age": "number"}, 100, 900).probability(rows()) for _ in range(2))
    assert list(one) == list(two)
