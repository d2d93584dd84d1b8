"""What stands on a provider's suppression list, and what a provider is to be told of ours.

An entry acts as a report of a bounce or a STOP from that address would, for everybody who has it; when nobody has it,
it waits as a suppression for whoever will.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    func,
    literal,
    or_,
    select,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.addresses import FROM_EVENT, yields_to_denial
from ledger.channel_tables import stop_told
from ledger.erasure import anyone_erased, known_again
from ledger.types import Moment
from waves.message import AddressState, Consent, Stop
from waves.outcomes import Outcome, Side
from waves.seals import Seal

DENIALS = {int(Side.UNSUBSCRIBED): "unsubscribed", int(Side.COMPLAINED): "complained"}
REASONS = DENIALS | {int(Outcome.BOUNCED_HARD): "bounced"}
"""Outcome of an entry -> the reason of its suppression; a soft bounce is none."""
STATES = {int(Outcome.BOUNCED_HARD): AddressState.DEAD, int(Outcome.BOUNCED_SOFT): AddressState.SOFT}
Spellings = Mapping[str, Sequence[str]]


@dataclass(frozen=True, slots=True)
class Owner:
    """A row of `address` that a list names."""

    id: int
    value: str


@dataclass(frozen=True, slots=True)
class Source:
    """Whose list it is: of which channel and sender, and whether addresses that nobody has are kept of it."""

    channel: int
    sender: str
    strangers: bool = True


def other_spellings(connection: Connection, channel: int) -> Spellings:
    """Lower case -> the ledger's spellings that differ from it; lists hold lower case (ix_address_channel_value)."""
    a = t.address.c
    found: dict[str, list[str]] = {}
    query = select(a.value).where(a.channel == channel, a.value != func.lower(a.value)).distinct()
    for value in connection.scalars(query):
        found.setdefault(value.lower(), []).append(value)
    return found


def take_stops(
    connection: Connection,
    source: Source,
    stops: Sequence[Stop],
    spellings: Spellings,
    seal: Seal,
    now: datetime,
) -> int:
    """Let the entries of a list act, again is harmless; how many of them belong to addresses of the ledger."""
    channel, sender = source.channel, source.sender
    latest: dict[tuple[str, int], Stop] = {}
    for stop in stops:
        key = stop.address.lower(), stop.outcome
        if key not in latest or latest[key].at < stop.at:
            latest[key] = stop
    values = {key: _spelled(stop.address, spellings) for key, stop in latest.items()}
    owners = _owners(connection, channel, {value for all_of in values.values() for value in all_of})
    strangers: list[Stop] = []
    for (key, stop), state in [(item, STATES.get(item[1].outcome)) for item in latest.items()]:
        ids = [owner.id for value in values[key] for owner in owners.get(value, ())]
        if not ids:
            strangers.append(stop)
        elif state is not None:
            a = t.address.c
            connection.execute(update(t.address).where(a.id.in_(ids), a.state < int(state)).values(state=int(state)))
        elif stop.outcome in DENIALS:
            for value in {owner.value for spelled in values[key] for owner in owners.get(spelled, ())}:
                connection.execute(_denial(channel), {"v": value, "t": stop.at})
            note_told(connection, sender, ids, now)
    if source.strangers:
        _suppress(connection, channel, sender, strangers, seal)
    return len(latest) - len(strangers)


def _spelled(address: str, spellings: Spellings) -> list[str]:
    lower = address.lower()
    return list(dict.fromkeys((address, lower, *spellings.get(lower, ()))))


def _owners(connection: Connection, channel: int, values: Iterable[str]) -> dict[str, list[Owner]]:
    a, found = t.address.c, dict[str, list[Owner]]()
    wanted = sorted(values)
    for start in range(0, len(wanted), 500):  # ix_address_channel_value
        part = select(a.id, a.value).where(a.channel == channel, a.value.in_(wanted[start : start + 500]))
        for ident, value in connection.execute(part):
            found.setdefault(value, []).append(Owner(ident, value))
    return found


def _denial(channel: int) -> Any:
    """As ledger.events: a denial covers all of the customer's addresses there, and everybody's row with that value."""
    a, other = t.address.c, t.address.alias("other")
    value, at = bindparam("v", type_=a.value.type), bindparam("t", type_=Moment())
    named = select(other.c.customer).where(other.c.channel == channel, other.c.value == value)
    return (
        update(t.address)
        .where(a.channel == channel, or_(a.value == value, a.customer.in_(named)), yields_to_denial(at))
        .values(consent=int(Consent.DENIED), consent_source=literal(FROM_EVENT), consent_at=at)
    )


def _suppress(connection: Connection, channel: int, sender: str, stops: Sequence[Stop], seal: Seal) -> None:
    """Suppress addresses that nobody has, but not those of people who were erased: they are known by their seals."""
    rows: list[dict[str, Any]] = [
        {"channel": channel, "value": stop.address, "reason": REASONS[stop.outcome], "source": sender, "since": stop.at}
        for stop in stops
        if stop.outcome in REASONS
    ]
    if rows and anyone_erased(connection):
        seals = {row["value"]: seal("address", row["value"]) for row in rows}
        gone = known_again(connection, list(seals.values()))
        rows = [row for row in rows if seals[row["value"]] not in gone]
    if rows:
        connection.execute(_insert(connection)(t.suppression).on_conflict_do_nothing(), rows)


def note_told(connection: Connection, sender: str, addresses: Iterable[int], now: datetime) -> None:
    """These addresses stand on that sender's list."""
    rows = [{"sender": sender, "address": address, "told_at": now} for address in addresses]
    if rows:
        connection.execute(_insert(connection)(stop_told).on_conflict_do_nothing(), rows)


def last_address(connection: Connection) -> int:
    """The highest number of an address."""
    return connection.scalar(select(func.max(t.address.c.id))) or 0


def untold(connection: Connection, channel: int, sender: str, low: int, high: int) -> list[Owner]:
    """Addresses with numbers in (low, high] whose owners said stop, and whose provider does not know (pk_address).

    Said to us: what a file of customers says of consent is no instruction to a provider.
    """
    a = t.address.c
    within = (a.channel == channel, a.id > low, a.id <= high, ~_is_told(sender))
    said = and_(a.consent == int(Consent.DENIED), a.consent_source == FROM_EVENT)
    rows = connection.execute(select(a.id, a.value).where(*within, said).order_by(a.id))
    return [Owner(*row) for row in rows]


def untold_everywhere(connection: Connection, channel: int, sender: str) -> list[Owner]:
    """Addresses of those who said stop on every channel, which this provider does not know yet."""
    s, a = t.suppression.c, t.address.c
    standing = (s.channel.in_([0, channel]), s.reason.in_(sorted(DENIALS.values())), s.until.is_(None))
    rows = connection.execute(
        select(a.id, a.value)
        .join_from(t.suppression, t.address, a.customer == s.customer)
        .where(*standing, s.customer.is_not(None), a.channel == channel, ~_is_told(sender))
        .distinct()
        .order_by(a.id)
    )
    return [Owner(*row) for row in rows]


def _is_told(sender: str) -> ColumnElement[bool]:
    told = stop_told.c
    return select(told.address).where(told.sender == sender, told.address == t.address.c.id).exists()


def _insert(connection: Connection) -> Any:
    return postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
