"""The clock's one question: what is due. Short, idempotent, safe to kill at any line."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Any

from flows.carriers import PATIENCE, carrier
from flows.ending import withdraw_stopped
from flows.halting import scopes_of
from flows.hours import keep_hours
from flows.hygiene import watch_senders
from flows.lanes import side_by_side
from flows.room import Room
from flows.running import Running, current_wave, load_running
from flows.seeding import seeds_wait
from flows.starting import finish_start
from flows.wave import fall_through, pass_ramp
from ledger import campaigns
from ledger.close import CLOSING, Balance, any_claimed, may_close
from ledger.freeze import STARTING
from ledger.pace import opens
from ledger.progress import batches_due, live_campaigns, wave_mark
from waves.errors import PlanError, SendInDoubt
from waves.message import CHANNEL_NAMES
from waves.plan import Wave

Launch = Callable[[Room, str, str, datetime], Balance | None]
"""Runs one wave as far as it gets: in this process, or as a Prefect flow run."""


@dataclass(frozen=True, slots=True)
class Moved:
    """What one step of `advance` did to a wave."""

    campaign: str
    wave: str
    before: str
    after: str
    closed: Balance | None


def advance(room: Room, now: datetime, launch: Launch) -> Iterator[Moved]:
    """Take every running campaign as far as it gets at `now`, yielding each step that changed something.

    Campaigns go on side by side, so that a slow sender keeps nobody waiting but its own. A provider that fails one
    campaign stops that campaign alone, and so do hours rules that it cannot find any more; the error is raised after
    the others moved.
    """
    keep_hours(room, now)
    with room.ledger.read() as connection:
        names = live_campaigns(connection)
    failed: list[SendInDoubt | PlanError] = []

    def moves(name: str) -> list[Moved]:
        found: list[Moved] = []
        try:
            found.extend(advance_campaign(room, name, now, launch))
        except (SendInDoubt, PlanError) as error:
            failed.append(error)
        return found

    for found in side_by_side([partial(moves, name) for name in names], alone=room.ledger.simulated):
        yield from found
    if failed:
        raise failed[0]


def advance_campaign(room: Room, name: str, now: datetime, launch: Launch) -> Iterator[Moved]:
    """Take one campaign from wave to wave until nothing of it is due; a start that was cut short is finished first."""
    running = load_running(room.ledger, name)
    if running.state == STARTING:
        finish_start(room, running)
    while not room.is_over and (wave := due_wave(room, name, now)) is not None and stirs(room, name, wave, now):
        running = load_running(room.ledger, name)
        before = _mark(room, running, wave)
        balance = launch(room, name, wave.wave, now)
        running = load_running(room.ledger, name)
        after = _mark(room, running, wave)
        if before == after:
            break
        yield Moved(name, wave.wave, before[0], after[0], balance)
    finish_campaign(room, name, now)


def _mark(room: Room, running: Running, wave: Wave) -> tuple[str, int, int]:
    with room.ledger.read() as connection:
        return wave_mark(connection, running.row(wave.wave).id)


def due_wave(room: Room, name: str, now: datetime) -> Wave | None:
    """The wave of a campaign that has something to do at `now`: the first that is not closed, if its time has come."""
    running = load_running(room.ledger, name)
    current = current_wave(running)
    if current is None:
        return None
    wave, row, opens = current
    if row.state == "pending":
        return wave if running.state == "running" and now >= opens else None
    return wave if row.state in ("enrolling", CLOSING) or running.state in ("running", "aborted") else None


def finish_campaign(room: Room, name: str, now: datetime) -> None:
    """A campaign whose waves are all closed is finished."""
    running = load_running(room.ledger, name)
    if running.state == "running" and all(row.state == "closed" for row in running.rows):
        with room.ledger.write() as connection:
            campaigns.finish(connection, name, now)


def stirs(room: Room, name: str, wave: Wave, now: datetime) -> bool:
    """Whether a due wave has anything to do at `now`: to open, to enrol, to send, or to close."""
    running = load_running(room.ledger, name)
    row = running.row(wave.wave)
    if row.state == CLOSING:
        with room.ledger.read() as connection:
            return not any_claimed(connection, row.id)
    if row.state != "open":
        return True
    if row.stopped_at is not None:
        withdraw_stopped(room, row.id, now)
    if running.state == "running":
        fall_through(room, running, wave, now)
        if watch_senders(room, running, wave, now) or pass_ramp(room, running, wave, now):
            return False
    with room.ledger.read() as connection:
        scopes = scopes_of(room, running, wave, connection, now)
        open_now = {code: scopes[code] for code in scopes if _has_room(room, connection, code, now)}
        if batches_due(connection, row.id, now, open_now) > 0:
            return True
        if may_close(connection, row.id, now, aborted=running.state == "aborted"):
            return True
    return running.state == "running" and row.stopped_at is None and seeds_wait(room, running, wave, now)


def _has_room(room: Room, connection: Any, channel: int, now: datetime) -> bool:
    """Whether a channel's sender would not have to be waited for longer than a worker waits."""
    sender = carrier(room, CHANNEL_NAMES[channel], connection, now)
    return not sender.is_watched or opens(connection, sender, now, room.ledger.simulated) - now <= PATIENCE


def anything_due(room: Room, now: datetime) -> bool:
    """Whether `advance` would find work at `now`, asked without starting any flow."""
    keep_hours(room, now)
    with room.ledger.read() as connection:
        names = live_campaigns(connection)
    return any(_is_due(room, name, now) for name in names)


def _is_due(room: Room, name: str, now: datetime) -> bool:
    if load_running(room.ledger, name).state == STARTING:
        return True
    wave = due_wave(room, name, now)
    try:
        return wave is not None and stirs(room, name, wave, now)
    except PlanError:  # `advance` says so after the other campaigns moved
        return True
