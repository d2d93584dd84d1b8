"""`hours review`: a person reads the rows of hours that nobody has, one by one, and answers for them."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Annotated

import typer

from config.hours import FILE
from config.reviewing import mark_reviewed, unreviewed
from config.settings import Settings
from config.yaml_lines import read_document
from console.context import ByOption, HomeOption, JsonOption, config_dir, settings_of, who
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
    settings = settings_of(home)
    found = unreviewed(read_document(config_dir(settings) / FILE), only)
    if row is not None:
        if not by or not by.strip():
            raise InputError("--row asks nothing, so say who reviewed it: --by NAME")
        name, chosen = _one(found, row)
        missed = _accept(settings, name, chosen, by)
        if as_json:
            print_json({"reviewed": row_values(name, chosen), "by": by, "not_in_audit": missed})
        else:
            _say_accepted(name, chosen, by, missed)
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
        _walk(settings, found, who(by))


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


def _walk(settings: Settings, found: Waiting, by: str) -> None:
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
            _say_accepted(name, row, by, _accept(settings, name, row, by))
            done += 1
    say(f"{done} reviewed by {by}, {len(found) - done} wait")


def _ask() -> str:
    while True:
        said = str(typer.prompt("(r)eviewed, (s)kip or (q)uit", default="s")).strip().lower()
        for letter, word in ANSWERS.items():
            if said in (letter, word):
                return letter


def _accept(settings: Settings, name: str, row: HoursRow, by: str) -> str | None:
    """Write the review into the file and the audit; what to say of the audit where there is no ledger."""
    from ledger.audit import record
    from ledger.store import open_ledger

    mark_reviewed(config_dir(settings) / FILE, name, row, by, datetime.now(UTC).date())
    try:
        ledger = open_ledger(settings.url)
    except LedgerError as error:
        return f"not in the audit: {error}"
    with ledger.write() as connection:
        record(connection, ledger.now(), by, "hours reviewed", f"{name} {row.place}", after=row.source)
    ledger.close()
    return None


def _say_accepted(name: str, row: HoursRow, by: str, missed: str | None) -> None:
    say(f"{row.place} of {name} is reviewed by {by}")
    if missed is not None:
        say(missed, style="yellow")
