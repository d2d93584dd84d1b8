"""The counts of a dial desk: a small day worked by hand, every number against the rows, and a replay of the rules."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from random import Random
from typing import Any

import pytest
from sqlalchemy import insert

from flows.dialling import give_back
from ledger import tables as t
from ledger.calls import Call, record_calls
from ledger.dial_breaks import Breaks, breaks
from ledger.dial_scope import Which
from ledger.dial_stats import Counted, counted, ended, silent_goals
from ledger.past_calls import PastCall, record_past_calls
from tests import builders
from tests.builders import HOUR, T0, World, phone, plan_text, put, reachable
from tests.steps import touch_of
from waves.dial_stats import People, Promised, count
from waves.dispositions import LIVE, RIGHT_PARTY
from waves.dispositions import Disposition as D
from waves.recycling import PUNCTUAL, Held, Home, Tried, held_back, household_rests

RULES = builders.RULES.model_copy(update={"household": Home(gap=timedelta(hours=4))})
CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"
START = T0 + 8 * HOUR
"""17:00 in London, 12:00 in New York, 10:00 in Denver and Boise, 9:00 in Los Angeles."""
MINUTE = timedelta(minutes=1)
ZONES = {
    "Europe/London": range(20),
    "America/New_York": range(20, 30),
    "America/Boise America/Denver": range(30, 35),
    "America/Denver America/Los_Angeles": range(35, 40),
}
BY = (None, "team", "list", "agent", "hour", "day")


Made = tuple[int, D, datetime, tuple[float, ...], dict[str, Any]]
"""A call to c0, c1, ...: whom, how it ended, when, its seconds of ringing, talk and wrap, and what else is told."""


def dial(world: World, calls: list[Made]) -> None:
    """Calls through the lists that their customers are on."""
    with world.ledger.write() as connection:
        known = connection.exec_driver_sql(
            "SELECT c.key, e.touch, e.id FROM dial_entry e JOIN customer c ON c.id = e.customer"
        )
        entries = {key: (touch, entry) for key, touch, entry in known}
        made = []
        for n, said, at, seconds, more in calls:
            times = dict(zip(("ring_s", "talk_s", "wrap_s"), seconds, strict=False))
            made.append(Call(said, at, f"{n} at {at:%H%M%S}", "test", *entries[f"c{n}"], **times, **more))
        record_calls(connection, made, RULES, world.now)


def counts(world: World, by: Any = None, **asked: Any) -> dict[Any, Counted]:
    with world.ledger.snapshot() as connection:
        return counted(connection, Which(**asked), RULES, world.now, by)


@pytest.fixture
def day(world: World) -> World:
    """Forty people on two lists: north has 24 of them, c0 to c23, south the other 16; called from 17:00 UTC on."""
    people = [reachable(n, value=float(-n), zones=zones) for zones, numbers in ZONES.items() for n in numbers]
    put(world.ledger, people)
    world.start(plan_text(CALL))
    world.advance()
    world.now = START
    assert [len(world.pull("call", size=24).entries), len(world.pull("call", team="south").entries)] == [24, 16]
    north: dict[D, tuple[Iterable[int], tuple[float, ...], str | None]] = {
        D.SALE: (range(4), (10, 300, 50), "ann"),
        D.NOT_INTERESTED: (range(4, 8), (10, 100, 10), "ann"),
        D.WRONG_NUMBER: (range(8, 10), (0, 60), "ann"),
        D.ABANDONED: (range(10, 12), (), None),
        D.NO_ANSWER: (range(12, 18), (25,), None),
        D.MACHINE: (range(18, 20), (), None),
        D.BUSY: ([20], (), None),
        D.SUPPRESSED_RULE: ([21], (), None),
        D.NOT_ATTEMPTED: ([22], (), None),
    }
    south: dict[D, tuple[Iterable[int], tuple[float, ...], str | None]] = {
        D.SALE: ([24], (), "bob"),
        D.NO_ANSWER: ([27, 28, 29, *range(35, 40)], (), None),
        D.GATEKEEPER: (range(30, 35), (0, 30), "bob"),
    }
    calls: list[Made] = [
        (n, said, START + n * timedelta(seconds=30), seconds, {"agent": agent})
        for team in (north, south)
        for said, (numbers, seconds, agent) in team.items()
        for n in numbers
    ]
    for n, until in ((25, 60), (26, 70)):
        promise = {"agent": "bob", "callback_at": START + until * MINUTE}
        calls.append((n, D.CALLBACK_AGREED, START + 10 * MINUTE, (0, 60), promise))
    calls.append((25, D.NOT_INTERESTED, START + 65 * MINUTE, (0, 60), {"agent": "bob"}))
    dial(world, calls)
    world.now = START + 2 * HOUR
    return world


def test_the_day_by_hand(day: World) -> None:
    whole = counts(day)[None]
    # 21 dials of north (24 less c21, c22, c23), 16 of south and the promised one
    assert count(whole.ended) == 38
    # north 4 sales, 4 noes, 2 wrong numbers, 2 abandoned; south 1 sale, 2 promises, 5 gatekeepers, 1 no
    assert count(whole.ended, LIVE) == 12 + 9
    assert count(whole.ended, RIGHT_PARTY) == 8 + 4
    assert sum(each.converted for each in whole.ended) == 5
    # ann 10 calls, all timed: 4 of 360 s, 4 of 120 s, 2 of 60 s; bob 9, all but the sale: 3 of 60 s, 5 of 30 s
    assert sum(each.by_agent for each in whole.ended) == 19
    assert sum(each.timed for each in whole.ended) == 18
    assert sum(each.timed_converted for each in whole.ended) == 4
    assert sum(each.seconds for each in whole.ended) == 1440 + 480 + 120 + 180 + 150
    # reached: 10 of north, 8 of south; complete: 5 sales, 5 noes
    assert whole.people == People(loaded=40, attempted=37, attempts=38, contacted=18, converted=5, complete=10)
    assert whole.promised == Promised(due=2, kept=1)
    assert whole.breaks == Breaks(attempts=38), "the second call to c25 was asked for"


def test_the_day_in_groups(day: World) -> None:
    teams = counts(day, "team")
    assert {team: (count(one.ended), count(one.ended, LIVE)) for team, one in teams.items()} == {
        "north": (21, 12),
        "south": (17, 9),
    }
    assert teams["north"].people == People(24, 21, 21, 10, 4, 8)
    assert teams["south"].people == People(16, 16, 17, 8, 1, 2)
    lists = counts(day, "list")
    assert [lists[number].people for number in (1, 2)] == [teams["north"].people, teams["south"].people]
    agents = counts(day, "agent")
    assert {agent: count(one.ended) for agent, one in agents.items()} == {"ann": 10, "bob": 9, None: 19}
    assert {one.people for one in agents.values()} == {None}
    assert (agents["bob"].promised, agents["ann"].promised) == (Promised(2, 1), Promised(0, 0))


def test_hours_and_days_are_the_customers_own(day: World) -> None:
    hours = {hour: (count(one.ended, LIVE), count(one.ended)) for hour, one in counts(day, "hour").items()}
    # c20 and c24 to c29 at noon of New York, c25 again at 13:05, c30 to c34 at 10 of Denver and Boise, others unknown
    assert hours == {"17": (12, 20), "12": (3, 7), "13": (1, 1), "10": (5, 5), None: (0, 5)}
    assert {day_: count(one.ended) for day_, one in counts(day, "day").items()} == {"2026-12-01": 38}
    promises = {hour: one.promised for hour, one in counts(day, "hour").items() if one.promised.due}
    assert promises == {"13": Promised(2, 1)}, "by the hour promised"


def test_every_number_is_a_number_of_rows(day: World) -> None:
    whole = counts(day)[None]
    with day.ledger.read() as connection:
        rows = dict(connection.exec_driver_sql("SELECT disposition, count(*) FROM call GROUP BY disposition").all())
        sales = connection.exec_driver_sql("SELECT count(*) FROM conversion WHERE source = 'call'").scalar()
        entries = connection.exec_driver_sql("SELECT count(*) FROM dial_entry").scalar()
    assert {int(each.disposition): each.calls for each in whole.ended} == rows
    assert sum(each.converted for each in whole.ended) == sales == 5
    assert whole.people is not None
    assert whole.people.loaded == entries
    for by in BY:
        groups = counts(day, by).values()
        assert sum(each.calls for one in groups for each in one.ended) == sum(rows.values())
        assert sum(each.converted for one in groups for each in one.ended) == sales
        assert sum(one.promised.due for one in groups) == 2
        assert sum(one.breaks.attempts for one in groups) == 38


def test_what_was_asked_about_is_what_is_counted(day: World) -> None:
    assert counts(day, team="south")[None].people == People(16, 16, 17, 8, 1, 2)
    assert counts(day, list=1)[None].people == People(24, 21, 21, 10, 4, 8)
    assert count(counts(day, campaign=1, wave=1, team="north", list=2)[None].ended) == 0
    assert counts(day, campaign=2)[None].people == People()
    late = counts(day, since=START + HOUR)[None]
    assert (count(late.ended), late.promised) == (1, Promised(2, 1))
    assert late.people == People(40, 1, 1, 1, 0, 10), "both lists were out then"
    assert counts(day, until=START)[None].people == People(), "no list was pulled before"
    assert count(counts(day, since=START, until=START + 30 * timedelta(seconds=1))[None].ended) == 1


def test_a_conversion_that_was_reversed_is_none(day: World) -> None:
    with day.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE conversion SET reversed_at = 1 WHERE source_id = 'test:0 at 170000'")
    whole = counts(day)[None]
    assert sum(each.converted for each in whole.ended) == 4
    assert whole.people is not None
    assert whole.people.converted == 4


def test_who_is_at_a_cap_is_complete_and_returned_lists_hold_nobody(day: World) -> None:
    old = [PastCall("c12", "+12015550999", START - n * HOUR, D.NO_ANSWER, "crm", str(n)) for n in (3, 6)]
    with day.ledger.write() as connection:
        record_past_calls(connection, old)
    assert counts(day)[None].people == People(40, 37, 38, 18, 5, 11), "the third attempt of its day"
    give_back(day.room, 1, "lead", day.now)
    give_back(day.room, 2, "lead", day.now)
    assert counts(day)[None].people == People(40, 37, 38, 18, 5, 11)
    day.now += 20 * HOUR
    assert counts(day)[None].people == People(40, 37, 38, 18, 5, 10), "the day is over"
    assert counts(day, since=day.now)[None].people == People(), "no list is out any more"


def test_a_call_that_no_list_led_to_has_no_team(day: World) -> None:
    touch = touch_of(day, "call", "c23", "call_list").id
    day.called(touch, D.HUNG_UP, START)
    groups = counts(day, "team")
    assert count(groups[None].ended) == 1
    assert groups[None].people is None
    assert sum(count(one.ended) for one in groups.values()) == count(counts(day)[None].ended) == 39
    assert counts(day)[None].people == People(40, 37, 38, 18, 5, 11), "done with, though by nobody's list"


def test_goals_without_a_disposition_are_named(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(CALL).replace("dispositions: [sale], ", ""))
    world.advance()
    with world.ledger.read() as connection:
        assert silent_goals(connection, Which()) == []
    world.pull("call")
    with world.ledger.read() as connection:
        assert silent_goals(connection, Which()) == ["test"]
        assert silent_goals(connection, Which(team="south")) == []
        assert ended(connection, Which()) == {}


def judged(world: World, **asked: Any) -> Breaks:
    with world.ledger.read() as connection:
        return breaks(connection, Which(**asked), RULES).get(None, Breaks())


def entry_on_a_list(world: World, touch: Any, number: str, until: datetime) -> int:
    """An entry of a list of its own, returned already: as a file that was dialled after it came back."""
    with world.ledger.write() as connection:
        made = {"team": "east", "shift": "s", "format": "f", "pulled_at": START, "pulled_by": "x", "wave": touch.wave}
        values = {**made, "lease_until": until, "returned_at": START}
        number_of = connection.execute(insert(t.dial_list).values(values).returning(t.dial_list.c.id)).scalar_one()
        row = {"list": number_of, "touch": touch.id, "rank": 1, "tier": "normal", "customer": touch.customer}
        entry = {**row, "number": number, "active": False, "call_until": until}
        return int(connection.execute(insert(t.dial_entry).values(entry).returning(t.dial_entry.c.id)).scalar_one())


def called_by(world: World, touch: Any, entry: int | None, at: datetime, number: str, said: D = D.NO_ANSWER) -> None:
    with world.ledger.write() as connection:
        record_calls(connection, [Call(said, at, f"{entry} {at}", "test", touch.id, entry, number)], None, at)


def test_a_double_dial_is_two_calls_within_the_gap_from_two_lists(world: World) -> None:
    put(world.ledger, [reachable(1), reachable(2)])
    world.start(plan_text(CALL))
    world.advance()
    one, two = (touch_of(world, "call", key) for key in ("c1", "c2"))
    until = START + 10 * HOUR
    first, second, other = (entry_on_a_list(world, touch, phone(1), until) for touch in (one, one, two))
    called_by(world, one, first, START, phone(1))
    called_by(world, one, first, START + 5 * MINUTE, phone(9))
    assert judged(world) == Breaks(2, person_gap=1, rows=1), "the same entry, another number: too soon, and no double"
    called_by(world, one, second, START + 10 * MINUTE, phone(9))
    assert judged(world) == Breaks(3, double=1, person_gap=2, number_gap=1, rows=2)
    called_by(world, two, other, START + 20 * MINUTE, phone(1))
    assert judged(world) == Breaks(4, double=2, person_gap=2, number_gap=2, rows=3), "another person, the same number"
    called_by(world, one, second, START + 3 * HOUR, phone(1), D.TEMPORARY_FAILURE)
    assert judged(world).attempts == 4, "the rules do not count it"
    called_by(world, two, other, START + 10 * HOUR, phone(1))
    assert judged(world) == Breaks(5, double=2, person_gap=2, number_gap=2, number_cap=1, outside=1, rows=4)
    assert judged(world, list=3) == Breaks(2, double=1, number_gap=1, number_cap=1, outside=1, rows=2)


def test_breaks_are_what_a_replay_by_the_rules_of_pulling_finds(world: World) -> None:
    """Every attempt, in order, is asked of waves.recycling.held_back with those before it."""
    luck, keys = Random(20261127), [f"c{n}" for n in range(12)]
    put(world.ledger, [reachable(n, household=f"h{n // 2}" if n < 8 else None) for n in range(12)])
    world.start(plan_text(CALL))
    world.advance()
    touches = {key: touch_of(world, "call", key) for key in keys}
    calls, old = [], []
    endings = [D.NO_ANSWER, D.BUSY, D.SALE, D.TEMPORARY_FAILURE, D.WRONG_TIME, D.CALLBACK_AGREED, D.CALLBACK_AGREED]
    for n in range(300):
        key, number = luck.choice(keys), phone(luck.randrange(8))
        at = T0 + luck.randrange(60 * 24 * 9) * MINUTE
        said = luck.choice(endings)
        until = at + luck.choice([20, 60, 180]) * MINUTE if said is D.CALLBACK_AGREED and n % 7 else None
        if n % 10 == 0:
            old.append(PastCall(key, number, at, said, "crm", str(n)))
            continue
        calls.append(Call(said, at, str(n), "test", touches[key].id, None, number, callback_at=until))
        if until:
            kept = until + luck.randrange(-20, 40) * MINUTE
            calls.append(Call(D.NO_ANSWER, kept, f"{n} kept", "test", touches[key].id, None, number))
    with world.ledger.write() as connection:
        record_past_calls(connection, old)
        record_calls(connection, calls, None, T0)
        ids = dict(connection.exec_driver_sql("SELECT call_id, event FROM call").all())
    made = [(call.at, ids[call.call_id], keyed(touches, call), call) for call in calls]
    past = [(one.at, -1 - n, one.customer, one) for n, one in enumerate(old)]
    found = judged(world)
    assert found == replayed([one for one in [*made, *past] if RULES.is_attempt(one[3].disposition)])
    ways = (found.person_gap, found.person_cap, found.number_gap, found.number_cap, found.household_gap)
    assert min(ways) > 9, "no way was left untried"
    assert found.double == found.outside == 0


def keyed(touches: dict[str, Any], call: Call) -> str:
    return next(key for key, touch in touches.items() if touch.id == call.touch)


def replayed(attempts: list[tuple[datetime, int, str, Any]]) -> Breaks:
    people, numbers = defaultdict[str, list[Tried]](list), defaultdict[str, list[Tried]](list)
    homes = defaultdict[int, list[Tried]](list)
    last: dict[str, Call] = {}
    found: defaultdict[str, int] = defaultdict(int)
    for at, event, key, call in sorted(attempts, key=lambda one: one[:2]):
        if event > 0:
            due = last[key].callback_at if key in last else None
            asked = due is not None and at >= due - PUNCTUAL
            here = asked and last[key].number == call.number
            ways = set()
            for of, calls, often, free in (
                ("person", people[key], RULES.person, last[key].at if asked else None),
                ("number", numbers[call.number], RULES.number, last[key].at if here else None),
            ):
                if held_back(calls, often, RULES, at, free) is Held.GAP:
                    ways.add(f"{of}_gap")
                without_gap = RULES.model_copy(update={"gap": timedelta(0)})
                if held_back(calls, often, without_gap, at, free) is Held.CAP:
                    ways.add(f"{of}_cap")
            if (n := int(key[1:])) < 8 and not asked and household_rests(homes[n // 2], RULES, at):
                ways.add("household_gap")
            for way in ways:
                found[way] += 1
            found["rows"] += bool(ways)
            found["attempts"] += 1
            last[key] = call
        one = Tried(at, call.disposition, number=call.number)
        people[key].append(one)
        homes[int(key[1:]) // 2].append(one)
        numbers[call.number].append(one)
    return Breaks(**found)
