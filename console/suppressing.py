"""Standing instructions: suppress somebody, or lift it again."""

from __future__ import annotations

from typing import Annotated

import typer

from console.context import ByOption, HomeOption, moment, open_home, who
from console.show import say
from waves.errors import InputError
from waves.message import CHANNEL_CODES

CustomerOption = Annotated[str | None, typer.Option("--customer", help="The customer's key.")]
AddressOption = Annotated[str | None, typer.Option("--address", help="A phone (E.164), e-mail or push endpoint.")]
ChannelOption = Annotated[str, typer.Option("--channel", help=f"One of {', '.join(CHANNEL_CODES)}, or all.")]


def _channel(name: str) -> int:
    if name == "all":
        return 0
    if name not in CHANNEL_CODES:
        raise InputError(f"there is no channel {name!r}; write one of {', '.join(CHANNEL_CODES)}, or all")
    return CHANNEL_CODES[name]


def _one_of(customer: str | None, address: str | None) -> None:
    if (customer is None) == (address is None):
        raise InputError("say who: either --customer KEY or --address VALUE")


def suppress(
    customer: CustomerOption = None,
    address: AddressOption = None,
    channel: ChannelOption = "all",
    reason: Annotated[
        str, typer.Option(help="Why; `open_case` says that a person of ours owes the customer an answer.")
    ] = "asked",
    until: Annotated[str | None, typer.Option(help="When it ends (ISO, with a zone); without it, never.")] = None,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Never contact this customer or address: acts at the next claim, in every campaign, queued messages included."""
    from ledger import suppressions
    from segments.subscriptions import spelled

    _one_of(customer, address)
    code, end = _channel(channel), moment(until) if until else None
    room = open_home(home)
    with room.ledger.write() as connection:
        ident = suppressions.customer_id(connection, customer) if customer else None
        now, values = room.ledger.now(), spelled(connection, address) if address else [None]
        told = [suppressions.suppress(connection, ident, one, code, reason, who(by), now, end) for one in values]
        new = any(told)
    say("suppressed" if new else "was suppressed for this reason already")


def unsuppress(
    customer: CustomerOption = None,
    address: AddressOption = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only this channel's instructions.")] = None,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Lift the standing instructions on a customer or an address; what was withdrawn meanwhile stays withdrawn."""
    from ledger import suppressions
    from segments.subscriptions import spelled
    from waves.seals import sealer

    _one_of(customer, address)
    code = _channel(channel) if channel else None
    room = open_home(home)
    with room.ledger.write() as connection:
        ident = suppressions.customer_id(connection, customer) if customer else None
        values = spelled(connection, address) if address else [None]
        now = room.ledger.now()
        lifted = sum(suppressions.unsuppress(connection, ident, one, code, who(by), now) for one in values)
        if address:
            sealed = sealer(room.token_key)("address", address)
            lifted += suppressions.unsuppress(connection, None, sealed, code, who(by), room.ledger.now())
    say(f"{lifted} instructions lifted")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(suppress)
    app.command()(unsuppress)
