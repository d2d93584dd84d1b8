"""What a delta leaves out: columns that it lacks keep what the ledger holds, and some columns come together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from config.schema import CustomersSchema
from segments.addresses import KINDS
from segments.contacts import Contact
from segments.people import Person
from segments.rows import FACTS, Row, declared_columns, place_columns
from waves.message import CHANNEL_CODES, AddressState

REPLACED = int(AddressState.REPLACED)


@dataclass(frozen=True, slots=True)
class Kept:
    """The parts of a customer that a file says nothing of."""

    facts: tuple[bool, ...]
    profile: tuple[bool, ...]
    """By attribute, sorted."""
    places: bool
    channels: frozenset[int]


def groups(schema: CustomersSchema) -> Iterator[tuple[str, ...]]:
    """The columns that a delta has all of or none of.

    The addresses of a channel, as one that is not named counts as replaced; everything that tells where a customer is,
    as half of it would be another place and other legal hours; and a consent with its time.
    """
    phones = [entry.column for entry in schema.addresses if "phone" in {KINDS[channel] for channel in entry.channels}]
    yield tuple(dict.fromkeys([*phones, *place_columns(schema).values()]))
    for channel in dict.fromkeys(channel for entry in schema.addresses for channel in entry.channels):
        yield tuple(entry.column for entry in schema.addresses if channel in entry.channels)
    yield from ((entry.column, entry.at) for entry in schema.consent.values() if entry.column and entry.at)


def half_given(schema: CustomersSchema, header: Sequence[str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """A column that the header has, and those it lacks of the same group."""
    for group in groups(schema):
        lacking = tuple(name for name in group if name not in header)
        there = next((name for name in group if name in header), None)
        if there is not None and lacking:
            yield there, lacking


def required_columns(schema: CustomersSchema, delta: bool) -> tuple[str, ...]:
    """The columns that every file must have: all that are declared, or only the key."""
    return (schema.key,) if delta else declared_columns(schema)


def kept_by(schema: CustomersSchema, header: Sequence[str]) -> Kept:
    """What a delta with this header leaves as it is."""
    places, *_ = groups(schema)
    served = {channel for entry in schema.addresses if entry.column in header for channel in entry.channels}
    return Kept(
        facts=tuple(getattr(schema, fact) not in header for fact in FACTS),
        profile=tuple(name not in header for name in sorted(schema.columns)),
        places=not any(name in header for name in places),
        channels=frozenset(CHANNEL_CODES.values()) - {CHANNEL_CODES[channel] for channel in served},
    )


def laid_over(row: Row, person: Person, kept: Kept) -> Row:
    """The row with the parts it says nothing of as the ledger holds them."""
    held = person.profile or (None,) * len(row.profile)
    zones, jurisdictions = person.where if kept.places else (row.zones, row.jurisdictions)
    return replace(
        row,
        facts=tuple(old if keep else new for new, old, keep in zip(row.facts, person.facts, kept.facts, strict=True)),
        profile=tuple(old if keep else new for new, old, keep in zip(row.profile, held, kept.profile, strict=True)),
        zones=zones,
        jurisdictions=jurisdictions,
    )


def with_kept(named: dict[tuple[int, str], int], known: Sequence[Contact], kept: Kept) -> dict[tuple[int, str], int]:
    """The addresses that a row names and those in use on channels it says nothing of, with their preferences."""
    in_use = {
        (contact.channel, contact.value): contact.preference
        for contact in known
        if contact.channel in kept.channels and contact.state != REPLACED
    }
    return in_use | named
