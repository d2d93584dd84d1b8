"""Tasks in a campaign: given by a wave, done or void, entered back once, forgotten with the customer."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from channels.results_file import ResultRow
from console.cli import app
from flows.erasing import erase_customer
from flows.samples import send_test
from flows.tasks import record_results, refresh_worklists, tasks_of
from flows.upkeep import upkeep
from ledger import tables as t
from tests.builders import DAY, HOUR, T0, Person, World, make_world, plan_text, put
from tests.steps import set_customer, suppress, touch_words
from waves.errors import InputError
from waves.message import Consent

WAVES = """\
  - {wave: meet, channels: [{first_of: [visit, im]}], message: hello, release: 2h, listen: 1d}
  - {wave: again, enter: meet.no_answer, channels: [im], message: hello, release: 2h, listen: 1d}
"""
PEOPLE = [
    Person("c0", (("visit", "1 Long Street"),)),
    Person("c1", (("visit", "2 Long Street"), ("im", "qq:100001"))),
    Person("c2", (("visit", "3 Long Street"), ("im", "msn:two@example.com"))),
    Person("c3", (("visit", "4 Long Street"), ("im", "qq:100003"))),
]


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    yield from made(tmp_path, ledger_url)


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[World]:
    yield from made(tmp_path, None)


def made(tmp_path: Path, url: str | None) -> Iterator[World]:
    """A wave of visits; c0 has the manager Anna, c3 Bob, the others have none."""
    world = make_world(tmp_path / "home", url)
    (world.config / "templates" / "hello.visit.j2").write_text("Subject: {{ title }}\n\nTell {{ name }} of it.")
    (world.config / "templates" / "hello.im.j2").write_text("Hello {{ name }}.")
    put(world.ledger, PEOPLE)
    set_customer(world, "c0", {"owner": "Anna"})
    set_customer(world, "c3", {"owner": "Bob"})
    world.start(plan_text(WAVES))
    step(world, T0)
    yield world
    world.ledger.close()


def step(world: World, now: Any) -> None:
    world.ledger.set_now(now)
    world.advance(now)


def states(world: World) -> dict[str, str]:
    return {t.line["name"].removeprefix("Name of "): t.state for t in tasks_of(world.room, ("visit", "im"), world.now)}


def listed(world: World, folder: str = "visits") -> dict[str, str]:
    """Customer to the state that the worklists show."""
    found = {}
    for path in (world.room.settings.home / folder).glob("*.csv"):
        with path.open(newline="") as file:
            found |= {row["name"].removeprefix("Name of "): row["state"] for row in csv.DictReader(file)}
    return found


def token(world: World, who: str) -> str:
    (found,) = [t for t in tasks_of(world.room, ("visit", "im"), world.now) if t.line["name"].endswith(who)]
    return str(found.line["token"])


def said(world: World, who: str, result: str, line: int = 0, **more: Any) -> ResultRow:
    return ResultRow(line, token(world, who), result, more.get("at"), "tester", more.get("note"))


def test_visits_go_to_managers_and_others_fall_through(lite: World) -> None:
    assert touch_words(lite, "meet") == {
        "c0": [("visit", "sent", None, None)],
        "c1": [("visit", "refused", None, "not_capable"), ("im", "sent", None, None)],
        "c2": [("visit", "refused", None, "not_capable"), ("im", "refused", None, "not_capable")],
        "c3": [("visit", "sent", None, None)],
    }
    home = lite.room.settings.home
    assert sorted(p.name for p in (home / "visits").glob("*.csv")) == ["Anna.csv", "Bob.csv"]
    assert [p.name for p in (home / "im").glob("*.csv")] == ["everybody.csv"]
    assert states(lite) == {"c0": "open", "c1": "open", "c3": "open"}


def test_a_test_of_a_visit_goes_to_the_customers_manager(lite: World) -> None:
    bundle = lite.bundle(plan_text(WAVES.partition("\n")[0] + "\n", name="later"))
    assert send_test(lite.room, bundle, "c0", "ann", lite.now) == [
        ("meet", "visit", 0, "accepted"),
        ("meet", "im", 0, "no consented address"),
    ]
    assert send_test(lite.room, bundle, "c2", "ann", lite.now) == [
        ("meet", "visit", 0, "refused: not_capable"),
        ("meet", "im", 0, "refused: not_capable"),
    ]


def test_results_become_outcomes_once_and_the_lists_say_so(lite: World) -> None:
    rows = [said(lite, "c0", "agreed"), said(lite, "c1", "sent"), said(lite, "c3", "no_answer", at=T0)]
    assert record_results(lite.room, rows, lite.now).new == 3
    assert record_results(lite.room, rows, lite.now + HOUR).new == 0
    words = touch_words(lite, "meet")
    assert [words[who][-1][2] for who in ("c0", "c1", "c3")] == ["agreed", "in_transit", "no_answer"]
    assert states(lite) == {"c0": "agreed", "c1": "in_transit", "c3": "no_answer"}
    assert listed(lite) == {"c0": "agreed", "c3": "no_answer"}
    assert list((lite.room.settings.home / "visits").glob("*/*.ics")) == []
    record_results(lite.room, [said(lite, "c3", "visited")], lite.now)
    assert states(lite)["c3"] == "visited"


def test_stop_holds_everywhere_and_a_wrong_address_is_not_tried_again(lite: World) -> None:
    record_results(lite.room, [said(lite, "c3", "no_answer"), said(lite, "c3", "stop")], lite.now)
    record_results(lite.room, [said(lite, "c0", "wrong_address")], lite.now)
    assert states(lite)["c3"] == "no_answer"
    step(lite, T0 + DAY + 2 * HOUR)
    step(lite, T0 + DAY + 3 * HOUR)
    assert touch_words(lite, "again") == {}
    with lite.ledger.read() as connection:
        dead = connection.exec_driver_sql("SELECT state FROM address WHERE value = '1 Long Street'").scalar()
    assert dead == 3


IMPOSSIBLE = [
    ([("nobody", "visited")], "line 2: the token nobody is of no task"),
    ([("c0", "sent")], "line 2: sent is nothing that can be said of a task on visit"),
    ([("c1", "visited")], "line 2: visited is nothing that can be said of a task on im"),
    ([("c0", "visited"), ("c3", "later")], "line 3: 2026-12-02 09:00 UTC is still to come"),
]


def test_nothing_is_entered_of_a_file_with_a_row_that_cannot_be(lite: World) -> None:
    for said_of, problem in IMPOSSIBLE:
        made = []
        for line, (who, result) in enumerate(said_of, 2):
            name = who if who == "nobody" else token(lite, who)
            at = T0 + DAY if result == "later" else None
            made.append(ResultRow(line, name, "visited" if result == "later" else result, at, None, None))
        with pytest.raises(InputError, match=problem):
            record_results(lite.room, made, lite.now)
        assert states(lite) == {"c0": "open", "c1": "open", "c3": "open"}


def test_a_task_is_void_when_its_wave_closed_or_its_customer_says_stop(world: World) -> None:
    suppress(world, "c3")
    assert states(world)["c3"] == "void: the customer is not to be contacted"
    step(world, T0 + HOUR)
    assert listed(world) == {"c0": "open", "c3": "void: the customer is not to be contacted"}
    assert [path.parent.name for path in (world.room.settings.home / "visits").glob("*/*.ics")] == ["Anna"]
    step(world, T0 + DAY + 2 * HOUR)
    step(world, T0 + DAY + 3 * HOUR)
    assert states(world)["c0"] == "void: the wave is closed"
    assert listed(world)["c0"] == "void: the wave is closed"
    assert record_results(world.room, [said(world, "c0", "visited")], world.now).new == 1
    assert states(world)["c0"] == "visited"


def test_lists_are_not_made_anew_while_nothing_changed(lite: World) -> None:
    refresh_worklists(lite.room, lite.now)
    (lite.room.settings.home / "visits" / "Anna.csv").unlink()
    assert refresh_worklists(lite.room, lite.now, only_if_changed=True) == 0
    assert refresh_worklists(lite.room, lite.now) == 3
    assert listed(lite)["c0"] == "open"
    lite.ledger.set_now(T0 + 40 * DAY)
    refresh_worklists(lite.room, T0 + 40 * DAY)
    assert listed(lite) == {}
    assert set(states(lite)) == {"c0", "c1", "c3"}


def test_a_list_that_cannot_be_written_keeps_neither_the_others_nor_the_engine_up(lite: World) -> None:
    told = list[str]()
    lite.room.tell = told.append
    visits = lite.room.settings.home / "visits"
    (visits / "Anna.csv").unlink()
    (visits / "Anna.csv").mkdir()
    suppress(lite, "c3")
    for _ in range(2):
        upkeep(lite.room, T0 + HOUR)
    with (visits / "Bob.csv").open(newline="") as file:
        assert [row["state"] for row in csv.DictReader(file)] == ["void: the customer is not to be contacted"]
    assert list(visits.glob("Bob/*.ics")) == []
    assert told == ["worklists cannot be made anew: Is a directory"]
    (visits / "Anna.csv").rmdir()
    upkeep(lite.room, T0 + 2 * HOUR)
    assert listed(lite) == {"c0": "open", "c3": "void: the customer is not to be contacted"}


def test_who_is_erased_is_on_no_list(lite: World) -> None:
    assert erase_customer(lite.room, "c0", "tester").outbox_lines == 1
    home = lite.room.settings.home
    assert listed(lite) == {"c3": "open"}
    texts = [p.read_bytes() for p in home.rglob("*") if p.is_file() and "ledger" not in p.name]
    assert [text for text in texts if b"1 Long Street" in text or b"Name of c0" in text] == []
    assert {path.parent.name for path in home.rglob("*.ics")} == {"Bob"}


def test_the_commands(lite: World, tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        done = CliRunner().invoke(app, ["--home", str(lite.room.settings.home), *words])
        assert done.exit_code == 0, done.output
        return json.loads(done.output) if "--json" in words else done.output

    listed = run("tasks", "ls", "--owner", "Anna", "--json")["tasks"]
    assert [(t["channel"], t["owner"], t["address"], t["state"]) for t in listed] == [
        ("visit", "Anna", "1 Long Street", "open")
    ]
    assert "Tell Name of c0 of it." in run("tasks", "show", listed[0]["token"])
    assert run("tasks", "result", listed[0]["token"], "visited", "--note", "tea", "--json") == {"new": 1, "known": 0}
    assert run("tasks", "result", listed[0]["token"], "visited", "--json") == {"new": 0, "known": 1}
    back = tmp_path / "back.csv"
    back.write_text(f"token,result\n{token(lite, 'c3')},declined\n{listed[0]['token']},\n")
    assert "1 new results" in run("tasks", "import", str(back))
    assert "everybody" in run("tasks", "ls", "--channel", "im")
    assert [t["state"] for t in run("tasks", "ls", "--all", "--channel", "visit", "--json")["tasks"]] == [
        "visited",
        "declined",
    ]
    assert "MSN Messenger closed in 2013" in run("why", "test", "c2")
    assert "(not_capable: the customer has no account manager" in run("why", "test", "c1")


def test_a_consent_that_a_file_takes_back_is_seen_on_the_list_within_the_hour(lite: World) -> None:
    upkeep(lite.room, T0)
    assert listed(lite) == {"c0": "open", "c3": "open"}
    with lite.ledger.write() as connection:
        a = t.address.c
        denied = {"consent": int(Consent.DENIED), "consent_source": "crm", "consent_at": T0}
        connection.execute(update(t.address).where(a.value == "1 Long Street").values(denied))
    upkeep(lite.room, T0 + HOUR)
    assert listed(lite) == {"c0": "void: the customer is not to be contacted", "c3": "open"}
