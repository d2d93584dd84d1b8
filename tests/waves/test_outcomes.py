"""The ladder, its parts and the dispositions: complete, without overlap, and as the reference table has them."""

from __future__ import annotations

from itertools import product

import pytest

from waves.dispositions import EFFECTS, ENDS_ALL_CONTACT, ENDS_NUMBER, Disposition, strength
from waves.outcomes import (
    DEFAULT_ACTIONS,
    FAILURES,
    FALLS_THROUGH,
    OUTCOME_MEANINGS,
    PART_MEANINGS,
    PART_OF_OUTCOME,
    STATE_MEANINGS,
    TERMINAL,
    VERDICT_MEANINGS,
    Action,
    Outcome,
    Part,
    Reason,
    Side,
    State,
    Verdict,
    part_of,
    word,
)

LADDER = (
    "accepted deferred in_transit canceled lapsed failed rejected bounced_soft no_answer busy machine delivered "
    "bounced_hard displayed read auto_replied clicked connected visited declined callback_requested replied agreed"
)
GATES = (
    "converted held_out suppressed open_case not_entered no_address no_consent shared_address hours_unknown "
    "no_legal_hour over_limit wave_held_out go"
)


def test_the_ladder_from_the_lowest_rung() -> None:
    assert " ".join(word(outcome) for outcome in sorted(Outcome)) == LADDER


def test_the_gates_in_their_order() -> None:
    assert " ".join(word(verdict) for verdict in sorted(Verdict)) == GATES


@pytest.mark.parametrize(
    ("kind", "meanings"),
    [
        (Outcome, OUTCOME_MEANINGS),
        (Outcome, PART_OF_OUTCOME),
        (Verdict, VERDICT_MEANINGS),
        (Part, PART_MEANINGS),
        (State, STATE_MEANINGS),
        (Disposition, EFFECTS),
    ],
    ids=["outcomes", "parts of outcomes", "verdicts", "parts", "states", "dispositions"],
)
def test_every_word_has_its_line(kind: type, meanings: dict[object, object]) -> None:
    assert set(meanings) == set(kind)


def test_no_word_is_both_what_we_did_and_what_came_back() -> None:
    assert {word(state) for state in State}.isdisjoint(word(outcome) for outcome in Outcome)


def test_side_words_have_no_rank() -> None:
    assert min(Side) > max(Outcome)


def test_a_reason_below_a_hundred_is_the_verdict_of_that_number() -> None:
    said = {reason.name: reason.value for reason in Reason if reason < 100}
    assert said == {v.name: v.value for v in Verdict if v not in (Verdict.WAVE_HELD_OUT, Verdict.GO)}


PARTS = {
    "engaged": "clicked connected visited callback_requested replied agreed",
    "declined": "declined",
    "received": "delivered displayed read auto_replied",
    "missed": "canceled lapsed failed rejected bounced_soft bounced_hard no_answer busy machine",
    "unconfirmed": "accepted deferred in_transit",
    "in_doubt": "",
    "untried": "",
}


@pytest.mark.parametrize("part", PARTS)
def test_each_part_has_its_outcomes(part: str) -> None:
    found = {word(outcome) for outcome in Outcome if word(part_of(outcome, set())) == part}
    assert found == set(PARTS[part].split())


@pytest.mark.parametrize(
    ("states", "part"),
    [
        ({State.SENT}, Part.UNCONFIRMED),
        ({State.LISTED}, Part.UNCONFIRMED),
        ({State.IN_DOUBT}, Part.IN_DOUBT),
        ({State.REFUSED}, Part.MISSED),
        ({State.EXPIRED}, Part.UNTRIED),
        ({State.WITHDRAWN}, Part.UNTRIED),
        ({State.QUEUED}, Part.UNTRIED),
        ({State.SENT, State.IN_DOUBT, State.REFUSED}, Part.IN_DOUBT),
        ({State.REFUSED, State.SENT}, Part.UNCONFIRMED),
        ({State.REFUSED, State.EXPIRED}, Part.MISSED),
        (set(), Part.UNTRIED),
    ],
)
def test_without_an_outcome_the_states_speak(states: set[State], part: Part) -> None:
    assert part_of(None, states) is part


@pytest.mark.parametrize(("outcome", "state"), list(product([Outcome.DELIVERED, Outcome.FAILED], State)))
def test_with_an_outcome_the_states_are_silent(outcome: Outcome, state: State) -> None:
    assert part_of(outcome, {state}) is PART_OF_OUTCOME[outcome]


def test_what_is_final() -> None:
    final = "canceled lapsed failed rejected bounced_soft no_answer busy machine bounced_hard declined agreed"
    assert {word(outcome) for outcome in TERMINAL} == set(final.split())
    assert FAILURES < TERMINAL


def test_what_a_report_asks_for_when_it_names_nothing() -> None:
    asked = {
        word(Side(key)) if key > 1000 else word(Outcome(key)): word(action) for key, action in DEFAULT_ACTIONS.items()
    }
    assert asked == {
        "bounced_hard": "drop_address",
        "bounced_soft": "next_channel",
        "failed": "next_channel",
        "rejected": "next_channel",
        "unsubscribed": "drop_consent",
        "complained": "drop_consent",
    }
    assert {Action.NEXT_CHANNEL, Action.DROP_ADDRESS} == FALLS_THROUGH


RIGHT_PARTY = (
    "sale promise interested callback_agreed callback_requested_untimed not_interested not_eligible already_customer "
    "language_barrier dnc_request"
)
NOT_RUNG = ["wrong_time", "suppressed_dnc", "suppressed_rule", "not_attempted"]


def test_whom_a_call_reached_and_whether_it_rang() -> None:
    effects = {word(said): effect for said, effect in EFFECTS.items()}
    assert " ".join(name for name, effect in effects.items() if effect.right_party) == RIGHT_PARTY
    assert [name for name, effect in effects.items() if not effect.rang] == NOT_RUNG
    assert [name for name, effect in effects.items() if effect.outcome is None] == ["agent_error", "not_attempted"]
    assert {word(said) for said in ENDS_ALL_CONTACT} == {"deceased", "dnc_request", "suppressed_dnc"}
    assert {word(said) for said in ENDS_NUMBER} == {"wrong_number", "invalid_number"}


def test_what_absorbs_is_stronger_than_what_the_right_party_said() -> None:
    strongest = sorted(Disposition, key=strength, reverse=True)[:3]
    assert [word(said) for said in strongest] == ["dnc_request", "deceased", "sale"]
    assert {strength(said) for said in Disposition if EFFECTS[said].right_party} - {4, 2} == {1}
    assert {strength(said) for said in Disposition if not EFFECTS[said].right_party} - {3} == {0}
