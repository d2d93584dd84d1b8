"""Single steps of a test world's engine: enrol without sending, record calls by number, read rows back as words."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import func, insert, select, update

from flows.room import Room
from flows.running import Running
from flows.sending import Sent, send_batch
from flows.wave import live
from ledger import tables as t
from ledger import touches
from ledger.calls import Call, record_calls
from ledger.close import Balance
from ledger.conversions import NewConversion, record_conversions
from ledger.events import Recorded
from ledger.suppressions import customer_id
from tests.builders import RULES, World
from waves.dispositions import Disposition
from waves.message import CHANNEL_CODES, CHANNEL_NAMES, AddressState, Consent
from waves.outcomes import Outcome, Reason, State, Verdict, word


def hold_back(world: World, wave: str, name: str = "test", now: datetime | None = None) -> Balance | None:
    """Open and enrol a wave whose batches no worker takes yet."""
    world.now = now or world.now
    return live(world.room, name, wave, world.now, leave)


def leave(room: Room, _running: Running, _wave: str, leased: touches.Leased, now: datetime) -> Sent:
    """A worker that lets a batch go as it took it."""
    with room.ledger.write() as connection:
        touches.finish(connection, leased, now)
    return Sent(Counter())


def send_one(room: Room, running: Running, wave: str, batch: int, now: datetime) -> Sent:
    """Lease a batch by its number and send it; nothing when another worker has it."""
    with room.ledger.write() as connection:
        leased = touches.lease(connection, batch, "one", now, room.settings.lease)
    return send_batch(room, running, wave, leased, now) if leased else Sent(Counter())


def verdict_words(world: World, wave: str) -> dict[str, str]:
    """Customer key to verdict as a word."""
    return {key: word(Verdict(code)) for key, code in sorted(world.verdicts(wave).items())}


def as_words(row: Any) -> tuple[str, str, str | None, str | None]:
    """(channel, state, outcome, reason) of one touch."""
    outcome = None if row.outcome is None else word(Outcome(row.outcome))
    reason = None if row.reason is None else word(Reason(row.reason))
    return CHANNEL_NAMES[row.channel], word(State(row.state)), outcome, reason


def touch_words(world: World, wave: str) -> dict[str, list[tuple[str, str, str | None, str | None]]]:
    """Customer key to (channel, state, outcome, reason) of its touches in the wave."""
    found: dict[str, list[tuple[str, str, str | None, str | None]]] = {}
    for row in world.touches(wave):
        found.setdefault(row.key, []).append(as_words(row))
    return found


def touch_of(world: World, wave: str, key: str, channel: str | None = None) -> Any:
    """The one touch of a customer in a wave (on a channel)."""
    (row,) = [row for row in world.touches(wave) if row.key == key and channel in (None, CHANNEL_NAMES[row.channel])]
    return row


def phoned(
    world: World,
    wave: str,
    key: str,
    said: Disposition,
    at: datetime,
    number: str | None = None,
    ident: str = "",
    listed: bool = False,
) -> Recorded:
    """One call to a customer of a wave, on a number of the dialler's choice; `listed`: from the last list of them."""
    touch, e = touch_of(world, wave, key, "call_list").id, t.dial_entry.c
    with world.ledger.write() as connection:
        entry = connection.scalar(select(func.max(e.id)).where(e.touch == touch)) if listed else None
        call = Call(said, at, ident or f"{key} {said} {at}", "test", touch, number=number, entry=entry)
        return record_calls(connection, [call], RULES, world.now)


def convert(world: World, key: str, at: datetime | None = None, goal: str = "renewed", ident: str = "") -> None:
    """One conversion of a customer from the shop."""
    sale = NewConversion(key, goal, at or world.now, None, None, "shop", ident or f"sale of {key}")
    with world.ledger.write() as connection:
        record_conversions(connection, [sale])


def suppress(world: World, key: str | None = None, channel: str | None = None, **values: Any) -> None:
    """A standing instruction straight into the ledger, on every channel unless one is named."""
    row: dict[str, Any] = {"reason": "asked", "source": "test", "since": world.now, **values}
    with world.ledger.write() as connection:
        ident = customer_id(connection, key) if key else None
        code = CHANNEL_CODES[channel] if channel else 0
        connection.execute(insert(t.suppression).values(customer=ident, channel=code, **row))


def address_words(world: World, channel: str) -> dict[str, tuple[str, str, str, str | None]]:
    """Address to (key, state, consent, source of the consent) on a channel; for addresses that nobody shares."""
    a = t.address.c
    with world.ledger.read() as connection:
        rows = connection.execute(
            select(t.customer.c.key, a.value, a.state, a.consent, a.consent_source)
            .join(t.customer, t.customer.c.id == a.customer)
            .where(a.channel == CHANNEL_CODES[channel])
        )
        return {
            row.value: (row.key, AddressState(row.state).name.lower(), Consent(row.consent).name.lower(), row[4])
            for row in rows
        }


def set_customer(world: World, key: str, values: Mapping[str, Any]) -> None:
    """Overwrite columns of a customer, as a later import would."""
    with world.ledger.write() as connection:
        connection.execute(update(t.customer).where(t.customer.c.key == key).values(**values))
