"""One batch, top to bottom: lease, take room at the sender, claim, send, settle, let go."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from channels.registry import QUEUES
from channels.steady import steady
from config.templates import Templates
from flows.carriers import PATIENCE, carried_by, carrier, passed_on
from flows.halting import halted_segments, scopes_on
from flows.render import Around, render
from flows.room import Room
from flows.running import Running, claim_gates, obeying
from ledger import kill_switches, pace, touches
from ledger.breaker import heard
from ledger.legal_hours import hours_ends
from ledger.owners import new_owner, sender_in
from ledger.recipients import recipients
from ledger.slots import free_slot, take_slot
from ledger.store import keep_out_new_touches
from waves.errors import LedgerError, SendRefused
from waves.hours import kind_of
from waves.message import BEGIN_WITHIN_S, CHANNEL_CODES, CHANNEL_NAMES, Channel, Message, Receipt
from waves.outcomes import Reason
from waves.plan import Wave
from waves.senders import Sender
from waves.sms_units import IN_UNITS, sms_units
from waves.tokens import Kind, make_token

SETTLES_WITHIN_S = 60.0
"""A worker tries so long to write down what its provider said, before that is in doubt."""

Dispatch = Callable[[Room, Running, str, touches.Leased, datetime], "Sent"]


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a batch: messages by receipt, and the tokens of those that the provider did not take."""

    receipts: Counter[str]
    tokens: tuple[str, ...] = ()
    full: bool = False
    """Whether its sender has no room for more at present."""


@dataclass
class Sending:
    """One batch in this worker's hands."""

    room: Room
    running: Running
    wave: Wave
    leased: touches.Leased
    sender: Sender
    channel: Channel
    templates: Templates
    now: datetime
    """The moment the worker was told; on a real clock each step asks anew."""
    obeyed: datetime | None = None
    """When it looked at the hours and bans last."""

    def moment(self) -> datetime:
        """The ledger's time."""
        return moment_of(self.room, self.now)

    def obey(self) -> None:
        """Look at the hours and bans of this moment, once a tick: a batch of a slow sender lasts longer than one."""
        moment = self.moment()
        if self.obeyed is None or moment - self.obeyed >= self.room.settings.tick:
            self.running, self.obeyed = obeying(self.room, self.running, moment), moment


def moment_of(room: Room, now: datetime) -> datetime:
    """`now` where the clock stands still, else the ledger's time."""
    return now if room.ledger.simulated else room.ledger.now()


def next_batch(
    room: Room, running: Running, wave: Wave, channel: int, now: datetime, last: touches.Leased | None
) -> touches.Leased | None:
    """Lease the next batch of one channel that is due, after the one this worker had last; None when there is none."""
    after = (last.due, last.batch) if last else None
    name = CHANNEL_NAMES[channel]
    with room.ledger.write() as connection:
        moment = moment_of(room, now)
        sender = carrier(room, name, connection, moment)
        scopes = scopes_on(running.name, wave.wave, sender)
        owner = new_owner(sender.sender if sender.is_watched or len(room.senders_of(name)) > 1 else None)
        row, length = running.row(wave.wave).id, room.settings.lease
        return touches.lease_next(connection, row, channel, owner, moment, length, after, scopes)


def send_batch(room: Room, running: Running, wave_name: str, leased: touches.Leased, now: datetime) -> Sent:
    """Claim, send and settle a leased batch chunk by chunk, as its sender has room."""
    name = CHANNEL_NAMES[leased.channel]
    wave, sender = running.plan.wave(wave_name), carried_by(room, name, sender_in(leased.owner))
    leased = replace(leased, scopes=scopes_on(running.name, wave_name, sender))
    templates = running.bundle.open_templates()
    sending = Sending(room, running, wave, leased, sender, room.channel_of(sender), templates, now)
    placed = True
    if sender.slots is not None:
        with room.ledger.write() as connection:
            placed = take_slot(connection, sender, sender.slots, leased.owner, sending.moment(), leased.until)
    receipts, full = _chunks(sending) if placed else ([], True)
    with room.ledger.write() as connection:
        if placed and sender.slots is not None:
            free_slot(connection, sender, leased.owner)
        moment = sending.moment()
        touches.finish(connection, leased, moment, halted_segments(connection, running, moment))
        full = full and carrier(room, name, connection, moment) == sender  # else the next sender has room
    return Sent(Counter(r.result for r in receipts), tuple(r.token for r in receipts if r.result != "accepted"), full)


def _chunks(sending: Sending) -> tuple[list[Receipt], bool]:
    """Every receipt of the batch, and whether it was let go because its sender has no room."""
    receipts, size = list[Receipt](), sending.channel.chunk
    while size and not sending.room.is_over:
        sending.obey()
        grant = _room_at_sender(sending, size)
        if not grant.messages:
            return receipts, True
        claimed, begins_by = _claim(sending, grant)
        if claimed is None:
            break
        said, late = _send_chunk(sending, claimed, grant, begins_by)
        receipts += said
        if claimed.last and not late:
            break
        size = min(sending.channel.chunk, 2 * size) if not late else (len(claimed) - late) or size // 2
    return receipts, False


def _room_at_sender(sending: Sending, size: int) -> pace.Grant:
    """Room for a part of the chunk, waited for; of an unlimited sender all of it, at once."""
    room, sender, now = sending.room, sending.sender, sending.moment()
    if not sender.is_watched:
        return pace.Grant(size, now)
    with room.ledger.write() if sender.is_limited else room.ledger.read() as connection:
        grant = pace.take(connection, sender, size, now, PATIENCE, room.ledger.simulated)
    if grant.messages and grant.waits_s > 0:
        room.wait(grant.waits_s)
    return grant


def _claim(sending: Sending, grant: pace.Grant) -> tuple[touches.Chunk | None, float]:
    """Claim as much as was granted, and by when it begins or never (channels.steady).

    None at the end of the batch, or of what its lease allows, or of this process. The clock is read before the
    statement that looks for kill switches, pauses and suppressions, so that one it did not see came later.
    """
    room, leased, sender = sending.room, sending.leased, sending.sender
    with room.ledger.write() as connection:
        keep_out_new_touches(connection, leased.wave)
        begins_by = steady() + BEGIN_WITHIN_S
        moment = sending.moment()  # after the wait: neither the lease nor the hour may have ended in it
        claimed = None
        if not room.stopping and leased.until - moment >= sender.timeout + timedelta(seconds=2 * BEGIN_WITHIN_S):
            halted = halted_segments(connection, sending.running, moment)
            gates = claim_gates(sending.running, sending.wave, moment)
            if halted is not None:
                gates = replace(gates, halted=halted)
            claimed = touches.claim(connection, leased, gates, sending.running.types, grant.messages, moment)
        pace.give_back(connection, sender, grant, grant.messages - len(claimed or ()))
    return claimed, begins_by


def _send_chunk(
    sending: Sending, claimed: touches.Chunk, grant: pace.Grant, begins_by: float
) -> tuple[list[Receipt], int]:
    """Send one claimed chunk, no transaction open; its receipts, and how many of it could not be begun in time."""
    room, leased = sending.room, sending.leased
    messages, receipts = _rendered(sending, claimed)
    units = _units(sending, messages)
    _charge(sending, units)
    left_s = begins_by - steady()
    if left_s <= 0 or sending.moment() >= leased.until:  # not every system has a clock that counts its sleep
        with room.ledger.write() as connection:
            touches.give_back(connection, leased.owner, [touch for touch, _ in messages], sending.moment())
        messages = []
    said = sending.channel.send([m for _, m in messages], sending.moment(), left_s) if messages else []
    receipts += [(touch, receipt) for (touch, _), receipt in zip(messages, said, strict=True)]
    _settle(sending, receipts, grant, len(claimed), units)
    unbegun = len(claimed) - len(receipts) + sum(r.result == "not_sent" and not r.retry_after_s for r in said)
    return [receipt for _, receipt in receipts], unbegun


def _units(sending: Sending, messages: list[tuple[int, Message]]) -> dict[int, int]:
    """How many units each message takes, by touch, where they are paid for or counted."""
    channel = sending.sender.channel
    counts = channel in IN_UNITS and (sending.sender.per == "unit" or channel in sending.room.settings.costs)
    return {touch: sms_units(message.fields["body"]) for touch, message in messages} if counts else {}


def _charge(sending: Sending, units: dict[int, int]) -> None:
    """Where the rate counts SMS segments, those beyond one a message make the next ones wait."""
    more = sum(units.values()) - len(units)
    if sending.sender.per == "unit" and more:
        with sending.room.ledger.write() as connection:
            pace.charge(connection, sending.sender, more)


def _rendered(sending: Sending, claimed: touches.Chunk) -> tuple[list[tuple[int, Message]], list[tuple[int, Receipt]]]:
    """The messages of a chunk, and the refusals of those that cannot be written."""
    room, running, name = sending.room, sending.running, sending.sender.channel
    named = {word for message in sending.wave.messages.values() for word in sending.templates.named(message, name)}
    with room.ledger.read() as connection:
        ids, ends = [touch.touch for touch in claimed], dict[int, datetime]()
        known = recipients(connection, ids, running.bundle.types, named)
        if sending.sender.provider in QUEUES:
            ends = hours_ends(connection, ids, running.rules, kind_of(CHANNEL_CODES[name]), sending.moment())
    messages: list[tuple[int, Message]] = []
    refused: list[tuple[int, Receipt]] = []
    bundle, wave, templates = running.bundle, sending.wave, sending.templates
    around = Around(room.settings.public_url, running.row(wave.wave).closes)
    for touch in claimed:
        token = make_token(room.token_key, Kind.TOUCH, touch.touch)
        try:
            recipient = known[touch.touch]
            message = render(bundle, wave, templates, name, touch.variant, token, recipient, around)
            messages.append((touch.touch, replace(message, hours_end=ends.get(touch.touch)) if ends else message))
        except SendRefused:
            refused.append((touch.touch, Receipt(token, "refused", reason=Reason.CONTENT)))
    return messages, refused


def _settle(
    sending: Sending, receipts: list[tuple[int, Receipt]], grant: pace.Grant, claimed: int, units: dict[int, int]
) -> None:
    """Write what came of a chunk; while the ledger is gone, as in a restart, its worker waits rather than forget it."""
    until = time.monotonic() + SETTLES_WITHIN_S
    while True:
        try:
            return _write_receipts(sending, receipts, grant, claimed, units)
        except LedgerError:
            if sending.room.stopping or time.monotonic() >= until:
                raise
        sending.room.wait(0.5)


def _write_receipts(
    sending: Sending, receipts: list[tuple[int, Receipt]], grant: pace.Grant, claimed: int, units: dict[int, int]
) -> None:
    """Settle a chunk, and count what it says of its sender."""
    room, sender, now = sending.room, sending.sender, sending.moment()
    cost = room.settings.costs.get(sender.channel)
    why = None
    with room.ledger.write() as connection:
        settled = passed_on(room, sender, receipts, connection, now)
        touches.settle(connection, sending.leased.owner, settled, sender.sender, cost, now, units)
        if sender.is_watched:
            begun = sum(receipt.result != "not_sent" for _, receipt in receipts)
            pace.give_back(connection, sender, replace(grant, ends=None), claimed - begun)
            why = heard(connection, sender, [r for _, r in receipts], now)
        if why is not None:
            until = now + sender.breaker.pause
            kill_switches.switch_on(connection, f"sender:{sender.sender}", why, "breaker", now, until)
    if why is not None:
        room.tell(f"the sender {sender.sender} is paused until {until:%H:%M} UTC: {why}")
