"""What came back, from files to the ledger: tokens are opened here and nowhere below."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import astuple, replace
from datetime import datetime
from itertools import islice
from typing import Any, TypeVar

from channels.call_list.rows import DispositionRow
from channels.conversions_file import ConversionRow
from config.dialling import load_dialling
from flows.arrivals import split_arrivals, without_late_arrivals
from flows.clicks import clicked, judged
from flows.inbound import record_inbound
from flows.promises import moved
from flows.room import Room
from ledger import provider_refs
from ledger.api_keys import count_conversions
from ledger.calls import Call, entry_touches, record_calls
from ledger.conversions import NewConversion, customer_keys, record_conversions
from ledger.events import Recorded, record_events
from ledger.links import followed
from segments.subscriptions import keep_subscriptions
from waves.errors import PlanError
from waves.message import Came, Conversion, Event, Inbound, PushChange
from waves.recycling import DialRules
from waves.tokens import Kind, read_ids

CHUNK = 10_000
"""Rows of a file recorded in one transaction; a file that was cut off is imported again, and each row counts once."""
SUBSCRIPTIONS = 200
"""Changes of push subscriptions in one transaction; each takes a few statements."""
T = TypeVar("T")


def in_chunks(rows: Iterable[T]) -> Iterator[list[T]]:
    """The rows in lists of at most CHUNK."""
    left = iter(rows)
    while chunk := list(islice(left, CHUNK)):
        yield chunk


def total(parts: Iterable[Recorded]) -> Recorded:
    """What became of all of them."""
    found = Recorded(0, 0, 0)
    for one in parts:
        found = Recorded(*(mine + more for mine, more in zip(astuple(found), astuple(one), strict=True)))
    return found


def record_reports(room: Room, events: Sequence[Event], now: datetime, watched: bool = False) -> Recorded:
    """Store provider reports; one whose token is unknown is kept with no touch.

    One that names a message by its provider's reference waits while that is unknown, and counts as new.
    `watched`: they come straight from the doors, where machines follow links too (flows.clicks).
    """
    events, seen = split_arrivals(room, events)
    referring = [event for event in events if event.ref is not None and not event.token]
    if referring:
        events = [event for event in events if event.ref is None or event.token]
    opened = read_ids(room.token_key, Kind.TOUCH, [event.token for event in events])
    pairs = list(zip(events, opened, strict=True))
    touches = clicked(pairs) if watched else set()
    with room.ledger.write() as connection:
        if touches:
            pairs = judged(pairs, followed(connection, touches))
        if referring:
            known = provider_refs.touches_of(connection, {(event.provider, event.ref or "") for event in referring})
            found = [(event, known.get((event.provider, event.ref or ""))) for event in referring]
            pairs += [(event, touch) for event, touch in found if touch is not None]
            early = [event for event, touch in found if touch is None]
            provider_refs.hold_back(connection, early, now)
            return total([record_events(connection, pairs, now), Recorded(len(early), 0, 0), seen])
        return total([record_events(connection, pairs, now), seen])


def record_early(room: Room, now: datetime) -> None:
    """Store the reports that waited for their reference, once it is known or they have waited long enough."""
    with room.ledger.read() as connection:
        if not provider_refs.any_held_back(connection):
            return
    more = True
    while more and not room.stopping:
        with room.ledger.write() as connection:
            due = provider_refs.take_due(connection, now)
            record_events(connection, without_late_arrivals(connection, due), now)
        more = len(due) == provider_refs.AT_ONCE


def record_came(room: Room, came: Sequence[Came], now: datetime) -> Recorded:
    """Store whatever providers and our own pages told, each kind its own way."""
    there = set(map(type, came))
    kinds: dict[type[Came], Sequence[Any]] = {
        kind: came if there == {kind} else [one for one in came if type(one) is kind]
        for kind in (Event, Inbound, Conversion, PushChange)
    }
    recorded = [
        record_reports(room, kinds[Event], now, watched=True),
        record_inbound(room, kinds[Inbound], now),
        _record_conversions(room, kinds[Conversion], now),
    ]
    changes = kinds[PushChange]
    for start in range(0, len(changes), SUBSCRIPTIONS):
        with room.ledger.write() as connection:
            part = changes[start : start + SUBSCRIPTIONS]
            kept = keep_subscriptions(connection, part)
        recorded.append(Recorded(kept, len(part) - kept, 0))
    return total(recorded)


def _record_conversions(room: Room, came: Sequence[Conversion], now: datetime) -> Recorded:
    """Store what keys brought, and count it with the key; of unknown customers nothing is stored."""
    if not came:
        return Recorded(0, 0, 0)
    touches = read_ids(room.token_key, Kind.TOUCH, [one.token or "" for one in came])
    counted: dict[str, tuple[int, int]] = {}
    found = Recorded(0, 0, 0)
    with room.ledger.write() as connection:
        keys = customer_keys(connection, {touch for touch in touches if touch is not None})
        by_source: dict[str, list[NewConversion]] = {}
        for one, touch in zip(came, touches, strict=True):
            customer = one.customer or (keys.get(touch) if touch is not None else None) or ""
            worth = (one.goal, one.at, one.value, one.currency, one.provider, one.provider_event_id)
            conversion = NewConversion(customer, *worth, one.product, one.reversed_at)
            by_source.setdefault(one.provider, []).append(conversion)
        for source, conversions in by_source.items():
            new, known, unknown = record_conversions(connection, conversions)
            counted[source] = (new + known, unknown)
            found = total([found, Recorded(new, known, 0)])
        count_conversions(connection, counted, now)
    return found


def record_dispositions(
    room: Room,
    rows: Sequence[DispositionRow],
    now: datetime,
    provider: str = "generic_csv",
    file: int | None = None,
) -> Recorded:
    """Store call results; one whose token names no dial entry is kept with no touch. `file`: what brings them."""
    rules = rules_if_any(room)
    entries = read_ids(room.token_key, Kind.DIAL_ENTRY, [row.token for row in rows])
    with room.ledger.read() as connection:
        known = entry_touches(connection, {entry for entry in entries if entry is not None})
    touches = [None if entry is None else known.get(entry) for entry in entries]
    promised = moved(room, rows, touches, now)
    with room.ledger.write() as connection:
        calls = [
            Call(
                disposition=row.disposition,
                at=row.at,
                call_id=row.call_id,
                provider=provider,
                touch=touch,
                entry=entry,
                number=row.number,
                agent=row.agent,
                ring_s=row.ring_s,
                talk_s=row.talk_s,
                wrap_s=row.wrap_s,
                callback_at=promised[place].at if place in promised else row.callback_at,
                raw_code=row.raw_code,
            )
            for place, (row, entry, touch) in enumerate(zip(rows, entries, touches, strict=True))
        ]
        found = record_calls(connection, calls, rules, now, file)
    return replace(found, notes=tuple(map(str, promised.values())))


def rules_if_any(room: Room) -> DialRules | None:
    """The house's rules of dialling again; None, and it is said, when there is a mistake: a no is heard anyway."""
    try:
        return load_dialling(room.settings.home / "config")
    except PlanError as error:
        room.tell(f"results of calls are recorded, but nobody is dialled again: {error}")
        return None


def record_sales(room: Room, rows: Sequence[ConversionRow]) -> tuple[int, int, int]:
    """Store conversions; (new, known already, of customers that the ledger does not know)."""
    new = [
        NewConversion(r.customer, r.goal, r.at, r.value, r.currency, r.source, r.source_id, r.product, r.reversed_at)
        for r in rows
    ]
    with room.ledger.write() as connection:
        return record_conversions(connection, new)
