"""People who were erased, known again in a file by the seals of their key and addresses."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import Connection

from ledger.erasure import anyone_erased, known_again
from segments.rows import Row
from waves.errors import InputError
from waves.seals import Seal

ADDRESS_OF_ERASED = "of a customer who was erased; address left out (multiwave unsuppress --address allows it again)"


@dataclass(frozen=True, slots=True)
class Found:
    """The keys and the addresses of erased people in some rows."""

    keys: frozenset[str]
    addresses: frozenset[str]


def erased_among(
    connection: Connection, rows: Sequence[Row], known: Collection[str], seal: Seal | None
) -> Found | None:
    """Who and what of these rows was erased; None when there is nothing. InputError without a seal to know them by.

    A key that the ledger knows is somebody's who was not erased.
    """
    if not rows or not anyone_erased(connection):
        return None
    if seal is None:
        raise InputError("customers were erased from this ledger, and without the token key nobody knows them again")
    keys = {seal("customer", row.key): row.key for row in rows if row.key not in known}
    values = {seal("address", value): value for row in rows for _, value in row.addresses}
    again = known_again(connection, [*keys, *values])
    if not again:
        return None
    return Found(
        frozenset(key for sealed, key in keys.items() if sealed in again),
        frozenset(value for sealed, value in values.items() if sealed in again),
    )
