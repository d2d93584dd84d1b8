"""`report`: what a campaign came to."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.campaigns import CampaignArgument
from console.context import HomeOption, JsonOption, moment, open_home
from console.show import Ticker, print_json, progress, say


def report(
    campaign: CampaignArgument,
    home: HomeOption = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for the report as one HTML file and its rows as CSV; an earlier report is replaced."),
    ] = None,
    as_of: Annotated[
        str | None, typer.Option(help="The report as of this time, such as 2026-12-05T00:00Z (default: now).")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a campaign came to: counts and rates of each wave, treated against held out, cost, late outcomes, value."""
    from console.review.files import checked_folder, write_folder
    from console.review.numbers import lens_of, report_of
    from console.review.terminal import show
    from flows.running import load_running

    room = open_home(home)
    running = load_running(room.ledger, campaign)
    lens = lens_of(room, running, moment(as_of) if as_of else None)
    if out is not None:
        checked_folder(out)
    with progress() as bar, room.ledger.read() as connection:
        tick = Ticker(bar)
        found = report_of(connection, running, lens, room.settings.currency, tick)
        written = write_folder(out, connection, running, lens, found, tick) if out is not None else 0
    if as_json:
        print_json(found)
        return
    show(found)
    if out is not None:
        say(f"\n{written} files in {out}; open {out / 'report.html'}")


def add_to(app: typer.Typer) -> None:
    """Give the program this command."""
    app.command()(report)
