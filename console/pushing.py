"""Web push for people: the key pair that pushes are signed with, and tokens that tie a browser to a customer."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Annotated, Literal

import typer

from console.context import HomeOption, JsonOption, open_home, settings_of
from console.show import print_json, say
from waves.errors import InputError

LONGEST = timedelta(days=400)


def keys(
    act: Annotated[
        Literal["make", "show"], typer.Argument(help="make: a new pair, unless there is one; show: the public half.")
    ] = "make",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the key pair that web pushes are signed with (VAPID), or show its public half; never overwrites one."""
    from channels.webpush_crypto import public_text
    from channels.webpush_keys import KEY_FILE, make_key, read_key

    settings = settings_of(home)
    path = settings.home / KEY_FILE
    if act == "make" and not settings.home.is_dir():
        raise InputError(f"there is no home at {settings.home}; make one with: multiwave init --home {settings.home}")
    made = act == "make" and make_key(path)
    public = public_text(read_key(path))
    used = _used(path)
    if as_json:
        print_json({"public_key": public, "file": str(path), "made": made, "used": used})
        return
    say(f"{'made' if made else 'kept'} {path}" if act == "make" else str(path))
    say(f"public key: {public}")
    for line in used:
        say(f"  {line}")


def _used(path: Path) -> list[str]:
    return [
        f"config/senders.yaml: a sender with provider: webpush signs with it (key_file: {path.name})",
        "GET /push/key of `multiwave serve`: browsers subscribe with the public half (applicationServerKey)",
    ]


def push_token(
    customers: Annotated[list[str], typer.Argument(help="Keys of customers, as they were imported.")],
    lasts: Annotated[
        str, typer.Option("--for", help="How long it may be used (6h, 1d, 30d), rounded up to six hours.")
    ] = "1d",
    home: HomeOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the tokens by which pages of your site tie a browser to a customer: one line for each customer named."""
    from config.settings import read_duration
    from ledger.suppressions import customer_id
    from waves.tokens import make_customer_token

    try:
        length = read_duration(lasts)
    except ValueError as error:
        raise InputError(f"--for {lasts}: {error}") from None
    if length > LONGEST:
        raise InputError(f"--for {lasts}: a page is read sooner; write {LONGEST.days}d or less")
    room = open_home(home)
    until = room.ledger.now() + length
    with room.ledger.read() as connection:
        tokens = [make_customer_token(room.token_key, customer_id(connection, key), until) for key in customers]
    if as_json:
        print_json([{"customer": key, "token": token} for key, token in zip(customers, tokens, strict=True)])
        return
    for token in tokens:
        say(token)


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(keys)
    app.command("push-token")(push_token)
