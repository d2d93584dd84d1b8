"""The share of a list that is drawn by lot: after the promised, of the callable alone, with the chance it had."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest

from config import PACKAGED
from config.dialling import load_dialling
from waves.dial_list import Candidate, Composed, Lot, Number, compose
from waves.dispositions import Disposition
from waves.draw import Draw, bucket_of
from waves.exploration import callable_of, chances, reserved
from waves.outcomes import Reason
from waves.recycling import Tried

RULES = load_dialling(PACKAGED)
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LATER = NOW + timedelta(hours=8)


def somebody(n: int, promised: bool = False, stopped: bool = False, household: str | None = None) -> Candidate:
    call = Tried(NOW - timedelta(days=1), Disposition.CALLBACK_AGREED, f"k{n}", f"+{n}", "ann", NOW)
    calls = [call] if promised else []
    why = int(Reason.SUPPRESSED) if stopped else 0
    return Candidate(
        n, n, ("UTC",), why, LATER, household=household, numbers=[Number(n, f"+{n}")], calls=calls, of_wave=calls
    )


def listed(people: list[Candidate], lot: Lot, size: int) -> Composed:
    made = Composed(lot)
    compose(made, people, {}, RULES, NOW, size)
    return made


def in_turn(people: list[Candidate], number: int) -> list[Candidate]:
    lottery = Draw.named("explore", str(number))
    return sorted(people, key=lambda one: lottery.ticket(bucket_of(f"c{one.touch}")))


def test_the_lot_comes_after_the_promised_and_before_the_best() -> None:
    people = [somebody(0, promised=True), *(somebody(n) for n in range(1, 30))]
    made = listed(people, Lot(list(reversed(people[1:])), {}, 2), 20)
    assert [one.touch for one, _ in made.chosen] == [0, 29, 28, *range(1, 18)]
    assert (made.drawn, made.funnel) == ({28, 29}, {"capacity": 10})
    assert made.places[1] == 0
    assert made.places[29] == 28, "where the rank has them"


def test_who_may_not_be_called_is_not_drawn_and_counts_once() -> None:
    people = [somebody(n, stopped=n in (8, 9), household="a" if n in (0, 7) else None) for n in range(10)]
    made = listed(people, Lot(list(reversed(people)), {}, 1), 10)
    assert made.drawn == {7}
    assert made.reached == 3
    assert made.funnel == {"suppressed": 2, "household": 1}, "of a household the one who was drawn"
    assert len(made.stopped) == 2


def test_promises_are_kept_though_the_list_is_full_of_them() -> None:
    people = [*(somebody(n, promised=True) for n in range(5)), *(somebody(n) for n in range(5, 9))]
    made = listed(people, Lot(people[5:], {}, 2), 5)
    assert [one.touch for one, _ in made.chosen] == [0, 1, 2, 3, 4]
    assert made.drawn == set()


@pytest.mark.parametrize(
    ("size", "share", "places"), [(9, 0.10, 0), (10, 0.05, 1), (19, 0.10, 1), (100, 0.05, 5), (100, 0.0, 0)]
)
def test_never_more_than_a_tenth_is_by_lot(size: int, share: float, places: int) -> None:
    assert reserved(size, share) == places


def test_over_many_draws_each_is_listed_as_often_as_its_chance_says() -> None:
    """A third may not be called, and nobody knows of whom the lot did not reach: chances are of what was seen.

    Weighted by one over it (Horvitz and Thompson, 1952) those listed stand for all who could be.
    """
    people = [somebody(n, stopped=n % 3 == 1) for n in range(60)]
    draws, size = 3000, 20
    weight, times = Counter[int](), Counter[int]()
    for number in range(draws):
        lot = Lot(in_turn(people, number), {}, 2)
        made = listed(people, lot, size)
        mine = [one.touch for one, _ in made.chosen]
        found = chances(mine, made.places, len(made.drawn), callable_of(len(people), len(made.drawn), made.reached))
        for one in mine:
            times[one] += 1
            weight[one] += 1 / found[one]
    callable_ones = [one.touch for one in people if not one.stopped_by]
    assert sorted(times) == callable_ones, "the last of the rank too"
    assert all(times[one] == draws for one in callable_ones[:18])
    assert sum(weight.values()) / draws == pytest.approx(len(callable_ones), rel=0.08)
