"""Open cases: a person of ours owes a customer an answer. A case is the suppression with reason `open_case`, no more.

Replies say what it is about; closing it lifts the suppression, and lifting the suppression closes it.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, or_, select, update

from ledger import tables as t
from ledger.audit import record
from ledger.channel_tables import reply
from ledger.gates import OPEN_CASE
from ledger.suppressions import suppress
from waves.errors import InputError
from waves.message import CHANNEL_NAMES


@dataclass(frozen=True, slots=True)
class Case:
    """One case; `asks` says of each reply what in it asks a person to act."""

    id: int
    customer: str
    """The customer's key."""
    opened_at: datetime
    opened_by: str
    closed_at: datetime | None
    asks: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asked:
    """One reply of a case, as it came; the text is None once it is no longer kept."""

    at: datetime
    channel: str
    provider: str
    asks: str | None
    text: str | None
    sender: str | None
    campaign: str | None
    wave: str | None


def open_case(connection: Connection, customer: int, by: str, at: datetime) -> int:
    """The customer's open case, opened now if there is none; until it is closed no campaign contacts them."""
    s = t.suppression.c
    suppress(connection, customer, None, 0, OPEN_CASE, by, at)
    live = select(s.id).where(s.customer == customer, s.reason == OPEN_CASE, s.channel == 0, s.until.is_(None))
    return int(connection.execute(live).scalar_one())


def _is_open(now: datetime) -> ColumnElement[bool]:
    s = t.suppression.c
    return or_(s.until.is_(None), s.until > now)


def cases(connection: Connection, now: datetime, closed_too: bool = False, only: int | None = None) -> Sequence[Case]:
    """Every open case, the oldest first; those that were closed too, if asked."""
    s, c, r = t.suppression.c, t.customer.c, reply.c
    query = (
        select(s.id, c.key, s.since, s.source, s.until)
        .join_from(t.suppression, t.customer, c.id == s.customer)
        .where(s.reason == OPEN_CASE)
        .order_by(s.since, s.id)
    )
    if not closed_too:
        query = query.where(_is_open(now))
    if only is not None:
        query = query.where(s.id == only)
    rows = connection.execute(query).all()
    asks: dict[int, list[str]] = {}
    told = select(r.suppression, r.asks).where(r.suppression.is_not(None)).order_by(r.event)  # ix_reply_suppression
    for suppression, what in connection.execute(told if only is None else told.where(r.suppression == only)):
        asks.setdefault(suppression, []).append(what or "")
    return [
        Case(row.id, row.key, row.since, row.source, _past(row.until, now), tuple(asks.get(row.id, ()))) for row in rows
    ]


def _past(until: datetime | None, now: datetime) -> datetime | None:
    return until if until is not None and until <= now else None


def find_case(connection: Connection, number: int, now: datetime) -> Case:
    """One case by its number; InputError when there is none."""
    found = cases(connection, now, closed_too=True, only=number)
    if not found:
        raise InputError(f"there is no case {number}; see: multiwave case ls --all")
    return found[0]


def asked(connection: Connection, number: int) -> Sequence[Asked]:
    """The replies that a case is about, in order (ix_reply_suppression)."""
    r, ev, c, w = reply.c, t.event.c, t.touch.c, t.wave.c
    rows = connection.execute(
        select(ev.at, r.channel, ev.provider, r.asks, ev.raw, t.campaign.c.name.label("campaign"), w.name.label("wave"))
        .join_from(reply, t.event, ev.id == r.event)
        .outerjoin(t.touch, c.id == ev.touch)
        .outerjoin(t.wave, w.id == c.wave)
        .outerjoin(t.campaign, t.campaign.c.id == w.campaign)
        .where(r.suppression == number)
        .order_by(ev.at, ev.id)
    ).all()
    found = []
    for row in rows:
        raw = json.loads(row.raw)
        texts = raw.get("text"), raw.get("from")
        found.append(Asked(row.at, CHANNEL_NAMES[row.channel], row.provider, row.asks, *texts, row.campaign, row.wave))
    return found


def close_case(connection: Connection, number: int, by: str, now: datetime) -> str:
    """Close a case: campaigns may contact the customer again; whose it was. InputError when it is not open."""
    found = find_case(connection, number, now)
    if found.closed_at is not None:
        raise InputError(f"case {number} was closed at {found.closed_at:%Y-%m-%d %H:%M} UTC")
    connection.execute(update(t.suppression).where(t.suppression.c.id == number).values(until=now))
    record(connection, now, by, "close case", f"case {number}")
    return found.customer


def count_cases(connection: Connection, now: datetime, campaign: int | None = None) -> tuple[int, datetime | None]:
    """How many cases are open, and since when the oldest is; of a campaign's members alone when one is given."""
    s, m = t.suppression.c, t.member.c
    query = select(func.count(), func.min(s.since)).where(s.reason == OPEN_CASE, _is_open(now))
    if campaign is not None:
        query = query.where(s.customer.in_(select(m.customer).where(m.campaign == campaign)))
    count, since = connection.execute(query).one()
    return count, since
