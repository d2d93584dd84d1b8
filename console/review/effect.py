"""Treated against held out: pure arithmetic on the counts of two arms that a lottery made."""

from __future__ import annotations

from dataclasses import dataclass
from math import sqrt

from ledger.report import Arm

FLAGGED_BELOW = 0.001
Z = 1.959963984540054


@dataclass(frozen=True, slots=True)
class SampleRatio:
    """Whether the arms have the sizes that the plan asked for."""

    planned: float
    chi2: float
    p: float

    @property
    def flagged(self) -> bool:
        """Whether something broke the lottery."""
        return self.p < FLAGGED_BELOW


@dataclass(frozen=True, slots=True)
class Effect:
    """Difference in conversion per assigned member with its 95 % interval, and what it makes of the treated arm."""

    difference: float
    low: float
    high: float
    treated: int
    power: float | None
    """Only when the interval holds 0."""

    @property
    def incremental(self) -> tuple[float, float, float]:
        """(conversions that would not have come by themselves, lower end, upper end)."""
        return self.difference * self.treated, self.low * self.treated, self.high * self.treated

    def cost_each(self, cost: float) -> tuple[float, float, float] | None:
        """(cost per incremental conversion, lower end, upper end); None while its upper end is unbounded."""
        if self.low <= 0:
            return None
        return tuple(cost / (self.treated * points) for points in (self.difference, self.high, self.low))  # type: ignore[return-value]


def sample_ratio(treated: int, held_out: int, planned: float) -> SampleRatio:
    """Chi-square of the two arms against the planned share held out."""
    from scipy.stats import chisquare

    total = treated + held_out
    found = chisquare([treated, held_out], [total * (1 - planned), total * planned])
    return SampleRatio(planned, float(found.statistic), float(found.pvalue))


def effect(treated: Arm, held_out: Arm) -> Effect:
    """Newcombe's hybrid score interval of the difference (statsmodels `newcomb`); both arms have somebody in them."""
    from statsmodels.stats.proportion import confint_proportions_2indep

    low, high = confint_proportions_2indep(
        treated.converted, treated.assigned, held_out.converted, held_out.assigned, method="newcomb", compare="diff"
    )
    difference = treated.converted / treated.assigned - held_out.converted / held_out.assigned
    power = _power(difference, treated, held_out) if low <= 0 <= high else None
    return Effect(difference, float(low), float(high), treated.assigned, power)


def _power(difference: float, treated: Arm, held_out: Arm) -> float | None:
    """Of the two-sided 5 % z-test for a difference of this size, by the normal approximation."""
    from scipy.stats import norm

    rates = [(arm.converted / arm.assigned, arm.assigned) for arm in (treated, held_out)]
    error = sqrt(sum(rate * (1 - rate) / size for rate, size in rates))
    if error == 0:
        return None
    away = abs(difference) / error
    return float(norm.cdf(away - Z) + norm.cdf(-away - Z))
