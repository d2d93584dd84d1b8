"""Keys by which others may tell us of conversions: each is shown once, the ledger keeps its digest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from ledger.audit import record
from ledger.channel_tables import api_key
from waves.errors import InputError


@dataclass(frozen=True, slots=True)
class ApiKey:
    """One key that was made; `name` is the source of the conversions that come with it."""

    name: str
    made_at: datetime
    made_by: str
    revoked_at: datetime | None
    used_at: datetime | None
    taken: int
    """Conversions that came with it and are of a customer of ours."""
    unknown: int
    """Conversions of customers that the ledger did not know when they came."""


def _digest(key: str) -> str:
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()


def add_key(connection: Connection, name: str, key: str, by: str, now: datetime) -> None:
    """Keep the digest of a key; InputError when there is a live one of that name."""
    try:
        connection.execute(insert(api_key).values(name=name, digest=_digest(key), made_at=now, made_by=by))
    except IntegrityError:
        instead = f"first run: multiwave api-key revoke {name}"
        raise InputError(f"there is a key {name} already; choose another name, or {instead}") from None
    record(connection, now, by, "add api key", name)


def key_name(connection: Connection, key: str) -> str | None:
    """Whose key this is; None for one that was never made, or is revoked (uq_api_key_digest)."""
    c = api_key.c
    return connection.scalar(select(c.name).where(c.digest == _digest(key), c.revoked_at.is_(None)))


def revoke_key(connection: Connection, name: str, by: str, now: datetime) -> None:
    """From this commit on nothing comes in with the key; InputError when there is no live one of that name."""
    c = api_key.c
    done = connection.execute(update(api_key).where(c.name == name, c.revoked_at.is_(None)).values(revoked_at=now))
    if not done.rowcount:
        raise InputError(f"there is no live key {name}; see: multiwave api-key ls")
    record(connection, now, by, "revoke api key", name)


def api_keys(connection: Connection) -> Sequence[ApiKey]:
    """Every key, the revoked ones too, by name and age."""
    c = api_key.c
    columns = (c.name, c.made_at, c.made_by, c.revoked_at, c.used_at, c.taken, c.unknown)
    return [ApiKey(*row) for row in connection.execute(select(*columns).order_by(c.name, c.id))]


def count_conversions(connection: Connection, came: Mapping[str, tuple[int, int]], now: datetime) -> None:
    """Add what came with the keys of these names: (of customers of ours, of customers that nobody knows)."""
    c = api_key.c
    for name, (taken, unknown) in came.items():
        newest = select(func.max(c.id)).where(c.name == name).scalar_subquery()
        values = {"used_at": now, "taken": c.taken + taken, "unknown": c.unknown + unknown}
        connection.execute(update(api_key).where(c.id == newest).values(values))
