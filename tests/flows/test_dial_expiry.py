"""A list that nobody returns: who is taken off it, who hears of it, how long it holds its people, and who is next."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import func, select
from typer.testing import CliRunner

from channels.call_list.rows import DispositionRow
from console.cli import app
from flows.dial_recall import acknowledge, recall
from flows.dialling import give_back
from flows.reports import record_dispositions
from ledger import tables as t
from ledger.calls import Call, record_calls
from tests.builders import DAY, HOUR, RULES, T0, World, make_world, phone, plan_text, put, reachable
from tests.commands import said
from tests.steps import phoned, suppress, touch_of, touch_words
from waves.dial_lease import held_until
from waves.dispositions import Disposition
from waves.errors import CampaignError
from waves.tokens import Kind, make_token

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"
OVER = T0 + 8 * HOUR
LET_GO = T0 + 16 * HOUR


told: list[str] = []


def staged(world: World) -> World:
    """Four customers on one list of eight hours, in the order of their numbers; what is told is kept."""
    put(world.ledger, [reachable(n, value=float(-n)) for n in range(4)])
    world.start(plan_text(CALL))
    world.advance()
    world.pull("call")
    return listening(world)


def listening(world: World) -> World:
    told.clear()
    world.room.tell = told.append
    return world


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    """The desk on each of the two databases."""
    made = staged(make_world(tmp_path / "home", ledger_url))
    yield made
    made.ledger.close()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[World]:
    """The desk in a home of its own, for the commands."""
    made = staged(make_world(tmp_path / "home"))
    yield made
    made.ledger.close()


def files(world: World) -> list[Path]:
    return sorted((world.room.settings.home / "dial-lists").glob("*-expired*"))


def in_file(path: Path) -> list[tuple[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return sorted((row["phone"], row["reason"]) for row in csv.DictReader(file))


def on_live_lists(world: World) -> list[tuple[int, str]]:
    e = t.dial_entry.c
    with world.ledger.read() as connection:
        rows = connection.execute(select(e.list, e.number).where(e.active).order_by(e.list, e.number))
        return [(row.list, row.number) for row in rows]


def the_list(world: World, number: int = 1) -> Any:
    world.ledger.set_now(world.now)
    return json.loads(said(world, "dial-list", "ls", "--json"))["lists"][number - 1]


def test_who_has_no_result_is_recalled_once_and_it_is_told_once(world: World) -> None:
    phoned(world, "call", "c1", Disposition.NO_ANSWER, T0 + HOUR, listed=True)
    phoned(world, "call", "c2", Disposition.NOT_ATTEMPTED, T0 + HOUR, listed=True)
    world.advance(OVER - timedelta(seconds=1))
    assert (told, files(world)) == ([], [])
    for _ in range(3):
        world.advance(OVER)
    (file,) = files(world)
    assert in_file(file) == [(phone(n), "expired") for n in (0, 2, 3)]
    (line,) = told
    assert "dial list 1 of north is over and not returned, 3 of 4 without a result" in line
    assert str(file) in line
    assert line.endswith("multiwave dial-list return 1")
    assert len(on_live_lists(world)) == 4, "they stay with the list"
    assert world.pull("call", team="south").entries == []


def test_after_a_shift_of_grace_it_lets_go_and_nobody_is_on_two_lists(world: World) -> None:
    phoned(world, "call", "c1", Disposition.NOT_INTERESTED, T0 + HOUR, listed=True)
    world.advance(LET_GO - timedelta(seconds=1))
    assert len(on_live_lists(world)) == 4
    assert len(told) == 1
    for _ in range(3):
        world.advance(LET_GO)
    assert on_live_lists(world) == []
    assert len(told) == 2
    assert "3 of 4 people had no result" in told[1]
    assert {key: touch[0][1] for key, touch in touch_words(world, "call").items()} == {
        **dict.fromkeys(("c0", "c2", "c3"), "queued"),
        "c1": "listed",
    }
    with world.ledger.read() as connection:
        a = t.audit.c
        expired = connection.execute(select(a.who, a.what, a.after).where(a.did == "dial-list expire")).all()
        row = connection.execute(select(t.dial_list)).one()
    assert [tuple(one) for one in expired] == [("upkeep", "list 1", "3 of 4 not called")]
    assert row.returned_at == row.let_go_at == LET_GO
    world.advance(T0 + DAY)
    world.pull("call")
    assert on_live_lists(world) == [(2, phone(n)) for n in (0, 2, 3)]


def test_a_call_from_a_list_that_let_go_counts_and_is_late(world: World) -> None:
    with world.ledger.read() as connection:
        entries = connection.scalars(select(t.dial_entry.c.id).order_by(t.dial_entry.c.number)).all()
    tokens = [make_token(world.room.token_key, Kind.DIAL_ENTRY, entry) for entry in entries]

    def reported(who: int, said: Disposition, when: datetime) -> int:
        row = DispositionRow(2, tokens[who], said, when, f"call {who}", None, None, None, None, None)
        return record_dispositions(world.room, [row], world.now).late

    world.advance(LET_GO)
    world.advance(T0 + DAY)
    assert reported(0, Disposition.NO_ANSWER, OVER + HOUR) == 1
    assert reported(3, Disposition.NOT_INTERESTED, T0 + HOUR) == 0, "in time, and reported late"
    assert {entry.number for entry in world.pull("call").entries} == {phone(0), phone(1), phone(2)}
    assert reported(1, Disposition.NOT_INTERESTED, world.now) == 1, "from the old file, though on a list again"
    assert on_live_lists(world) == [(2, phone(n)) for n in (0, 1, 2)]
    assert touch_words(world, "call")["c1"][0][1:3] == ("listed", "declined")


def test_what_the_dialler_took_off_is_listed_again_at_once(desk: World) -> None:
    desk.advance(OVER)
    desk.ledger.set_now(OVER)
    assert the_list(desk)["life"] == "expired"
    assert "4 recalled entries hold nobody any more" in said(desk, "dial-list", "recall", "1", "--done")
    assert len(desk.pull("call", team="south").entries) == 4
    desk.advance(LET_GO)
    assert [number for number, _ in on_live_lists(desk)] == [2] * 4


def test_a_late_result_from_an_old_list_does_not_keep_anybody_on_the_new_one(world: World) -> None:
    give_back(world.room, 1, "lead", T0)
    world.now = T0 + HOUR / 2
    (second,) = {entry.number for entry in world.pull("call", 1, team="south").entries}
    assert second == phone(0)
    touch = touch_of(world, "call", "c0").id
    with world.ledger.write() as connection:
        first = connection.scalar(select(func.min(t.dial_entry.c.id)).where(t.dial_entry.c.touch == touch))
        record_calls(
            connection, [Call(Disposition.NO_ANSWER, T0 + HOUR, "late", "test", touch, entry=first)], RULES, T0
        )
    world.advance(OVER + HOUR)
    assert [in_file(file) for file in files(world)] == [[(phone(0), "expired")]]


def test_the_lead_who_took_one_off_does_not_free_those_who_expired(world: World) -> None:
    taken = recall(world.room, 1, "lead", OVER - HOUR, "c3")
    assert taken.file is not None
    world.advance(OVER)
    with pytest.raises(
        CampaignError, match=r"several files: .*expired\.csv \(3 held still\), .*recall-1\.csv \(1 held still"
    ):
        acknowledge(world.room, 1, "lead", OVER)
    assert acknowledge(world.room, 1, "lead", OVER, taken.file.name) == 1
    assert [entry.number for entry in world.pull("call", team="south").entries] == [phone(3)]
    assert acknowledge(world.room, 1, "lead", OVER, files(world)[0].name) == 3


def test_a_list_that_is_returned_in_its_grace_is_just_returned(desk: World) -> None:
    desk.advance(OVER)
    desk.ledger.set_now(OVER)
    assert "0 called, 4 not" in said(desk, "dial-list", "return", "1")
    desk.advance(LET_GO)
    assert the_list(desk)["life"] == "returned"
    assert len(told) == 1


def test_a_list_without_its_dialler_is_told_of_and_stops_no_other(desk: World) -> None:
    with desk.ledger.write() as connection:
        connection.execute(t.dial_list.update().values(format="sold"))
    suppress(desk, "c3", "sms")
    put(desk.ledger, [reachable(9)])
    desk.start(plan_text(CALL.replace("wave: call", "wave: more"), name="other"))
    desk.advance()
    desk.pull("more", name="other", team="south")
    for _ in range(2):
        desk.advance(OVER)
    assert [in_file(file) for file in files(desk)] == [[(phone(9), "expired")]]
    assert [line.split(" is over")[0] for line in told] == ["dial list 1", "dial list 2 of south"]
    assert "there is no dialler 'sold'" in told[0]
    desk.advance(LET_GO)
    assert on_live_lists(desk) == []


def test_a_wrong_rules_file_keeps_the_people_and_is_told(desk: World) -> None:
    rules = desk.config / "rules" / "dialling.yaml"
    before = rules.read_text() if rules.exists() else None
    rules.write_text("gap: soon\n")
    desk.advance(LET_GO)
    desk.advance(LET_GO)
    assert len(on_live_lists(desk)) == 4
    assert sum("cannot let go" in line for line in told) == 1
    rules.write_text(before) if before else rules.unlink()
    desk.advance(LET_GO)
    assert on_live_lists(desk) == []


def test_a_recall_whose_commit_was_cut_off_is_written_over(desk: World) -> None:
    left = desk.room.settings.home / "dial-lists" / "test-call-list-1-expired.csv"
    left.write_text("half")
    desk.advance(OVER)
    assert files(desk) == [left]
    assert len(in_file(left)) == 4


def test_a_disk_that_refuses_the_recall_is_told_of_and_asked_again(desk: World) -> None:
    folder = desk.room.settings.home / "dial-lists"
    aside = folder.rename(folder.with_name("aside"))
    folder.touch()
    for _ in range(2):
        desk.advance(OVER)
    (line,) = told
    assert line.startswith("dial list 1 is over, and no recall of it can be written")
    folder.unlink()
    aside.rename(folder)
    desk.advance(OVER)
    assert [len(in_file(file)) for file in files(desk)] == [4]
    assert len(told) == 2


def test_a_closed_wave_holds_its_people_against_every_other_list(world: World) -> None:
    """The books wait half an hour for a list, the people wait for its grace: the file may be in the dialler still."""
    ends = T0 + HOUR + 5 * DAY
    world.advance(OVER)
    with world.ledger.write() as connection:  # as if it had been pulled in the last hour of the wave
        times = {"pulled_at": ends - HOUR, "valid_until": ends, "lease_until": ends + HOUR / 2, "expired_at": None}
        connection.execute(t.dial_list.update().values(**times))
    (closed,) = [move for move in world.advance(ends + HOUR / 2) if move.closed]
    assert closed.closed is not None
    assert closed.closed.states == {"listed": 4}
    world.now = ends + HOUR / 2
    world.start(plan_text(CALL.replace("wave: call", "wave: again"), name="other", starts=ends + HOUR))
    world.advance(ends + HOUR)
    assert world.pull("again", name="other").entries == []
    world.advance(ends + 8 * HOUR)
    world.advance(ends + DAY - HOUR)
    assert {touch[0][1] for touch in touch_words(world, "call").values()} == {"listed"}, "its books stay as closed"
    assert len(world.pull("again", name="other").entries) == 4


@given(hours=st.floats(0.25, 72))
def test_grace_is_the_shift_and_never_shorter_than_eight_hours(hours: float) -> None:
    ends = T0 + timedelta(hours=hours)
    grace = held_until(T0, ends) - ends
    assert grace >= 8 * HOUR
    assert grace >= ends - T0


def test_a_lead_says_how_much_the_dialler_took(desk: World) -> None:
    assert the_list(desk)["life"] == "leased"
    assert "dial-list loaded 1 --entries N" in said(desk, "dial-list", "show", "1")
    assert "the other 1 are held and not dialled" in said(desk, "dial-list", "loaded", "1", "--entries", "3")
    assert "3 of 4 loaded" in said(desk, "dial-list", "show", "1")
    assert "3 of 4" in said(desk, "dial-list", "ls")
    found = the_list(desk)
    assert (found["loaded"], found["entries"], found["life"]) == (3, 4, "acknowledged")
    assert "the other" not in said(desk, "dial-list", "loaded", "1", "--entries", "4")
    home = str(desk.room.settings.home)
    refused = CliRunner().invoke(app, ["dial-list", "loaded", "1", "--entries", "5", "--home", home])
    assert "4 entries; 5 of them cannot be loaded" in str(refused.exception)
    assert the_list(desk)["loaded"] == 4
    phoned(desk, "call", "c0", Disposition.NO_ANSWER, T0 + HOUR, listed=True)
    assert the_list(desk)["life"] == "attempted"
    said(desk, "dial-list", "recall", "1", "--all")
    assert the_list(desk)["life"] == "recalled"
    desk.advance(LET_GO)
    assert the_list(desk)["life"] == "let_go"
    for words in (("return", "1"), ("recall", "1", "--all"), ("loaded", "1", "--entries", "4")):
        with pytest.raises(CampaignError, match=r"let go of its people at .* results can still be imported"):
            said(desk, "dial-list", *words)


def test_a_team_brings_its_last_list_back_before_the_next(desk: World) -> None:
    put(desk.ledger, [reachable(9)])
    desk.start(plan_text(CALL.replace("wave: call", "wave: more"), name="other"))
    desk.advance()
    pull = ("dial-list", "pull", "test", "call", "--size", "9", "--team")
    assert "nobody is callable" in said(desk, *pull, "north"), "within its shift a team pulls as often as it likes"
    desk.now = OVER
    desk.ledger.set_now(OVER)
    with pytest.raises(
        CampaignError, match=r"dial list 1 of north was over .* dial-list return 1; or pull with --keep"
    ):
        said(desk, *pull, "north")
    assert len(desk.pull("more", name="other").entries) == 1, "another wave's list is another matter"
    assert "nobody is callable" in said(desk, *pull, "south")
    assert "nobody is callable" in said(desk, *pull, "north", "--keep-last")
    said(desk, "dial-list", "return", "1")
    assert "list 3: 4 entries" in said(desk, *pull, "north")
