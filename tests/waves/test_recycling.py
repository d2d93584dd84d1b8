"""Dialling again: when by the last call, never after the call that counts, and within the caps and the gap."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise, permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from config import PACKAGED
from config.dialling import load_dialling
from waves.dispositions import Disposition as D
from waves.recycling import Held, Tried, again_from, held_back, promised, same_part

RULES = load_dialling(PACKAGED)
TEN = datetime(2026, 12, 1, 10, tzinfo=UTC)  # a Tuesday
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def calls(*said: tuple[timedelta, D]) -> list[Tried]:
    return [Tried(TEN + after, disposition, f"k{n}") for n, (after, disposition) in enumerate(said)]


ZERO = timedelta(0)
AGAIN = {
    "nobody answered": (calls((ZERO, D.NO_ANSWER)), 4 * HOUR),
    "busy, and then nobody": (calls((ZERO, D.BUSY), (20 * MINUTE, D.NO_ANSWER)), 20 * MINUTE + 4 * HOUR),
    "busy a third time": (calls(*[(n * HOUR, D.BUSY) for n in range(3)]), 2 * HOUR + 20 * MINUTE),
    "busy a fourth time": (calls(*[(n * HOUR, D.BUSY) for n in range(4)]), None),
    "no after a promise to call back": (calls((ZERO, D.CALLBACK_AGREED), (DAY, D.NOT_INTERESTED)), None),
    "nobody at the promised time": (calls((ZERO, D.CALLBACK_AGREED), (DAY, D.NO_ANSWER)), DAY + 4 * HOUR),
    "a no, and a dialler that dialled all the same": (calls((ZERO, D.NOT_INTERESTED), (HOUR, D.NO_ANSWER)), None),
    "sold": (calls((ZERO, D.NO_ANSWER), (5 * HOUR, D.SALE)), None),
    "a dead number": (calls((ZERO, D.INVALID_NUMBER)), ZERO),
    "an agent's mistake alone": (calls((ZERO, D.AGENT_ERROR)), None),
    "an agent's mistake after a busy line": (calls((ZERO, D.BUSY), (HOUR, D.AGENT_ERROR)), 20 * MINUTE),
    "asked never to be called": (calls((ZERO, D.DNC_REQUEST), (HOUR, D.BUSY)), None),
}


@pytest.mark.parametrize("name", AGAIN)
def test_when_the_next_attempt_is_due(name: str) -> None:
    made, after = AGAIN[name]
    for order in permutations(made):
        assert again_from(order, RULES) == (None if after is None else TEN + after)


@pytest.mark.parametrize(
    ("sooner", "after", "stands"),
    [
        ((HOUR, D.NO_ANSWER), 5.75 * HOUR, True),
        ((HOUR, D.INVALID_NUMBER), 5.75 * HOUR, True),
        ((5.75 * HOUR, D.NO_ANSWER), 9.75 * HOUR, False),  # the promised call
        ((HOUR, D.WRONG_TIME), 5.75 * HOUR, True),
        ((HOUR, D.GATEKEEPER), 5 * HOUR, False),
        ((HOUR, D.INTERESTED), None, False),
    ],
)
def test_a_promise_stands_until_somebody_is_reached_or_dialled_at_its_time(
    sooner: tuple[timedelta, D], after: timedelta | None, stands: bool
) -> None:
    promise = Tried(TEN, D.CALLBACK_AGREED, "p", callback_at=TEN + 6 * HOUR)
    for order in permutations([promise, *calls(sooner)]):
        assert again_from(order, RULES) == (None if after is None else TEN + after)
        assert promised(order) == (promise if stands else None)


def test_an_abandoned_call_locks_out_for_longer_where_the_place_says_so() -> None:
    assert again_from(calls((ZERO, D.ABANDONED)), RULES, ["US-NY"]) == TEN + 15 * MINUTE
    assert again_from(calls((ZERO, D.ABANDONED)), RULES, ["GB", "FR"]) == TEN + 72 * HOUR


@pytest.mark.parametrize(
    ("made", "after", "held"),
    [
        ([ZERO], HOUR, Held.GAP),
        ([ZERO], 2 * HOUR, None),
        ([ZERO, 3 * HOUR, 6 * HOUR], 9 * HOUR, Held.CAP),  # three within 24 hours
        ([ZERO, 3 * HOUR, 6 * HOUR], DAY, None),
        ([n * DAY / 2 for n in range(7)], 4 * DAY, Held.CAP),  # seven within 7 days
        ([n * DAY / 2 for n in range(7)], 7 * DAY, None),
        ([n * 8 * DAY for n in range(10)], 365 * DAY, Held.CAP),  # ten in all
    ],
)
def test_caps_and_the_gap_of_a_person(made: list[timedelta], after: timedelta, held: Held | None) -> None:
    assert held_back(calls(*[(at, D.NO_ANSWER) for at in made]), RULES.person, RULES, TEN + after) is held


def test_a_call_that_reached_nobodys_telephone_is_no_attempt() -> None:
    made = calls((ZERO, D.TEMPORARY_FAILURE), (ZERO, D.NOT_ATTEMPTED), (ZERO, D.WRONG_TIME), (ZERO, D.SUPPRESSED_DNC))
    assert held_back(made, RULES.number, RULES, TEN) is None


MOMENTS = st.lists(st.integers(0, 14 * 24 * 60), max_size=25, unique=True)


@given(MOMENTS)
def test_whoever_is_dialled_only_when_nothing_holds_them_keeps_every_cap(minutes: list[int]) -> None:
    """Asked at each of many moments in order, and dialled whenever allowed, no window ever holds too many."""
    made: list[Tried] = []
    for at in (TEN + minute * MINUTE for minute in sorted(minutes)):
        if held_back(made, RULES.number, RULES, at) is None:
            made.append(Tried(at, D.NO_ANSWER, str(at)))
    times = [call.at for call in made]
    assert len(times) <= RULES.number.ever
    for first in times:
        assert sum(first <= at < first + DAY for at in times) <= RULES.number.day
        assert sum(first <= at < first + 7 * DAY for at in times) <= RULES.number.week
    assert all(later - earlier >= RULES.gap for earlier, later in pairwise(times))


def test_nobody_who_did_not_answer_is_dialled_in_the_same_part_of_the_day() -> None:
    made = calls((ZERO, D.BUSY), (HOUR, D.NO_ANSWER))  # at 11 UTC: before noon there, after it in Kyiv
    assert same_part(made, ["UTC"], RULES, TEN + DAY)
    assert not same_part(made, ["UTC"], RULES, TEN + DAY + 3 * HOUR)
    half_past_nine = TEN + DAY - 30 * MINUTE  # half past eleven in Kyiv, where the call was at one
    assert not same_part(made, ["Europe/Kyiv"], RULES, half_past_nine)
    assert same_part(made, ["Europe/Kyiv", "UTC"], RULES, half_past_nine)
    assert not same_part(made, ["UTC"], RULES, TEN + 2 * DAY), "who works in the mornings calls them the day after"
    on_friday, saturday = calls((3 * DAY, D.NO_ANSWER)), TEN + 4 * DAY
    assert not same_part(on_friday, ["UTC"], RULES, saturday)
    assert not same_part(calls((ZERO, D.BUSY)), ["UTC"], RULES, TEN + HOUR)
    assert not same_part([], ["UTC"], RULES, TEN)
