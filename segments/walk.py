"""Score each call by what was known before it: learn from the calls up to a point, score the next ones, move on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from segments.capture import Floats

STEP = 250
"""A model is never older than so many calls (measurement.md, the gate of section 10)."""
WINDOW = 20_000
"""It learns from so many calls at most, the newest."""
RECENT = 5_000
"""Scores of so many calls, all made before their results were known, are what it is calibrated on."""
FEWEST = 500
"""With fewer of those, or before so many calls are there to learn from, nothing is calibrated or tested."""
WEIGHT = 20.0
"""How many (p(1 - p)-weighted) calls the belief counts that the scores are right as they are."""
EDGE = 1e-6

Score = Callable[[int, int], Floats]
"""The probabilities of the calls from one place to another, in the order of their time."""
Learn = Callable[[int, int], Score]
"""What scores calls, learnt from those from one place to another."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """The straight line that log-odds are put through: (0, 1) leaves them as they are."""

    shift: float = 0.0
    slope: float = 1.0

    def apply(self, scores: Floats) -> Floats:
        """The calibrated probabilities, in the same order within one calibration when the slope is above 0."""
        return 1.0 / (1.0 + np.exp(-(self.shift + self.slope * log_odds(scores))))


@dataclass(frozen=True, slots=True)
class Walk:
    """Calibrated probabilities of the calls from `begin` on, each by a model that had not seen them or later ones."""

    begin: int
    scores: Floats
    calibration: Calibration
    """For scores made after the walk."""


def walk(outcomes: Floats, learn: Learn, begin: int, window: int = WINDOW, step: int = STEP) -> Walk:
    """Walk over calls in the order of their time, `outcomes` being 1.0 or 0.0; at least one is before `begin`."""
    raw = np.empty(len(outcomes) - begin)
    done = np.empty_like(raw)
    for at in range(begin, len(outcomes), step):
        end = min(at + step, len(outcomes))
        raw[at - begin : end - begin] = learn(max(0, at - window), at)(at, end)
        known = calibrate(raw[: at - begin], outcomes[begin:at])
        done[at - begin : end - begin] = known.apply(raw[at - begin : end - begin])
    return Walk(begin, done, calibrate(raw, outcomes[begin:]))


def calibrate(scores: Floats, outcomes: Floats) -> Calibration:
    """The line that fits the newest results best, drawn towards leaving the scores as they are (Platt, with a prior).

    A score that tells nothing gets a slope near 0, so that everybody has the rate of the whole.
    """
    if len(scores) < FEWEST:
        return Calibration()
    x, y = log_odds(scores[-RECENT:]), outcomes[-RECENT:]
    design = np.column_stack([np.ones_like(x), x])
    line = prior = np.array([0.0, 1.0])
    for _ in range(50):  # Newton's steps on a convex function: it is there after a few
        p = 1.0 / (1.0 + np.exp(-design @ line))
        slope = design.T @ (p - y) + WEIGHT * (line - prior)
        bend = (design * (p * (1 - p))[:, None]).T @ design + WEIGHT * np.eye(2)
        move = np.linalg.solve(bend, slope)
        line = line - move
        if np.abs(move).max() < 1e-9:
            break
    return Calibration(float(line[0]), max(0.0, float(line[1])))


def log_odds(scores: Floats) -> Floats:
    """The logarithm of p / (1 - p), finite for every p."""
    kept = np.clip(scores, EDGE, 1 - EDGE)
    return np.asarray(np.log(kept / (1 - kept)))
