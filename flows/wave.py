"""The life of a wave, top to bottom: open, enrol, fall through, send, listen, close."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from itertools import count
from typing import Any

from flows.carriers import can_open
from flows.ending import give_up_queued, withdraw_stopped
from flows.lanes import side_by_side
from flows.rivals import rivals_of
from flows.room import Room
from flows.running import Running, gates_of, groups_of, load_running, opening_of
from flows.seeding import seeds_wait, send_to_seeds
from flows.sending import Dispatch, next_batch
from flows.stops import before_wave
from ledger import campaigns, enrol, ramps, touches
from ledger.close import CLOSING, Balance, any_claimed, begin_close, count_books, expire, may_close, store_books
from ledger.enrol import LISTED_BY_PEOPLE
from ledger.gates import Gates
from ledger.progress import wave_mark
from ledger.strides import in_strides
from waves.message import CHANNEL_CODES, CHANNEL_NAMES
from waves.plan import Wave
from waves.stride import Stride

OPENS_AGAIN_S, OPENS_WITHIN_S = 0.2, 30.0


def live(room: Room, campaign: str, wave_name: str, now: datetime, dispatch: Dispatch) -> Balance | None:
    """Take one wave as far as it gets at `now`; its balance when it closed. Safe to kill at any line and run again."""
    running = load_running(room.ledger, campaign)
    wave = running.plan.wave(wave_name)
    if running.state == "running":
        if not open_wave(room, running, wave, now):
            return None
        running = load_running(room.ledger, campaign)
    if running.row(wave_name).state == CLOSING:
        return finish_close(room, running, wave, now)
    enrol_wave(room, running, wave, now)
    if running.state == "running":
        fall_through(room, running, wave, now)
        if pass_ramp(room, running, wave, now):
            return None
        send_due(room, running, wave, now, dispatch)
    return None if running.state == "paused" else close_wave(room, running, wave, now)


def open_wave(room: Room, running: Running, wave: Wave, now: datetime) -> bool:
    """Fix the wave's end and begin its enrolment; False while another wave of the ledger is being enrolled.

    On a real clock another lane or worker may be at that one, and this one opens in a moment, not a whole turn later.
    """
    row = running.row(wave.wave)
    if row.state != "pending":
        return True
    before_wave(room, wave, now)
    released = now + wave.release
    rest_from = now + wave.ramp.hold if wave.ramp else None
    patience = time.monotonic() + OPENS_WITHIN_S
    while True:
        with room.ledger.write() as connection:
            if enrol.begin(connection, row.id, now, released, released + wave.listen, rest_from):
                return True
            pending = wave_mark(connection, row.id)[0] == "pending"
        if not pending or room.ledger.simulated or room.is_over or time.monotonic() > patience:
            return False
        room.wait(OPENS_AGAIN_S)


def enrol_wave(room: Room, running: Running, wave: Wave, now: datetime) -> None:
    """Write every member's verdict and the touches of those that go, one range of customers a transaction.

    Each range is as long as a second allows; between two of them other writers come in.
    """
    if running.row(wave.wave).state != "enrolling":
        return
    opening = opening_of(running, wave, now, room.settings.batch_size, room.settings.enrol_range)
    opening = replace(opening, gates=replace(opening.gates, rivals=rivals_of(room.ledger, running.plan, now)))
    stride, done = Stride.up_to(room.settings.enrol_range), False
    while not done and not room.is_over:
        with room.ledger.write() as connection:
            began = time.monotonic()
            done = enrol.enrol_range(connection, replace(opening, range_size=stride.size))
        took = time.monotonic() - began
        stride = stride.after(took)
        room.ledger.give_way(took)
    if load_running(room.ledger, running.name).row(wave.wave).stopped_at is not None:
        withdraw_stopped(room, opening.wave, now)


def fall_through(room: Room, running: Running, wave: Wave, now: datetime) -> int:
    """Queue the next channel of a `first_of` for those whose first one failed; how many."""
    made, steps = 0, enrol.steps(groups_of(wave))
    if steps:
        row, gates, ledger = running.row(wave.wave), gates_of(running, wave, now), room.ledger
        for step in steps:
            find = partial(_falling, row.id, gates, step)
            change = partial(_fall, row.id, gates, step)
            made += in_strides(ledger, room.settings.batch_size, find, change, lambda: room.is_over)
    return made


def _falling(wave: int, gates: Gates, step: enrol.Step, connection: Any, low: int, size: int) -> Sequence[int]:
    return enrol.falling(connection, wave, gates, step, low, size)


def _fall(wave: int, gates: Gates, step: enrol.Step, connection: Any, customers: Sequence[int]) -> int:
    return enrol.fall_through(connection, wave, gates, step, customers)


def pass_ramp(room: Room, running: Running, wave: Wave, now: datetime) -> bool:
    """Let the rest of a ramp go once its first part was heard; True when an alarm paused the campaign instead."""
    row = running.row(wave.wave)
    if wave.ramp is None or row.rest_from is None or row.rest_from > now or row.ramp_passed or row.stopped_at:
        return False
    with room.ledger.snapshot() as connection:
        found = ramps.heard(connection, row.id, wave.ramp, now)
    if found is None:
        return False
    with room.ledger.write() as connection:
        paused = ramps.judge(connection, running.name, row.id, wave.ramp, found, now)
    if paused:
        heard = f"{found.failed} of {found.tried} messages failed, {found.left} were answered with an opt-out"
        room.tell(f"{running.name} {wave.wave}: {heard}; its ramp's alarm paused the campaign")
    return paused


def send_due(room: Room, running: Running, wave: Wave, now: datetime, dispatch: Dispatch) -> None:
    """Lease and send every batch that is due, one task a batch; the channels of a wave side by side.

    The seeds hidden in the wave get its message when its first batch goes.
    """
    with room.ledger.read() as connection:
        due = len(touches.due_batches(connection, running.row(wave.wave).id, now))
    done = count(1)
    channels = [CHANNEL_CODES[name] for name in wave.channel_names if CHANNEL_CODES[name] not in LISTED_BY_PEOPLE]

    def send_channel(channel: int) -> None:
        if not can_open(room, CHANNEL_NAMES[channel]):
            return
        if room.seeds:
            send_to_seeds(room, running, wave, channel, now)
        leased = next_batch(room, running, wave, channel, now, None)
        while leased is not None:
            sent = dispatch(room, running, wave.wave, leased, now)
            room.tick(wave.wave, min(next(done), due), due)
            leased = None if room.is_over or sent.full else next_batch(room, running, wave, channel, now, leased)

    if due or seeds_wait(room, running, wave, now):
        room.tick(wave.wave, 0, due)
        for _ in side_by_side([partial(send_channel, code) for code in channels], alone=room.ledger.simulated):
            pass


def close_wave(room: Room, running: Running, wave: Wave, now: datetime) -> Balance | None:
    """Close the wave when it is over and store its balance."""
    row, aborted = running.row(wave.wave), running.state == "aborted"
    with room.ledger.read() as connection:
        before = wave_mark(connection, row.id)
        if not may_close(connection, row.id, now, aborted):
            return None
    if not aborted and fall_through(room, running, wave, now):
        return None  # the last one was refused just now, and has a next channel
    if room.is_over:
        return None  # and may not have looked at everybody
    over = aborted or now >= row.closes
    with room.ledger.write() as connection:
        if not begin_close(connection, row.id, now, None if over else before):
            return None
    return finish_close(room, running, wave, now)


def finish_close(room: Room, running: Running, wave: Wave, now: datetime) -> Balance | None:
    """Give up what a wave that is closing has queued, count its books, store them; nobody waits for the count.

    None while a worker holds a touch of it, and when another worker closed it meanwhile.
    """
    row, give_up = running.row(wave.wave), campaigns.withdraw if running.state == "aborted" else expire
    with room.ledger.read() as connection:
        if any_claimed(connection, row.id):
            return None
    give_up_queued(room, row.id, give_up)
    if room.is_over:
        return None
    with room.ledger.snapshot() as connection:
        books = count_books(connection, row.id, running.id)
    if not books.settled:
        return None
    with room.ledger.write() as connection:
        return books.balance if store_books(connection, row.id, books, now) else None
