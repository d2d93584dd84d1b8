"""A person who asks to be forgotten."""

from __future__ import annotations

from typing import Annotated

import typer

from console.context import ByOption, HomeOption, JsonOption, open_home, who
from console.show import print_json, say


def erase(
    customer: Annotated[str, typer.Argument(help="The customer's key.", show_default=False)],
    home: HomeOption = None,
    by: ByOption = None,
    as_json: JsonOption = False,
) -> None:
    """Erase a customer for good: everything personal is gone, every count stays; no import brings them back."""
    from flows.erasing import erase_customer

    done = erase_customer(open_home(home, to_stop=True), customer, who(by))
    if as_json:
        print_json(done)
        return
    say("erased" if done.new else "was erased already; what was left in files is gone now")
    say(f"{done.outbox_lines} outbox lines, {done.list_entries} entries of dial lists emptied")
    if done.lists_out:
        lists = ", ".join(map(str, done.lists_out))
        say(f"still on dial lists that are out there: {lists}; have the call centre delete them", style="yellow")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(erase)
