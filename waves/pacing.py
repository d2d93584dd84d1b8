"""How fast a dialler may dial: progressive, so many lines an idle agent, or as fast as an abandonment target allows.

multiwave does not dial; this is what forecasts and advice rest on. Times are in seconds, rates are shares.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Mode = Literal["progressive", "predictive"]
FEWEST_AGENTS = 8
FEWEST_ANSWERS = 50
"""Below either, a predictive dialler gains little and its abandonment rate is anybody's guess."""

MOST_LINES = 10
"""Lines an agent at most, as diallers have it (Five9's ratio goes to 10)."""

ROOT_2, ROOT_2_PI = math.sqrt(2), math.sqrt(2 * math.pi)


@dataclass(frozen=True, slots=True)
class Calls:
    """What a dial comes to; times in seconds. Ring times are normal, cut at 0; handling times exponential."""

    answer_rate: float
    """The share of the dials that a person answers, above 0."""
    handle_s: float
    ring_s: float = 12.0
    ring_sd_s: float = 4.0
    no_answer_s: float = 25.0
    connect_s: float = 2.0
    """How long somebody who answered waits for an agent before the call counts as abandoned."""
    tick_s: float = 1.0
    """How often the dialler decides."""


def mode_for(agents: float, answers: float) -> Mode:
    """Progressive for fewer than about 8 agents at work, or fewer than 50 answers that day; else predictive."""
    return "progressive" if agents < FEWEST_AGENTS or answers < FEWEST_ANSWERS else "predictive"


def progressive_occupancy(calls: Calls) -> float:
    """The share of their time in which agents handle calls, when each dials one number after the other."""
    p = calls.answer_rate
    between = (1 - p) / p * calls.no_answer_s + calls.ring_s + calls.tick_s / (2 * p)
    return calls.handle_s / (calls.handle_s + between)


def dials_per_agent_hour(calls: Calls, occupancy: float, abandoned: float = 0.0) -> float:
    """The dials an hour that keep one agent busy for this share of it, `abandoned` of the answers being lost."""
    return 3600 * occupancy / (calls.handle_s * calls.answer_rate * (1 - abandoned))


def lines_to_add(idle: int, ringing: int, lines: float = 1.0) -> int:
    """How many numbers to dial at this tick, so that so many lines ring for each idle agent: 1 is progressive."""
    return max(0, int(lines * idle) - ringing)


def dials_now(calls: Calls, idle: int, busy: int, ringing: int, tolerance: float) -> int:
    """How many numbers to dial at this tick, so that at most `tolerance` of the expected answers finds nobody.

    The largest N with S <= tolerance (ringing + N) p, S being the mean by which answers exceed free agents, both taken
    as normal: s phi(m/s) + m Phi(m/s). Never below progressive, one line an idle agent. `tolerance` is below 1.
    """
    p = calls.answer_rate
    frees = 1 - math.exp(-calls.ring_s / calls.handle_s)
    free, variance = idle + busy * frees, busy * frees * (1 - frees)
    fewest = lines_to_add(idle, ringing)
    # S is never below m: more lines than free / (p (1 - tolerance)) cannot pass.
    most = min(MOST_LINES * (idle + busy), math.floor(free / (p * (1 - tolerance))))
    for lines in range(most, ringing + fewest, -1):
        if _shortfall(lines * p - free, math.sqrt(lines * p * (1 - p) + variance)) <= tolerance * lines * p:
            return lines - ringing
    return fewest


def _shortfall(mean: float, deviation: float) -> float:
    """The mean of what a normal exceeds 0 by."""
    if deviation == 0:
        return max(0.0, mean)
    z = mean / deviation
    return deviation * math.exp(-z * z / 2) / ROOT_2_PI + mean * (1 + math.erf(z / ROOT_2)) / 2
