"""Promised calls: one outside the customer's permitted hours stands for the first permitted moment after it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from channels.call_list.rows import DispositionRow
from flows.room import Room
from flows.running import load_running
from ledger.callbacks import called_people
from ledger.legal_hours import Window, permitted
from waves.dispositions import Disposition
from waves.hours import Kind


@dataclass(frozen=True, slots=True)
class Moved:
    """A promise that could not be kept as it was given: for when, and when it stands for now (None: not promised)."""

    customer: str
    asked: datetime
    at: datetime | None

    def __str__(self) -> str:
        asked = f"customer {self.customer} was promised a call at {self.asked:%Y-%m-%d %H:%M} UTC"
        if self.at is None:
            return f"{asked}, and may not be called from then until the wave closes: nothing is promised"
        return f"{asked}, outside their hours: it is promised for {self.at:%Y-%m-%d %H:%M} UTC, when they begin again"


def moved(room: Room, rows: Sequence[DispositionRow], touches: Sequence[int | None], now: datetime) -> dict[int, Moved]:
    """By place in `rows` the promises still to come that lie outside the hours; `touches` as their tokens name them."""
    promised: dict[int, list[int]] = {}
    for place, (row, touch) in enumerate(zip(rows, touches, strict=True)):
        agreed = row.disposition is Disposition.CALLBACK_AGREED
        if touch is not None and agreed and row.callback_at is not None and row.callback_at > now:
            promised.setdefault(touch, []).append(place)
    if not promised:
        return {}
    with room.ledger.read() as connection:
        people = called_people(connection, promised)
    hours: dict[tuple[str, str, str], Sequence[Window]] = {}
    found = {}
    for one in people:
        key = (one.campaign, one.zones or "", one.jurisdictions or "")
        if key not in hours:
            rules = load_running(room.ledger, one.campaign).rules
            hours[key] = permitted(rules, Kind.CALL, key[1].split(), key[2].split(), now, one.closes) or ()
        for place in promised[one.touch]:
            asked = rows[place].callback_at
            at = _first(hours[key], asked, one.closes) if asked else None
            if asked and at != asked:
                found[place] = Moved(one.key, asked, at)
    return found


def _first(hours: Sequence[Window], asked: datetime, closes: datetime) -> datetime | None:
    whole = (max(opens, asked) for opens, until in hours if until > asked)
    return min((moment for moment in whole if moment < closes), default=None)
