"""How many records and dials a shift takes: conversations its agents can hold, over the day's attempts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import takewhile

MEASURABLE = 30
"""Dials of a pass, or timed calls, below which nothing is measured by them."""

STOP_SHARE = 0.5
"""A list is stopped when a pass answers less than this share of what the first did."""

SKIPS = 0.2
"""The records more for those that drop out between list and dial: 15 to 25 %."""


@dataclass(frozen=True, slots=True)
class Shift:
    """Agents on the rota, hours, the share of the time they are not at the phone, and seconds a call with its wrap."""

    agents: int
    hours: float
    shrinkage: float
    handle_s: float

    @property
    def seats(self) -> float:
        """Agents at the phone, on average."""
        return self.agents * (1 - self.shrinkage)

    def conversations(self, occupancy: float) -> float:
        """Calls the shift can handle when agents talk and wrap for this share of their time at the phone."""
        return self.seats * self.hours * occupancy * 3600 / self.handle_s


@dataclass(frozen=True, slots=True)
class Passes:
    """What dialling each record until it answers, or has had every pass, comes to."""

    reached: float
    """The share of the records that answers in one of the passes."""
    dials: float
    """Dials a record."""

    @property
    def answer_rate(self) -> float:
        """P(answer) of a dial, over all passes."""
        return self.reached / self.dials


@dataclass(frozen=True, slots=True)
class Size:
    """What so many conversations take; means, not rounded."""

    conversations: float
    records: float
    dials: float
    listed: float
    """Records, with those that are skipped on top."""


def passes_of(answer_rates: Sequence[float]) -> Passes:
    """The passes in turn, each with its P(answer)."""
    reached, dials, left = 0.0, 0.0, 1.0
    for rate in answer_rates:
        dials += left
        reached += left * rate
        left *= 1 - rate
    return Passes(reached, dials)


def size_list(conversations: float, passes: Passes, abandoned: float = 0.0, skips: float = SKIPS) -> Size:
    """The list for so many conversations, of passes that reach somebody.

    `abandoned` is the share of the answers that is lost; those records are dialled again.
    """
    records = conversations / passes.reached
    dials = conversations / (passes.answer_rate * (1 - abandoned))
    return Size(conversations, records, dials, records * (1 + skips))


def measured_rates(dials: Sequence[int], answers: Sequence[int]) -> list[float]:
    """P(a person answers) of each pass, up to the first of too few dials (MEASURABLE) or that nobody answered."""
    enough = takewhile(lambda one: one[0] >= MEASURABLE and one[1], zip(dials, answers, strict=True))
    return [answered / dialled for dialled, answered in enough]


def passes_worth(answer_rates: Sequence[float], stop_share: float = STOP_SHARE) -> int:
    """How many passes to dial: up to the first that answers less than this share of what the first pass did."""
    for done, rate in enumerate(answer_rates):
        if rate < stop_share * answer_rates[0]:
            return done
    return len(answer_rates)


def rota_for(seats: int, shrinkage: float) -> int:
    """How many agents are on the rota for so many at the phone."""
    return math.ceil(round(seats / (1 - shrinkage), 9))
