"""Counts of a rehearsed campaign that no report asks for: contacts by time and place, calls, money spent."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import BigInteger, Connection, Select, func, literal, select, type_coerce

from ledger import tables as t
from ledger.types import EPOCH
from waves.message import CHANNEL_CODES, CHANNEL_NAMES
from waves.outcomes import State

HOUR_US = 3_600_000_000
CALL = CHANNEL_CODES["call_list"]


def contacts_by_time(connection: Connection, campaign: int) -> list[tuple[str, datetime, str | None, int]]:
    """(channel, the hour it began in, the customer's zones, how many) of messages sent and calls made."""
    c, k = t.touch.c, t.call.c
    sent = type_coerce(c.sent_at, BigInteger) // literal(HOUR_US)
    called = type_coerce(k.at, BigInteger) // literal(HOUR_US)
    messages = _placed(select(c.channel, sent.label("hour")).where(c.sent_at.is_not(None)), campaign)
    calls = _placed(select(c.channel, called.label("hour")).join(t.call, k.touch == c.id), campaign)
    return [
        (CHANNEL_NAMES[row[0]], EPOCH + timedelta(hours=row[1]), row[2], row[3])
        for query in (messages, calls)
        for row in connection.execute(query)
    ]


def _placed(query: Select[tuple[int, int]], campaign: int) -> Select[tuple[int, int, str | None, int]]:
    c = t.touch.c
    channel, hour = query.selected_columns
    return (
        query.join(t.wave, t.wave.c.id == c.wave)
        .join(t.customer, t.customer.c.id == c.customer)
        .outerjoin(t.zone_set, t.zone_set.c.id == t.customer.c.zone_set)
        .where(t.wave.c.campaign == campaign)
        .add_columns(t.zone_set.c.zones, func.count())
        .group_by(channel, hour, t.zone_set.c.zones)
        .order_by(channel, hour, t.zone_set.c.zones)
    )


def calls_made(connection: Connection, campaign: int) -> int:
    """How many calls were made for the campaign."""
    query = select(func.count()).select_from(t.call).join(t.touch, t.touch.c.id == t.call.c.touch)
    return (
        connection.scalar(query.join(t.wave, t.wave.c.id == t.touch.c.wave).where(t.wave.c.campaign == campaign)) or 0
    )


def spent(connection: Connection, campaign: int) -> Decimal:
    """What the campaign's messages cost, by the prices at their sending."""
    query = select(func.sum(t.touch.c.cost)).join(t.wave, t.wave.c.id == t.touch.c.wave)
    handed = t.touch.c.state.in_([int(State.SENT), int(State.IN_DOUBT)])
    return connection.scalar(query.where(t.wave.c.campaign == campaign, handed)) or Decimal(0)
