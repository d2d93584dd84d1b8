"""Who stands behind touches and members: key, zone and the groups that a rehearsal's world tells apart."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Connection, FromClause, Row, Select, select

from ledger import tables as t

CHUNK = 10_000
Rules = Mapping[str, ColumnElement[bool]]
Query = Select[tuple[str, str | None]]


@dataclass(frozen=True, slots=True)
class Person:
    """A customer as a simulated world sees one: the key that decides every draw, the first zone, the groups."""

    key: str
    zone: str | None
    groups: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Groups:
    """Named rules over customers' columns, compiled: name to clause over the profile of these `types`."""

    types: Mapping[str, str]
    build: Callable[[FromClause], Rules]

    def of(self, customer: ColumnElement[int]) -> tuple[tuple[str, ...], Query]:
        """The groups' names, and a query for key, zones and one truth value a group of these customers."""
        profile, c = t.profile_table(self.types), t.customer.c
        rules = self.build(profile)
        query = (
            select(c.key, t.zone_set.c.zones, *rules.values())
            .outerjoin(profile, profile.c.customer == c.id)
            .outerjoin(t.zone_set, t.zone_set.c.id == c.zone_set)
        )
        return tuple(rules), query.add_columns(customer)


def people_behind(connection: Connection, touches: Sequence[int], groups: Groups) -> dict[int, Person]:
    """The person behind each of these touches."""
    names, query = groups.of(t.touch.c.id)
    query = query.join(t.touch, t.touch.c.customer == t.customer.c.id)
    return _found(connection, query, names, t.touch.c.id, touches)


def people_known(connection: Connection, customers: Sequence[int], groups: Groups) -> dict[int, Person]:
    """The people with these customer ids."""
    names, query = groups.of(t.customer.c.id)
    return _found(connection, query, names, t.customer.c.id, customers)


def _found(
    connection: Connection, query: Query, names: Sequence[str], column: ColumnElement[int], wanted: Sequence[int]
) -> dict[int, Person]:
    found: dict[int, Person] = {}
    for start in range(0, len(wanted), CHUNK):
        for row in connection.execute(query.where(column.in_(wanted[start : start + CHUNK]))):
            found[row[-1]] = _person(row, names)
    return found


def members(connection: Connection, campaign: int, groups: Groups) -> Iterator[Person]:
    """Every member of a campaign, held out or not, in no promised order."""
    names, query = groups.of(t.member.c.customer)
    query = query.join(t.member, t.member.c.customer == t.customer.c.id).where(t.member.c.campaign == campaign)
    for row in connection.execution_options(yield_per=CHUNK).execute(query):
        yield _person(row, names)


def _person(row: Row[tuple[str, str | None]], names: Sequence[str]) -> Person:
    zones = row[1]
    held = frozenset(name for name, true in zip(names, row[2:-1], strict=True) if true)
    return Person(row[0], zones.split()[0] if zones else None, held)
