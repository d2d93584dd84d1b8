"""What a dialler is told of the people on a list besides whom to call: time zone, attributes, and the calls so far."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, null, select

from ledger import tables as t
from ledger.attributes import attribute_types
from ledger.dial_candidates import calls_of, calls_to
from ledger.dial_choice import TOGETHER
from ledger.dial_lists import Entry
from waves.dial_tries import Tries, tries_of
from waves.recycling import DialRules


@dataclass(frozen=True, slots=True)
class Detail:
    """One customer: the time zone, None where there are several candidates or none, and attributes as they are now."""

    zone: str | None
    attributes: Mapping[str, object]
    tries: Tries
    skill: str | None = None


def known_attributes(connection: Connection, names: Iterable[str]) -> dict[str, str]:
    """Those of the names that are attributes, in their order, with their types."""
    types = attribute_types(connection)
    return {name: types[name] for name in names if name in types}


def details(
    connection: Connection,
    entries: Sequence[Entry],
    types: Mapping[str, str],
    skill: str | None,
    rules: DialRules,
    now: datetime,
) -> dict[int, Detail]:
    """By customer what is known of those on a list.

    `types` names the attributes (known_attributes), `skill` the one that says which skill the customer takes.
    """
    c, found = t.customer.c, dict[int, Detail]()
    profile = t.profile_table({**types, skill: "text"} if skill else types)
    query = (
        select(c.id, t.zone_set.c.zones, profile.c[skill] if skill else null(), *[profile.c[name] for name in types])
        .outerjoin(t.zone_set, t.zone_set.c.id == c.zone_set)
        .outerjoin(profile, profile.c.customer == c.id)
    )
    for start in range(0, len(entries), TOGETHER):
        here = {entry.customer: entry for entry in entries[start : start + TOGETHER]}
        calls, to_numbers = calls_of(connection, [*here]), calls_to(connection, (e.number for e in here.values()))
        for row in connection.execute(query.where(c.id.in_(here))):
            entry, zones = here[row.id], (row.zones or "").split()
            told = dict(zip(types, row[3:], strict=True))
            asked = entry.callback_at is not None
            tries = tries_of(calls.get(row.id, ()), to_numbers.get(entry.number, ()), asked, zones, rules, now)
            found[row.id] = Detail(zones[0] if len(zones) == 1 else None, told, tries, row[2] or None)
    return found
