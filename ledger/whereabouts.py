"""Where a customer may be, as the import found it: what the permitted hours are looked up by."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, select

from ledger import tables as t
from waves.errors import LedgerError


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The customer's candidate time zones (none: unknown) and jurisdictions."""

    zones: tuple[str, ...]
    jurisdictions: tuple[str, ...]


def whereabouts(connection: Connection, key: str) -> Whereabouts:
    """Where the customer with this key may be; LedgerError when there is no such customer."""
    c, z = t.customer.c, t.zone_set.c
    query = select(z.zones, z.jurisdictions).select_from(t.customer.outerjoin(t.zone_set, z.id == c.zone_set))
    found = connection.execute(query.where(c.key == key)).one_or_none()
    if found is None:
        raise LedgerError("there is no customer with this key; import it first: multiwave customers import FILE")
    return Whereabouts(tuple((found.zones or "").split()), tuple((found.jurisdictions or "").split()))
