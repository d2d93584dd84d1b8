"""P(answer): the formula of the reference, the segment's rate for who was never called."""

from __future__ import annotations

import numpy as np
import pytest

from segments.answering import ATTEMPTS, DECAY, SHRINK, Tries, answer_rates


def tries(*calls: tuple[int, int, int, bool]) -> Tries:
    """Calls as (number, slot, attempt, answered)."""
    number, slot, attempt, answered = zip(*calls, strict=True) if calls else ((), (), (), ())
    whole = (np.array(cells, np.int64) for cells in (number, slot, attempt))
    return Tries(*whole, np.array(answered, np.float64))


def ask(rates: object, *calls: tuple[int, int, int]) -> list[float]:
    number, slot, attempt = (np.array(cells, np.int64) for cells in zip(*calls, strict=True))
    return list(rates.probability(number, slot, attempt))  # type: ignore[attr-defined]


def test_before_any_call_the_decay_of_the_reference_holds() -> None:
    found = ask(answer_rates(tries()), *((-1, 0, attempt) for attempt in range(1, 8)))
    assert found == pytest.approx([*DECAY, DECAY[-1], DECAY[-1], DECAY[-1]])


def test_a_number_s_own_calls_in_the_slot_count_beside_eight_of_the_segment() -> None:
    calls = tries(*[(0, 2, 1, True)] * 3, (0, 2, 1, False), *[(1, 2, 1, False)] * 40)
    rates = answer_rates(calls)
    segment = rates.segment[2, 0]
    assert ask(rates, (0, 2, 1)) == pytest.approx([(SHRINK * segment + 3) / (SHRINK + 4)])
    assert ask(rates, (5, 2, 1), (-1, 2, 1)) == pytest.approx([segment, segment])


def test_what_a_number_answered_in_other_hours_counts_as_far_as_it_is_more_than_expected() -> None:
    calls = tries(*[(0, 2, 1, True)] * 3, (0, 2, 1, False), *[(n, 2, 1, False) for n in range(1, 60)])
    rates = answer_rates(calls)
    there, here = rates.segment[2, 0], rates.segment[7, 0]
    assert ask(rates, (0, 7, 1)) == pytest.approx([here * (SHRINK + 3) / (SHRINK + 4 * there)])
    assert ask(rates, (1, 7, 1)) == pytest.approx([here * SHRINK / (SHRINK + there)])


def test_the_segment_learns_its_hours_and_attempts() -> None:
    evening, morning = 3, 0
    calls = [(n, evening, 1, n % 2 == 0) for n in range(400)] + [(n, morning, 1, n % 10 == 0) for n in range(400)]
    calls += [(n, evening, 3, n % 4 == 0) for n in range(400)]
    rates = answer_rates(tries(*calls))
    assert rates.segment[evening, 0] == pytest.approx(0.5, abs=0.02)
    assert rates.segment[morning, 0] == pytest.approx(0.1, abs=0.02)
    assert rates.segment[evening, 2] == pytest.approx(0.25, abs=0.02)
    assert rates.segment[morning, 2] < rates.segment[morning, 0]  # never seen: the attempt's rate, the slot's ratio
    assert rates.segment.shape == (15, ATTEMPTS)


def test_what_is_scored_with_calls_is_what_is_scored_alone() -> None:
    calls = tries(*[(n % 7, n % 15, n % 5 + 1, n % 3 == 0) for n in range(200)])
    rates = answer_rates(calls)
    asked = [(int(calls.number[n]), int(calls.slot[n]), int(calls.attempt[n])) for n in range(50, 60)]
    assert list(rates.of(calls, 50, 60)) == ask(rates, *asked)
