"""`multiwave hours`: what a person is told of one customer's hours."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from console.cli import app
from tests.builders import T0, World, make_world, plan_text, put, reachable
from tests.hours_rows import hours_yaml
from waves.errors import InputError, LedgerError, PlanError

HOUSE = '{mon_fri: ["09:00", "20:00"], sat: ["09:00", "20:00"], sun: null, holiday: null}'
CALLS = '{mon_fri: ["10:00", "13:00"], sat: null, sun: null, holiday: null}'
NIGHT = hours_yaml().replace("house:", "night:").replace("reviewed: {by: a test, on: 2026-11-24}", "reviewed: no")
PEOPLE = [
    reachable(1),
    reachable(2, zones="America/New_York America/Chicago", jurisdictions="US US-TX"),
    reachable(3, zones="", jurisdictions="GB"),
    reachable(4, zones="UTC", jurisdictions=""),
]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = make_world(tmp_path_factory.mktemp("hours") / "home")
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml(HOUSE, CALLS) + NIGHT)
    (world.config / "plans" / "late.yaml").write_text(plan_text().replace("hours: house", "hours: night"))
    put(world.ledger, PEOPLE)
    world.ledger.set_now(T0)
    return world


def said(world: World, *words: str) -> str:
    result = CliRunner().invoke(app, ["hours", *words, "--home", str(world.config.parent)], env={"COLUMNS": "120"})
    if result.exception:
        raise result.exception
    return result.stdout


ANSWERS = {
    "open": (
        ["c1", "--at", "2026-12-01T11:00Z"],
        """\
c1 at 2026-12-01 11:00Z, by the rules house, in GB
  Tue 2026-12-01 11:00 Europe/London

messages: open until 2026-12-01 20:00Z (Tue 2026-12-01 20:00 Europe/London)

calls: open until 2026-12-01 13:00Z (Tue 2026-12-01 13:00 Europe/London)
""",
    ),
    "blocked in one zone": (
        ["c2", "--at", "2026-12-01T09:30-05:00"],
        """\
c2 at 2026-12-01 14:30Z, by the rules house, in US, US-TX
  Tue 2026-12-01 09:30 America/New_York
  Tue 2026-12-01 08:30 America/Chicago

messages: closed until 2026-12-01 15:00Z (Tue 2026-12-01 10:00 America/New_York, Tue 2026-12-01 09:00 America/Chicago)
  the row for everywhere in America/Chicago: Tuesday, 09:00-20:00; it blocks until 2026-12-01 15:00Z

calls: closed until 2026-12-01 16:00Z (Tue 2026-12-01 11:00 America/New_York, Tue 2026-12-01 10:00 America/Chicago)
  the row for everywhere in America/New_York: Tuesday, 10:00-13:00; it blocks until 2026-12-01 15:00Z
  the row for everywhere in America/Chicago: Tuesday, 10:00-13:00; it blocks until 2026-12-01 16:00Z
""",
    ),
    "a holiday": (
        ["c1", "--at", "2026-12-25T11:00Z"],
        """\
c1 at 2026-12-25 11:00Z, by the rules house, in GB
  Fri 2026-12-25 11:00 Europe/London

messages: closed until 2026-12-29 09:00Z (Tue 2026-12-29 09:00 Europe/London)
  the row for everywhere in Europe/London: Christmas Day, closed; it blocks until 2026-12-29 09:00Z

calls: closed until 2026-12-29 10:00Z (Tue 2026-12-29 10:00 Europe/London)
  the row for everywhere in Europe/London: Christmas Day, closed; it blocks until 2026-12-29 10:00Z
""",
    ),
    "not reviewed": (
        ["c1", "--at", "2026-12-01T11:00Z", "--plan", "late"],
        """\
c1 at 2026-12-01 11:00Z, by the rules night, in GB
  Tue 2026-12-01 11:00 Europe/London

messages: closed for 14 days and more
  the row for everywhere in Europe/London: Tuesday, nobody has reviewed this row; it blocks for 14 days and more

calls: closed for 14 days and more
  the row for everywhere in Europe/London: Tuesday, nobody has reviewed this row; it blocks for 14 days and more
""",
    ),
    "no zone": (
        ["c3"],
        """\
c3 at 2026-12-01 09:00Z, by the rules house, in GB

messages: hours unknown, so nothing is sent: no time zone is known

calls: hours unknown, so nothing is sent: no time zone is known
""",
    ),
    "no country": (
        ["c4"],
        """\
c4 at 2026-12-01 09:00Z, by the rules house, in no country known
  Tue 2026-12-01 09:00 UTC

messages: hours unknown, so nothing is sent: the row for everywhere asks for holidays, and the customer's country is \
not known

calls: hours unknown, so nothing is sent: the row for everywhere asks for holidays, and the customer's country is not \
known
""",
    ),
}


@pytest.mark.parametrize("case", ANSWERS)
def test_the_answer_is_told(case: str, world: World) -> None:
    words, expected = ANSWERS[case]
    assert said(world, *words) == expected


def test_an_always_open_set_has_no_end_in_sight(world: World) -> None:
    text = hours_yaml()
    (world.config / "rules" / "hours.yaml").write_text(text + NIGHT)
    assert "messages: open for 14 days and more" in said(world, "c1", "--at", "2026-12-01T11:00Z")
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml(HOUSE, CALLS) + NIGHT)


def test_the_answer_as_json(world: World) -> None:
    told: dict[str, Any] = json.loads(said(world, "c2", "--at", "2026-12-01T14:30Z", "--json"))
    assert told["zones"] == {"America/New_York": "Tue 2026-12-01 09:30", "America/Chicago": "Tue 2026-12-01 08:30"}
    assert (told["rules"], told["jurisdictions"]) == ("house", ["US", "US-TX"])
    assert (told["messages"]["state"], told["messages"]["opens"]) == ("closed", "2026-12-01T15:00:00+00:00")
    assert told["messages"]["blocked"] == [
        {
            "for": "everywhere",
            "zone": "America/Chicago",
            "local": "2026-12-01T08:30:00-06:00",
            "day": "Tuesday",
            "allows": "09:00-20:00",
            "until": "2026-12-01T15:00:00+00:00",
        }
    ]


WRONG: dict[str, tuple[list[str], type[Exception], str]] = {
    "nobody": (["nobody"], LedgerError, "there is no customer with this key; import it first"),
    "no such set": (["c1", "--rules", "hause"], PlanError, "hours.yaml:1: there is no set of hours hause; write house"),
    "no such plan": (["c1", "--plan", "lates"], InputError, "write late"),
    "both": (["c1", "--plan", "late", "--rules", "house"], InputError, "--plan names its own rules"),
    "no time": (["c1", "--at", "noon"], InputError, "'noon' is no time"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_question_has_one_clear_answer(case: str, world: World) -> None:
    words, kind, answer = WRONG[case]
    with pytest.raises(kind, match=answer):
        said(world, *words)
