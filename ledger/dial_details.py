"""What a dialler is told of the people on a list besides whom to call: their time zone and attributes."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection, select

from ledger import tables as t
from ledger.attributes import attribute_types
from ledger.events import CHUNK


@dataclass(frozen=True, slots=True)
class Detail:
    """One customer: the time zone, None where there are several candidates or none, and attributes as they are now."""

    zone: str | None
    attributes: Mapping[str, object]


def known_attributes(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """Those of the names that are attributes, in their order, with their types."""
    types = attribute_types(connection)
    return {name: types[name] for name in names if name in types}


def details(connection: Connection, customers: Sequence[int], types: Mapping[str, str]) -> dict[int, Detail]:
    """Zone and attributes of each customer; `types` names the attributes (known_attributes)."""
    c, profile, found = t.customer.c, t.profile_table(types), dict[int, Detail]()
    query = (
        select(c.id, t.zone_set.c.zones, *[profile.c[name] for name in types])
        .outerjoin(t.zone_set, t.zone_set.c.id == c.zone_set)
        .outerjoin(profile, profile.c.customer == c.id)
    )
    for start in range(0, len(customers), CHUNK):
        for row in connection.execute(query.where(c.id.in_(customers[start : start + CHUNK]))):
            zones = (row.zones or "").split()
            told = dict(zip(types, row[2:], strict=True))
            found[row.id] = Detail(zones[0] if len(zones) == 1 else None, told)
    return found
