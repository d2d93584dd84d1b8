"""Promised calls: one outside the customer's permitted hours stands for the first permitted moment after it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, select

from channels.call_list.rows import DispositionRow
from flows.room import Room
from flows.running import load_running
from ledger import tables as t
from ledger.legal_hours import Window, permitted
from ledger.sql import among
from waves.dispositions import Disposition
from waves.hours import Kind


@dataclass(frozen=True, slots=True)
class Moved:
    """A promise that could not be kept as it was given: for when, and when it stands for now (None: not promised)."""

    customer: str
    asked: datetime
    at: datetime | None

    def __str__(self) -> str:
        asked = f"customer {self.customer} was promised a call at {self.asked:%Y-%m-%d %H:%M} UTC, outside their hours"
        if self.at is None:
            return f"{asked}, and none are permitted before the wave closes: nothing is promised"
        return f"{asked}: it is promised for {self.at:%Y-%m-%d %H:%M} UTC, when they begin again"


def moved(room: Room, rows: Sequence[DispositionRow], touches: Sequence[int | None], now: datetime) -> dict[int, Moved]:
    """By place in `rows` the promises still to come that lie outside the hours; `touches` as their tokens name them."""
    promised = {
        touch: place
        for place, (row, touch) in enumerate(zip(rows, touches, strict=True))
        if touch is not None and row.disposition is Disposition.CALLBACK_AGREED and row.callback_at
        if row.callback_at > now
    }
    if not promised:
        return {}
    with room.ledger.read() as connection:
        people = _people(connection, promised)
    hours: dict[tuple[str, str, str], Sequence[Window]] = {}
    found = {}
    for one in people:
        key = (one.campaign, one.zones or "", one.jurisdictions or "")
        if key not in hours:
            rules = load_running(room.ledger, one.campaign).rules
            hours[key] = permitted(rules, Kind.CALL, key[1].split(), key[2].split(), now, one.closes) or ()
        asked = rows[promised[one.touch]].callback_at
        whole = (max(opens, asked) for opens, closes in hours[key] if closes > asked)
        at = min((moment for moment in whole if moment < one.closes), default=None)
        if at != asked:
            found[promised[one.touch]] = Moved(one.key, asked, at)
    return found


def _people(connection: Connection, promised: Mapping[int, int]) -> Sequence[Any]:
    c, p, w, z = t.touch.c, t.customer.c, t.wave.c, t.zone_set.c
    return connection.execute(
        select(c.id.label("touch"), p.key, w.closes, t.campaign.c.name.label("campaign"), z.zones, z.jurisdictions)
        .join_from(t.touch, t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .join(t.customer, p.id == c.customer)
        .outerjoin(t.zone_set, z.id == p.zone_set)
        .where(among(c.id, promised), w.closes > w.opened)
    ).all()
