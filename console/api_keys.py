"""Keys for those who tell us of conversions over HTTP: make one, list them, take one back."""

from __future__ import annotations

import re
from typing import Annotated

import typer

from console.context import ByOption, HomeOption, JsonOption, open_home, who
from console.show import clock, print_json, say, table
from waves.errors import InputError
from waves.plan import NAME

NameArgument = Annotated[
    str, typer.Argument(help="Whose key it is: the source of the conversions that come with it.", show_default=False)
]


def add(name: NameArgument, home: HomeOption = None, by: ByOption = None, as_json: JsonOption = False) -> None:
    """Make a key for POST /conversions and show it this once; the ledger keeps a digest of it."""
    import secrets

    from ledger.api_keys import add_key

    if not re.fullmatch(NAME, name):
        raise InputError(f"{name!r} is no name; write lower-case letters, digits and _, a letter first, such as shop")
    room, key = open_home(home), f"mw_{secrets.token_urlsafe(32)}"
    with room.ledger.write() as connection:
        add_key(connection, name, key, who(by), room.ledger.now())
    if as_json:
        print_json({"name": name, "key": key})
        return
    say(key)
    say("keep it now: it is not shown again. Send it as: Authorization: Bearer KEY")


def revoke(name: NameArgument, home: HomeOption = None, by: ByOption = None) -> None:
    """Take a key back: from now on nothing comes in with it; what came in with it stays."""
    from ledger.api_keys import revoke_key

    room = open_home(home)
    with room.ledger.write() as connection:
        revoke_key(connection, name, who(by), room.ledger.now())
    say(f"{name} is revoked")


def ls(home: HomeOption = None, as_json: JsonOption = False) -> None:
    """Every key: whose, since when, last used, and how many conversions came with it, of unknown customers too."""
    from ledger.api_keys import api_keys

    room = open_home(home)
    with room.ledger.read() as connection:
        found = api_keys(connection)
    if as_json:
        print_json({"api_keys": found})
        return
    if not found:
        say("no key was made yet: multiwave api-key add NAME")
        return
    cells = [
        (k.name, clock(k.made_at), k.made_by, clock(k.revoked_at), clock(k.used_at), k.taken, k.unknown) for k in found
    ]
    columns = ("name", "made", "by", "revoked", "last used", "conversions", "of unknown customers")
    table("keys", columns, cells, columns[-2:])


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    topic = typer.Typer(help="Keys by which others tell us of conversions.", no_args_is_help=True)
    topic.command("add")(add)
    topic.command("ls")(ls)
    topic.command("revoke")(revoke)
    app.add_typer(topic, name="api-key")
