"""Texts of customers and strangers on the screen: as they are, whatever brackets or terminal codes are in them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from console.cli import app
from console.show import screen, table
from flows.reports import record_came
from tests.builders import T0, World, make_world, phone, plan_text, put, reachable
from waves.errors import InputError
from waves.message import Inbound

KEY = "[/c1]"
WAVES = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"


@pytest.fixture(autouse=True)
def wide() -> Iterator[None]:
    before, screen.width = screen.width, 160
    yield
    screen.width = before


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    put(made.ledger, [replace(reachable(1, ("sms",)), key=KEY)])
    made.ledger.set_now(T0)
    yield made
    made.ledger.close()


def said(world: World, *words: str) -> str:
    result = CliRunner().invoke(app, [*words, "--home", str(world.config.parent)])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.stdout


def test_what_is_copied_from_a_table_is_not_broken(capsys: pytest.CaptureFixture[str]) -> None:
    screen.width = 40
    table("tasks", ("token", "name"), [("A" * 20, "a name of several words " * 4)], whole=("token",))
    assert "A" * 20 in capsys.readouterr().out


@pytest.mark.parametrize("command", ["case show", "case close", "dial-list return"])
def test_a_number_that_no_ledger_holds_is_refused(command: str, world: World) -> None:
    for number in ("0", "9" * 30):
        with pytest.raises(InputError, match="is the number of nothing"):
            said(world, *command.split(), number)


def test_brackets_are_no_markup(world: World) -> None:
    said(world, "suppress", "--customer", KEY, "--reason", "open_case", "--by", "[/ada]")
    assert KEY in said(world, "case", "ls")
    assert f"case 1, customer {KEY}: open; opened 2026-12-01 09:00Z by [/ada]" in said(world, "case", "show", "1")
    plan = world.config / "plans" / "plan.yaml"
    plan.write_text(re.sub("title: .*", "title: '[/] Test'", plan_text(WAVES)))
    shown = said(world, "plan", str(plan))
    assert "[/] Test (test), segment: " in shown


def test_codes_in_a_strangers_text_do_not_reach_the_terminal(world: World) -> None:
    text = "Call me :x:?\x1b]0;owned\x07\x9b2J\x08\r\nplease"
    record_came(world.room, [Inbound("sms", phone(1), text, T0, "outbox", "one")], T0)
    shown = said(world, "case", "show", "1")
    assert "Call me :x:?�]0;owned��2J�\nplease" in shown
