"""`hours review`: a person reads the rows of hours that nobody has, one by one, and answers for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from config.hours import FILE
from config.reviewing import mark_reviewed, unreviewed
from config.yaml_lines import read_document
from console.context import ByOption, HomeOption, JsonOption, config_dir, open_home, settings_of, who
from console.legal import row_lines, row_values
from console.show import print_json, say
from waves.errors import InputError, LedgerError
from waves.hours_set import HoursRow

ANSWERS = {"r": "reviewed", "s": "skip", "q": "quit"}
Waiting = Sequence[tuple[str, HoursRow]]


def review(
    only: Annotated[str | None, typer.Option("--set", help="The rows of this set alone.")] = None,
    row: Annotated[
        str | None, typer.Option("--row", help="Mark this row as reviewed, such as US-TX, and ask nothing; with --by.")
    ] = None,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Go through the rows of hours that nobody reviewed: read each, then say that you did, skip it, or stop."""
    path = config_dir(settings_of(home)) / FILE
    found = unreviewed(read_document(path), only)
    if row is not None:
        if not by:
            raise InputError("--row asks nothing, so say who reviewed it: --by NAME")
        name, chosen = _one(found, row)
        _accept(home, path, name, chosen, by)
    elif as_json:
        print_json({"waiting": [row_values(*each) for each in found]})
    elif not found:
        say("every row is reviewed")
    elif not sys.stdin.isatty():
        raise InputError(
            f"{len(found)} rows wait, and this is no terminal to ask at; list them with --json, "
            "or mark one with --row PLACE --by NAME"
        )
    else:
        _walk(home, path, found, who(by))


def _one(found: Waiting, place: str) -> tuple[str, HoursRow]:
    mine = [each for each in found if each[1].place == place]
    if not mine:
        there = ", ".join(sorted({row.place for _, row in found})) or "none"
        raise InputError(f"no row for {place} waits for a review; these do: {there}")
    if len(mine) > 1:
        raise InputError(
            f"several sets have a row for {place}; say which: {' or '.join(f'--set {n}' for n, _ in mine)}"
        )
    return mine[0]


def _walk(home: Path | None, path: Path, found: Waiting, by: str) -> None:
    say(f"{len(found)} rows wait. Say `reviewed` only when you have read the source and answer for every line.")
    done = 0
    for number, (name, row) in enumerate(found, 1):
        say(f"\n[bold]{row.place}[/] of {name}, {number} of {len(found)}", markup=True)
        for line in row_lines(row):
            say(f"  {line}")
        answer = _ask()
        if answer == "q":
            break
        if answer == "r":
            _accept(home, path, name, row, by)
            done += 1
    say(f"{done} reviewed by {by}, {len(found) - done} wait")


def _ask() -> str:
    while True:
        said = str(typer.prompt("(r)eviewed, (s)kip or (q)uit", default="s")).strip().lower()
        for letter, word in ANSWERS.items():
            if said in (letter, word):
                return letter


def _accept(home: Path | None, path: Path, name: str, row: HoursRow, by: str) -> None:
    now = datetime.now(UTC)
    mark_reviewed(path, name, row, by, now.date())
    say(f"{row.place} of {name} is reviewed by {by}")
    _note(home, name, row, by)


def _note(home: Path | None, name: str, row: HoursRow, by: str) -> None:
    """In the audit, where there is a ledger."""
    from ledger.audit import record

    try:
        room: Any = open_home(home)
    except LedgerError as error:
        say(f"not in the audit: {error}", style="yellow")
        return
    with room.ledger.write() as connection:
        record(connection, room.ledger.now(), by, "hours reviewed", f"{name} {row.place}", after=row.source)
    room.ledger.close()
