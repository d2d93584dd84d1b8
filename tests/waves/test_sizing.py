"""The size of a list: the sheet's worked example, and what passes are worth."""

from __future__ import annotations

import pytest

from waves.sizing import Shift, measured_rates, passes_of, passes_worth, rota_for, size_list

SHIFT = Shift(agents=20, hours=7.5, shrinkage=0.12, handle_s=180)


def test_the_worked_example() -> None:
    conversations = SHIFT.conversations(0.80)
    assert conversations == pytest.approx(2_112)
    assert round(size_list(conversations, passes_of([0.18])).records) == 11_733
    two = passes_of([0.18, 0.15])
    assert two.reached == pytest.approx(0.303)
    size = size_list(conversations, two)
    assert (round(size.records), round(size.dials)) == (6_970, 12_686)
    assert size.listed == pytest.approx(1.2 * size.records)


def test_lost_answers_are_dialled_again() -> None:
    passes = passes_of([0.18, 0.15])
    sound, lossy = size_list(1000, passes), size_list(1000, passes, abandoned=0.03, skips=0.15)
    assert lossy.dials == pytest.approx(sound.dials / 0.97)
    assert lossy.records == sound.records
    assert lossy.listed == pytest.approx(1.15 * sound.records)


def test_one_pass_is_a_dial_a_record() -> None:
    passes = passes_of([0.3])
    assert (passes.reached, passes.dials, passes.answer_rate) == (0.3, 1.0, 0.3)


@pytest.mark.parametrize(
    ("rates", "worth"), [([0.18, 0.15, 0.12, 0.10], 4), ([0.18, 0.15, 0.08, 0.10], 2), ([0.18], 1), ([0.2, 0.1], 2)]
)
def test_passes_are_worth_it_until_they_answer_less_than_half_of_the_first(rates: list[float], worth: int) -> None:
    assert passes_worth(rates) == worth


@pytest.mark.parametrize(("seats", "shrinkage", "rota"), [(14, 0.3, 20), (14, 0.0, 14), (15, 0.3, 22), (9, 0.1, 10)])
def test_the_rota_makes_up_for_shrinkage(seats: int, shrinkage: float, rota: int) -> None:
    assert rota_for(seats, shrinkage) == rota


def test_a_pass_of_few_dials_ends_what_is_measured_and_none_takes_its_place() -> None:
    assert measured_rates([100, 29, 60], [20, 10, 6]) == [0.2]
    assert measured_rates([100, 60, 40, 30], [20, 9, 0, 6]) == [0.2, 0.15]
    assert measured_rates([29], [20]) == measured_rates([], []) == []
