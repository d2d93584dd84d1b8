"""Composing a list: in its order, one of a person, number and household, and everybody left out for one reason."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from config import PACKAGED
from config.dialling import load_dialling
from waves.dial_list import WITHOUT, Candidate, Composed, Number, compose
from waves.dispositions import Disposition
from waves.outcomes import Reason
from waves.recycling import Tried, held_back

RULES = load_dialling(PACKAGED)
NOW = datetime(2026, 12, 1, 10, tzinfo=UTC)
LINES = [f"+1202555010{n}" for n in range(6)]
TRIED = st.builds(
    Tried,
    st.integers(0, 10 * 24).map(lambda hours: NOW - timedelta(hours=hours)),
    st.sampled_from([Disposition.NO_ANSWER, Disposition.BUSY, Disposition.TEMPORARY_FAILURE, Disposition.MACHINE]),
    st.integers(0, 999).map(str),
    st.sampled_from(LINES),
)
NUMBERS = st.lists(
    st.builds(Number, st.integers(1, 99), st.sampled_from(LINES), st.booleans(), st.booleans()), max_size=3
)
CANDIDATES = st.lists(
    st.builds(
        Candidate,
        touch=st.integers(1, 10**6),
        customer=st.integers(1, 10**6),
        zones=st.just(["Europe/Kyiv"]),
        stopped_by=st.sampled_from([0, 0, 0, int(Reason.CONVERTED)]),
        call_until=st.sampled_from([None, NOW + timedelta(hours=1), NOW + timedelta(hours=1)]),
        over_limit=st.booleans(),
        law_cap=st.booleans(),
        household=st.sampled_from([None, "a", "b"]),
        on_a_list=st.booleans(),
        numbers=NUMBERS,
        calls=st.lists(TRIED, max_size=4),
    ),
    max_size=12,
    unique_by=lambda one: one.customer,
)


@given(CANDIDATES, st.dictionaries(st.sampled_from(LINES), st.lists(TRIED, max_size=4)), st.integers(0, 6), st.data())
def test_no_list_breaks_a_rule_and_everybody_is_accounted_for(
    people: list[Candidate], to_numbers: dict[str, list[Tried]], size: int, data: st.DataObject
) -> None:
    made, cut = Composed(), data.draw(st.integers(0, len(people)))
    for block in (people[:cut], people[cut:]):  # in whatever blocks they come
        compose(made, block, to_numbers, RULES, NOW, size)
    whole = Composed()
    compose(whole, people, to_numbers, RULES, NOW, size)
    assert (made.chosen, made.funnel) == (whole.chosen, whole.funnel)
    assert len(made.chosen) <= size
    assert len(made.chosen) + made.funnel.total() == len(people)
    assert len({number.value for _, number in made.chosen}) == len(made.chosen)
    houses = [one.household for one, _ in made.chosen if one.household]
    assert len(set(houses)) == len(houses)
    for one, number in made.chosen:
        assert number in one.numbers
        barred = (number.on_a_list, number.law_cap, one.stopped_by, one.on_a_list, one.over_limit, one.law_cap)
        assert not any(barred)
        assert one.call_until
        assert held_back(one.calls, RULES.person, RULES, NOW) is None
        assert held_back(to_numbers.get(number.value, ()), RULES.number, RULES, NOW) is None
    places = [people.index(one) for one, _ in made.chosen]
    assert places == sorted(places)
    if made.funnel[WITHOUT]:
        assert len(made.chosen) == size


def person(customer: int, *lines: str, **more: object) -> Candidate:
    numbers = [Number(n, line) for n, line in enumerate(lines)]
    return Candidate(customer, customer, ["UTC"], call_until=NOW, numbers=numbers, **more)  # type: ignore[arg-type]


def listed(people: list[Candidate], size: int = 10) -> tuple[list[tuple[int, str]], dict[str, int]]:
    made = Composed()
    compose(made, people, {}, RULES, NOW, size)
    return [(one.customer, number.value) for one, number in made.chosen], dict(made.funnel)


def test_the_number_tried_least_is_next() -> None:
    tried = [Tried(NOW - timedelta(days=n), Disposition.BUSY, "k", LINES[n % 2]) for n in (2, 3, 4)]
    assert listed([person(1, *LINES[:2], of_wave=tried)]) == ([(1, LINES[1])], {})
    assert listed([person(1, *LINES[:2])]) == ([(1, LINES[0])], {})


def test_why_the_others_are_left_out() -> None:
    people = [
        person(1, LINES[0], household="a"),
        person(2, LINES[1], household="a"),
        person(3, LINES[0]),
        person(4),
        person(5, LINES[2], on_a_list=True),
        person(6, LINES[2], calls=[Tried(NOW - timedelta(hours=1), Disposition.BUSY, "k")]),
        person(7, LINES[3], stopped_by=int(Reason.SUPPRESSED)),
        person(8, LINES[3]),
        person(9, LINES[4]),
    ]
    assert listed(people, 2) == (
        [(1, LINES[0]), (8, LINES[3])],
        {
            "household": 1,
            "number_on_a_list": 1,
            "no_number": 1,
            "on_a_list": 1,
            "person_gap": 1,
            "suppressed": 1,
            "capacity": 1,
        },
    )
