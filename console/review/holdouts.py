"""One holdout's result as plain values: what it measured, what the difference cost, or why the result is withheld."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from console.review.effect import effect, sample_ratio
from ledger.report import Arm

MEASURES = {
    "campaign": "the whole campaign: these members are never contacted by it",
    "stop": "this wave and all later ones: these members are left alone from here on",
    "skip": "this wave alone, given the rest: these members may enter later waves",
}
"""What each design measures (the plan's `holdout` of the campaign, of a wave, of a wave with `then: skip`)."""
RESULTS = ("difference", "incremental", "power", "cost_per_incremental", "naive_cost")
NOTHING = dict.fromkeys(("sample_ratio", "withheld", *RESULTS, "cost_note"))


def comparison(
    name: str,
    design: str,
    share: float,
    arms: tuple[Arm, Arm],
    cost: Mapping[str, Any],
    window_ends: datetime,
    as_of: datetime,
) -> dict[str, Any]:
    """Treated (the first arm) against held out; `cost` is what the treated cost in the waves that it measures."""
    treated, held_out = arms
    return {
        "of": name,
        "design": design,
        "measures": MEASURES[design],
        "treated": treated.assigned,
        "treated_converted": treated.converted,
        "held_out": held_out.assigned,
        "held_out_converted": held_out.converted,
        "window_ends": window_ends,
        "window_open": window_ends > as_of,
        "planned_share": share,
        "cost": dict(cost),
        **NOTHING,
        **_result(treated, held_out, share, cost),
    }


def _result(treated: Arm, held_out: Arm, share: float, cost: Mapping[str, Any]) -> dict[str, Any]:
    if not treated.assigned + held_out.assigned:
        return {"withheld": "nobody was eligible"}
    found: dict[str, Any] = {}
    if share < 1:
        ratio = sample_ratio(treated.assigned, held_out.assigned, share)
        found["sample_ratio"] = {"chi2": ratio.chi2, "p": ratio.p, "flagged": ratio.flagged}
        if ratio.flagged:
            planned = f"{1 - share:.0%} to {share:.0%}"
            return found | {"withheld": f"the arms are not {planned} (p {ratio.p:.2g}); something broke the lottery"}
    if not treated.assigned or not held_out.assigned:
        return found | {"withheld": "one arm has nobody in it"}
    seen = effect(treated, held_out)
    found["difference"] = {"value": seen.difference, "low": seen.low, "high": seen.high}
    found["incremental"] = dict(zip(("value", "low", "high"), seen.incremental, strict=True))
    found["power"] = seen.power
    unknown = cost["touches_of_unknown_cost"]
    if unknown:
        return found | {"cost_note": f"not shown ({unknown:,} touches sent have no cost; see MULTIWAVE_COSTS)"}
    if treated.converted:
        found["naive_cost"] = float(cost["amount"]) / treated.converted
    each = seen.cost_each(float(cost["amount"]))
    if each is None:
        return found | {"cost_note": "not shown (upper end unbounded)"}
    return found | {"cost_per_incremental": dict(zip(("value", "low", "high"), each, strict=True))}
