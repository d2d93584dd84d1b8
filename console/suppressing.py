"""Standing instructions: suppress somebody, or lift it again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from console.context import ByOption, HomeOption, config_dir, moment, open_home, who
from console.show import say
from waves.errors import InputError, PlanError
from waves.message import CHANNEL_CODES

if TYPE_CHECKING:
    from flows.room import Room

NO_REGION = "ZZ"
"""As phonenumbers spells it: only numbers with a + are read."""
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
    said = [one for one in (customer, address) if one is not None]
    if len(said) != 1 or not said[0].strip():
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
    from segments.subscriptions import is_held

    _one_of(customer, address)
    code, end = _channel(channel), moment(until) if until else None
    room = open_home(home, to_stop=True)
    now = room.ledger.now()
    if end is not None and end <= now:
        raise InputError(f"--until {until} is over already; write when the instruction ends")
    values = _spelled(room, address)
    with room.ledger.write() as connection:
        ident = suppressions.customer_id(connection, customer) if customer else None
        told = [
            suppressions.suppress(connection, ident, one, code, reason, who(by), now, end) for one in values or [None]
        ]
        strange = bool(values) and not is_held(connection, values)
    said = "suppressed" if any(told) else "was suppressed for this reason already"
    say(f"{said}; no customer has this address now" if strange else said)


def _spelled(room: Room, address: str | None) -> list[str]:
    """The address as the ledger may spell it; a broken customers.yaml keeps nobody from being left alone."""
    from config.schema import load_schema
    from segments.subscriptions import spelled

    if address is None:
        return []
    try:
        region = load_schema(config_dir(room.settings)).region
    except PlanError:
        region = NO_REGION
    with room.ledger.read() as connection:
        return spelled(connection, address, region)


def unsuppress(
    customer: CustomerOption = None,
    address: AddressOption = None,
    channel: Annotated[str | None, typer.Option("--channel", help="Only this channel's instructions.")] = None,
    home: HomeOption = None,
    by: ByOption = None,
) -> None:
    """Lift the standing instructions on a customer or an address; what was withdrawn meanwhile stays withdrawn."""
    from ledger import suppressions
    from waves.seals import sealer

    _one_of(customer, address)
    code = _channel(channel) if channel else None
    room = open_home(home)
    values, seal = _spelled(room, address), sealer(room.token_key)
    with room.ledger.write() as connection:
        ident, now = suppressions.customer_id(connection, customer) if customer else None, room.ledger.now()
        whom = [(None, value) for one in values for value in (one, seal("address", one))] or [(ident, None)]
        lifted = sum(suppressions.unsuppress(connection, *one, code, who(by), now) for one in whom)
    say(f"{lifted} instructions lifted")


def add_to(app: typer.Typer) -> None:
    """Give the program these commands."""
    app.command()(suppress)
    app.command()(unsuppress)
