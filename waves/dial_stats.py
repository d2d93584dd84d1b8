"""The rates of a dial desk, each with what it is a share of; the formulas are those of dialling.md, section 9."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from waves.abandonment import HANDLED, upper_bound
from waves.dispositions import DIALS, LIVE, RIGHT_PARTY, Disposition

FEWEST = 30
"""A rate of fewer is not shown."""
FEW = f"n < {FEWEST}"
Z = 1.959963984540054
"""The normal quantile of a two-sided interval that holds in 95 of 100 cases."""
HOUR_S = 3600.0
NOT_BY_PERSON = "people are counted on the lists they are on: by team, by list or in all"
NOT_TOLD = "the goal names no disposition, so no call tells of a conversion"


@dataclass(frozen=True, slots=True)
class Rate:
    """`numerator` of `denominator`, judged by `n` of whatever it counts; value, low and high: None with a `reason`.

    low to high is a 95 % interval; a mean, such as calls a person, has none.
    """

    numerator: float
    denominator: float
    n: int
    value: float | None
    low: float | None
    high: float | None
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class Ended:
    """Calls that ended so; of these, those that converted, and those by an agent, timed, with their seconds."""

    disposition: Disposition
    calls: int
    converted: int = 0
    by_agent: int = 0
    timed: int = 0
    timed_converted: int = 0
    seconds: float = 0.0
    """Of ringing, talk and wrap, of the timed calls."""


@dataclass(frozen=True, slots=True)
class People:
    """The people on lists: those dialled and how often, those whom an agent reached, who converted, who are done."""

    loaded: int = 0
    attempted: int = 0
    attempts: int = 0
    contacted: int = 0
    converted: int = 0
    complete: int = 0


@dataclass(frozen=True, slots=True)
class Promised:
    """Promised calls whose time came, and those that were made within 15 minutes of it."""

    due: int = 0
    kept: int = 0


def count(ended: Iterable[Ended], of: Collection[Disposition] = DIALS) -> int:
    """How many of these calls ended in one of these dispositions; of themselves, how many were dials."""
    return sum(each.calls for each in ended if each.disposition in of)


def rates(ended: Collection[Ended], people: People | None, promised: Promised, told: bool = True) -> Mapping[str, Rate]:
    """Every rate by its name; without people those of persons have a reason, and unless `told` those of conversions."""
    dials, right = count(ended), count(ended, RIGHT_PARTY)
    someone, no = people or People(), None if people else NOT_BY_PERSON
    silent = None if told else NOT_TOLD
    converted = sum(each.converted for each in ended if each.disposition in RIGHT_PARTY)
    return {
        "hit": share(count(ended, LIVE), dials),
        "contact": share(count(ended, HANDLED), dials),
        "contact_by_person": share(someone.contacted, someone.attempted, no),
        "right_party": share(right, dials),
        "conversion_per_right_party": share(converted, right, silent),
        "conversion_per_record": share(someone.converted, someone.loaded, no or silent),
        "conversions_per_agent_hour": _per_hour(ended, silent),
        "penetration": share(someone.attempted, someone.loaded, no),
        "depth": _mean(someone.attempts, someone.loaded, no),
        "completion": share(someone.complete, someone.loaded, no),
        "callbacks_kept": share(promised.kept, promised.due),
    }


def share(numerator: int, denominator: int, reason: str | None = None) -> Rate:
    """A share with Wilson's score interval (1927); hidden for a reason, or as of too few."""
    reason = reason or (FEW if denominator < FEWEST else None)
    if reason:
        return Rate(numerator, denominator, denominator, None, None, None, reason)
    low = max(0.0, 1 - upper_bound(denominator - numerator, denominator, Z))
    high = min(1.0, upper_bound(numerator, denominator, Z))
    return Rate(numerator, denominator, denominator, numerator / denominator, low, high)


def _mean(total: int, of: int, reason: str | None) -> Rate:
    reason = reason or (FEW if of < FEWEST else None)
    return Rate(total, of, of, None if reason else total / of, None, None, reason)


def _per_hour(ended: Iterable[Ended], reason: str | None) -> Rate:
    """Conversions of the timed calls by their hours, with the score interval of a Poisson rate: Wilson's for rare ones.

    n is the number of timed calls.
    """
    timed = [each for each in ended if each.disposition in DIALS]
    n, hours = sum(each.timed for each in timed), sum(each.seconds for each in timed) / HOUR_S
    met = sum(each.timed_converted for each in timed)
    reason = reason or (FEW if n < FEWEST else None if hours else "no time was reported")
    if reason:
        return Rate(met, hours, n, None, None, None, reason)
    middle, spread = met + Z * Z / 2, Z * math.sqrt(met + Z * Z / 4)
    return Rate(met, hours, n, met / hours, max(0.0, middle - spread) / hours, (middle + spread) / hours)


def local_time(zones: Iterable[str], at: datetime, form: str) -> str | None:
    """A moment by the clock of whoever may be in any of these zones; None: unknown, or they do not agree on it.

    `form` is strftime's: %H for the hour, %Y-%m-%d for the day.
    """
    found = {at.astimezone(ZoneInfo(zone)).strftime(form) for zone in zones}
    return found.pop() if len(found) == 1 else None
