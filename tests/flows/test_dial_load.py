"""A list loaded into VICIdial from the command line, and taken off it: the right people, once, nobody in silence."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from filelock import FileLock
from sqlalchemy import update
from typer.testing import CliRunner

from config import PACKAGED
from console.cli import app
from flows import dial_load, dial_recall, dialling, switching
from flows.room import Room, open_room
from ledger import kill_switches
from ledger import tables as t
from ledger.dial_lists import entries_of
from tests.builders import HOUR, T0, World, make_world, phone, plan_text, put, reachable
from tests.standins import vicidial as stand
from tests.standins.scripted import Standin
from tests.steps import convert, phoned, suppress
from waves.dispositions import Disposition
from waves.errors import CampaignError, InputError, SendRefused
from waves.tokens import Kind, make_token

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"
DIALLERS = """\
vici:
  format: vicidial
  zone: America/New_York
  list_id: 998
  api: {{url: '{url}', user_env: {user}, password_env: {password}, parallel: 1, timeout: 1s}}
plain: {{format: vicidial, zone: America/New_York}}
"""

BAN = """\
bans:
  - place: GB
    from: 2026-12-01 09:00 UTC
    until: 2026-12-01 12:00 UTC
    stops: calls
    why: a storm
    source: an order of the prefect
"""


class Desk:
    """A world with customers c0, c1, ... on one list of a VICIdial that stands by."""

    def __init__(self, home: Path, url: str | None = None) -> None:
        self.there = stand.Dialler()
        self.standin: Standin = stand.start(self.there)
        self.world: World = make_world(home, url)
        told = {"url": self.standin.url + stand.PATH, "user": stand.USER_ENV, "password": stand.PASSWORD_ENV}
        (self.world.config / "diallers.yaml").write_text(DIALLERS.format(**told))
        put(self.world.ledger, [reachable(n, value=float(-n)) for n in range(5)])
        self.world.start(plan_text(CALL))
        self.world.advance()
        self.world.ledger.set_now(self.world.now)
        self.world.ledger.close()
        self.world.room = open_room(self.world.room.settings)

    def run(self, *words: str, code: int = 0) -> str:
        said = CliRunner().invoke(app, ["dial-list", *words, "--home", str(self.world.room.settings.home)])
        if said.exception is not None and not isinstance(said.exception, SystemExit):
            raise said.exception
        assert said.exit_code == code, said.output
        assert stand.PASSWORD not in said.output
        return said.output

    def told(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code))

    def pull(self, name: str = "vici") -> None:
        self.run("pull", "test", "call", "--team", "north", "--size", "9", "--dialler", name)

    def code_of(self, place: int) -> str:
        """The token of the entry at this place of the first list, from 0."""
        with self.world.room.ledger.read() as connection:
            return make_token(self.world.room.token_key, Kind.DIAL_ENTRY, entries_of(connection, 1)[place].id)

    def order(self) -> list[str]:
        """The keys of the customers of the first list, as it is to be dialled."""
        with self.world.room.ledger.read() as connection:
            return [f"c{int(entry.number[-2:])}" for entry in entries_of(connection, 1)]

    def numbers(self) -> list[str]:
        return [f"+1{lead.phone}" for lead in self.there.leads]

    def dialable(self) -> set[str]:
        codes = self.there.dialable()
        return {f"+1{lead.phone}" for lead in self.there.leads if lead.code in codes}

    def at_request(self, turn: int, what: Callable[[], object]) -> None:
        """Have something happen while a request of this turn, counted from 1, is at the dialler."""
        turns = iter(range(1, 1000))
        self.there.before = lambda form: what() if next(turns) == turn else None

    def close(self) -> None:
        self.world.room.ledger.close()
        self.standin.stop()


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    monkeypatch.setenv(stand.USER_ENV, stand.USER)
    monkeypatch.setenv(stand.PASSWORD_ENV, stand.PASSWORD)
    made = Desk(tmp_path / "home")
    made.pull()
    yield made
    made.close()


def switch_on(room: Room, scope: str) -> None:
    with room.ledger.write() as connection:
        kill_switches.switch_on(connection, scope, "why", "tester", T0)


def number_of(key: str) -> str:
    return phone(int(key[1:]))


def everybody() -> list[str]:
    return [phone(n) for n in range(5)]


def test_a_list_is_loaded_once_however_often_it_is_run(desk: Desk) -> None:
    assert "list 1: 5 of 5 loaded into list 998 of vici" in desk.run("load", "1")
    assert desk.numbers() == list(map(number_of, desk.order()))
    again = desk.told("load", "1")
    assert (again["answers"], again["not_loaded"], again["stopped"]) == ({"there": 5}, [], None)
    assert sorted(desk.numbers()) == everybody()
    desk.standin.exchanges.clear()
    with pytest.raises(CampaignError, match="was loaded into list 998 of vici, and goes nowhere else: list 999"):
        desk.run("load", "1", "--into", "999")
    assert desk.standin.exchanges == []


def test_a_load_says_how_much_of_the_list_is_there(desk: Desk) -> None:
    suppress(desk.world, "c1")
    desk.run("load", "1")
    (found,) = desk.told("ls")["lists"]
    assert (found["loaded"], found["entries"], found["life"]) == (4, 5, "acknowledged")
    assert "4 of 5 loaded" in desk.run("show", "1")


def test_a_list_that_is_over_is_taken_off_by_the_api_it_went_by(desk: Desk) -> None:
    desk.run("load", "1")
    told: list[str] = []
    desk.world.room.tell = told.append
    desk.world.advance(T0 + 8 * HOUR)
    (line,) = told
    assert "or run: multiwave dial-list recall 1 --by-api" in line
    assert desk.dialable() == set(everybody()), "a person decides, or the file does"
    desk.world.ledger.set_now(T0 + 8 * HOUR)
    assert "5 of 5 taken off" in desk.run("recall", "1", "--by-api")
    assert desk.dialable() == set()


def test_it_goes_where_the_lead_says(desk: Desk) -> None:
    assert desk.told("load", "1", "--into", "999")["into"] == 999
    assert {lead.list for lead in desk.there.leads} == {"999"}


def test_who_changed_since_the_pull_is_not_loaded(desk: Desk) -> None:
    convert(desk.world, "c1")
    suppress(desk.world, "c3")
    phoned(desk.world, "call", "c4", Disposition.NO_ANSWER, T0)
    phoned(desk.world, "call", "c2", Disposition.NOT_ATTEMPTED, T0, listed=True)
    desk.run("recall", "1", "--customer", "c0")
    told = desk.told("load", "1")
    assert told["left_out"] == {"converted": 1, "suppressed": 1, "off_the_list": 1, "called": 1}
    assert desk.numbers() == [phone(2)]


def test_a_late_result_of_a_call_before_the_pull_gives_its_gaps(desk: Desk) -> None:
    path = desk.world.config / "rules" / "dialling.yaml"
    path.write_text((PACKAGED / "rules" / path.name).read_text() + "household: {gap: 4h}\n")
    with desk.world.room.ledger.write() as connection:
        connection.execute(update(t.customer).where(t.customer.c.key.in_(["c2", "c4"])).values(household="h"))
    phoned(desk.world, "call", "c4", Disposition.BUSY, T0 - HOUR / 6, number=phone(1))
    told = desk.told("load", "1")
    assert told["left_out"] == {"next_call_later": 1, "number_gap": 1, "household_gap": 1}
    assert sorted(desk.numbers()) == [phone(0), phone(3)]
    desk.world.ledger.set_now(T0 + 4 * HOUR)
    assert desk.told("load", "1")["left_out"] == {}
    assert sorted(desk.numbers()) == everybody()


def test_nobody_is_loaded_outside_of_their_hours(desk: Desk) -> None:
    (desk.world.config / "rules" / "bans.yaml").write_text(BAN)
    told = desk.told("load", "1")
    assert (told["left_out"], desk.numbers()) == ({"outside_hours": 5}, [])
    desk.world.room.ledger.set_now(T0 + 9 * HOUR)
    with pytest.raises(CampaignError, match="was to be dialled until"):
        desk.run("load", "1")


def test_an_opt_out_in_the_middle_of_a_load_counts_for_the_rest(desk: Desk) -> None:
    order = desk.order()
    desk.at_request(2, lambda: suppress(desk.world, order[3]))
    assert desk.told("load", "1")["left_out"] == {"suppressed": 1}
    assert desk.numbers() == [number_of(who) for who in order if who != order[3]]


def test_a_kill_switch_in_the_middle_of_a_load_stops_it(desk: Desk) -> None:
    room = desk.world.room
    desk.at_request(2, lambda: switch_on(room, "everything"))
    told = desk.told("load", "1", code=1)
    assert "is on since" in told["stopped"]
    assert desk.numbers() == [number_of(who) for who in desk.order()[:2]]
    assert desk.told("recall", "1", "--all", "--by-api")["answers"] == {"off": 2, "not_there": 3}
    assert desk.dialable() == set()


def test_who_is_recalled_while_the_load_has_them_in_hand_is_taken_off_again(desk: Desk) -> None:
    second = desk.order()[1]
    desk.at_request(2, lambda: desk.run("recall", "1", "--customer", second))
    told = desk.told("load", "1")
    assert [one["word"] for one in told["taken_off_again"]] == ["off"]
    assert desk.dialable() == {*everybody()} - {number_of(second)}


def test_who_is_not_there_yet_while_a_load_is_under_way_is_in_doubt(desk: Desk) -> None:
    said: list[Any] = []

    def look(what: str, done: int, total: int) -> None:
        if done == 2:
            said.append(desk.told("recall", "1", "--customer", "c4", "--by-api", code=1))

    desk.world.room.tick = look
    assert dial_load.load(desk.world.room, 1, "tester").left_out == {"off_the_list": 1}
    assert [one["why"] for one in said[0]["not_off"]] == [dial_load.MAY_COME]
    assert desk.told("recall", "1", "--by-api")["answers"] == {"not_there": 1}
    assert phone(4) not in desk.dialable()


def test_who_is_recalled_in_doubt_stays_so_until_the_load_ends_well(desk: Desk) -> None:
    desk.standin.fail({"fault": "reset", "requests": [1]})
    desk.run("load", "1", code=1)
    assert desk.told("recall", "1", "--customer", "c0", "--by-api", code=1)["answers"] == {"in_doubt": 1}
    desk.there.put(desk.code_of(0), phone(0).removeprefix("+1"))  # the request that was cut off, at last
    assert desk.told("recall", "1", "--by-api")["answers"] == {"off": 1}
    assert phone(0) not in desk.dialable()


def test_a_load_that_stops_early_ends_none_and_forgets_nobody(desk: Desk) -> None:
    """The first request, cut off, may still be at work; the second load never came to its entry."""
    desk.standin.fail({"fault": "reset", "requests": [1]})
    desk.run("load", "1", code=1)
    desk.standin.fail({"fault": "say", "status": 403, "from": 1})
    assert desk.told("load", "1", code=1)["answers"] == {"not_asked": 1}
    desk.standin.fail()
    assert desk.told("ls")["lists"][0]["loaded"] == 4
    assert desk.told("recall", "1", "--customer", "c0", "--by-api", code=1)["answers"] == {"in_doubt": 1}
    assert desk.told("load", "1")["answers"] == {"there": 4}
    assert desk.told("recall", "1", "--by-api")["answers"] == {"not_there": 1}


def test_who_was_called_since_stays_among_the_loaded(desk: Desk) -> None:
    desk.run("load", "1")
    phoned(desk.world, "call", "c4", Disposition.NO_ANSWER, T0)
    assert desk.told("load", "1")["answers"] == {"there": 4}
    assert desk.told("ls")["lists"][0]["loaded"] == 5


def test_a_broken_dialler_leaves_nobody_twice_and_tells_what_is_open(desk: Desk) -> None:
    desk.standin.fail({"fault": "reset", "requests": [1]}, {"fault": "accept_then_reset", "requests": [4]})
    said = desk.run("load", "1", code=1)
    assert "4 of 5 loaded" in said
    assert "in_doubt: 1, cut off" in said
    assert "run it again: nobody who is there is loaded twice" in said
    desk.standin.fail()
    assert desk.told("load", "1")["answers"] == {"loaded": 1, "there": 4}
    assert sorted(desk.numbers()) == everybody()


def test_what_it_refuses_is_told_with_its_reason(desk: Desk) -> None:
    desk.there.dnc.add(phone(2).removeprefix("+1"))
    assert "refused: 1, PHONE NUMBER IN DNC" in desk.run("load", "1", code=1)
    desk.there.allowed = False
    said = desk.run("load", "1", code=1)
    assert "stopped: VICIdial answers: USER DOES NOT HAVE PERMISSION TO ADD LEADS TO THE SYSTEM" in said


def test_a_recall_by_api_takes_off_and_holds_until_it_is_done(desk: Desk) -> None:
    desk.run("load", "1")
    for lead in desk.there.leads:
        desk.there.hopper[lead.id] = "READY"
    convert(desk.world, "c1")
    said = desk.run("recall", "1", "--by-api")
    assert "list 1: 1 of 1 taken off by the dialler" in said
    assert "import what was called, then: multiwave dial-list recall 1 --done" in said
    assert desk.dialable() == {phone(0), phone(2), phone(3), phone(4)}
    assert desk.told("show", "1")["standing"]["active"] == 5
    assert "1 recalled entries hold nobody" in desk.run("recall", "1", "--done")
    assert "is fresh" in desk.run("recall", "1", "--by-api")


def test_who_is_not_off_for_sure_is_told_and_asked_again(desk: Desk) -> None:
    desk.run("load", "1")
    desk.there.hopper[2] = "INCALL"
    desk.standin.fail({"fault": "reset", "requests": [1, 2]})
    told = desk.told("recall", "1", "--all", "--by-api", code=1)
    assert told["answers"] == {"in_doubt": 1, "on_a_call": 1, "off": 3}
    assert Path(told["file"]).read_text().count("\n") == 5, "the file is there as well"
    desk.standin.fail()
    desk.there.hopper.clear()
    assert desk.told("recall", "1", "--by-api")["answers"] == {"off": 5}
    assert desk.dialable() == set()


def test_a_recall_that_no_dialler_heard_is_no_silence(desk: Desk) -> None:
    desk.run("load", "1")
    desk.standin.fail({"fault": "say", "status": 403, "from": 1})
    said = desk.run("recall", "1", "--all", "--by-api", code=1)
    assert "list 1: 0 of 5 taken off by the dialler" in said
    assert "not_asked: 5, its web server answers HTTP 403" in said
    assert "they may still be dialled" in said


def test_mistakes_are_told_before_anything_is_sent(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(CampaignError, match="there is no dial list 9"):
        desk.run("load", "9")
    with (
        FileLock(desk.world.room.settings.home / "dial-lists" / ".list-1.lock"),
        pytest.raises(CampaignError, match="another program loads dial list 1"),
    ):
        desk.run("load", "1")
    with pytest.raises(InputError, match="give one of them"):
        desk.run("recall", "1", "--by-api", "--done")
    monkeypatch.delenv(stand.PASSWORD_ENV)
    with pytest.raises(SendRefused, match=f"{stand.PASSWORD_ENV} is not set"):
        desk.run("recall", "1", "--all", "--by-api")
    assert desk.told("show", "1")["standing"]["recalled"] == {}, "nobody was marked"
    desk.run("return", "1")
    with pytest.raises(CampaignError, match="was returned at"):
        desk.run("load", "1")
    desk.pull("plain")
    with pytest.raises(InputError, match="dialler plain has no `api`"):
        desk.run("load", "2")
    assert desk.standin.exchanges == []


def test_both_databases_say_the_same_of_who_may_be_loaded(
    ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(stand.USER_ENV, stand.USER)
    monkeypatch.setenv(stand.PASSWORD_ENV, stand.PASSWORD)
    desk = Desk(tmp_path / "home", ledger_url)
    room = desk.world.room
    try:
        dialling.pull(room, "test", "call", "north", "today", 9, 8, "tester", T0, "vici")
        convert(desk.world, "c1")
        suppress(desk.world, "c3")
        phoned(desk.world, "call", "c4", Disposition.NO_ANSWER, T0)
        dial_recall.recall(room, 1, "tester", T0, "c0")
        made = dial_load.load(room, 1, "tester")
        assert made.left_out == {"converted": 1, "suppressed": 1, "off_the_list": 1, "called": 1}
        assert desk.numbers() == [phone(2)]
        assert dial_load.recall(room, 1, "tester", "c2").words == {"off": 1, "not_there": 1}
        (desk.world.config / "segments" / "forties.yaml").write_text("segment: forties\ntitle: F\nwhere: age = 40\n")
        switching.halt(room, "segment:forties", "why", "ann", lambda done, of: None)
        assert dial_load.load(room, 1, "tester").left_out["halted"] == 1
        with pytest.raises(CampaignError, match="goes nowhere else"):
            dial_load.load(room, 1, "tester", into=999)
    finally:
        desk.close()
