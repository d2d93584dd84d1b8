"""The command line teaches itself: every command, argument and option says what it is for."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from typer.main import get_command

from console.cli import app
from tests.acceptance.program import Program

pytestmark = pytest.mark.acceptance
READING = ("check", "plan", "status", "why", "advance", "dial-list pull", "dial-list ls")
LEARNING = ("history fit", "history cards", "history scores")
IMPORTS = tuple(f"{what} import" for what in ("customers", "events", "dispositions", "conversions", "history"))


def leaves(command: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    """Every command that does something, by the words that call it."""
    inner = getattr(command, "commands", {})
    for word, child in inner.items():
        yield from leaves(child, f"{name} {word}".strip())
    if not inner:
        yield name, command


def groups(command: Any) -> Iterator[Any]:
    if hasattr(command, "commands"):
        yield command
        for child in command.commands.values():
            yield from groups(child)


COMMANDS = dict(leaves(get_command(app)))


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_teaches(name: str) -> None:
    command = COMMANDS[name]
    assert len(command.help.split()) >= 4
    for parameter in command.params:
        assert parameter.help, f"{name}: {parameter.name} says nothing"
        assert "[" not in parameter.help, f"{name}: what stands in brackets is taken for markup and not shown"
    assert "home" in {parameter.name for parameter in command.params}


@pytest.mark.parametrize("name", [*READING, *LEARNING, *IMPORTS])
def test_every_reading_command_speaks_json(name: str) -> None:
    assert any("--json" in parameter.opts for parameter in COMMANDS[name].params)


def test_every_topic_says_what_it_is() -> None:
    assert all(group.help for group in groups(get_command(app)))


def test_help_is_shown_and_ends_well(program: Program) -> None:
    said = program.try_("--help")
    assert (said.code, said.err) == (0, "")
    assert all(f" {name.split()[0]} " in said.out for name in COMMANDS)
