"""The README under test: its tables name exactly what exists, its plan checks clean, its commands parse."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import typer

from channels.registry import CAPABILITIES
from config.loading import check_plan
from config.settings import Settings
from console.cli import app
from console.home import copy_examples
from waves.outcomes import (
    OUTCOME_MEANINGS,
    PART_MEANINGS,
    PART_OF_OUTCOME,
    STATE_MEANINGS,
    VERDICT_MEANINGS,
    Outcome,
    word,
)

README = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")


def rows(head: str) -> list[list[str]]:
    """The cells of the README's table whose first heading is `head`."""
    found = re.search(rf"^\| {head} \|.*\n\|[-|]+\n((?:\|.*\n)+)", README, re.MULTILINE)
    assert found, f"no table {head}"
    return [[cell.strip().strip("`") for cell in line.strip("|\n ").split(" | ")] for line in found[1].splitlines()]


def leaves(group: typer.core.TyperGroup, prefix: str = "") -> Iterator[tuple[str, str]]:
    """(words, help) of every command of the program."""
    for name, command in group.commands.items():
        if isinstance(command, typer.core.TyperGroup):
            yield from leaves(command, f"{prefix}{name} ")
        else:
            yield prefix + name, str(command.help).replace("\n", " ")


COMMANDS = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize(
    ("head", "exists"),
    [
        ("verdict", {word(v): text for v, text in VERDICT_MEANINGS.items()}),
        ("state", {word(s): text for s, text in STATE_MEANINGS.items()}),
        ("outcome", {word(o): text for o, text in OUTCOME_MEANINGS.items()}),
        ("part", {word(p): text for p, text in PART_MEANINGS.items()}),
        ("command", COMMANDS),
    ],
)
def test_a_table_names_what_exists_in_the_same_words(head: str, exists: dict[str, str]) -> None:
    assert {cells[0]: cells[1] for cells in rows(head)} == exists


def test_outcomes_are_shown_with_their_part() -> None:
    assert {cells[0]: cells[2] for cells in rows("outcome")} == {word(o): word(PART_OF_OUTCOME[o]) for o in Outcome}


def test_every_setting_is_in_the_table_with_its_meaning() -> None:
    fields = {f"MULTIWAVE_{name.upper()}": field.description for name, field in Settings.model_fields.items()}
    assert {cells[0]: cells[-1] for cells in rows("setting")} == fields


def test_every_channel_is_in_the_table() -> None:
    assert {cells[0] for cells in rows("channel")} == set(CAPABILITIES)


def test_the_plan_explained_line_by_line_checks_clean(tmp_path: Path) -> None:
    copy_examples(tmp_path)
    plan = tmp_path / "plans" / "explained.yaml"
    plan.write_text(re.search(r"```yaml\n(.*?)```", README, re.DOTALL)[1], encoding="utf-8")  # type: ignore[index]
    assert check_plan(plan, tmp_path, CAPABILITIES) == []


def test_every_command_line_shown_is_a_command() -> None:
    shown = re.findall(
        r"^(?:\.venv/bin/)?multiwave (?:--home \S+ )?([a-z -]+?)(?: {2}| [A-Za-z0-9_-]*\d|$| #)", README, re.M
    )
    words = [" ".join(line.split()[:2]) for line in shown]
    assert words
    assert all(any(known == two or known == two.split()[0] for known in COMMANDS) for two in words)
