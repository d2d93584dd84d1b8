"""Dialled again: the next attempt, the next number, every campaign's calls counted, and why a list is short."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from channels.call_list.rows import DispositionRow
from config import PACKAGED
from flows.dialling import give_back
from flows.reports import record_dispositions
from ledger import tables as t
from ledger.calls import Call, record_calls
from ledger.dial_lists import Pulled
from ledger.past_calls import PastCall, record_past_calls
from tests.builders import DAY, HOUR, RULES, T0, World, make_world, phone, plan_text, put, reachable
from tests.steps import phoned, touch_of, touch_words
from waves.dispositions import Disposition as D
from waves.errors import PlanError
from waves.outcomes import State
from waves.tokens import Kind, make_token

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"
MISTAKEN = """person: {day: 3, week: 7, ever: 10}
number: {day: 2, week: 6, ever: 8}
gap: 2
again: {nobody: {after: 4h, times: 3}}
"""
MISTAKEN = """person: {day: 3, week: 7, ever: 10}
number: {day: 2, week: 6, ever: 8}
gap: 2
again: {nobody: {after: 4h, times: 3}}
"""
WAITING = {"due": 0, "later": 0, "on_a_list": 0, "done": 0}


def calling(world: World, *people: Any, name: str = "test") -> None:
    put(world.ledger, people)
    world.start(plan_text(CALL, name=name))
    world.advance()


def list_at(world: World, after: timedelta, **more: Any) -> Pulled:
    """The list that a lead pulls so long after the start, and its number given back at once by `back`."""
    world.now = T0 + after
    return world.pull("call", **more).pulled  # type: ignore[no-any-return]


def dialled(world: World, after: timedelta, said: D, key: str = "c1", **more: Any) -> list[str]:
    """A list is pulled, everybody on it is dialled with this end, the list comes back; its numbers."""
    cut = list_at(world, after)
    for entry in cut.entries:
        phoned(world, "call", key, said, T0 + after, number=entry.number, **more)
    if cut.number:
        give_back(world.room, cut.number, "lead", T0 + after)
    return [entry.number for entry in cut.entries]


def test_who_was_busy_is_on_the_list_again_after_twenty_minutes_and_the_gap(world: World) -> None:
    calling(world, reachable(1))
    assert dialled(world, HOUR, D.BUSY) == [phone(1)]
    early = list_at(world, HOUR + timedelta(minutes=15))
    assert (early.number, early.funnel, early.waiting) == (0, {}, WAITING | {"later": 1})
    soon = list_at(world, HOUR + timedelta(minutes=25))
    assert (soon.number, soon.funnel, soon.waiting) == (0, {"person_gap": 1}, WAITING | {"due": 1})
    assert dialled(world, 3 * HOUR, D.SALE) == [phone(1)]
    over = list_at(world, 2 * DAY)
    assert (over.number, over.waiting) == (0, WAITING | {"done": 1})


def test_the_other_number_is_next_and_a_dead_one_never_again(world: World) -> None:
    person = replace(reachable(1), addresses=(("call_list", phone(1)), ("call_list", phone(2))))
    calling(world, person)
    assert dialled(world, HOUR, D.BUSY) == [phone(1)]
    assert dialled(world, 4 * HOUR, D.INVALID_NUMBER) == [phone(2)]
    assert dialled(world, 5 * HOUR, D.BUSY) == [phone(1)]  # a dead line rings nowhere: no gap after it
    assert dialled(world, DAY + 6 * HOUR, D.WRONG_NUMBER) == [phone(1)]
    last = list_at(world, 2 * DAY)
    assert (last.number, last.funnel) == (0, {"no_address": 1})
    assert touch_words(world, "call")["c1"][0][1:3] == ("listed", "bounced_hard")


def test_every_campaigns_calls_count_for_the_person_and_for_the_number(world: World) -> None:
    calling(world, reachable(1))
    world.start(plan_text(CALL.replace("wave: call", "wave: ring"), name="other"))
    world.advance()
    assert dialled(world, HOUR, D.BUSY) == [phone(1)]
    assert dialled(world, 4 * HOUR, D.BUSY) == [phone(1)]
    world.now = T0 + 7 * HOUR
    assert world.pull("ring", name="other").pulled.funnel == {"number_cap": 1}
    world.now = T0 + DAY + 5 * HOUR
    assert world.pull("ring", name="other").number


def test_no_answer_waits_for_another_part_of_the_day(world: World) -> None:
    calling(world, reachable(1))
    assert dialled(world, HOUR, D.NO_ANSWER) == [phone(1)]
    assert list_at(world, DAY + HOUR).funnel == {"same_part": 1}
    assert list_at(world, DAY + 5 * HOUR).number


def test_results_of_a_list_that_is_out_change_nothing_until_it_is_back(world: World) -> None:
    calling(world, reachable(1))
    cut = list_at(world, HOUR)
    phoned(world, "call", "c1", D.BUSY, T0 + HOUR)
    assert list_at(world, 4 * HOUR).waiting == WAITING | {"on_a_list": 1}
    give_back(world.room, cut.number, "lead", T0 + 4 * HOUR)
    assert list_at(world, 5 * HOUR).number


def test_the_order_of_results_is_nothing(tmp_path: Any, ledger_url: str) -> None:
    said = [(HOUR, D.BUSY), (4 * HOUR, D.NO_ANSWER), (9 * HOUR, D.MACHINE)]
    found = []
    for number, order in enumerate((said, said[::-1])):
        made = make_world(tmp_path / f"home{number}", None if number else ledger_url)
        calling(made, reachable(1))
        cut = list_at(made, HOUR)
        give_back(made.room, cut.number, "lead", T0 + HOUR)
        for after, disposition in order:
            phoned(made, "call", "c1", disposition, T0 + after)
        found += [(row.state, row.not_before, row.outcome) for row in made.touches("call")]
        made.ledger.close()
    assert found[0] == found[1]
    assert found[0][1] == T0 + 9 * HOUR + 20 * HOUR


def test_nobody_waits_in_a_wave_that_is_stopped_or_over(world: World) -> None:
    calling(world, reachable(1))
    cut = list_at(world, HOUR)
    phoned(world, "call", "c1", D.BUSY, T0 + HOUR)
    with world.ledger.write() as connection:
        connection.execute(t.wave.update().values(stopped_at=T0 + HOUR))
    give_back(world.room, cut.number, "lead", T0 + 2 * HOUR)
    assert touch_words(world, "call")["c1"][0][1] == "listed"


def test_a_file_of_rules_with_a_mistake_stops_the_desk(lite: World) -> None:
    calling(lite, reachable(1))
    path = lite.config / "rules" / "dialling.yaml"
    path.write_text(MISTAKEN)
    with pytest.raises(PlanError) as found:
        lite.pull("call")
    assert [(problem.line, problem.message) for problem in found.value.problems] == [
        (3, "`gap`: '2' is no length of time; write 90s, 30m, 2h or 14d"),
        (4, "`again`: nobody is no disposition; write one such as no_answer"),
    ]
    assert [row.state for row in lite.touches("call")] == [int(State.QUEUED)]


def test_a_no_is_heard_though_the_file_of_rules_has_a_mistake(lite: World) -> None:
    calling(lite, reachable(1), reachable(2))
    cut = list_at(lite, HOUR)
    tokens = [make_token(lite.room.token_key, Kind.DIAL_ENTRY, entry.id) for entry in cut.entries]
    path, told = lite.config / "rules" / "dialling.yaml", list[str]()
    lite.room.tell = told.append
    path.write_text(MISTAKEN)
    said = [D.DNC_REQUEST, D.BUSY]
    rows = [
        DispositionRow(1, token, each, T0 + HOUR, str(each), None, None, None, None, None)
        for token, each in zip(tokens, said, strict=True)
    ]
    assert record_dispositions(lite.room, rows, T0 + HOUR).new == 2
    assert "dialling.yaml:3" in told[0]
    with lite.ledger.read() as connection:
        assert connection.scalar(select(t.suppression.c.reason)) == "dnc_request"
    path.unlink()
    give_back(lite.room, cut.number, "lead", T0 + HOUR)
    assert list_at(lite, 4 * HOUR).number, "who was busy waits again since the list is back"


def test_what_came_while_the_rules_were_mistaken_counts_once_they_are_mended(lite: World) -> None:
    """The list was back by then: who was busy is dialled again in time, who said no is not."""
    calling(lite, reachable(1), reachable(2), reachable(3))
    cut = list_at(lite, timedelta(0))
    give_back(lite.room, cut.number, "lead", T0)
    for key, ended in (("c1", D.BUSY), ("c2", D.NOT_INTERESTED)):
        touch = touch_of(lite, "call", key).id
        with lite.ledger.write() as connection:
            record_calls(connection, [Call(ended, T0 + HOUR, key, "test", touch)], None, T0 + HOUR)
    soon = list_at(lite, HOUR + timedelta(minutes=5))
    assert ([entry.number for entry in soon.entries], soon.funnel) == (
        [phone(3)],
        {"next_call_later": 1, "no_more_calls": 1},
    )
    later = list_at(lite, 4 * HOUR)
    assert ([entry.number for entry in later.entries], later.funnel) == ([phone(1)], {"no_more_calls": 1})


def promise(world: World, after: timedelta, until: timedelta, key: str = "c1", **more: Any) -> None:
    """A call in which an agent agreed with a customer on another one."""
    touch = touch_of(world, "call", key, "call_list").id
    call = Call(D.CALLBACK_AGREED, T0 + after, f"{key} {after}", "test", touch, callback_at=T0 + until, **more)
    with world.ledger.write() as connection:
        record_calls(connection, [call], RULES, T0 + after)


def test_what_was_promised_comes_first_by_its_time_and_agent_whatever_the_gap_and_the_day_allow(world: World) -> None:
    calling(world, *[reachable(n, value=float(n)) for n in (1, 2, 3)])
    for hour, said in ((0, D.BUSY), (3, D.BUSY), (6, D.CALLBACK_AGREED)):  # the third of the day
        cut = list_at(world, hour * HOUR, size=3)
        if said is D.BUSY:
            phoned(world, "call", "c1", said, T0 + hour * HOUR)
        else:
            promise(world, 6 * HOUR, 8 * HOUR, agent="ann")
            promise(world, 6 * HOUR, 7 * HOUR, "c2")
        give_back(world.room, cut.number, "lead", T0 + hour * HOUR)
    entries = list_at(world, 6 * HOUR).entries  # for eight hours: both are due within it
    assert [(e.number, e.rank, e.tier, e.callback_at, e.agent) for e in entries] == [
        (phone(2), 1, "callback", T0 + 7 * HOUR, None),
        (phone(1), 2, "callback", T0 + 8 * HOUR, "ann"),
        (phone(3), 3, "normal", None, None),
    ]


def test_a_promise_for_tomorrow_waits_for_tomorrows_list(world: World) -> None:
    calling(world, reachable(1))
    cut = list_at(world, HOUR)
    promise(world, HOUR, DAY + HOUR)
    give_back(world.room, cut.number, "lead", T0 + HOUR)
    assert list_at(world, 4 * HOUR).waiting == WAITING | {"later": 1}
    due = list_at(world, DAY + HOUR - timedelta(minutes=15))
    assert [entry.tier for entry in due.entries] == ["callback"]
    phoned(world, "call", "c1", D.NO_ANSWER, T0 + DAY + HOUR)
    give_back(world.room, due.number, "lead", T0 + DAY + HOUR)
    assert list_at(world, DAY + 3 * HOUR).waiting == WAITING | {"later": 1}, "not answered, so four hours later"
    assert [entry.tier for entry in list_at(world, DAY + 6 * HOUR).entries] == ["recycle"]


def test_a_household_rests_after_a_call_to_anybody_of_it(world: World) -> None:
    """c1 and c2 share one, c3 and c4 another; c4 asked for a call, and the imported one to c3 counts."""
    path = world.config / "rules" / "dialling.yaml"
    path.write_text((PACKAGED / "rules" / path.name).read_text() + "household: {gap: 4h}\n")
    calling(world, *[reachable(n, household="ab"[n > 2]) for n in range(1, 5)])
    phoned(world, "call", "c1", D.NO_ANSWER, T0 + HOUR)
    with world.ledger.write() as connection:
        record_past_calls(connection, [PastCall("c3", phone(3), T0 + HOUR, D.BUSY, "crm", "1")])
        promise = {"callback_at": T0 + 3 * HOUR}
        asked = Call(D.CALLBACK_AGREED, T0 - DAY, "k", "test", touch_of(world, "call", "c4").id, None, None, **promise)
        record_calls(connection, [asked], RULES, T0 + HOUR)
    cut = list_at(world, 3 * HOUR)
    assert ([entry.number for entry in cut.entries], cut.funnel) == ([phone(4)], {"household_gap": 2})
    give_back(world.room, cut.number, "lead", world.now)
    later = list_at(world, 5 * HOUR)
    assert phone(2) in [entry.number for entry in later.entries]


def test_imported_calls_count_for_the_caps(world: World) -> None:
    calling(world, reachable(1), reachable(2))
    old = [PastCall("c1", phone(1), T0 - n * HOUR, D.NO_ANSWER, "crm", str(n)) for n in (3, 6)]
    old += [PastCall("c1", phone(2), T0 - 5 * HOUR, D.NO_ANSWER, "crm", "of a neighbour")]
    with world.ledger.write() as connection:
        assert record_past_calls(connection, old).new == 3
    cut = list_at(world, HOUR)
    assert ([entry.number for entry in cut.entries], cut.funnel) == ([phone(2)], {"person_cap": 1})


def test_who_has_no_number_or_no_zone_any_more_is_left_out_and_told(lite: World) -> None:
    calling(lite, reachable(1), reachable(2))
    with lite.ledger.write() as connection:
        connection.execute(t.address.delete().where(t.address.c.customer == 1))
        connection.execute(t.customer.update().where(t.customer.c.id == 2).values(zone_set=None))
    cut = list_at(lite, HOUR)
    assert (cut.number, cut.funnel) == (0, {"no_number": 1, "outside_hours": 1})
