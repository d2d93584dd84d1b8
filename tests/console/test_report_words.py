"""What the report says of a holdout: the sentence, and that no cost misleads."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from console.review.definitions import BY_ID, DEFINITIONS, RATES
from console.review.holdouts import MEASURES, comparison
from console.review.wording import cost_words, headline, verdict_words
from ledger.report import Arm
from tests.builders import DAY, T0

COST = {"amount": 900, "currency": "USD", "touches_of_unknown_cost": 0}
UNCOSTED = COST | {"touches_of_unknown_cost": 3}


def holdout(treated: Arm, held_out: Arm, ends: timedelta = -DAY, cost: Any = COST) -> dict[str, Any]:
    return comparison("campaign", "campaign", 0.1, (treated, held_out), cost, T0 + ends, T0)


WON = holdout(Arm(9000, 270), Arm(1000, 10))
NULL = holdout(Arm(9000, 270), Arm(1000, 30))
LOST = holdout(Arm(9000, 90), Arm(1000, 40))
BROKEN = holdout(Arm(8000, 240), Arm(2000, 20))
EMPTY = holdout(Arm(20, 1), Arm(0, 0))
NOBODY = holdout(Arm(0, 0), Arm(0, 0))


@pytest.mark.parametrize(
    ("found", "sentence"),
    [
        (WON, "More converted than without it."),
        (LOST, "Fewer converted than without it."),
        (NULL, "No difference shown; that is not proof of none. Power for a difference of this size:"),
        (BROKEN, "Result withheld: the arms are not 90% to 10%"),
        (EMPTY, "Result withheld: one arm has nobody in it."),
        (NOBODY, "Result withheld: nobody was eligible."),
        (holdout(Arm(9000, 270), Arm(1000, 10), ends=DAY), "without it. Open until 2026-12-02 09:00Z."),
    ],
)
def test_a_result_is_one_sentence(found: dict[str, Any], sentence: str) -> None:
    assert sentence in verdict_words(found)


def test_a_broken_lottery_shows_no_number() -> None:
    assert [BROKEN[name] for name in ("difference", "incremental", "cost_per_incremental", "naive_cost")] == [None] * 4
    assert BROKEN["sample_ratio"]["flagged"] is True


@pytest.mark.parametrize(
    ("found", "told"),
    [
        (WON, "USD 5.00 (3.86 to 9.05); naive USD 3.33"),
        (NULL, "not shown (upper end unbounded); naive USD 3.33"),
        (holdout(Arm(9000, 270), Arm(1000, 10), cost=UNCOSTED), "not shown (3 touches sent have no cost"),
        (holdout(Arm(9000, 0), Arm(1000, 0)), "not shown (upper end unbounded)"),
    ],
)
def test_the_naive_cost_never_stands_alone(found: dict[str, Any], told: str) -> None:
    words = cost_words(found)
    assert words.startswith(told)
    assert "naive" not in words.partition(";")[0]
    assert (found["naive_cost"] is None) == ("naive" not in words)


def top(own: dict[str, Any] | None) -> dict[str, str]:
    whole = own or WON
    return headline(
        {
            "goal": {"event": "renewed"},
            "members": {"treated": whole["treated"], "held_out": whole["held_out"]},
            "converted": {"treated": whole["treated_converted"], "held_out": whole["held_out_converted"]},
            "comparisons": [own] if own else [],
        }
    )


@pytest.mark.parametrize(
    ("own", "text", "rests"),
    [
        (
            WON,
            "The campaign won 180 conversions that would not have come by themselves (99.4 to 233).",
            "3.0 % of 9,000",
        ),
        (LOST, "The campaign lost 270 conversions that would have come by themselves (", "Fewer converted"),
        (NULL, "The campaign shows no effect: 0.0 conversions more than by themselves (", "not proof of none"),
        (BROKEN, "240 of 8,000 treated members met the goal (renewed).", "something broke the lottery"),
        (None, "270 of 9,000 treated members met the goal (renewed).", "no holdout: nobody can say"),
        (holdout(Arm(9000, 270), Arm(1000, 10), ends=DAY), "So far the campaign won 180", "Open until"),
    ],
)
def test_the_headline_says_what_the_campaign_earned(own: dict[str, Any] | None, text: str, rests: str) -> None:
    said = top(own)
    assert said["text"].startswith(text)
    assert rests in said["rests"]


def test_every_rate_design_and_number_has_one_definition() -> None:
    assert len(BY_ID) == len(DEFINITIONS)
    assert {rate for rate, _, _ in RATES} <= set(BY_ID)
    assert set(MEASURES) == {"campaign", "stop", "skip"}
    for rate, over, under in RATES:
        begins = f"{over} / {under.replace('_by_now', '')}"
        assert BY_ID[rate].sentence.startswith(begins), "the rule names its numerator and denominator"
