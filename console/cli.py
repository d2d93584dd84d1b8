"""The command `multiwave`: every way in for people, one module a topic."""

from __future__ import annotations

import sys
from pathlib import Path

import typer

from console import (
    api_keys,
    campaigns,
    cases,
    cloning,
    deploying,
    dialling,
    doubting,
    editing,
    erasing,
    history,
    home,
    hours,
    imports,
    keeping,
    plans,
    pushing,
    recalling,
    rehearsing,
    reporting,
    running,
    seeds,
    serving,
    stories,
    suppressing,
    switching,
    tasks,
)
from console.context import Chosen, HomeOption
from console.show import errors
from waves.errors import MultiwaveError

app = typer.Typer(
    name="multiwave",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)


@app.callback()
def program(home: HomeOption = None) -> None:
    """Outreach campaigns as sequenced waves: check a plan, see who would be asked, start it, watch it, read it back.

    A first campaign: init, customers import, check, plan, approve, start, advance, status.
    """
    Chosen.home = home


home.add_to(app)
imports.add_to(app)
plans.add_to(app)
rehearsing.add_to(app)
campaigns.add_to(app)
recalling.add_to(app)
cloning.add_to(app)
running.add_to(app)
serving.add_to(app)
pushing.add_to(app)
keeping.add_to(app)
deploying.add_to(app)
reporting.add_to(app)
dialling.add_to(app)
history.add_to(app)
tasks.add_to(app)
seeds.add_to(app)
doubting.add_to(app)
suppressing.add_to(app)
cases.add_to(app)
api_keys.add_to(app)
switching.add_to(app)
erasing.add_to(app)
stories.add_to(app)
hours.add_to(app)
editing.add_to(app)


def main() -> None:
    """Run the program; bad input is one clear message on standard error and exit code 2, never a traceback."""
    for place, word in enumerate(sys.argv[1:], 1):
        if any("\ud800" <= each <= "\udfff" for each in word):  # bytes that the system could not decode
            errors.print(f"error: argument {place} is not UTF-8 text")
            sys.exit(2)
    try:
        app()
    except MultiwaveError as error:
        errors.print(f"error: {error}", markup=False)
        sys.exit(2)
    except OSError as error:
        where = f"{Path(str(error.filename))}: " if error.filename else ""
        errors.print(f"error: {where}{error.strerror or error}", markup=False)
        sys.exit(2)
