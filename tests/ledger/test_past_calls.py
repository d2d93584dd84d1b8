"""Imported calls: each once, of known customers alone, emptied with the customer; and the calls that a fit reads."""

from __future__ import annotations

from dataclasses import astuple, replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from flows.erasing import erase_customer
from flows.running import load_running, score_of
from ledger import tables as t
from ledger.call_history import LONGEST_AGO, CallGoal, Extent, calls_after, newest, read_calls
from ledger.dial_tables import past_call
from ledger.model_cards import Card, cards, newest_cards, store_cards
from ledger.past_calls import PastCall, record_past_calls
from ledger.waiting_calls import read_waiting
from tests.builders import DAY, HOUR, T0, TYPES, World, phone, plan_text, put, reachable
from tests.steps import convert, phoned, set_customer
from waves.dispositions import COULD_BE_ANSWERED, EFFECTS, LIVE, Disposition
from waves.outcomes import State

D = Disposition
CALL = "  - {wave: call, enter: \"tier is null or tier = 'gold'\", channels: [call_list], release: 1h, listen: 3d}\n"
RANKED = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}\n"
GOAL = CallGoal("renewed", (int(D.SALE),), 14 * DAY)


def past(n: int, said: Disposition = D.NO_ANSWER, at: datetime = T0 - DAY, **more: Any) -> PastCall:
    call = {"customer": f"c{n}", "number": phone(n), "source": "old", "source_id": f"{n} {said} {at}"}
    return PastCall(at=at, disposition=said, **(call | more))


def keep(world: World, *calls: PastCall) -> tuple[int, ...]:
    with world.ledger.write() as connection:
        return astuple(record_past_calls(connection, calls))


def read(world: World, goal: CallGoal = GOAL, until: datetime = T0 + DAY, **more: Any) -> list[Any]:
    with world.ledger.read() as connection:
        extent = newest(connection, until)
        return list(read_calls(connection, goal, TYPES, extent, **more))


def test_a_call_is_kept_once_and_only_of_a_known_customer(world: World) -> None:
    put(world.ledger, [reachable(n) for n in (1, 2)])
    assert keep(world, past(1), past(2), past(3)) == (2, 0, 1, 0)
    assert keep(world, past(1), past(2, D.SALE)) == (1, 1, 0, 0)
    assert keep(world) == (0, 0, 0, 0)


def test_who_said_no_for_good_in_an_old_call_is_left_alone(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(5)])
    ends = [past(0, D.DNC_REQUEST), past(1, D.DECEASED), past(2, D.SUPPRESSED_DNC), past(2, D.DNC_REQUEST)]
    others = [past(n, said) for n in (3, 4) for said in (D.NOT_INTERESTED, D.WRONG_NUMBER, D.SALE)]
    assert keep(world, *ends, *others)[3] == 3
    assert keep(world, *ends, past(0, D.DNC_REQUEST, T0 - 9 * DAY))[3] == 1
    with world.ledger.read() as connection:
        rows = connection.execute(
            select(t.suppression, t.customer.c.key).join_from(
                t.suppression, t.customer, t.customer.c.id == t.suppression.c.customer
            )
        )
        found = {(row.key, row.reason): (row.channel, row.source, row.since, row.until) for row in rows}
    assert found == {
        ("c0", "dnc_request"): (0, "history", T0 - 9 * DAY, None),
        ("c1", "deceased"): (0, "history", T0 - DAY, None),
        ("c2", "suppressed_dnc"): (0, "history", T0 - DAY, None),
        ("c2", "dnc_request"): (0, "history", T0 - DAY, None),
    }
    world.start(plan_text(CALL))
    world.advance()
    assert {entry.customer for entry in world.pull("call").entries} == {4, 5}


def test_a_no_that_comes_later_of_a_call_that_is_known_stands(world: World) -> None:
    put(world.ledger, [reachable(n) for n in (1, 2, 3)])
    one, two, three = (past(n, source_id=str(n)) for n in (1, 2, 3))
    keep(world, one, two)
    asked = replace(one, disposition=D.DNC_REQUEST)
    assert keep(world, asked, three, replace(three, disposition=D.DECEASED)) == (1, 2, 0, 2)
    assert keep(world, asked, two) == (0, 2, 0, 0)
    assert [row.disposition for row in read(world)] == [D.DNC_REQUEST, D.NO_ANSWER, D.DECEASED]
    world.start(plan_text(CALL))
    world.advance()
    assert len(world.pull("call").entries) == 1


def test_an_erased_customer_leaves_a_count(world: World) -> None:
    put(world.ledger, [reachable(n) for n in (1, 2)])
    keep(world, past(1, agent="Ann"), past(2))
    world.start(plan_text(CALL))
    erase_customer(world.room, "c1", "tester")
    with world.ledger.read() as connection:
        gone, stays = connection.execute(select(past_call).order_by(past_call.c.id)).all()
    assert (gone.number, gone.agent, gone.disposition) == (None, None, D.NO_ANSWER)
    assert "1" not in gone.source_id.split()
    assert stays.number == phone(2)
    assert keep(world, past(1)) == (0, 0, 1, 0)
    assert [row.number for row in read(world)] == [phone(2)]


def test_calls_of_both_kinds_come_in_the_order_of_their_time(world: World) -> None:
    put(world.ledger, [reachable(n, tier="gold") for n in (1, 2)])
    keep(world, past(1, D.SALE, T0 - DAY), past(1, D.NO_ANSWER, T0 - 2 * DAY), past(2, D.BUSY, T0 - HOUR, attempt=4))
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    for hours, said in ((1, D.NO_ANSWER), (3, D.NOT_INTERESTED), (2, D.NOT_ATTEMPTED)):
        phoned(world, "call", "c1", said, T0 + hours * HOUR)
    found = [(row.number, row.disposition, row.attempt, bool(row.converted)) for row in read(world)]
    assert found == [
        (phone(1), D.NO_ANSWER, None, False),
        (phone(1), D.SALE, None, True),
        (phone(2), D.BUSY, 4, False),
        (phone(1), D.NO_ANSWER, 1, False),
        (phone(1), D.NOT_INTERESTED, 2, False),
    ]
    assert {row.zones for row in read(world)} == {"Europe/London"}
    assert [row.disposition for row in read(world, most=2)] == [D.NO_ANSWER, D.NOT_INTERESTED]


def test_what_is_read_is_bounded_by_time_and_by_what_was_reported(world: World) -> None:
    put(world.ledger, [reachable(1)])
    keep(world, past(1, D.SALE, T0 - LONGEST_AGO - DAY), past(1, D.BUSY, T0 - HOUR))
    with world.ledger.read() as connection:
        extent = newest(connection, T0)
    keep(world, past(1, D.FAX, T0 - 2 * HOUR), past(1, D.MACHINE, T0 + HOUR))
    with world.ledger.read() as connection:
        assert [row.disposition for row in read_calls(connection, GOAL, TYPES, extent)] == [D.BUSY]
        assert [row.disposition for row in read_calls(connection, GOAL, TYPES, newest(connection, T0))] == [
            D.FAX,
            D.BUSY,
        ]


def test_a_customer_is_read_as_the_campaign_froze_them(world: World) -> None:
    """What changed since may have changed by the call; a column that no wave's rule names is not frozen."""
    put(world.ledger, [reachable(1, tier="gold", age=30)])
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    phoned(world, "call", "c1", D.SALE, T0 + HOUR)
    keep(world, past(1))
    with world.ledger.write() as connection:
        connection.execute(update(t.profile_table(TYPES)).values(tier="sold", age=31))
    assert [(row.of_tier, row.of_age) for row in read(world)] == [("sold", 31), ("gold", 31)]


def test_without_goal_dispositions_a_conversion_soon_after_counts(world: World) -> None:
    put(world.ledger, [reachable(n) for n in (1, 2, 3)])
    goal = CallGoal("renewed", (), 2 * DAY)
    keep(world, *[past(n, D.INTERESTED, T0 - 5 * DAY) for n in (1, 2)], past(3, D.INTERESTED, T0 - DAY))
    convert(world, "c1", T0 - 4 * DAY)
    convert(world, "c2", T0 - 2 * DAY)  # too late
    assert [row.converted for row in read(world, goal, T0)] == [True, False, None]
    convert(world, "c3", T0 - HOUR)
    assert [row.converted for row in read(world, goal, T0)] == [True, False, None]  # a no in time could not tell yet
    assert [row.converted for row in read(world, goal, T0 + 2 * DAY)] == [True, False, True]


def test_calls_of_another_goal_say_who_answers_and_not_who_converts(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    phoned(world, "call", "c1", D.SALE, T0 + HOUR)
    keep(world, past(1))
    other = CallGoal("upsold", (int(D.SALE),), DAY)
    assert [row.same_goal for row in read(world, other)] == [True, False]


def test_calls_are_counted_from_a_fit_on(world: World) -> None:
    put(world.ledger, [reachable(n) for n in (1, 2)])
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    phoned(world, "call", "c1", D.BUSY, T0 + HOUR)
    wave = world.touches("call")[0].wave
    with world.ledger.read() as connection:
        mark = newest(connection, T0).event
        assert calls_after(connection, wave, 0) == 1
    phoned(world, "call", "c2", D.NOT_ATTEMPTED, T0 + HOUR)
    phoned(world, "call", "c2", D.NO_ANSWER, T0 + 2 * HOUR)
    phoned(world, "call", "c2", D.BUSY, T0 - HOUR)  # reported late
    with world.ledger.read() as connection:
        assert calls_after(connection, wave, mark) == 2
        assert calls_after(connection, wave + 1, 0) == 0


def test_a_card_comes_back_as_it_was_stored(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(CALL))
    wave = world.room.ledger
    card = Card(
        kind="answer",
        window_from=T0 - DAY,
        window_to=T0,
        n=10,
        positives=3,
        tested=0,
        features=("number", "slot"),
        auc=None,
        within50=None,
        within20=None,
        trailing50=None,
        beats=False,
        bins=((0.1, 0.2, 5), (0.3, 0.4, 5)),
        shift=0.25,
        slope=0.5,
        extent=Extent(T0, 7, 9),
        digest="d" * 64,
    )
    with wave.write() as connection:
        one = store_cards(connection, 1, 1, [card], "tester", T0)
        two = store_cards(connection, 1, 1, [card], "tester", T0 + timedelta(microseconds=1))
        assert one < two
        assert newest_cards(connection, 1) == {"answer": card}
        assert newest_cards(connection, 2) == {}
        found = cards(connection, 1)
    assert [(row.campaign_name, row.wave_name, row.fitted_by, kept) for row, kept in found] == [
        ("test", "call", "tester", card)
    ] * 2


@pytest.mark.parametrize("said", Disposition)
def test_a_live_answer_is_one_that_could_be_given(said: Disposition) -> None:
    assert said not in LIVE or said in COULD_BE_ANSWERED
    assert said not in COULD_BE_ANSWERED or EFFECTS[said].rang


def test_who_waits_is_read_with_the_attempt_to_come_and_the_rank(world: World) -> None:
    put(world.ledger, [reachable(n, value=float(n)) for n in (1, 2, 3)])
    world.start(plan_text(RANKED))
    world.advance()
    world.pull("call")
    phoned(world, "call", "c1", D.BUSY, T0 + HOUR)
    phoned(world, "call", "c1", D.NOT_ATTEMPTED, T0 + 2 * HOUR)
    with world.ledger.write() as connection:
        connection.execute(update(t.touch).where(t.touch.c.customer != 3).values(state=int(State.QUEUED)))
    running = load_running(world.ledger, "test")
    rule = score_of(running, running.plan.wave("call"), T0)
    with world.ledger.read() as connection:
        ranked, bare = (read_waiting(connection, running.id, running.row("call").id, TYPES, r) for r in (rule, None))
    assert [(row.key, row.number, row.attempt, row.value, row.of_value) for row in ranked] == [
        ("c1", phone(1), 2, 1.0, 1.0),
        ("c2", phone(2), 1, 2.0, 2.0),
    ]
    assert [(row.zones, row.value) for row in bare] == [("Europe/London", None)] * 2


def test_who_was_changed_by_hand_is_no_matter(world: World) -> None:
    put(world.ledger, [reachable(1)])
    keep(world, past(1))
    set_customer(world, "c1", {"language": "uk"})
    assert [row.language for row in read(world)] == ["uk"]
