"""The watch over abandoned calls: counted from what came back, by place and window, late rows too."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from config.abandonment import FILE
from console.cli import app
from flows.abandonment import Watched, watch, worst
from flows.erasing import erase_customer
from ledger.calls import Call, record_calls
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from waves.abandonment import Answers
from waves.dispositions import Disposition as D
from waves.errors import CampaignError, PlanError

CALL = "  - {wave: call, channels: [call_list], release: 1h, listen: 40d}\n"
US = {"zones": "America/Chicago", "jurisdictions": "US US-TX"}


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def lite(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    yield made
    made.ledger.close()


def calling(world: World, people: int = 6) -> None:
    """A call wave with everybody on a list: even customers are in Britain, odd ones in Texas."""
    put(world.ledger, [reachable(n, **(US if n % 2 else {})) for n in range(people)])
    world.start(plan_text(CALL))
    world.advance()


def called(world: World, key: str, counts: dict[D, int], at: datetime, agent: str | None = "a1") -> None:
    """So many calls of each disposition to one customer."""
    [touch] = [row.id for row in world.touches("call") if row.key == key]
    calls = [
        Call(said, at, f"{key} {said} {number} {at} {agent}", "test", touch, agent=agent)
        for said, count in counts.items()
        for number in range(count)
    ]
    with world.ledger.write() as connection:
        record_calls(connection, calls, None, world.now)


def by_place(world: World, at: datetime) -> dict[str, Watched]:
    return {each.place: each for each in watch(world.room, "test", at)}


def test_nothing_called_is_the_houses_ok(world: World) -> None:
    calling(world)
    [house] = watch(world.room, "test", T0 + HOUR)
    assert (house.place, house.answers, house.standing.word) == ("everywhere", Answers(0, 0), "ok")
    assert worst([house]) == "ok"


def test_an_erasure_lowers_the_rate_of_no_place(lite: World) -> None:
    calling(lite)
    called(lite, "c0", {D.ABANDONED: 3}, T0 + HOUR)
    before = by_place(lite, T0 + 2 * HOUR)
    assert before["GB"].answers.abandoned == 3
    erase_customer(lite.room, "c0", "lead")
    assert by_place(lite, T0 + 2 * HOUR) == before


def test_each_place_by_its_own_measure_and_window(world: World) -> None:
    calling(world)
    called(world, "c0", {D.CONNECTED_OTHER: 60, D.ABANDONED: 1, D.MACHINE: 20, D.NO_ANSWER: 90}, T0 + HOUR)
    called(world, "c0", {D.MACHINE: 500, D.ABANDONED: 1}, T0 + HOUR, agent=None)
    called(world, "c1", {D.CONNECTED_OTHER: 98, D.GATEKEEPER: 1, D.ABANDONED: 3}, T0 + HOUR)
    found = by_place(world, T0 + 2 * HOUR)
    assert set(found) == {"everywhere", "US", "GB"}
    assert found["GB"].answers == Answers(live=60, abandoned=2, machines=20)
    assert found["GB"].standing.rate == pytest.approx(1.5 / 61.5)
    assert found["US"].answers == Answers(live=99, abandoned=3)
    assert found["everywhere"].answers == Answers(live=159, abandoned=5, machines=20)
    assert {place: each.standing.word for place, each in found.items()} == {
        "everywhere": "hard",
        "US": "hard",
        "GB": "soft",
    }
    assert worst(found.values()) == "hard"


def test_windows_move_on_and_late_rows_count_where_they_belong(world: World) -> None:
    calling(world)
    called(world, "c0", {D.HUNG_UP: 60, D.ABANDONED: 6}, T0 + HOUR)
    called(world, "c1", {D.HUNG_UP: 60, D.ABANDONED: 6}, T0 + HOUR)
    assert {each.standing.word for each in by_place(world, T0 + 2 * HOUR).values()} == {"hard"}
    next_day = by_place(world, T0 + 26 * HOUR)
    assert set(next_day) == {"everywhere", "US"}
    assert next_day["US"].standing.word == "hard"
    assert set(by_place(world, T0 + 31 * DAY)) == {"everywhere"}
    assert worst(by_place(world, T0 + 31 * DAY).values()) == "ok"
    called(world, "c1", {D.HUNG_UP: 400}, T0 + 3 * HOUR)
    later = by_place(world, T0 + 26 * HOUR)["US"]
    assert (later.answers, later.standing.word) == (Answers(460, 6), "ok")
    assert (later.since, later.until) == (T0 + HOUR, T0 + HOUR + timedelta(days=30))


def test_the_homes_limits_are_read_as_they_are_now(lite: World) -> None:
    calling(lite)
    called(lite, "c0", {D.HUNG_UP: 98, D.ABANDONED: 2}, T0 + HOUR)
    assert worst(watch(lite.room, "test", T0 + 2 * HOUR)) == "soft"
    path = lite.room.settings.home / "config" / FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("house: {soft: 1%, hard: 1%, from_answered: 50}\nrows: []\n", encoding="utf-8")
    assert worst(watch(lite.room, "test", T0 + 2 * HOUR)) == "hard"
    path.write_text("house: {soft: 1%}\n", encoding="utf-8")
    with pytest.raises(PlanError, match="is missing"):
        watch(lite.room, "test", T0 + 2 * HOUR)


def test_over_the_hard_limit_no_list_is_cut(lite: World) -> None:
    calling(lite)
    lite.pull("call", size=2)
    called(lite, "c1", {D.HUNG_UP: 96, D.ABANDONED: 4}, T0)
    with pytest.raises(CampaignError, match=r"test gets no further list: 4\.00% of its answered calls \(everywhere"):
        lite.pull("call", size=2)
    called(lite, "c1", {D.HUNG_UP: 96}, T0, agent="a2")
    assert lite.pull("call", size=2).number


def test_an_unknown_campaign_is_said(lite: World) -> None:
    with pytest.raises(CampaignError):
        watch(lite.room, "nope", T0)


def test_the_command_tells_people_and_programs(lite: World) -> None:
    calling(lite)
    called(lite, "c1", {D.HUNG_UP: 970, D.ABANDONED: 30}, T0 + HOUR)
    lite.ledger.set_now(T0 + 2 * HOUR)
    home = ["--home", str(lite.room.settings.home)]
    said = CliRunner().invoke(app, ["dial-list", "abandonment", "test", *home], env={"COLUMNS": "200"}).output
    assert "hard: no further list" in said
    assert "3.00%" in said
    assert "4.02%" in said
    told = json.loads(CliRunner().invoke(app, ["dial-list", "abandonment", "test", "--json", *home]).output)
    assert (told["campaign"], told["word"]) == ("test", "hard")
    assert [each["place"] for each in told["rules"]] == ["everywhere", "US"]
    assert told["rules"][0]["standing"]["rate"] == 0.03
