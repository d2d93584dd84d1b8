"""Go on after a pause by a chosen policy, and stop a wave whose text is wrong."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import (
    BigInteger,
    Column,
    ColumnElement,
    Connection,
    Row,
    delete,
    func,
    null,
    or_,
    select,
    true,
    type_coerce,
    update,
)

from ledger import spreading
from ledger import tables as t
from ledger.audit import record
from ledger.campaigns import find, find_wave, may_be, set_state, waves_of
from ledger.doubts import given_up
from ledger.giving_up import give_up
from ledger.recall import lists_out
from ledger.spreading import Spread
from ledger.sql import among
from ledger.store import read_meta, write_meta
from ledger.types import MICROSECOND
from waves.errors import CampaignError
from waves.outcomes import Reason, State

Policy = Literal["expire", "reschedule", "catch-up"]
OVER = ("closing", "closed")
"""The states of a wave that sends nothing any more."""
MOVING = "moving wave {}"
"""The meta row of a wave whose touches are being moved to a later time."""


@dataclass(frozen=True, slots=True)
class CameDue:
    """What came due while a campaign was paused."""

    messages: int
    """Queued messages whose time to go has come; calls wait for a list, so none of them is ever late."""
    ended: tuple[str, ...]
    """Open waves that were to close."""
    opening: str | None
    """The wave that was to open."""

    def __bool__(self) -> bool:
        return bool(self.messages or self.ended or self.opening)

    def __str__(self) -> str:
        told = [f"{self.messages:,} queued messages"] if self.messages else []
        told += [f"the close of wave {name}" for name in self.ended]
        told += [f"the opening of wave {self.opening}"] if self.opening else []
        return ", ".join(told) or "nothing"


@dataclass(frozen=True, slots=True)
class Resumed:
    """What a resume found and did."""

    came_due: CameDue
    expired: int = 0
    stopped: str | None = None
    """The wave that was to open during the pause, and now sends nothing."""
    moved: timedelta | None = None
    """By how much the open wave moved; None when none did."""
    spread: Spread | None = None
    """How what came due goes at the rate asked for; None when it goes at once."""


@dataclass(frozen=True, slots=True)
class Stopped:
    """What a stopped wave leaves: messages withdrawn now, those in a worker's hands, dial lists that are out."""

    withdrawn: int
    claimed: int
    lists: tuple[int, ...]


def came_due(connection: Connection, campaign: Row[Any], opening: str | None, now: datetime) -> CameDue:
    """What came due between the pause and `now`; `opening` names the wave that was to open."""
    w = t.wave.c
    messages = connection.scalar(select(func.count()).where(*_late(campaign.id, now)))
    ended = select(w.name).where(w.campaign == campaign.id, w.state == "open", w.closes <= now).order_by(w.seq)
    if campaign.paused_at is not None:
        ended = ended.where(w.closes > campaign.paused_at)
    return CameDue(messages or 0, tuple(connection.scalars(ended)), opening)


def may_resume(
    connection: Connection, name: str, policy: Policy | None, opening: str | None, now: datetime, past_alarm: bool
) -> CameDue:
    """What came due while a campaign was paused, if it may go on so; nothing is changed.

    CampaignError when it is not paused, when something came due meanwhile and no policy says what becomes of it, when
    a ramp's alarm rang and nobody says `past_alarm`, or when it was half rescheduled and is to go on otherwise, or half
    caught up and what came due is to expire.
    """
    row = find(connection, name)
    may_be(row, "running", ("paused",))
    _rang(connection, row, past_alarm)
    due = came_due(connection, row, opening, now)
    if due and policy is None:
        raise CampaignError(_choose(name, row.paused_at, due))
    if policy != "reschedule" and any(half_moved(connection, wave.id) for wave in waves_of(connection, row.id)):
        raise CampaignError(f"{name} was half rescheduled when that was cut short; resume it with --policy reschedule")
    if policy == "expire" and spreading.is_begun(connection, row.id):
        raise CampaignError(f"{name} was half caught up when that was cut short; resume it with --policy catch-up")
    if policy == "reschedule" and row.paused_at is None:
        raise CampaignError(f"nobody noted when {name} was paused; resume with --policy expire or catch-up")
    return due


def resume(
    connection: Connection,
    name: str,
    policy: Policy | None,
    due: CameDue,
    by: str,
    now: datetime,
    past_alarm: bool = False,
) -> Resumed:
    """Let a paused campaign go on that `may_resume`, its messages being expired, moved or spread already.

    CampaignError when another resume was first.
    """
    row = find(connection, name)
    set_state(connection, name, "running", ("paused",), by, now)  # first, so that of two resumes one is refused
    spreading.end(connection, row.id)
    for wave in _rang(connection, row, past_alarm):
        connection.execute(update(t.wave).where(t.wave.c.id == wave.id).values(ramp_passed=now))
        record(connection, now, by, "past the alarm", f"{name} {wave.name}", before=wave.alarm)
    if policy is not None:
        record(connection, now, by, f"{policy} what came due", name, before=str(due))
    if policy == "expire":
        if due.opening:
            _stop(connection, find_wave(connection, name, due.opening)[1].id, now)
        return Resumed(due, stopped=due.opening)
    if policy == "reschedule":
        return Resumed(due, moved=move_wave(connection, row.id, now - row.paused_at))
    return Resumed(due)


def in_line(connection: Connection, campaign: int, now: datetime) -> Sequence[ColumnElement[bool]]:
    """Which touches a catch-up at a rate spreads: those that came due, or all when it was begun and cut short."""
    return _late(campaign, now, came_due=not spreading.is_begun(connection, campaign))


def take_places(connection: Connection, campaign: int, places: Mapping[int, int]) -> None:
    """Some of those in line take their places, if the campaign is still paused."""
    if _still_paused(connection, campaign):
        spreading.take_places(connection, places)


def stop_wave(connection: Connection, name: str, wave: str, by: str, now: datetime) -> int:
    """From this commit on a wave claims nothing more; its id. What it has queued is withdrawn after it.

    It listens on and closes as planned. Again is harmless. CampaignError for an unknown wave, or one that is over.
    """
    _, row = find_wave(connection, name, wave)
    if row.state in OVER:
        raise CampaignError(f"wave {wave} of {name} is {row.state}; it sends nothing any more")
    if _stop(connection, row.id, now):
        record(connection, now, by, "stop", f"{name} {wave}")
    return int(row.id)


def what_is_left(connection: Connection, wave: int, withdrawn: int) -> Stopped:
    """What a stopped wave leaves, so many of its touches having been withdrawn."""
    c = t.touch.c
    claimed = connection.scalar(select(func.count()).where(c.wave == wave, c.state == int(State.CLAIMED)))
    return Stopped(withdrawn, claimed or 0, tuple(lists_out(connection, wave)))


def withdraw_stopped(connection: Connection, wave: int, customers: Sequence[int], now: datetime) -> int:
    """Withdraw what these customers have queued in a stopped wave; how many touches."""
    withdrawn = give_up(connection, wave, customers, State.WITHDRAWN, Reason.STOPPED)
    _finish_empty_batches(connection, wave, customers, now)
    return withdrawn


def _stop(connection: Connection, wave: int, now: datetime) -> bool:
    w = t.wave.c
    stopping = update(t.wave).where(w.id == wave, w.stopped_at.is_(None)).values(stopped_at=now)
    return connection.execute(stopping).rowcount > 0


def _rang(connection: Connection, campaign: Row[Any], past_alarm: bool) -> Sequence[Row[Any]]:
    """The waves whose ramp's rest is to go though its alarm rang; CampaignError when that is not what a person says."""
    rang = [
        wave
        for wave in waves_of(connection, campaign.id)
        if wave.alarm and wave.ramp_passed is None and wave.stopped_at is None and wave.state not in OVER
    ]
    if past_alarm and not rang:
        raise CampaignError(f"no alarm of {campaign.name} rang; resume without --past-alarm")
    if rang and not past_alarm:
        wave = rang[0]
        raise CampaignError(
            f"the alarm of wave {wave.name} rang: {wave.alarm}. See why first; then either send the rest all the same "
            f"with --past-alarm, or give it up with: multiwave stop {campaign.name} {wave.name}"
        )
    return rang


def _choose(name: str, paused_at: datetime | None, due: CameDue) -> str:
    since = f" since {paused_at:%Y-%m-%d %H:%M} UTC" if paused_at else ""
    stops = f"; wave {due.opening} opens and sends nothing" if due.opening else ""
    stays = f"; wave {due.opening} opens now" if due.opening else ""
    return (
        f"{name} was paused{since}, and meanwhile came due: {due}. Say what becomes of it:\n"
        f"  --policy expire      it is not sent any more{stops}\n"
        f"  --policy reschedule  what the open wave still has to do moves later by the length of the pause{stays}\n"
        f"  --policy catch-up    it goes now, within hours and limits, or spread with --rate 50/s{stays}"
    )


def _late(campaign: int, now: datetime, came_due: bool = True) -> Sequence[ColumnElement[bool]]:
    """Queued messages whose time has come, or any; not the rest of a ramp, which its alarm held and not the pause."""
    c, b, w = t.touch.c, t.batch.c, t.wave.c
    held = select(b.id).join(t.wave, w.id == b.wave).where(w.campaign == campaign, b.rest, w.alarm.is_not(None))
    held = held.where(or_(w.ramp_passed.is_(None), w.ramp_passed == now))
    mine = select(w.id).where(w.campaign == campaign, w.state.in_(["enrolling", "open"]), w.stopped_at.is_(None))
    return (
        c.wave.in_(mine),
        c.state == int(State.QUEUED),
        c.batch.is_not(None),
        c.not_before <= now if came_due else true(),
        or_(c.batch.not_in(held), c.not_after <= now),
    )


def who_is_late(connection: Connection, campaign: int, wave: int, now: datetime, low: int, size: int) -> Sequence[int]:
    """The next `size` customers past `low` with a message that came due (uq_touch_wave_customer_channel)."""
    c = t.touch.c
    query = select(c.customer.distinct()).where(c.wave == wave, c.customer > low, *_late(campaign, now))
    return connection.scalars(query.order_by(c.customer).limit(size)).all()


def expire_late(connection: Connection, campaign: int, wave: int, customers: Sequence[int], now: datetime) -> int:
    """What came due for these customers is not sent any more, if the campaign is still paused; how many touches."""
    if not _still_paused(connection, campaign):
        return 0
    c = t.touch.c
    expired = connection.execute(
        update(t.touch)
        .where(c.wave == wave, among(c.customer, customers), *_late(campaign, now))
        .values(state=given_up(State.EXPIRED), reason=int(Reason.PAUSED), claimed_by=null())
    ).rowcount
    _finish_empty_batches(connection, wave, customers, now)
    return int(expired)


def _still_paused(connection: Connection, campaign: int) -> bool:
    """Whether a campaign is paused, and stays so until the transaction ends."""
    c = t.campaign.c
    return connection.scalar(select(c.state).where(c.id == campaign).with_for_update()) == "paused"


def _finish_empty_batches(connection: Connection, wave: int, customers: Sequence[int], now: datetime) -> None:
    """Batches of these customers that have nothing queued or claimed any more are done (ix_touch_batch)."""
    b, c = t.batch.c, t.touch.c
    theirs = select(c.batch.distinct()).where(c.wave == wave, among(c.customer, customers))
    left = select(c.id).where(c.batch == b.id, c.state.in_([int(State.QUEUED), int(State.CLAIMED)]))
    connection.execute(
        update(t.batch)
        .where(b.id.in_(theirs), b.done_at.is_(None), ~left.correlate(t.batch).exists())
        .values(done_at=now, lease_owner=null(), lease_until=null())
    )


def half_moved(connection: Connection, wave: int) -> tuple[timedelta, int] | None:
    """By how much a wave is being moved, and the last customer whose touches were; None when it is not."""
    said = read_meta(connection, MOVING.format(wave))
    if said is None:
        return None
    by_us, past = json.loads(said)
    return by_us * MICROSECOND, past


def move_touches(connection: Connection, campaign: int, wave: int, customers: Sequence[int], by: timedelta) -> int:
    """What these customers have queued waits that much longer, once, if the campaign is still paused; how many.

    A note says how far this came, so that it goes on from there when it was cut short.
    """
    if not _still_paused(connection, campaign):
        return 0
    c = t.touch.c
    _, past = half_moved(connection, wave) or (by, -1)
    left = [customer for customer in customers if customer > past]
    write_meta(connection, MOVING.format(wave), json.dumps([by // MICROSECOND, customers[-1]]))
    queued = (c.wave == wave, among(c.customer, left), c.state == int(State.QUEUED))
    return connection.execute(update(t.touch).where(*queued).values(_later(by, c.not_before, c.not_after))).rowcount


def move_wave(connection: Connection, campaign: int, by: timedelta) -> timedelta | None:
    """The rest of what is still to be done in the open wave, as much later as its touches; None when there is none."""
    b, w = t.batch.c, t.wave.c
    moved = None
    for wave in waves_of(connection, campaign):
        if wave.state in ("enrolling", "open"):
            moved, _ = half_moved(connection, wave.id) or (by, -1)
            waits = update(t.batch).where(b.wave == wave.id, b.done_at.is_(None))
            connection.execute(waits.values(_later(moved, b.due)))
            later = _later(moved, w.released, w.closes, w.rest_from)
            connection.execute(update(t.wave).where(w.id == wave.id).values(later))
        connection.execute(delete(t.meta).where(t.meta.c.key == MOVING.format(wave.id)))
    return moved


def _later(by: timedelta, *columns: Column[Any]) -> dict[Column[Any], ColumnElement[int]]:
    return {column: type_coerce(column, BigInteger) + by // MICROSECOND for column in columns}
