"""P(a person answers | number, slot, attempt): the number's own calls, shrunk to the segment while they are few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from segments.capture import Floats
from waves.call_slots import SLOTS

Ints = NDArray[np.int64]
SHRINK = 8.0
"""m of (m·p_segment + answers)/(m + tries): the tries that the segment's rate counts for (dialling.md, section 4)."""
DECAY = np.array([0.18, 0.15, 0.12, 0.10])
"""Where the segment's own rates by attempt begin, before it has any calls."""
ATTEMPTS = len(DECAY) + 2
"""Attempts are told apart up to this one; it stands for all later ones."""


@dataclass(frozen=True, slots=True)
class Tries:
    """Calls that could have been answered, each array one entry a call: the number by code, slot, attempt from 1."""

    number: Ints
    slot: Ints
    attempt: Ints
    answered: Floats

    def part(self, begin: int, end: int) -> Tries:
        """The calls from one place to another."""
        cut = slice(begin, end)
        return Tries(self.number[cut], self.slot[cut], self.attempt[cut], self.answered[cut])


@dataclass(frozen=True, slots=True)
class AnswerRates:
    """Rates of a segment and of each number in it."""

    segment: Floats
    """By slot and attempt, of shape (15, ATTEMPTS)."""
    keys: Ints
    """number · 15 + slot of those that were called, sorted."""
    tries: Floats
    answers: Floats

    def probability(self, number: Ints, slot: Ints, attempt: Ints) -> Floats:
        """(m·p_segment + answers)/(m + tries) of the number in the slot; a number below 0 was never called."""
        base = self.segment[slot, column(attempt)]
        if not len(self.keys):
            return np.asarray(base)
        key = number * len(SLOTS) + slot
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        known = (self.keys[place] == key) & (number >= 0)
        tries, answers = np.where(known, self.tries[place], 0.0), np.where(known, self.answers[place], 0.0)
        return np.asarray((SHRINK * base + answers) / (SHRINK + tries))

    def of(self, calls: Tries, begin: int, end: int) -> Floats:
        """The probabilities of calls from one place to another, whatever came of them."""
        asked = calls.part(begin, end)
        return self.probability(asked.number, asked.slot, asked.attempt)


def column(attempt: Ints) -> Ints:
    """Where an attempt stands among the segment's rates."""
    return np.clip(attempt, 1, ATTEMPTS) - 1


def answer_rates(calls: Tries) -> AnswerRates:
    """The rates that these calls tell of; with none, everybody has the rates of DECAY."""
    key, place = np.unique(calls.number * len(SLOTS) + calls.slot, return_inverse=True)
    tries = np.bincount(place, minlength=len(key)).astype(np.float64)
    answers = np.bincount(place, weights=calls.answered, minlength=len(key)).astype(np.float64)
    return AnswerRates(_segment(calls), key, tries, answers)


def _segment(calls: Tries) -> Floats:
    """The rate of each slot and attempt, drawn to that of the attempt times the slot's ratio to all."""
    at = column(calls.attempt)
    by_attempt = _shrunk(np.append(DECAY, np.repeat(DECAY[-1:], ATTEMPTS - len(DECAY))), at, calls.answered)
    expected = np.bincount(calls.slot, weights=by_attempt[at], minlength=len(SLOTS))
    came = np.bincount(calls.slot, weights=calls.answered, minlength=len(SLOTS))
    ratio = (SHRINK + came) / (SHRINK + expected)
    cells = np.clip(np.outer(ratio, by_attempt), 0.001, 0.999)
    return _shrunk(cells.ravel(), calls.slot * ATTEMPTS + at, calls.answered).reshape(cells.shape)


def _shrunk(prior: Floats, place: Sequence[int] | Ints, answered: Floats) -> Floats:
    tries = np.bincount(place, minlength=len(prior))
    answers = np.bincount(place, weights=answered, minlength=len(prior))
    return np.asarray((SHRINK * prior + answers) / (SHRINK + tries))
