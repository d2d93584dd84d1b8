"""Open cases: customers to whom a person of ours owes an answer."""

from __future__ import annotations

from typing import Annotated

import typer

from console.context import ByOption, HomeOption, JsonOption, number_of_row, open_home, who
from console.show import clock, print_json, say, table

CaseArgument = Annotated[int, typer.Argument(help="The case's number.", callback=number_of_row, show_default=False)]


def ls(
    home: HomeOption = None,
    closed_too: Annotated[bool, typer.Option("--all", help="Those that were closed, too.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Customers who are owed an answer: since when, and what they ask for; no campaign contacts them meanwhile."""
    from ledger.cases import cases

    room = open_home(home)
    with room.ledger.read() as connection:
        found = cases(connection, room.ledger.now(), closed_too)
    if as_json:
        print_json({"cases": found})
        return
    if not found:
        say("no case is open")
        return
    cells = [
        (str(c.id), c.customer, clock(c.opened_at), c.opened_by, ", ".join(c.asks), clock(c.closed_at)) for c in found
    ]
    table("cases", ("case", "customer", "opened", "by", "asks", "closed"), cells)


def show(case: CaseArgument, home: HomeOption = None, as_json: JsonOption = False) -> None:
    """One case with what the customer wrote, as long as that text is kept."""
    from ledger.cases import asked, find_case

    room = open_home(home)
    with room.ledger.read() as connection:
        found, replies = find_case(connection, case, room.ledger.now()), asked(connection, case)
    if as_json:
        print_json({"case": found, "replies": replies})
        return
    state = f"closed {clock(found.closed_at)}" if found.closed_at else "open"
    say(f"case {found.id}, customer {found.customer}: {state}; opened {clock(found.opened_at)} by {found.opened_by}")
    for one in replies:
        answers = f", answers {one.wave} of {one.campaign}" if one.campaign else ""
        say(f"\n{clock(one.at)} by {one.channel} ({one.provider}) from {one.sender or '-'}{answers}")
        say(one.text if one.text is not None else "the text is not kept any more")
    if not found.closed_at:
        say(f"\nwhen it is answered: multiwave case close {found.id}")


def close(case: CaseArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Close a case that was answered: campaigns may contact the customer again."""
    from ledger.cases import close_case

    room = open_home(home)
    with room.ledger.write() as connection:
        customer = close_case(connection, case, who(by), room.ledger.now())
    say(f"case {case} of {customer} is closed")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Customers who are owed an answer.", no_args_is_help=True)
    topic.command("ls")(ls)
    topic.command("show")(show)
    topic.command("close")(close)
    app.add_typer(topic, name="case")
