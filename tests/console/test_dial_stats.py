"""`dial-list stats`: what a lead reads, what a program reads, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from ledger.calls import Call, record_calls
from tests.builders import HOUR, RULES, T0, World, make_world, phone, plan_text, put, reachable
from tests.commands import said
from tests.steps import phoned
from waves.dispositions import Disposition as D
from waves.errors import CampaignError, InputError

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[World]:
    """Two lists: of north's 40 people in London 16 answer and 8 buy; of south's 10 abroad 3 are called and 2 answer."""
    made = make_world(tmp_path / "home")
    put(made.ledger, [reachable(n, value=float(-n)) for n in range(40)])
    put(made.ledger, [reachable(n, value=float(-n), zones="") for n in range(40, 50)])
    with made.ledger.write() as connection:  # somewhere whose hours are known, on clocks that are not
        connection.exec_driver_sql("UPDATE zone_set SET zones = 'Europe/Paris Europe/Kyiv' WHERE zones = ''")
    made.start(plan_text(CALL))
    made.advance()
    made.pull("call", size=40)
    made.pull("call", team="south")
    with made.ledger.read() as connection:
        rows = connection.exec_driver_sql("SELECT touch, id FROM dial_entry ORDER BY id").all()
    calls = []
    for n, (touch, entry) in enumerate(rows[:43]):
        end = D.SALE if n % 5 == 0 else D.HUNG_UP if n % 5 == 1 else D.NO_ANSWER
        agent, talk = ("ann", 90.0) if end is not D.NO_ANSWER else (None, None)
        calls.append(Call(end, T0, f"{n}", "test", touch, entry, agent=agent, talk_s=talk))
    calls.append(Call(D.SUPPRESSED_RULE, T0, "stopped", "test", rows[43].touch, rows[43].id))
    with made.ledger.write() as connection:
        record_calls(connection, calls, RULES, T0)
    made.ledger.set_now(T0 + HOUR)
    yield made
    made.ledger.close()


def told(world: World, *words: str) -> Any:
    return json.loads(said(world, "dial-list", "stats", *words, "--json"))


def test_a_lead_reads_rates_with_what_they_are_of(desk: World) -> None:
    shown = said(desk, "dial-list", "stats", "test", "--by", "team")
    for line in (
        "43 dials",
        "41.9%",  # 18 of 43
        "28.4% to 56.7%",
        "18 answered of 43 dials",
        "9 conversions of 9 right persons reached",
        "43 people dialled of 50 people on lists",
        "double dials: 0 of 43 attempts; they must be 0",
        "calls against the house's caps, gaps and hours: 0 (-)",
        "most at 09: 40.0%",
        "40.0%  16/40",
        "n < 30  2/3",
        "note: 3 dials went to customers whose hour is unknown, or not the same in all",
        "note: no dials, and in no rate: suppressed_rule 1",
        "nobody reports logged-in time",
    ):
        assert line in shown, line


def test_a_program_reads_the_same_numbers_and_why_one_is_missing(desk: World) -> None:
    found = told(desk, "test", "--by", "list")
    hit, hourly = found["rates"]["hit"], found["rates"]["conversions_per_agent_hour"]
    assert (found["campaign"], found["dials"], hit["numerator"], hit["denominator"], hit["n"]) == (
        "test",
        43,
        18,
        43,
        43,
    )
    assert (hit["value"], hit["low"], hit["high"]) == pytest.approx((18 / 43, 0.2838, 0.5667), abs=1e-4)
    assert (hourly["value"], hourly["n"], hourly["reason"]) == (None, 18, "n < 30")
    assert found["dispositions"] == {"no_answer": 25, "sale": 9, "hung_up": 9, "suppressed_rule": 1}
    assert {hour["hour"]: (hour["numerator"], hour["n"]) for hour in found["hit_rate_by_local_hour"]} == {
        "09": (16, 40),
        None: (2, 3),
    }
    assert [(one["key"], one["dials"], one["rates"]["hit"]["reason"]) for one in found["groups"]] == [
        (1, 40, None),
        (2, 3, "n < 30"),
    ]
    assert sum(one["breaks"]["attempts"] for one in found["groups"]) == found["breaks"]["attempts"] == 43
    assert found["rates"]["conversion_per_record"]["value"] == pytest.approx(9 / 50)
    assert told(desk)["rates"] == found["rates"], "there is one campaign"


def test_a_filter_narrows_and_a_group_of_calls_has_no_people(desk: World) -> None:
    assert (told(desk, "--team", "north")["dials"], told(desk, "--list", "2")["dials"]) == (40, 3)
    assert told(desk, "test", "--wave", "call", "--from", "2026-12-01T09:00Z")["dials"] == 43
    assert told(desk, "--to", "2026-12-01T09:00Z")["dials"] == 0
    by_agent = told(desk, "--by", "agent")["groups"]
    assert [(one["key"], one["dials"]) for one in by_agent] == [("ann", 18), (None, 25)]
    assert by_agent[0]["rates"]["depth"]["reason"].startswith("people are counted on the lists")
    assert "not named" in said(desk, "dial-list", "stats", "--by", "agent")
    assert [one["key"] for one in told(desk, "--by", "day")["groups"]] == ["2026-12-01"]


def test_what_should_not_have_been_stands_out(desk: World) -> None:
    phoned(desk, "call", "c2", D.NO_ANSWER, T0 + HOUR, phone(2))
    breaks = told(desk, "test")["breaks"]
    assert (breaks["double"], breaks["person_gap"], breaks["number_gap"], breaks["rows"]) == (1, 1, 1, 1)
    shown = said(desk, "dial-list", "stats", "test")
    assert "double dials: 1 of 44 attempts; they must be 0" in shown
    assert "hours: 1 (too soon for the number 1, too soon for the person 1)" in shown


def test_of_goals_that_no_call_can_meet_no_conversion_is_told(desk: World) -> None:
    with desk.ledger.write() as connection:
        connection.exec_driver_sql("UPDATE campaign SET goal_dispositions = ''")
    assert told(desk, "test")["rates"]["conversion_per_record"]["value"] is None
    assert "note: test: the goal names no disposition" in said(desk, "dial-list", "stats", "test")


def test_before_the_first_list_there_is_nothing_to_read(tmp_path: Path) -> None:
    world = make_world(tmp_path / "home")
    assert "nobody was listed or called there yet" in said(world, "dial-list", "stats")
    assert told(world)["rates"]["hit"]["reason"] == "n < 30"
    world.ledger.close()


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        (("nobody",), "there is no campaign 'nobody'; started campaigns: test"),
        (("test", "--wave", "cal"), "test has no wave 'cal'; its waves: call"),
        (("--team", "nort"), "no list was ever pulled for team nort; write north"),
        (("--list", "9"), "there is no dial list 9"),
    ],
)
def test_what_is_not_there_is_told(desk: World, words: tuple[str, ...], said_: str) -> None:
    with pytest.raises(CampaignError, match=said_):
        said(desk, "dial-list", "stats", *words)


@pytest.mark.parametrize(
    ("words", "said_"),
    [
        (("--wave", "call"), "of which campaign"),
        (("--from", "2026-12-02T09:00Z", "--to", "2026-12-02T09:00Z"), "--from has to be before --to"),
        (("--from", "2026-12-02"), "has no zone"),
        (("--from", "0001-01-01T00:00+14:00"), "'0001-01-01T00:00.14:00' is no time"),
        (("--to", "9999-12-31T23:59-12:00"), "'9999-12-31T23:59-12:00' is no time"),
        (("--list", "0"), "is the number of nothing"),
    ],
)
def test_what_makes_no_sense_is_refused(desk: World, words: tuple[str, ...], said_: str) -> None:
    with pytest.raises(InputError, match=said_):
        said(desk, "dial-list", "stats", *words)
