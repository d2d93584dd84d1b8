"""What a link or a page of ours needs to know of the message it stands in."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

from sqlalchemy import Connection, Select, func, select, type_coerce

from ledger import tables as t
from ledger.channel_tables import seed_touch
from ledger.sql import among, named_ids
from ledger.types import Moment
from waves.message import CHANNEL_NAMES
from waves.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class Place:
    """The message of one touch: its campaign, wave, wording and channel, and its customer's language."""

    campaign: int
    wave: str
    variant: int
    channel: str
    language: str | None


def place_of(connection: Connection, touch: int) -> Place | None:
    """The message behind a touch; None when this ledger has no such touch (pk_touch, pk_wave, pk_customer)."""
    c, w, p = t.touch.c, t.wave.c, t.customer.c
    query = (
        select(w.campaign, w.name, c.variant, c.channel, p.language)
        .join_from(t.touch, t.wave, w.id == c.wave)
        .join(t.customer, p.id == c.customer)
        .where(c.id == touch)
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Place(row[0], row[1], row[2], CHANNEL_NAMES[row[3]], row[4])


def seed_place(connection: Connection, ident: int) -> Place | None:
    """The message to a seed in a wave; None when there is none, and for one of a test, whose plan is not kept."""
    s = seed_touch.c
    query = (
        select(t.campaign.c.id, s.wave, s.variant, s.channel)
        .join_from(seed_touch, t.campaign, t.campaign.c.name == s.campaign)
        .where(s.id == ident, s.run.like("wave:%"))
    )
    row = connection.execute(query).one_or_none()
    return None if row is None else Place(row[0], row[1], row[2], CHANNEL_NAMES[row[3]], None)


def frozen_bundle(connection: Connection, campaign: int) -> str:
    """The texts that a campaign was started with."""
    return str(connection.scalar(select(t.campaign.c.bundle).where(t.campaign.c.id == campaign)))


class Followed(NamedTuple):
    """What is known of a message whose link was followed: its channel, and when a machine may have looked at it."""

    channel: int
    moments: Sequence[datetime]
    """When it was sent, and each report of its delivery."""
    clicks: Sequence[tuple[datetime, str]]
    """Earlier clicks and the text of their report."""


def followed(connection: Connection, touches: Collection[int]) -> Mapping[int, Followed]:
    """Of touches that were clicked what tells a person from a machine (pk_touch, ix_event_touch)."""
    came: dict[int, list[datetime]] = {}
    clicks: dict[int, list[tuple[datetime, str]]] = {}
    for touch, outcome, at, raw in connection.execute(_reports(), {"ids": touches}):
        if outcome == Outcome.CLICKED:
            clicks.setdefault(touch, []).append((at, raw))
        elif '"bot": true' not in raw:
            came.setdefault(touch, []).append(at)
    found = {}
    for touch, channel, sent in connection.execute(_sent(), {"ids": touches}):
        moments = came.get(touch, [])
        found[touch] = Followed(channel, moments if sent is None else [sent, *moments], clicks.get(touch, ()))
    return found


@cache
def _sent() -> Select[Any]:
    c = t.touch.c
    sent = type_coerce(func.coalesce(c.sent_at, c.claimed_at), Moment).label("sent")
    return select(c.id, c.channel, sent).where(among(c.id, named_ids("ids")))


@cache
def _reports() -> Select[Any]:
    ev = t.event.c
    of_interest = ev.outcome.in_([int(Outcome.DELIVERED), int(Outcome.CLICKED)])
    return select(ev.touch, ev.outcome, ev.at, ev.raw).where(among(ev.touch, named_ids("ids")), of_interest)
