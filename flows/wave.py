"""The life of a wave, top to bottom: open, enrol, fall through, send, listen, close."""

from __future__ import annotations

import os
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from config.templates import Templates
from flows.render import render
from flows.rivals import rivals_of
from flows.room import Room
from flows.running import Running, gates_of, load_running, opening_of
from ledger import campaigns, enrol, ramps, touches
from ledger.close import Balance, close, may_close
from ledger.recipients import recipients
from ledger.store import keep_out_new_touches
from waves.errors import SendRefused
from waves.message import CHANNEL_NAMES, Message, Receipt
from waves.outcomes import Reason
from waves.plan import Wave
from waves.tokens import Kind, make_token

CHUNK = 500
BEGIN_WITHIN_S = 1.5
"""A claimed message that was not begun within this many seconds goes back: whoever said stop meanwhile is heard."""

Dispatch = Callable[[Room, Running, str, int, datetime], "Sent"]


def live(room: Room, campaign: str, wave_name: str, now: datetime, dispatch: Dispatch) -> Balance | None:
    """Take one wave as far as it gets at `now`; its balance when it closed. Safe to kill at any line and run again."""
    running = load_running(room.ledger, campaign)
    wave = running.plan.wave(wave_name)
    if running.state == "running":
        if not open_wave(room, running, wave, now):
            return None
        running = load_running(room.ledger, campaign)
    enrol_wave(room, running, wave, now)
    if running.state == "running":
        fall_through(room, running, wave, now)
        if pass_ramp(room, running, wave, now):
            return None
        send_due(room, running, wave, now, dispatch)
    return None if running.state == "paused" else close_wave(room, running, wave, now)


def open_wave(room: Room, running: Running, wave: Wave, now: datetime) -> bool:
    """Fix the wave's end and begin its enrolment; False while another wave of the ledger is being enrolled."""
    row = running.row(wave.wave)
    if row.state != "pending":
        return True
    released = now + wave.release
    rest_from = now + wave.ramp.hold if wave.ramp else None
    with room.ledger.write() as connection:
        return enrol.begin(connection, row.id, now, released, released + wave.listen, rest_from)


def enrol_wave(room: Room, running: Running, wave: Wave, now: datetime) -> None:
    """Write every member's verdict and the touches of those that go, one range of customers a transaction."""
    if running.row(wave.wave).state != "enrolling":
        return
    opening = opening_of(running, wave, now, room.settings.batch_size, room.settings.enrol_range)
    opening = replace(opening, gates=replace(opening.gates, rivals=rivals_of(room.ledger, running.plan, now)))
    done = False
    while not done and not room.stopping:
        with room.ledger.write() as connection:
            done = enrol.enrol_range(connection, opening)


def fall_through(room: Room, running: Running, wave: Wave, now: datetime) -> None:
    """Queue the next channel of a `first_of` for those whose first one failed."""
    if any(len(group.first_of) > 1 for group in wave.channels):
        with room.ledger.write() as connection:
            enrol.fall_through(connection, running.row(wave.wave).id, gates_of(running, wave, now), now)


def pass_ramp(room: Room, running: Running, wave: Wave, now: datetime) -> bool:
    """Let the rest of a ramp go once its first part was heard; True when an alarm paused the campaign instead."""
    row = running.row(wave.wave)
    if wave.ramp is None or row.rest_from is None or row.rest_from > now or row.ramp_passed or row.stopped_at:
        return False
    with room.ledger.write() as connection:
        return ramps.judge(connection, running.name, row.id, wave.ramp, now)


def send_due(room: Room, running: Running, wave: Wave, now: datetime, dispatch: Dispatch) -> None:
    """Hand every batch that is due to a worker, one task a batch."""
    with room.ledger.read() as connection:
        batches = touches.due_batches(connection, running.row(wave.wave).id, now)
    for done, batch in enumerate(batches):
        room.tick(wave.wave, done, len(batches))
        dispatch(room, running, wave.wave, batch, now)
    if batches:
        room.tick(wave.wave, len(batches), len(batches))


def close_wave(room: Room, running: Running, wave: Wave, now: datetime) -> Balance | None:
    """Close the wave when it is over and store its balance."""
    row, aborted = running.row(wave.wave), running.state == "aborted"
    with room.ledger.write() as connection:
        if not may_close(connection, row.id, now, aborted):
            return None
        if aborted:
            campaigns.withdraw(connection, running.name)
        elif enrol.fall_through(connection, row.id, gates_of(running, wave, now), now):
            return None  # the last one was refused just now, and has a next channel
        return close(connection, row.id, now)


@dataclass(frozen=True, slots=True)
class Sent:
    """What became of a batch: messages by receipt, and the tokens of those that the provider did not take."""

    receipts: Counter[str]
    tokens: tuple[str, ...] = ()


def send_batch(room: Room, running: Running, wave_name: str, batch: int, now: datetime) -> Sent:
    """Lease a batch, then claim, send and settle it chunk by chunk; a batch in other hands is left to them."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"
    wave = running.plan.wave(wave_name)
    with room.ledger.write() as connection:
        leased = touches.lease(connection, batch, owner, _moment(room, now), room.settings.lease)
    if leased is None:
        return Sent(Counter())
    templates = running.bundle.open_templates()
    receipts, size = list[Receipt](), CHUNK
    while size and not room.stopping:
        with room.ledger.write() as connection:
            keep_out_new_touches(connection)
            moment = _moment(room, now)  # after the wait: neither the lease nor the hour may have ended in it
            if leased.until - moment < timedelta(seconds=2 * BEGIN_WITHIN_S):
                break
            gates = gates_of(running, wave, moment)
            claimed = touches.claim(connection, leased, gates, running.types, size, moment)
        if claimed is None:
            break
        said, too_slow = _send_chunk(room, running, wave, templates, leased, claimed, moment)
        receipts += said
        if too_slow:
            size //= 2
    with room.ledger.write() as connection:
        touches.finish(connection, leased, _moment(room, now))
    return Sent(Counter(r.result for r in receipts), tuple(r.token for r in receipts if r.result != "accepted"))


def _moment(room: Room, now: datetime) -> datetime:
    return now if room.ledger.simulated else room.ledger.now()


def _send_chunk(
    room: Room,
    running: Running,
    wave: Wave,
    templates: Templates,
    leased: touches.Leased,
    claimed: list[touches.Claimed],
    now: datetime,
) -> tuple[list[Receipt], bool]:
    """Send one claimed chunk, no transaction open; its receipts, and whether it was given back as too slow."""
    began = time.monotonic()
    channel_name = CHANNEL_NAMES[leased.channel]
    channel = room.channel(channel_name)
    with room.ledger.read() as connection:
        known = recipients(connection, [touch.touch for touch in claimed], running.bundle.types)
    messages: list[tuple[int, Message]] = []
    receipts: list[tuple[int, Receipt]] = []
    for touch in claimed:
        token = make_token(room.token_key, Kind.TOUCH, touch.touch)
        try:
            recipient = known[touch.touch]
            message = render(running.bundle, wave, templates, channel_name, touch.variant, token, recipient)
            messages.append((touch.touch, message))
        except SendRefused:
            receipts.append((touch.touch, Receipt(token, "refused", reason=Reason.CONTENT)))
    too_slow = time.monotonic() - began > BEGIN_WITHIN_S
    if too_slow:
        with room.ledger.write() as connection:
            touches.give_back(connection, leased.owner, [touch for touch, _ in messages])
        messages = []
    said = channel.send([message for _, message in messages], now) if messages else []
    receipts += [(touch, receipt) for (touch, _), receipt in zip(messages, said, strict=True)]
    cost = room.settings.costs.get(channel_name)
    with room.ledger.write() as connection:
        touches.settle(connection, leased.owner, receipts, channel.provider, cost, now)
    return [receipt for _, receipt in receipts], too_slow
