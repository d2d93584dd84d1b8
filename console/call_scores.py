"""`history scores`: the customers of a call wave who wait for a list, best first, and when to call each."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from channels.cells import cell
from console.context import ByOption, HomeOption, JsonOption, open_home, who
from console.show import print_json, say, table

if TYPE_CHECKING:
    from flows.call_scores import Scored

SHOWN = 20
"""Customers on the screen; all of them are in the file, and in the JSON."""
NUMBERS = ("answers", "converts", "there", "value", "worth")


def scores(
    campaign: Annotated[str, typer.Argument(help="The campaign's name.", show_default=False)],
    wave: Annotated[str, typer.Argument(help="Its call wave.", show_default=False)],
    out: Annotated[
        Path | None, typer.Option("--out", help="Write everybody into this CSV file.", show_default=False)
    ] = None,
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Who waits for a call, best first: P(answers) now and at the best hour, P(converts), worth of an agent hour."""
    from flows.call_scores import call_scores
    from flows.history import call_wave

    room = open_home(home)
    running = call_wave(room, campaign, wave)
    fitted, found = call_scores(room, running, wave, who(by), room.ledger.now())
    if out:
        _write(out, found)
    if as_json:
        print_json({"ranks_by": fitted.ranks_by, "customers": [asdict(one) for one in found]})
    elif out:
        say(f"{len(found):,} lines in {out}, ranked by {' and '.join(fitted.ranks_by)}")
    elif not found:
        say(f"nobody waits for a list in {campaign}, wave {wave}; see: multiwave status {campaign}")
    else:
        columns = ("customer", "answers", "converts", "best hour", "there", "value", "worth")
        table(f"ranked by {' and '.join(fitted.ranks_by)}", columns, map(_cells, found[:SHOWN]), NUMBERS)
        if len(found) > SHOWN:
            say(f"the first {SHOWN} of {len(found):,}; all of them: --out FILE.csv")


def _cells(one: Scored) -> tuple[object, ...]:
    money = (None if amount is None else f"{amount:,.2f}" for amount in (one.value, one.score))
    chances = (f"{one.answer:.1%}", f"{one.convert:.1%}", one.best_hour, f"{one.best_answer:.1%}")
    return one.customer, *chances, *money


def _write(path: Path, found: Iterable[Scored]) -> None:
    from flows.call_scores import Scored

    with path.open("w", encoding="utf-8", newline="") as file:
        out = csv.writer(file)
        out.writerow(field.name for field in fields(Scored))
        out.writerows([cell(value) for value in asdict(one).values()] for one in found)
