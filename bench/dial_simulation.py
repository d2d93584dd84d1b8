"""The simulated floor of `dial-list advice` against the closed forms, and against the table of the dialling sheet.

No speed is measured: `rate` is the simulated share and `limit` the formula's, both in ten-thousandths, so that the
ratio is 1 where they agree; RuntimeError when it is off by more than 1 %, of smaller sizes by more than four standard
errors. The last row counts the figures of the sheet's
table that the simulation comes within four points of (dials: within 8 %); RuntimeError when it is not all of them.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from random import Random
from typing import Any

from waves.dial_simulation import Controlled, Estimate, Pace, Played, Steady, play_dialler, play_queue
from waves.erlang import Queue, deterministic_patience, erlang_a, erlang_c
from waves.pacing import Calls, progressive_occupancy

SEED = 20261127
DICE = Random(SEED)
SHIFTS = 50
WITHIN, ERRORS = 0.01, 4
POINTS, DIALS_WITHIN = 4.0, 0.08

Queued = tuple[str, str, Queue, int, float, float, Callable[[], float], int]
QUEUES: tuple[Queued, ...] = (
    ("M/M/10+D", "abandoned", deterministic_patience(10, 8 / 180, 180, 2), 10, 8 / 180, 180, lambda: 2.0, 400),
    ("M/M/50+D", "abandoned", deterministic_patience(50, 45 / 180, 180, 2), 50, 45 / 180, 180, lambda: 2.0, 200),
    ("M/M/14", "must_wait", erlang_c(14, 100 / 1800, 180), 14, 100 / 1800, 180, lambda: math.inf, 400),
    ("M/M/50", "must_wait", erlang_c(50, 48 / 60, 60), 50, 48 / 60, 60, lambda: math.inf, 200),
    ("M/M/50+M", "abandoned", erlang_a(50, 48 / 60, 60, 120), 50, 48 / 60, 60, lambda: DICE.expovariate(1 / 120), 200),
)
"""Name, what is compared, the closed form, agents, arrivals a second, handling time, patience, hours of a shift."""

TABLE = (
    (5, 0.30, 180, 71.8, 7.9, 84.0, 76.7, 54),
    (10, 0.30, 180, 71.9, 3.5, 84.4, 81.9, 57),
    (20, 0.30, 180, 71.9, 0.75, 84.3, 86.6, 59),
    (50, 0.30, 180, 71.8, 0.02, 84.2, 92.2, 63),
    (5, 0.15, 180, 53.6, 1.7, 70.7, 69.7, 94),
    (10, 0.15, 180, 53.8, 0.4, 70.5, 78.9, 108),
    (20, 0.15, 180, 53.8, 0.02, 70.1, 85.8, 116),
    (50, 0.15, 180, 54.0, 0.00, 70.3, 91.3, 124),
    (10, 0.30, 90, 56.2, 1.0, 72.7, 76.2, 104),
    (50, 0.30, 90, 55.9, 0.0, 72.2, 89.5, 123),
)
"""Agents, p, AHT; progressive: occupancy; 2.0 an idle agent: abandoned, occupancy; controlled: occupancy, dials."""


def run(scale: float) -> list[dict[str, Any]]:
    """A row for each closed form, one for the table."""
    shifts = max(3, round(SHIFTS * scale))
    rows = [_queue(*queue, shifts) for queue in QUEUES]
    for p, handle_s in ((0.30, 180), (0.15, 180), (0.30, 90)):
        # 24.5 s end amid a tick, so that half of one is lost after each dial, as the formula has it.
        calls = Calls(p, handle_s, no_answer_s=24.5)
        played = play_dialler(10, calls, Steady, 100, shifts, Random(SEED).random)
        name, truth = f"progressive {p:.2f}/{handle_s}, occupancy", progressive_occupancy(calls)
        rows.append(_row(name, played.occupancy, truth, round(played.dials.value * 1000 * shifts), shifts))
    return [*rows, _table(shifts)]


def _queue(
    name: str,
    what: str,
    queue: Queue,
    agents: int,
    arrivals: float,
    handle_s: float,
    patience: Callable[[], float],
    hours: int,
    shifts: int,
) -> dict[str, Any]:
    played = play_queue(agents, arrivals, handle_s, patience, hours, shifts, Random(SEED).random)
    n = round(arrivals * 3600 * hours * shifts)
    told = {
        each: _row(f"{name}, {each}", getattr(played, each), getattr(queue, each), n, shifts)
        for each in ("must_wait", "abandoned", "occupancy")
    }
    return told[what]


def _row(what: str, found: Estimate, truth: float, n: int, shifts: int) -> dict[str, Any]:
    said = f"{what}: {found.value:.5f} ±{found.error:.5f}, by formula {truth:.5f}"
    print(said, file=sys.stderr)
    allowed = WITHIN * truth if shifts >= SHIFTS else ERRORS * found.error
    if abs(found.value - truth) > allowed:
        raise RuntimeError(f"{said}: more than {allowed:.5f} apart")
    return {"what": what, "database": "none", "n": n, "rate": 10_000 * found.value, "limit_rate": 10_000 * truth}


def _table(shifts: int) -> dict[str, Any]:
    kept = compared = 0
    print("agents p/AHT: progressive | 2.0 an idle agent | controlled (the sheet's figures)", file=sys.stderr)
    for agents, p, handle_s, progressive, lost, double, controlled, dials in TABLE:
        calls = Calls(p, handle_s)
        paces: tuple[Callable[[], Pace], ...] = (
            Steady,
            lambda: Steady(2.0),
            lambda calls=calls: Controlled(calls, 0.03),
        )
        one, two, three = (play_dialler(agents, calls, pace, 8, shifts, Random(SEED).random) for pace in paces)
        pairs = [
            (100 * one.occupancy.value, progressive),
            (100 * two.abandoned.value, lost),
            (100 * two.occupancy.value, double),
            (100 * three.occupancy.value, controlled),
        ]
        good = [abs(ours - theirs) <= POINTS for ours, theirs in pairs]
        good.append(abs(three.dials.value - dials) <= DIALS_WITHIN * dials)
        kept, compared = kept + sum(good), compared + len(good)
        print(_line(agents, p, handle_s, pairs, three, dials), file=sys.stderr)
    if kept < compared:
        raise RuntimeError(f"only {kept} of {compared} figures of the table are near the sheet's")
    return {"what": "the sheet's table", "database": "none", "n": compared, "rate": kept, "limit_rate": compared}


def _line(agents: int, p: float, handle_s: int, pairs: list[tuple[float, float]], played: Played, dials: int) -> str:
    cells = [f"{ours:.2f} ({theirs})" for ours, theirs in pairs]
    lost = 100 * played.abandoned.value
    return f"{agents} {p}/{handle_s}: {' | '.join(cells)}, {played.dials.value:.1f} ({dials}) dials, {lost:.2f} lost"
