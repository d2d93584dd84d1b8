"""A promise is to one person: no list rings them before it, another campaign's least of all, and a rest binds all."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from flows import dialling
from flows.room import open_room
from ledger import tables as t
from ledger.calls import Call, record_calls
from tests.builders import HOUR, RULES, T0, World, make_world, plan_text, put, reachable
from tests.steps import convert, phoned, set_customer, suppress, touch_of
from waves.dispositions import Disposition as D

CALL = "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d}\n"
TEAMS = (
    "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d,\n"
    "     capacity: {teams: {north: {agents: 2, languages: [en]}}, hours: 7.5, handle_time: 180s}}\n"
)
MINUTE = timedelta(minutes=1)
FILE_ALONE = "vici: {format: vicidial, zone: America/New_York}\n"
API = "{url: 'http://127.0.0.1:9/non_agent_api.php', user_env: VICI_USER, password_env: VICI_PASS}"
WITH_API = f"vici: {{format: vicidial, zone: America/New_York, list_id: 998, api: {API}}}\n"


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    put(made.ledger, [reachable(1), reachable(2, value=-1.0)])
    made.start(plan_text(CALL))
    made.start(plan_text(CALL).replace("campaign: test", "campaign: other").replace("wave: call", "wave: again"))
    made.advance()
    yield made
    made.ledger.close()


def promise(world: World, key: str, said: datetime, until: datetime) -> None:
    """An agent promised it, on the last list that the customer of `call` was on."""
    touch, e = touch_of(world, "call", key).id, t.dial_entry.c
    with world.ledger.write() as connection:
        entry = connection.scalar(select(func.max(e.id)).where(e.touch == touch))
        call = Call(D.CALLBACK_AGREED, said, f"p{key}", "test", touch, entry=entry, agent="ann", callback_at=until)
        record_calls(connection, [call], RULES, world.now)


def owed(world: World, until: datetime) -> None:
    """From a list that came back `c1` was promised a call."""
    first = world.pull("call")
    promise(world, "c1", T0 + 5 * MINUTE, until)
    dialling.give_back(world.room, first.number, "lead", T0 + 10 * MINUTE)


def dialled_by(world: World, diallers: str) -> None:
    """From now on the room has these diallers."""
    (world.config / "diallers.yaml").write_text(diallers)
    world.ledger.close()
    world.room = open_room(world.room.settings)


def listed(cut: Any) -> dict[str, str]:
    return {f"c{int(entry.number[-2:])}": entry.tier for entry in cut.entries}


def test_another_campaign_leaves_alone_whom_one_has_promised_a_call(world: World) -> None:
    owed(world, T0 + 6 * HOUR)
    world.now = T0 + 3 * HOUR
    other = world.pull("again", name="other", team="south")
    assert (listed(other), other.pulled.funnel) == ({"c2": "normal"}, {"promised_elsewhere": 1})
    world.now = T0 + 5 * HOUR + 50 * MINUTE
    assert listed(world.pull("call")) == {"c1": "callback"}


def test_a_promise_of_another_day_or_of_a_closed_wave_keeps_nobody_back(world: World) -> None:
    owed(world, T0 + 50 * HOUR)
    world.now = T0 + 3 * HOUR
    assert listed(world.pull("again", name="other")) == {"c1": "normal", "c2": "normal"}


def test_a_promise_of_a_campaign_whose_goal_they_reached_keeps_nobody_back(world: World) -> None:
    third = plan_text(CALL).replace("campaign: test", "campaign: third").replace("wave: call", "wave: bills")
    world.start(third.replace("event: renewed", "event: paid"))
    world.advance()
    owed(world, T0 + 6 * HOUR)
    convert(world, "c1", T0 + HOUR)
    world.now = T0 + 3 * HOUR
    assert listed(world.pull("bills", name="third")) == {"c1": "normal", "c2": "normal"}


def test_who_was_rung_since_the_promise_has_the_gap_again(world: World) -> None:
    owed(world, T0 + 4 * HOUR)
    phoned(world, "again", "c1", D.NO_ANSWER, T0 + 3 * HOUR)
    world.now = T0 + 4 * HOUR
    assert world.pull("call").pulled.funnel["person_gap"] == 1
    world.now = T0 + 5 * HOUR
    assert listed(world.pull("call", team="south")) == {"c1": "callback"}


def test_the_rest_after_an_abandoned_call_binds_every_campaign(world: World) -> None:
    """Britain: 72 hours, whoever abandoned it."""
    first = world.pull("call")
    phoned(world, "call", "c1", D.ABANDONED, T0 + 5 * MINUTE, listed=True)
    dialling.give_back(world.room, first.number, "lead", T0 + 10 * MINUTE)
    world.now = T0 + 71 * HOUR
    other = world.pull("again", name="other")
    assert (listed(other), other.pulled.funnel) == ({"c2": "normal"}, {"person_locked_out": 1})
    dialling.give_back(world.room, other.number, "lead", world.now)
    world.now = T0 + 73 * HOUR
    assert listed(world.pull("again", name="other"))["c1"] == "normal"


def test_a_promise_for_before_its_own_call_is_none(world: World) -> None:
    first = world.pull("call")
    promise(world, "c1", T0 + HOUR, T0 - 5 * HOUR)
    dialling.give_back(world.room, first.number, "lead", T0 + HOUR)
    world.now = T0 + HOUR + MINUTE
    assert listed(world.pull("call")) == {"c2": "normal"}


def test_the_file_says_from_when_a_promised_call_may_be_made(world: World) -> None:
    owed(world, T0 + 6 * HOUR)
    world.now = T0 + HOUR
    cut = world.pull("call")
    with cut.file.open(encoding="utf-8", newline="") as file:
        rows = {row["phone"][-2:]: row for row in csv.DictReader(file)}
    assert rows["01"]["not_before"] == (T0 + 6 * HOUR - 15 * MINUTE).isoformat()
    assert (rows["01"]["callback_at"], rows["01"]["callback_agent"]) == ((T0 + 6 * HOUR).isoformat(), "ann")
    assert rows["02"]["not_before"] == world.now.isoformat()


def test_a_dialler_that_is_told_no_times_gets_a_promised_call_when_it_is_due(world: World) -> None:
    dialled_by(world, FILE_ALONE)
    owed(world, T0 + 6 * HOUR)
    now = T0 + HOUR
    asked = (world.room, "test", "call", "north", "today", 9, 8, "lead")
    cut = dialling.pull(*asked, now, "vici", keep_last=True)
    assert (listed(cut), cut.pulled.funnel["promised_later"]) == ({"c2": "normal"}, 1)
    more = dialling.extend(world.room, cut.number, 9, "lead", T0 + 5 * HOUR + 50 * MINUTE)
    assert listed(more) == {"c1": "callback"}


def test_a_file_that_tells_no_time_leaves_out_whom_the_api_would_schedule(world: World) -> None:
    dialled_by(world, WITH_API)
    owed(world, T0 + 6 * HOUR)
    cut = dialling.pull(world.room, "test", "call", "north", "today", 9, 8, "lead", T0 + HOUR, "vici", keep_last=True)
    assert listed(cut) == {"c1": "callback", "c2": "normal"}
    text = cut.file.read_text()
    assert (text.count("555010" + "2"), text.count("555010" + "1")) == (1, 0)
    assert "promised calls of later" in cut.written.notes[-1]
    assert f"multiwave dial-list load {cut.number}" in cut.written.notes[-1]


def test_of_a_wave_that_is_over_no_list_is_cut(world: World) -> None:
    world.now = T0 + 5 * 24 * HOUR + HOUR
    with pytest.raises(dialling.CampaignError, match="the wave call is over since 2026-12-06 10:00 UTC"):
        world.pull("call")


def test_whom_no_team_of_the_shift_speaks_with_takes_nobodys_place(tmp_path: Path) -> None:
    made = make_world(tmp_path / "home")
    put(made.ledger, [reachable(n, value=float(-n), household="a" if n < 2 else None) for n in range(4)])
    made.start(plan_text(TEAMS))
    made.advance()
    set_customer(made, "c0", {"language": "uk"})
    set_customer(made, "c2", {"language": "uk"})
    cut = made.pull("call", size=2)
    assert (set(listed(cut)), cut.pulled.funnel) == ({"c1", "c3"}, {"no_team_serves_them": 2})
    suppress(made, "c1")
    with pytest.raises(dialling.CampaignError, match="c0 cannot be put on list 1 now: on_a_list"):
        dialling.extend(made.room, cut.number, 1, "lead", made.now, "c0")
    dialling.give_back(made.room, cut.number, "lead", made.now)
    with pytest.raises(dialling.CampaignError, match="was returned at"):
        dialling.extend(made.room, cut.number, 1, "lead", made.now)
    again = made.pull("call", size=1)
    assert dialling.extend(made.room, again.number, 2, "lead", made.now).entries == [], "not those of another language"
    made.ledger.close()
