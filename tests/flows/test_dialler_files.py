"""A list for a dialler, from the command line: pulled in its layout, dialled, and its results read by its codes."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update
from typer.testing import CliRunner

from channels.call_list.vicidial import COLUMNS
from console.cli import app
from flows.room import open_room
from flows.switching import halt, scope_of
from ledger.attributes import declare_attributes
from ledger.calls import Call, record_calls
from ledger.kill_switches import lift
from ledger.suppressions import customer_id
from ledger.tables import profile_table
from tests.builders import HOUR, T0, World, make_world, phone, plan_text, put, reachable
from tests.steps import touch_words
from waves.dispositions import Disposition
from waves.errors import CampaignError, InputError

DIALLERS = """\
vici: {format: vicidial, zone: America/New_York, list_id: 998, wrap_ups: {SOLD: sale}}
west:
  format: vicidial
  zone: America/New_York
  list_id: 998
  caller_id: "+12125550100"
  columns: {security_phrase: caller_id, comments: last_disposition, title: attempts_left}
calls:
  format: generic_csv
  caller_id: "+12125550100"
  columns: {t: token, p: phone, n: attempts_total, d: attempts_today, left: attempts_left, at: last_attempt_at,
    how: last_disposition, who: agent_owner, from: caller_id}
desk: {format: twilio_voice, limits: {rows: 2}}
partner:
  format: generic_csv
  columns: {Lead: token, Phone: phone, Zone: tz, Age: extra.age, Worth: extra.value, Shift: extra.shift}
wrong: {format: generic_csv, columns: {Lead: token, Phone: phone, Age: extra.agee}}
"""
CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 3d}\n"
HEAD = "call_date\tphone_number_dialed\tstatus\tuser\tvendor_lead_code\tphone_code\tlength_in_sec\tuniqueid\r\n"


@pytest.fixture
def world(tmp_path: Path) -> Any:
    made = make_world(tmp_path / "home")
    (made.config / "diallers.yaml").write_text(DIALLERS)
    put(made.ledger, [reachable(n, value=float(9 - n)) for n in range(4)])
    made.start(plan_text(CALL))
    made.advance()
    made.ledger.set_now(made.now)
    made.ledger.close()
    made.room = open_room(made.room.settings)
    yield made
    made.room.ledger.close()


def run(world: World, *words: str, code: int = 0) -> str:
    said = CliRunner().invoke(app, [*words, "--home", str(world.room.settings.home)])
    assert said.exit_code == code, said.output
    return said.output


def refused(world: World, *words: str) -> str:
    said = CliRunner().invoke(app, [*words, "--home", str(world.room.settings.home)])
    assert said.exception is not None
    return str(said.exception)


def pull(world: World, name: str, size: int = 2) -> Any:
    words = ("dial-list", "pull", "test", "call", "--team", "north", "--size", str(size), "--dialler", name)
    return json.loads(run(world, *words, "--json"))


def leads(cut: Any) -> list[dict[str, str]]:
    """The lines of a list for VICIdial by its columns."""
    return [dict(zip(COLUMNS, line.split("|"), strict=True)) for line in Path(cut["file"]).read_text().splitlines()]


def test_a_vicidial_list_goes_round(world: World) -> None:
    cut = pull(world, "vici")
    assert (cut["entries"], cut["shortened"], cut["notes"]) == (2, [], [])
    path = Path(cut["file"])
    assert path.name == "test-call-list-1.txt"
    found = leads(cut)
    assert [(lead["list_id"], lead["source_id"], lead["rank"]) for lead in found] == [
        ("998", "list-1", "32767"),
        ("998", "list-1", "32766"),
    ]
    results = path.with_name("calls.txt")
    rows = [
        "2026-12-01 04:00:00\t{phone_number}\tSOLD\t6001\t{vendor_lead_code}\t{phone_code}\t184\t1.1\r\n",
        "2026-12-01 04:05:00\t{phone_number}\tNI\t6001\t{vendor_lead_code}\t{phone_code}\t20\t1.2\r\n",
    ]
    results.write_text(HEAD + "".join(row.format(**lead) for row, lead in zip(rows, found, strict=True)), newline="")
    said = run(world, "dispositions", "import", str(results), "--dialler", "vici", "--json")
    assert json.loads(said) == {"file": 1, "new": 2, "known": 0, "unknown_touch": 0, "late": 0}
    again = json.loads(run(world, "dispositions", "import", str(results), "--dialler", "vici", "--json"))
    assert again.pop("notes") == ["imported before as file 1, 2026-12-01 09:00Z; each call counts once"]
    assert again == {"file": 1, "new": 0, "known": 2, "unknown_touch": 0, "late": 0}
    assert [words[0][2] for words in touch_words(world, "call").values() if words[0][1] == "listed"] == [
        "agreed",
        "declined",
    ]
    assert {touch.provider for touch in world.touches("call") if touch.outcome is not None} == {"vici"}
    returned = run(world, "dial-list", "return", "1")
    assert "list 1 returned: 2 called, 0 not" in returned
    assert "sale [SOLD] (from vici)" in run(world, "why", "test", "c0")
    results.write_text(results.read_text().replace("SOLD", "B"), newline="")
    run(world, "dispositions", "import", str(results), "--dialler", "vici")
    run(world, "dispositions", "undo", "1")
    told = run(world, "why", "test", "c0")
    assert "sale [SOLD] (does not count" in told
    assert "busy [B] (from vici)" in told, "what the second file said of the call, with its code"
    [touch] = json.loads(run(world, "why", "test", "c0", "--json"))["waves"][0]["touches"]
    assert [[call["raw_code"] for call in touch[kind]] for kind in ("events", "reversed")] == [["B"], ["SOLD"]]


def test_a_later_list_tells_the_calls_so_far(world: World) -> None:
    touch, rules = next(each.id for each in world.touches("call")), world.room.dial_rules()
    old = Call(Disposition.GATEKEEPER, T0 - 5 * HOUR, "k1", "test", touch, None, phone(0), "6001")
    with world.room.ledger.write() as connection:
        record_calls(connection, [old, replace(old, at=T0 - 30 * HOUR, call_id="k2", agent="7")], rules, T0)
    leads = [line.split("|") for line in Path(pull(world, "west", 4)["file"]).read_text().splitlines()]
    told = [dict(zip(COLUMNS, lead, strict=True)) for lead in leads]
    assert sorted((each["owner"], each["comments"], each["title"], each["security_phrase"]) for each in told)[2:] == [
        ("", "", "2", "2125550100"),
        ("6001", "gatekeeper", "1", "2125550100"),
    ]
    run(world, "dial-list", "return", "1")
    lines = Path(pull(world, "calls", 4)["file"]).read_text(encoding="utf-8").splitlines()[1:]
    assert sorted((line.split(",")[2:] for line in lines), reverse=True)[:2] == [
        ["2", "1", "1", "2026-12-01T04:00:00+00:00", "gatekeeper", "6001", "+12125550100"],
        ["0", "0", "2", "", "", "", "+12125550100"],
    ]


def test_an_unknown_code_stops_the_import_and_says_what_to_write(world: World, tmp_path: Path) -> None:
    path = tmp_path / "calls.txt"
    path.write_text(HEAD + "2026-12-01 04:00:00\t2125550101\tWON\t6001\tT\t1\t184\t1.1\r\n")
    said = refused(world, "dispositions", "import", str(path), "--dialler", "vici")
    assert "under vici in config/diallers.yaml" in said
    assert '"WON": ...   # 1 call' in said
    path.write_text(HEAD + "2026-12-01 04:00:00\t2125550101\tB\t6001\tT\t1\t184\t1.1\r\n")
    told = run(world, "dispositions", "import", str(path), "--dialler", "vici")
    assert "1 call with a token that belongs to no touch here" in told


def test_doubtful_parts_of_a_file_are_told(world: World, tmp_path: Path) -> None:
    path = tmp_path / "calls.txt"
    rows = (
        "2026-11-01 01:30:00\t2125550101\tB\t6001\tT\t1\t0\t1.1\r\n",
        "2027-01-01 01:30:00\t2125550101\tB\t6001\tT\t1\t0\t1.2\r\n",
    )
    path.write_text(HEAD + "".join(rows))
    told = run(world, "dispositions", "import", str(path), "--dialler", "vici")
    assert "note: calls later than now (is zone: America/New_York right?): 1" in told
    assert "note: times in the hour that came twice when the clocks of America/New_York went back" in told


def test_what_a_dialler_cannot_hold_lists_nobody(world: World) -> None:
    words = ("dial-list", "pull", "test", "call", "--team", "north", "--size", "3")
    assert "desk takes 2 entries in one list at most" in refused(world, *words, "--dialler", "desk")
    assert "there is no dialler 'vicky'" in refused(world, *words, "--dialler", "vicky")
    assert json.loads(run(world, "dial-list", "ls", "--json"))["lists"] == []
    assert not list((world.room.settings.home / "dial-lists").glob("*.xlsx"))
    assert pull(world, "desk")["file"].endswith("-list-1.xlsx")


def test_a_dialler_s_own_columns_tell_who_it_is(world: World) -> None:
    (lead,) = leads(pull(world, "vici", 1))
    assert (lead["first_name"], lead["last_name"], lead["city"]) == ("Name of c0", "", "")
    with world.room.ledger.write() as connection:
        declare_attributes(connection, {"last_name": "text", "city": "text", "state": "number"})
        profile = profile_table({"last_name": "text", "city": "text", "state": "number"})
        theirs = update(profile).where(profile.c.customer == customer_id(connection, "c1"))
        connection.execute(theirs.values(last_name="O'Neil", city="York", state=7.0))
    (lead,) = leads(pull(world, "west", 1))
    assert (lead["first_name"], lead["last_name"], lead["city"], lead["state"]) == ("", "ONeil", "York", "")


def test_a_partners_columns_and_the_plain_list_beside_it(world: World) -> None:
    text = Path(pull(world, "partner")["file"]).read_text()
    told = r"[A-Z2-7]{20},\+\d+,[A-Za-z_/]+,\d+,[98]\.0,today\n"
    assert re.fullmatch(rf"Lead,Phone,Zone,Age,Worth,Shift\n({told}){{2}}", text)
    words = ("dial-list", "pull", "test", "call", "--team", "n", "--size", "1", "--dialler", "wrong")
    assert "wrong names extra.agee; the further columns of this list are attributes" in refused(world, *words)
    plain = json.loads(run(world, "dial-list", "pull", "test", "call", "--team", "n", "--size", "9", "--json"))
    head = Path(plain["file"]).read_text().splitlines()[0]
    assert head == (
        "token,phone,name,language,rank,tier,score,not_before,valid_until,team,"
        "callback_at,callback_agent,list,campaign,wave,shift"
    )
    assert [row["format"] for row in json.loads(run(world, "dial-list", "ls", "--json"))["lists"]] == [
        "partner",
        "generic_csv",
    ]


@pytest.mark.parametrize(("kind", "name"), [("sender", "vici"), ("provider", "vicidial"), ("channel", "call_list")])
def test_a_kill_switch_stops_a_diallers_lists(world: World, kind: str, name: str) -> None:
    pull(world, "vici", size=1)
    scope = scope_of(world.room, kind, name)
    assert halt(world.room, scope, "wrong numbers", "ops", lambda done, all: None).lists_out == (1,)
    with pytest.raises(CampaignError, match="wrong numbers"):
        raise refusal(world, "vici")
    if kind != "channel":
        assert pull(world, "partner", size=1)["entries"] == 1
    with world.ledger.write() as connection:
        lift(connection, scope, "ops", world.now)
    assert pull(world, "vici", size=1)["entries"] == 1


def refusal(world: World, name: str) -> BaseException:
    words = ["dial-list", "pull", "test", "call", "--team", "north", "--size", "1", "--dialler", name]
    said = CliRunner().invoke(app, [*words, "--home", str(world.room.settings.home)])
    assert said.exception is not None
    return said.exception


def test_a_broken_file_of_diallers_stops_before_anything_is_done(world: World) -> None:
    (world.config / "diallers.yaml").write_text("vici:\n  format: vicidial\n")
    said = refused(world, "dial-list", "ls")
    assert "diallers.yaml:1: `zone` is missing" in said
    (world.room.settings.home / "calls.csv").write_text("token\n")
    said = refused(world, "dispositions", "import", str(world.room.settings.home / "calls.csv"), "--dialler", "vici")
    assert "diallers.yaml:1: `zone` is missing" in said
    assert "diallers.yaml:1: `zone` is missing" in run(world, "doctor", "--json", code=1)
    with pytest.raises(InputError):
        world.room.dialler("nobody")
