"""What each waiting customer of a call wave is worth to an agent, when to call them, and who a list would take."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from datetime import datetime

import numpy as np

from flows.history import fitted_for
from flows.room import Room
from flows.running import Running, score_of
from ledger.attributes import attribute_types
from ledger.waiting_calls import read_waiting
from segments.call_rows import candidates
from segments.propensity import Fitted
from waves.call_slots import SLOTS
from waves.dial_value import CallTimes
from waves.draw import Draw
from waves.exploration import choose

HANDLE_S = 180.0
"""Seconds of a handled call where the plan's capacity does not say."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One customer who waits for a list, by key; `value` and `score` are None where the plan's rank has none.

    In a wave without a rank everybody is worth 1.
    """

    customer: str
    answer: float
    convert: float
    best_hour: str
    """The slot of the customer's own clock in which they answer likeliest."""
    best_answer: float
    value: float | None
    score: float | None
    listed: str | None = None
    """`rank` or `lot` when a list of the size asked for would take them."""
    p_assign: float | None = None
    """The probability of that, the lot being the chance."""


def call_scores(
    room: Room, running: Running, wave: str, by: str, now: datetime, size: int = 0, share: float = 0.05
) -> tuple[Fitted, list[Scored]]:
    """The customers of a wave who wait for a list, best first, by the models of its newest fit (a new one when due).

    With a `size`, `listed` and `p_assign` tell whom a list would take now, `share` of it by lot; hours, limits and all
    that a list checks again are left aside.
    """
    fitted = fitted_for(room, running, wave, by, now)
    plan_wave = running.plan.wave(wave)
    with room.ledger.read() as connection:
        types = attribute_types(connection)
        rule = score_of(running, plan_wave, now)
        rows = read_waiting(connection, running.id, running.row(wave).id, types, rule)
    asked = candidates(rows, types, now)
    value = np.array([row.value for row in rows], np.float64) if rule else np.ones(len(rows))
    handle = plan_wave.capacity.handle_time.total_seconds() if plan_wave.capacity else HANDLE_S
    score = fitted.score(asked, value, CallTimes(handle))
    slot, chance = fitted.best_slot(asked)
    columns = (fitted.answer(asked), fitted.convert(asked), slot, chance, value, score)
    found = [
        (row.bucket, Scored(row.key, float(p), float(c), SLOTS[hour], float(top), _known(v), _known(s)))
        for row, p, c, hour, top, v, s in zip(rows, *columns, strict=True)
    ]
    found.sort(key=lambda one: (one[1].score is None, -(one[1].score or 0.0), one[0]))
    scored = [one for _, one in found]
    if size:
        lottery = Draw.named("wave", running.name, wave, "explore", now.isoformat())
        for chosen in choose([bucket for bucket, _ in found], size, share, lottery):
            word = "lot" if chosen.explored else "rank"
            scored[chosen.place] = replace(scored[chosen.place], listed=word, p_assign=chosen.p_assign)
    return fitted, scored


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)
