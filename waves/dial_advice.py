"""Progressive or predictive, how long a list, what to expect of a shift: a simulation beside closed formulas."""

from __future__ import annotations

from dataclasses import dataclass

from waves.dial_simulation import Controlled, Luck, Played, Steady, play_dialler
from waves.erlang import deterministic_patience, lines_for
from waves.pacing import (
    FEWEST_AGENTS,
    FEWEST_ANSWERS,
    Calls,
    Mode,
    dials_per_agent_hour,
    mode_for,
    progressive_occupancy,
)
from waves.sizing import Passes, Shift, Size, rota_for, size_list

BLOCKING = (0.01, 0.001)
"""The shares of the dials that may find no line: between them lies what is bought."""

PLAYED = 500
"""Agent hours to play of each way of dialling."""
FEWEST_SHIFTS, SHORTEST = 4, 2.0


@dataclass(frozen=True, slots=True)
class Way:
    """What one way of dialling comes to."""

    mode: Mode
    played: Played
    formula_occupancy: float
    """Progressive: the closed form. Predictive: calls that come in at random, as many as the target allows; a dialler
    that looks at its agents outdoes it, the more the fewer they are."""
    formula_dials: float
    """Dials an agent and hour that this occupancy takes."""
    occupancy: float
    """What the list is sized by: asked for, or as played."""
    size: Size
    load: float
    """Lines in use at a time, in erlangs: those that ring and those that talk."""
    lines: tuple[int, int]
    """Lines at which 1 % and 0.1 % of the dials find none."""


@dataclass(frozen=True, slots=True)
class Advice:
    """How to dial, why, and what each way comes to; predictive is left out where nothing may be abandoned."""

    mode: Mode
    why: str
    agents: int
    """At the phone, rounded."""
    ways: tuple[Way, ...]


def advise(
    shift: Shift, calls: Calls, passes: Passes, target: float, luck: Luck, occupancy: float | None = None
) -> Advice:
    """What to expect of a shift at a target share of abandoned answers; `calls` has the answer rate of all passes."""
    agents = max(1, round(shift.seats))
    ways = [_way("progressive", shift, agents, calls, passes, 0.0, luck, occupancy)]
    if target > 0:
        ways.append(_way("predictive", shift, agents, calls, passes, target, luck, occupancy))
    answers = ways[0].size.conversations
    mode = mode_for(agents, answers) if target > 0 else "progressive"
    return Advice(mode, _why(mode, shift, agents, answers, target), agents, tuple(ways))


def _way(
    mode: Mode,
    shift: Shift,
    agents: int,
    calls: Calls,
    passes: Passes,
    target: float,
    luck: Luck,
    asked: float | None,
) -> Way:
    hours = max(min(shift.hours, SHORTEST), min(shift.hours, PLAYED / (FEWEST_SHIFTS * agents)))
    shifts = max(FEWEST_SHIFTS, round(PLAYED / (hours * agents)))
    pace = Steady if mode == "progressive" else lambda: Controlled(calls, target)
    played = play_dialler(agents, calls, pace, hours, shifts, luck)
    formula = progressive_occupancy(calls) if mode == "progressive" else _at_random(agents, calls, target)
    occupancy = played.occupancy.value if asked is None else asked
    size = size_list(shift.conversations(occupancy), passes, played.abandoned.value)
    ringing = calls.answer_rate * calls.ring_s + (1 - calls.answer_rate) * calls.no_answer_s
    load = agents * (occupancy + played.dials.value / 3600 * ringing)
    few, many = (lines_for(load, blocking) for blocking in BLOCKING)
    dials = dials_per_agent_hour(calls, formula, target)
    return Way(mode, played, formula, dials, occupancy, size, load, (few, many))


def _at_random(agents: int, calls: Calls, target: float) -> float:
    """The occupancy at which calls that come in at random lose just the target (M/M/n+D, by halving)."""
    low, high = 0.0, agents / calls.handle_s / (1 - target)
    for _ in range(60):
        rate = (low + high) / 2
        lost = deterministic_patience(agents, rate, calls.handle_s, calls.connect_s).abandoned
        low, high = (rate, high) if lost < target else (low, rate)
    return deterministic_patience(agents, high, calls.handle_s, calls.connect_s).occupancy


def _why(mode: Mode, shift: Shift, agents: int, answers: float, target: float) -> str:
    if mode == "predictive":
        return f"{agents} agents at the phone and about {answers:,.0f} answers a day keep an abandonment rate steady"
    if target <= 0:
        return "nothing may be abandoned here"
    if agents < FEWEST_AGENTS:
        rota = rota_for(FEWEST_AGENTS, shift.shrinkage)
        return (
            f"with fewer than {FEWEST_AGENTS} agents at the phone ({rota} on the rota) predictive dialling gains little"
        )
    return f"fewer than {FEWEST_ANSWERS} answers a day are too few to steer by"
