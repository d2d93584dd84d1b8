"""The ledger's calls as columns to learn from: nothing in them was known only after the call, but for the answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import numpy as np

from ledger.call_history import OF
from ledger.types import DAY_ZERO, EPOCH, MICROSECOND
from segments.answering import Ints, Tries
from segments.capture import Floats
from segments.converting import Kind, features_of
from waves.call_slots import PARTS, slot_of
from waves.dispositions import LIVE, Disposition
from waves.hours import zone_of

QUARTER_US = 15 * 60 * 1_000_000
"""No zone's clock changes, and no slot begins, but at a quarter of an hour."""
DAY_US = 86_400_000_000
ROUND_US = 30 * DAY_US
"""An answer ends a round of attempts at a number, and so does a month without one."""
KINDS: Mapping[str, Kind] = {
    "integer": "number",
    "number": "number",
    "boolean": "number",
    "date": "number",
    "datetime": "number",
    "text": "word",
}
"""A date is the days from the call until it."""
OF_THE_CALL: Mapping[str, Kind] = {
    "call.attempt": "number",
    "call.day": "number",
    "call.part": "number",
    "call.calls_before": "number",
    "call.answers_before": "number",
    "call.days_since_last": "number",
    "customer.language": "word",
}
"""What is known of a call before it is made; a declared attribute's name has no dot in it."""
Before = tuple[int, int, int | None]
"""Of a customer: earlier calls, those of them that were answered, the time of the last one in microseconds."""
NEVER: Before = (0, 0, None)


@dataclass(frozen=True, slots=True)
class Candidates:
    """Customers who could be called at `at`, each sequence one entry a customer.

    `attempt` counts from 1 the call to come; `zones` are IANA names joined by spaces (the first counts; None: UTC);
    `attributes` has each declared attribute as the ledger gives it, None where it is unknown.
    """

    at: datetime
    customer: Sequence[int]
    number: Sequence[str]
    attempt: Sequence[int]
    zones: Sequence[str | None]
    language: Sequence[str | None]
    attributes: Mapping[str, Sequence[Any]]

    def __len__(self) -> int:
        return len(self.customer)


@dataclass(frozen=True, slots=True)
class Learnable:
    """Calls in the order of their time: those that could be answered, and those answered ones that could convert."""

    tries: Tries
    numbers: Mapping[str, int]
    """The code of each number in `tries`."""
    at: Ints
    """Of each try, in microseconds since 1970 UTC."""
    rows: Mapping[str, Sequence[Any]]
    """Features of the answered calls by name."""
    converted: Floats
    answered_at: Ints
    before: Mapping[int, Before]
    """Of each customer after the last call."""


def kinds_of(types: Mapping[str, str]) -> dict[str, Kind]:
    """The features that attributes of these types give, with those of the call; what a call brings is none."""
    return features_of({**{name: KINDS[kind] for name, kind in types.items()}, **OF_THE_CALL})


@lru_cache(maxsize=262_144)
def _slot(quarter: int, zones: str | None) -> int:
    place = zone_of(zones.split()[0]) if zones else None
    return slot_of((EPOCH + quarter * QUARTER_US * MICROSECOND).astimezone(place or UTC))


def slots(at: Sequence[int], zones: Sequence[str | None]) -> Ints:
    """The slot of each moment (microseconds since 1970 UTC) by the clock of its zone."""
    return np.array([_slot(moment // QUARTER_US, place) for moment, place in zip(at, zones, strict=True)], np.int64)


def learnable(calls: Sequence[Any], types: Mapping[str, str]) -> Learnable:
    """The rows of ledger.call_history.read_calls as columns."""
    at = [row.at for row in calls]
    slot = slots(at, [row.zones for row in calls])
    answered = np.array([row.disposition in LIVE for row in calls], np.float64)
    numbers: dict[str, int] = {}
    codes = [numbers.setdefault(row.number, len(numbers)) for row in calls]
    attempt = _attempts(calls, answered)
    before: dict[int, Before] = {}
    stood = []
    for row, came in zip(calls, answered, strict=True):
        made, answers, _ = then = before.get(row.customer, NEVER)
        stood.append(then)
        before[row.customer] = made + 1, answers + int(came), row.at
    spoke = [
        place
        for place, row in enumerate(calls)
        if answered[place] and row.disposition != Disposition.ABANDONED and row.same_goal and row.converted is not None
    ]
    rows = _features(
        [at[place] for place in spoke],
        slot[spoke],
        [int(attempt[place]) for place in spoke],
        [stood[place] for place in spoke],
        [calls[place].language for place in spoke],
        {name: [getattr(calls[place], OF + name) for place in spoke] for name in types},
        types,
    )
    return Learnable(
        Tries(np.array(codes, np.int64), slot, attempt, answered),
        numbers,
        np.array(at, np.int64),
        rows,
        np.array([bool(calls[place].converted) for place in spoke], np.float64),
        np.array([at[place] for place in spoke], np.int64),
        before,
    )


def _attempts(calls: Sequence[Any], answered: Floats) -> Ints:
    """The attempt that each call was: as it was said, else one more than those in vain in the round before it."""
    tried: dict[str, tuple[int, int]] = {}
    found = np.empty(len(calls), np.int64)
    for place, row in enumerate(calls):
        vain, last = tried.get(row.number, (0, row.at))
        own = (vain if row.at - last < ROUND_US else 0) + 1
        tried[row.number] = 0 if answered[place] else own, row.at
        found[place] = own if row.attempt is None else row.attempt
    return found


def candidates(waiting: Sequence[Any], types: Mapping[str, str], at: datetime) -> Candidates:
    """The rows of ledger.waiting_calls.read_waiting as candidates for a call at a moment."""
    return Candidates(
        at,
        [row.customer for row in waiting],
        [row.number for row in waiting],
        [row.attempt for row in waiting],
        [row.zones for row in waiting],
        [row.language for row in waiting],
        {name: [getattr(row, OF + name) for row in waiting] for name in types},
    )


def candidate_rows(asked: Candidates, types: Mapping[str, str], before: Mapping[int, Before]) -> Mapping[str, Any]:
    """The features of calls to these customers."""
    now = (asked.at - EPOCH) // MICROSECOND
    at = [now] * len(asked)
    stood = [before.get(customer, NEVER) for customer in asked.customer]
    return _features(at, slots(at, asked.zones), asked.attempt, stood, asked.language, asked.attributes, types)


def _features(
    at: Sequence[int],
    slot: Ints,
    attempt: Sequence[int],
    before: Sequence[Before],
    language: Sequence[str | None],
    attributes: Mapping[str, Sequence[Any]],
    types: Mapping[str, str],
) -> dict[str, Sequence[Any]]:
    dated = {"date", "datetime"}
    found: dict[str, Sequence[Any]] = {
        name: list(map(_days_until, attributes[name], at)) if types[name] in dated else attributes[name]
        for name in types
    }
    return found | {
        "call.attempt": attempt,
        "call.day": list(slot // len(PARTS)),
        "call.part": list(slot % len(PARTS)),
        "call.calls_before": [calls for calls, _, _ in before],
        "call.answers_before": [answers for _, answers, _ in before],
        "call.days_since_last": [
            None if last is None else (moment - last) / DAY_US for moment, (_, _, last) in zip(at, before, strict=True)
        ],
        "customer.language": language,
    }


def _days_until(cell: date | datetime | None, at: int) -> float | None:
    if cell is None:
        return None
    if isinstance(cell, datetime):
        return ((cell - EPOCH) // MICROSECOND - at) / DAY_US
    return float((cell - DAY_ZERO).days - at // DAY_US)
