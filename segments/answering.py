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
EDGES = 0.001, 0.999
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
class Tally:
    """Calls by a key, each array one entry a key: how many, how many answered, how many the segment would answer."""

    keys: Ints
    tries: Floats
    answers: Floats
    expected: Floats

    def of(self, key: Ints) -> tuple[Floats, Floats, Floats]:
        """Tries, answers and expected answers of each key, 0 where it has no calls."""
        if not len(self.keys):
            return (np.zeros(len(key)),) * 3
        place = np.minimum(np.searchsorted(self.keys, key), len(self.keys) - 1)
        known = self.keys[place] == key
        tries, answers, expected = (
            np.where(known, count[place], 0.0) for count in (self.tries, self.answers, self.expected)
        )
        return tries, answers, expected


@dataclass(frozen=True, slots=True)
class AnswerRates:
    """Rates of a segment and of each number in it."""

    segment: Floats
    """By slot and attempt, of shape (15, ATTEMPTS)."""
    by_number: Tally
    by_slot: Tally
    """The key is number · 15 + slot."""

    def probability(self, number: Ints, slot: Ints, attempt: Ints) -> Floats:
        """(m·p_segment + answers)/(m + tries) of the number in the slot; a number below 0 was never called.

        p_segment is the segment's rate for the slot and attempt, and what the number answered in its other slots
        against what was expected there raises or lowers it, as far as (m + answers)/(m + expected) goes.
        """
        tries, answers, expected = self.by_slot.of(np.where(number < 0, -1, number * len(SLOTS) + slot))
        _, all_answers, all_expected = self.by_number.of(number)
        elsewhere = (SHRINK + all_answers - answers) / (SHRINK + all_expected - expected)
        base = np.clip(self.segment[slot, column(attempt)] * elsewhere, *EDGES)
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
    segment = _segment(calls)
    expected = segment[calls.slot, column(calls.attempt)]
    return AnswerRates(
        segment,
        _tally(calls.number, calls.answered, expected),
        _tally(calls.number * len(SLOTS) + calls.slot, calls.answered, expected),
    )


def _tally(key: Ints, answered: Floats, expected: Floats) -> Tally:
    keys, place = np.unique(key, return_inverse=True)
    weights = (np.ones(len(key)), answered, expected)
    tries, came, hoped = (np.bincount(place, weights=w, minlength=len(keys)).astype(np.float64) for w in weights)
    return Tally(keys, tries, came, hoped)


def _segment(calls: Tries) -> Floats:
    """The rate of each slot and attempt, drawn to that of the attempt times the slot's ratio to all."""
    at = column(calls.attempt)
    by_attempt = _shrunk(np.append(DECAY, np.repeat(DECAY[-1:], ATTEMPTS - len(DECAY))), at, calls.answered)
    expected = np.bincount(calls.slot, weights=by_attempt[at], minlength=len(SLOTS))
    came = np.bincount(calls.slot, weights=calls.answered, minlength=len(SLOTS))
    ratio = (SHRINK + came) / (SHRINK + expected)
    cells = np.clip(np.outer(ratio, by_attempt), *EDGES)
    return _shrunk(cells.ravel(), calls.slot * ATTEMPTS + at, calls.answered).reshape(cells.shape)


def _shrunk(prior: Floats, place: Sequence[int] | Ints, answered: Floats) -> Floats:
    tries = np.bincount(place, minlength=len(prior))
    answers = np.bincount(place, weights=answered, minlength=len(prior))
    return np.asarray((SHRINK * prior + answers) / (SHRINK + tries))
