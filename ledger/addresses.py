"""What is learned of an address holds for everybody who has it on that channel."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Select, select, update

from ledger import tables as t
from waves.message import AddressState


def bury(connection: Connection, gone: Select[Any]) -> None:
    """The addresses with these ids are dead, and so is every row with the same value on the same channel."""
    a, told = t.address.c, t.address.alias("told")
    # ix_address_channel_value
    same = (
        select(a.id)
        .join_from(told, t.address, (a.channel == told.c.channel) & (a.value == told.c.value))
        .where(told.c.id.in_(gone))
    )
    connection.execute(update(t.address).where(a.id.in_(same)).values(state=int(AddressState.DEAD)))
