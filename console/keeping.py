"""Backups of the ledger, and the way back into use."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from console.context import ByOption, HomeOption, JsonOption, moment, open_home, settings_of, who
from console.show import clock, print_json, say


def backup(
    file: Annotated[Path, typer.Argument(help="The file to make; it must not be there yet.", show_default=False)],
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Copy the SQLite ledger while it runs, as of one moment, and verify the copy; PostgreSQL has pg_dump."""
    from channels.webpush_keys import KEY_FILE
    from ledger.backup import back_up

    room = open_home(home)
    made = back_up(room.ledger, file, room.ledger.now())
    if as_json:
        print_json({"file": str(made.file), "at": made.at, "size": made.size})
        return
    say(f"{made.file}: {made.size:,} bytes, the ledger of {clock(made.at)}, checked whole")
    say("keep the home's token.key and config/ with it: without the key no report finds its message")
    if (room.settings.home / KEY_FILE).exists():
        say(f"and {KEY_FILE}: without it every browser has to subscribe again")


def restored(
    home: HomeOption = None,
    since: Annotated[
        str | None, typer.Option("--since", help="When the backup was made, where it does not say (PostgreSQL).")
    ] = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a restored backup into use: what may have been sent since it is in doubt, every campaign is paused."""
    from ledger.restored import take_up
    from ledger.store import open_ledger

    began = moment(since) if since else None
    ledger = open_ledger(settings_of(home).url, restored=True)
    with ledger.write() as connection:
        done = take_up(connection, began, who(by), ledger.now())
    if as_json:
        print_json(done)
        return
    say(f"taken into use; nothing after {clock(done.since)} is in it. {done.in_doubt:,} messages are in doubt")
    say("before you resume a campaign: import every opt-out, report, conversion and customer since then")
    if done.keys_revoked:
        say(f"{done.keys_revoked} API keys are revoked: nobody knows which were since; make new ones: api-key add NAME")
    for campaign in done.paused:
        say(f"paused: {campaign}")
    for campaign, wave in done.may_have_opened:
        say(f"may have gone out since: {campaign} {wave}; if it did, do not resume: abort the campaign", style="yellow")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(backup)
    app.command()(restored)
