"""What a message needs to know of the customers whose touches were claimed."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Select, literal, select

from ledger import tables as t
from ledger.gates import best_address, suppressed
from ledger.sql import among, named_ids


@dataclass(frozen=True, slots=True)
class Recipient:
    """The address of one touch and the values its template may use."""

    address: str
    name: str | None
    language: str | None
    attributes: Mapping[str, object]
    owner: str | None = None
    branch: str | None = None


def recipients(
    connection: Connection, touches: Sequence[int], types: Mapping[str, str], named: Collection[str] | None = None
) -> dict[int, Recipient]:
    """The recipient behind each touch, as the ledger knows them at this moment; only `named` attributes, if given."""
    names = tuple(name for name in types if named is None or name in named)
    rows = connection.execute(_statement(tuple(types.items()), names), {"touches": touches}).all()
    values = [(row[0], row[1:6], dict(zip(names, row[6:], strict=True))) for row in rows]
    return {
        touch: Recipient(value, name, language, attributes, owner, branch)
        for touch, (value, name, language, owner, branch), attributes in values
    }


@lru_cache(maxsize=64)
def _statement(types: tuple[tuple[str, str], ...], names: tuple[str, ...]) -> Select[Any]:
    profile = t.profile_table(dict(types))
    person = t.customer.c
    columns = t.touch.c.id, t.address.c.value, person.name, person.language, person.owner, person.branch
    people = (
        select(*columns, *[profile.c[name] for name in names])
        .join_from(t.touch, t.address, t.address.c.id == t.touch.c.address)
        .join(t.customer, t.customer.c.id == t.touch.c.customer)
        .where(among(t.touch.c.id, named_ids("touches")))
    )
    return people.outerjoin(profile, profile.c.customer == t.touch.c.customer) if names else people


def without_address(connection: Connection, keys: Sequence[str], types: Mapping[str, str]) -> list[Recipient]:
    """These customers' values without an address: to show what they would read."""
    profile = t.profile_table(types)
    rows = connection.execute(
        select(t.customer.c.name, t.customer.c.language, *[profile.c[name] for name in types])
        .outerjoin_from(t.customer, profile, profile.c.customer == t.customer.c.id)
        .where(t.customer.c.key.in_(keys))
        .order_by(t.customer.c.id)
    )
    return [Recipient("", row[0], row[1], dict(zip(types, row[2:], strict=True))) for row in rows]


def consenting(
    connection: Connection, customer: int, channels: Sequence[int], types: Mapping[str, str], now: datetime
) -> dict[int, Recipient]:
    """The customer's best living, consented address on each channel; empty for a suppressed or erased customer."""
    profile = t.profile_table(types)
    head = connection.execute(
        select(t.customer, *[profile.c[name] for name in types])
        .outerjoin_from(t.customer, profile, profile.c.customer == t.customer.c.id)
        .where(t.customer.c.id == customer)
    ).one()
    if head.erased_at is not None or connection.scalar(select(suppressed(literal(customer), now, 0, False))):
        return {}
    found: dict[int, Recipient] = {}
    for code in channels:
        if connection.scalar(select(suppressed(literal(customer), now, code, False))):
            continue
        place = connection.scalar(select(best_address(literal(customer), literal(code), now, None)))
        if place is not None:
            value = connection.scalar(select(t.address.c.value).where(t.address.c.id == place))
            attributes = {name: getattr(head, name) for name in types}
            found[code] = Recipient(str(value), head.name, head.language, attributes, head.owner, head.branch)
    return found
