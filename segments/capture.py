"""How well scores rank what came of calls: over all of them, and within lists, which is where a list chooses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
LIST = 500
"""Consecutive calls that stand for a list, and calls before one whose rate is the trailing rate (measurement.md 10)."""
TENTHS = 10
SURE = 1.645  # one-sided 95 %


@dataclass(frozen=True, slots=True)
class Bin:
    """Calls of like scores: their mean score, the share that came true, how many they are."""

    predicted: float
    observed: float
    n: int


def captured(scores: Floats, outcomes: Floats, share: float) -> float:
    """How many of the positives are in the best-scored share of the calls; among equal scores the lot decides."""
    places = round(len(scores) * share)
    if not places:
        return 0.0
    last = np.sort(scores)[-places]
    above, level = scores > last, scores == last
    return float(outcomes[above].sum() + outcomes[level].sum() * (places - above.sum()) / level.sum())


def capture(scores: Floats, outcomes: Floats, share: float) -> float:
    """The share of all positives that is in the best-scored `share` of the calls; nan when there is no positive."""
    total = float(outcomes.sum())
    return captured(scores, outcomes, share) / total if total else math.nan


def capture_within(scores: Floats, outcomes: Floats, share: float) -> float:
    """The same within each list of consecutive calls, weighted by positives."""
    cuts = range(0, len(scores), LIST)
    hits = sum(captured(scores[cut : cut + LIST], outcomes[cut : cut + LIST], share) for cut in cuts)
    total = float(outcomes.sum())
    return hits / total if total else math.nan


def trailing(outcomes: Floats) -> Floats:
    """For each call the rate of the calls just before it, at most LIST of them; 0 for the first."""
    sums = np.concatenate([[0.0], np.cumsum(outcomes)])
    ends = np.arange(len(outcomes))
    begins = np.maximum(0, ends - LIST)
    return np.asarray((sums[ends] - sums[begins]) / np.maximum(1, ends - begins))


def area(scores: Floats, outcomes: Floats) -> float:
    """The area under the ROC curve: P(a positive scores above a negative), ties half; nan with one kind alone."""
    _, place, count = np.unique(scores, return_inverse=True, return_counts=True)
    rank = (np.cumsum(count) - (count - 1) / 2)[place]
    yes = float(outcomes.sum())
    no = len(outcomes) - yes
    return float((rank[outcomes > 0].sum() - yes * (yes + 1) / 2) / (yes * no)) if yes and no else math.nan


def bins(scores: Floats, outcomes: Floats) -> tuple[Bin, ...]:
    """The calls by tenths of their scores, lowest first: what was predicted beside what came."""
    order = np.argsort(scores, kind="stable")
    parts = [part for part in np.array_split(order, TENTHS) if len(part)]
    return tuple(Bin(float(scores[p].mean()), float(outcomes[p].mean()), len(p)) for p in parts)


def beats(within: float, rival: float, positives: float) -> bool:
    """Whether the capture in the best half is surely above a rival's and above the half that any order has.

    Surely: its lower 95 % bound is, as a share of so many positives.
    """
    if not positives:
        return False
    error = np.sqrt(within * (1 - within) / positives)
    return bool(within - SURE * error > max(rival, 0.5))
