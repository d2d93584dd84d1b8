"""A shift's teams pull in turn: each its share, as long as its agents need, of whom it understands."""

from __future__ import annotations

from typing import Any

import pytest

from flows import dialling
from tests.builders import DAY, HOUR, T0, World, phone, plan_text, put, reachable
from tests.steps import phoned, set_customer
from waves.diallers import Dialler
from waves.dispositions import Disposition
from waves.errors import CampaignError

CALL = (
    "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d,\n"
    "     capacity: {teams: TEAMS, hours: 7.5, handle_time: 180s}}\n"
)


def calling(world: World, people: int, teams: str) -> None:
    put(world.ledger, [reachable(n, value=float(people - n)) for n in range(people)])
    world.start(plan_text(CALL.replace("TEAMS", teams)))
    world.advance()


def pull(world: World, team: str, size: int | None = None, shift: str = "monday", **more: Any) -> dialling.Cut:
    return dialling.pull(world.room, "test", "call", team, shift, size, None, "lead", world.now, **more)


def test_each_team_gets_its_share_whoever_comes_first(world: World) -> None:
    calling(world, 100, "{north: 12, south: 8}")
    first = pull(world, "south", 20)
    assert len(first.entries) == 20
    assert first.pulled.funnel == {"other_teams": 30, "capacity": 50}
    assert set(first.worth_an_hour) == {"north", "south"}
    assert first.gap <= 0.05
    second = pull(world, "north", 30)
    assert len(second.entries) == 30
    assert second.worth_an_hour == pytest.approx(first.worth_an_hour), "of the list that is out, and of this one"
    assert second.gap == pytest.approx(first.gap)
    numbers = {entry.number for cut in (first, second) for entry in cut.entries}
    assert numbers == {phone(n) for n in range(50)}, "together the best fifty"
    best = [entry.number for entry in first.entries]
    assert 0 < sum(number in best for number in map(phone, range(10))) < 10, "no team has all of the best"


def test_the_plan_says_how_long_a_list_is_and_absent_agents_shorten_it(lite: World) -> None:
    calling(lite, 3, "{north: 20}")
    # 20 agents x 7.5 h x .88 x .80 x 3600/180 = 2,112 conversations, a fifth of the records skipped
    whole = pull(lite, "north")
    reached = 1 - 0.82 * 0.85 * 0.88 * 0.90
    assert (whole.sized.size, len(whole.entries)) == (round(2112 / reached * 1.2), 3)
    assert "assumed: 18%, 15%, 12%, 10%" in whole.sized.why
    assert whole.valid_until == T0 + 7.5 * HOUR
    half = pull(lite, "north", agents=10)
    assert half.sized.size == pytest.approx(whole.sized.size / 2, abs=1)
    with pytest.raises(CampaignError, match="names no team west"):
        pull(lite, "west")
    assert pull(lite, "west", 5).sized.teams == {}


def test_a_list_of_fewer_hours_is_shorter_and_so_is_one_near_the_waves_end(lite: World) -> None:
    calling(lite, 3, "{north: 20, south: 10}")

    def planned(hours: float | None) -> dict[str, tuple[int, float]]:
        found = dialling.plan(lite.room, "test", "call", "monday", hours, "lead", lite.now)
        return {one.team: (one.sized.size, one.sized.teams[one.team].hours) for one in found}

    whole = planned(None)
    assert planned(1.5) == {team: (round(size / 5), hours / 5) for team, (size, hours) in whole.items()}
    lite.now = T0 + HOUR + 5 * DAY - 1.5 * HOUR
    assert planned(None) == planned(1.5)


def test_whom_a_team_does_not_understand_waits_for_one_that_does(world: World) -> None:
    calling(world, 6, "{north: {agents: 2, languages: [en]}, south: {agents: 2, languages: [uk]}}")
    for n in range(6):
        set_customer(world, f"c{n}", {"language": "uk" if n < 4 else "en" if n < 5 else None})
    assert {entry.number for entry in pull(world, "north", 3).entries} == {phone(4), phone(5)}
    assert {entry.number for entry in pull(world, "south", 3).entries} == {phone(0), phone(1), phone(2)}


def test_who_takes_a_skill_waits_for_a_team_that_has_it(world: World) -> None:
    """The column `tier` says which; c0 takes gold, c1 what nobody has, c2 and c3 nothing that is known."""
    columns = {"t": "token", "p": "phone", "s": "skill"}
    world.room.diallers = {"w": Dialler(dialler="w", format="generic_csv", columns=columns)}
    put(world.ledger, [reachable(n, value=float(9 - n), tier=["gold", "tin", None, ""][n]) for n in range(4)])
    teams = "{north: {agents: 2, skills: [silver]}, south: {agents: 2, skills: [gold, silver]}}"
    world.start(plan_text(CALL.replace("TEAMS", teams).replace("rank: value", "rank: value, skill: tier")))
    world.advance()
    north = pull(world, "north", 1)
    assert {entry.number for entry in north.entries} < {phone(2), phone(3)}
    extended = dialling.extend(world.room, north.number, 3, "lead", world.now)
    assert {entry.number for entry in (*north.entries, *extended.entries)} == {phone(2), phone(3)}
    with pytest.raises(CampaignError, match="c0 cannot be put on list 1 now: no_team_serves_them"):
        dialling.extend(world.room, north.number, 1, "lead", world.now, "c0")
    south = pull(world, "south", 3, dialler_name="w")
    assert [entry.number for entry in south.entries] == [phone(0)]
    assert south.pulled.funnel == {"no_team_serves_them": 1}
    assert south.file is not None
    assert south.file.read_text().splitlines()[1].endswith(",gold")


def test_who_was_called_before_goes_to_the_same_team(world: World) -> None:
    calling(world, 40, "{north: 2, south: 2}")
    before = {team: {entry.number for entry in pull(world, team, 20).entries} for team in ("south", "north")}
    for n in range(40):
        phoned(world, "call", f"c{n}", Disposition.BUSY, T0)
    for number in (1, 2):
        dialling.give_back(world.room, number, "lead", T0)
    world.now = T0 + 3 * HOUR
    again = {entry.number for entry in pull(world, "south", 20, shift="tuesday").entries}
    assert len(again) == 20
    assert len(again & before["south"]) >= 17, "as long as that leaves the teams alike"


def test_the_chance_is_one_where_everybody_callable_is_listed_and_less_where_the_places_end(lite: World) -> None:
    put(lite.ledger, [reachable(n, value=float(99 - n)) for n in range(30)])
    lite.start(plan_text(CALL.replace("TEAMS", "{north: 2}").replace("rank: value", "rank: value, explore: 10%")))
    lite.advance()
    short = pull(lite, "north", 20)
    assert min(entry.p_assign for entry in short.entries) < 1
    rest = pull(lite, "north", 40, shift="later")
    assert [entry.p_assign for entry in rest.entries] == pytest.approx([1.0] * 10)
