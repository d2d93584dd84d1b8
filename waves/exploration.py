"""The reserved share of a call list that is drawn by lot, so that what a rank leaves out can be learnt of as well."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping

LEAST, MOST = 0.05, 0.10
"""The share of a list that may be reserved."""
NOTHING = 1e-18


def explorers(size: int, share: float) -> int:
    """How many places of a list of `size` are drawn by lot; ValueError for a share outside 5 to 10 %."""
    if not LEAST <= share <= MOST:
        raise ValueError(f"{share:g} is reserved for exploration; it must lie between {LEAST:g} and {MOST:g}")
    return math.ceil(round(size * share, 9))


def reserved(size: int, share: float) -> int:
    """As `explorers`, and never more than a tenth of the list: one of fewer than ten has none; 0 for a share of 0."""
    return min(explorers(size, share), math.floor(size * MOST)) if share else 0


def p_assign(place: int, candidates: int, size: int, drawn: int) -> float:
    """The probability that the candidate at `place` (from 0) of the rank came on the list, the lot being the chance.

    `drawn` of `candidates` are explorers; who is none is listed when fewer than size - drawn others are before them,
    which is a question of how many explorers those before are: a hypergeometric tail.
    """
    by_lot = drawn / candidates
    short = place + 1 - (size - drawn)
    return by_lot + (1.0 - by_lot) * (1.0 if short <= 0 else _at_least(short, candidates - 1, drawn, place))


def chances(listed: Iterable[int], places: Mapping[int, int], drawn: int, callable_ones: float) -> dict[int, float]:
    """The probability of each of the `listed` to have come on the list, the lot being the chance.

    `drawn` were explorers among so many who were callable. `places`: where they stand among these by rank (from 0); who
    has none stands behind all who were looked at, and came by lot or not at all.
    """
    them = list(listed)
    candidates = max(len(them), round(callable_ones))
    return {
        one: p_assign(min(places.get(one, candidates), candidates - 1), candidates, len(them), drawn) for one in them
    }


def callable_of(due: int, drawn: int, reached: int) -> float:
    """How many of the `due` can be listed, a lot having gone through `reached` of them to draw so many who can.

    An inverse sample, without bias (Haldane 1945); of one alone as it is.
    """
    if reached == due or drawn < 2:
        return drawn * due / reached
    return due * (drawn - 1) / (reached - 1)


def _at_least(wanted: int, population: int, marked: int, taken: int) -> float:
    """P(H >= wanted): H of the `taken` are marked, `marked` of `population` being so; summed from the nearer end."""
    low, high = max(0, marked + taken - population), min(marked, taken)
    if wanted <= low:
        return 1.0
    if wanted > high:
        return 0.0
    upper = wanted > marked * taken / population
    hits, step = (wanted, 1) if upper else (wanted - 1, -1)
    term = total = _exactly(hits, population, marked, taken)
    while low <= hits + step <= high and term > total * NOTHING:
        more = (marked - hits) * (taken - hits) / ((hits + 1) * (population - marked - taken + hits + 1))
        less = hits * (population - marked - taken + hits) / ((marked - hits + 1) * (taken - hits + 1))
        term *= more if upper else less
        total += term
        hits += step
    return total if upper else 1.0 - total


def _exactly(hits: int, population: int, marked: int, taken: int) -> float:
    parts = ((marked, hits), (population - marked, taken - hits))
    return math.exp(sum(_log_choose(n, k) for n, k in parts) - _log_choose(population, taken))


def _log_choose(n: int, k: int) -> float:
    return math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1)
