"""`dial-list plan` says what the shift's teams will get, and leaves the ledger as it was."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select
from typer.testing import CliRunner

from console.cli import app
from flows import dialling
from ledger.tables import metadata
from tests.builders import HOUR, World, make_world, plan_text, put, reachable
from tests.commands import said
from tests.steps import suppress
from waves.errors import CampaignError, InputError

CALL = (
    "  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 5d,\n"
    "     capacity: {teams: {north: 1, south: 1}, hours: 1, handle_time: 900s}}\n"
)


def staged(home: Path, url: str | None = None) -> World:
    """Forty who wait for a call, the best of whom said stop."""
    made = make_world(home, url)
    put(made.ledger, [reachable(n, value=float(40 - n)) for n in range(40)])
    made.start(plan_text(CALL))
    made.advance()
    suppress(made, "c0")
    made.ledger.set_now(made.now)
    return made


def rows(world: World) -> dict[str, list[Any]]:
    with world.ledger.read() as connection:
        return {name: sorted(map(repr, connection.execute(select(of)))) for name, of in metadata.tables.items()}


def lists(planned: list[dialling.Planned]) -> list[tuple[str, list[str]]]:
    return [(one.team, [entry.number for entry in one.pulled.entries]) for one in planned]


def test_it_tells_what_the_teams_then_pull_and_keeps_nothing(tmp_path: Path, ledger_url: str) -> None:
    world = staged(tmp_path / "home", ledger_url)
    before = rows(world)
    planned = dialling.plan(world.room, "test", "call", "monday", None, "lead", world.now)
    assert rows(world) == before
    assert [one.team for one in planned] == ["north", "south"]
    assert planned[0].pulled.funnel["suppressed"] == 1
    pulled = []
    for one in planned:
        cut = dialling.pull(world.room, "test", "call", one.team, "monday", None, None, "lead", world.now)
        pulled.append((one.team, [entry.number for entry in cut.entries]))
    assert lists(planned) == pulled
    assert all(numbers for _, numbers in pulled)
    with pytest.raises(CampaignError, match="every team has a list of the shift monday"):
        dialling.plan(world.room, "test", "call", "monday", None, "lead", world.now)
    world.ledger.close()


def test_the_command_shows_it(tmp_path: Path) -> None:
    world = staged(tmp_path / "home")
    found = json.loads(said(world, "dial-list", "plan", "test", "call", "--json"))
    assert [one["team"] for one in found["lists"]] == ["north", "south"]
    assert sum(one["entries"] for one in found["lists"]) + found["waiting"]["due"] == 39
    assert found["lists"][0]["wanted"] == found["lists"][0]["entries"]
    shown = said(world, "dial-list", "plan", "test", "call", "--team", "south", "--size", "3")
    assert "nobody was put on a list; run: multiwave dial-list pull test call --team south" in shown
    dialling.pull(world.room, "test", "call", "south", "today", 3, None, "lead", world.now)
    world.now += 2 * HOUR
    world.ledger.set_now(world.now)
    found = json.loads(said(world, "dial-list", "plan", "test", "call", "--shift", "late", "--json"))
    assert [(one["team"], one["refused"] is None) for one in found["lists"]] == [("north", True), ("south", False)]
    shown = said(world, "dial-list", "plan", "test", "call", "--shift", "late")
    assert "pull refuses that: dial list 1 of south was over" in shown
    home = str(world.config.parent)
    refused = CliRunner().invoke(app, ["dial-list", "plan", "test", "call", "--size", "3", "--home", home])
    assert "of one team; write --team as well" in str(refused.exception)
    for command, name in (("plan", ""), ("pull", " "), ("pull", "no\nrth")):
        with pytest.raises(InputError, match="is no name; write one on one line"):
            said(world, "dial-list", command, "test", "call", "--team", name, "--size", "2")
        with pytest.raises(InputError, match=r"--shift .* is no name; write one on one line"):
            said(world, "dial-list", command, "test", "call", "--team", "north", "--shift", name, "--size", "2")
    world.ledger.close()
