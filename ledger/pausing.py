"""Go on after a pause by a chosen policy, and stop a wave whose text is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import BigInteger, Column, ColumnElement, Connection, Row, func, null, or_, select, type_coerce, update

from ledger import tables as t
from ledger.audit import record
from ledger.campaigns import find, find_wave, set_state, waves_of
from ledger.doubts import given_up
from ledger.recall import lists_out
from ledger.spreading import Pace, Spread, spread
from ledger.types import MICROSECOND
from waves.errors import CampaignError
from waves.outcomes import Reason, State

Policy = Literal["expire", "reschedule", "catch-up"]


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


def resume(
    connection: Connection,
    name: str,
    policy: Policy | None,
    opening: str | None,
    by: str,
    now: datetime,
    past_alarm: bool = False,
    pace: Pace | None = None,
) -> Resumed:
    """Let a paused campaign go on, all in the caller's transaction; `pace` spreads what catches up.

    CampaignError when it is not paused, when something came due meanwhile and no policy says what becomes of it, or
    when a ramp's alarm rang and nobody says `past_alarm`.
    """
    row = find(connection, name)
    set_state(connection, name, "running", ("paused",), by, now)  # first, so that of two resumes one is refused
    _pass_alarm(connection, row, past_alarm, by, now)
    due = came_due(connection, row, opening, now)
    if due and policy is None:
        raise CampaignError(_choose(name, row.paused_at, due))
    if policy is not None:
        record(connection, now, by, f"{policy} what came due", name, before=str(due))
    if policy == "expire":
        if opening:
            _stop(connection, find_wave(connection, name, opening)[1], now)
        return Resumed(due, _expire(connection, row.id, now), opening)
    if policy == "reschedule":
        if row.paused_at is None:
            raise CampaignError(f"nobody noted when {name} was paused; resume with --policy expire or catch-up")
        return Resumed(due, moved=now - row.paused_at if _move(connection, row.id, now - row.paused_at) else None)
    if pace is not None and due.messages:
        return Resumed(due, spread=spread(connection, _late(row.id, now), pace, now))
    return Resumed(due)


def stop_wave(connection: Connection, name: str, wave: str, by: str, now: datetime) -> Stopped:
    """A wave sends nothing more: what it has queued is withdrawn at once, what is claimed finishes. Again is harmless.

    It listens on and closes as planned. CampaignError for an unknown wave, or one that closed.
    """
    _, row = find_wave(connection, name, wave)
    if row.state == "closed":
        raise CampaignError(f"wave {wave} of {name} is closed; it sends nothing any more")
    withdrawn = _stop(connection, row, now)
    c = t.touch.c
    claimed = connection.scalar(select(func.count()).where(c.wave == row.id, c.state == int(State.CLAIMED)))
    if row.stopped_at is None or withdrawn:
        record(connection, now, by, "stop", f"{name} {wave}", after=f"{withdrawn} withdrawn")
    return Stopped(withdrawn, claimed or 0, tuple(lists_out(connection, row.id)))


def withdraw_stopped(connection: Connection, wave: int, now: datetime) -> int:
    """Withdraw what a stopped wave has queued, such as the touches of an enrolment that ended after the stop."""
    c = t.touch.c
    withdrawn = connection.execute(
        update(t.touch)
        .where(c.wave == wave, c.state == int(State.QUEUED))
        .values(state=given_up(State.WITHDRAWN), reason=int(Reason.STOPPED), claimed_by=null())
    ).rowcount
    _finish_empty_batches(connection, t.batch.c.wave == wave, now)
    return int(withdrawn)


def _stop(connection: Connection, wave: Row[Any], now: datetime) -> int:
    w = t.wave.c
    connection.execute(update(t.wave).where(w.id == wave.id, w.stopped_at.is_(None)).values(stopped_at=now))
    return withdraw_stopped(connection, wave.id, now)


def _pass_alarm(connection: Connection, campaign: Row[Any], past_alarm: bool, by: str, now: datetime) -> None:
    """Let the rest of a ramp go whose alarm rang, when a person says so; else CampaignError with what rang."""
    rang = [
        wave
        for wave in waves_of(connection, campaign.id)
        if wave.alarm and wave.ramp_passed is None and wave.stopped_at is None and wave.state != "closed"
    ]
    if past_alarm and not rang:
        raise CampaignError(f"no alarm of {campaign.name} rang; resume without --past-alarm")
    if rang and not past_alarm:
        wave = rang[0]
        raise CampaignError(
            f"the alarm of wave {wave.name} rang: {wave.alarm}. See why first; then either send the rest all the same "
            f"with --past-alarm, or give it up with: multiwave stop {campaign.name} {wave.name}"
        )
    for wave in rang:
        connection.execute(update(t.wave).where(t.wave.c.id == wave.id).values(ramp_passed=now))
        record(connection, now, by, "past the alarm", f"{campaign.name} {wave.name}", before=wave.alarm)


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


def _late(campaign: int, now: datetime) -> Sequence[ColumnElement[bool]]:
    """Queued messages whose time has come. The rest of a ramp whose alarm rang was held by that, not by the pause."""
    c, b, w = t.touch.c, t.batch.c, t.wave.c
    held = select(b.id).join(t.wave, w.id == b.wave).where(w.campaign == campaign, b.rest, w.alarm.is_not(None))
    held = held.where(or_(w.ramp_passed.is_(None), w.ramp_passed == now))
    mine = select(w.id).where(w.campaign == campaign, w.state.in_(["enrolling", "open"]), w.stopped_at.is_(None))
    return (
        c.wave.in_(mine),
        c.state == int(State.QUEUED),
        c.batch.is_not(None),
        c.not_before <= now,
        or_(c.batch.not_in(held), c.not_after <= now),
    )


def _expire(connection: Connection, campaign: int, now: datetime) -> int:
    w = t.wave.c
    expired = connection.execute(
        update(t.touch)
        .where(*_late(campaign, now))
        .values(state=given_up(State.EXPIRED), reason=int(Reason.PAUSED), claimed_by=null())
    ).rowcount
    mine = select(w.id).where(w.campaign == campaign)
    _finish_empty_batches(connection, t.batch.c.wave.in_(mine), now)
    return int(expired)


def _finish_empty_batches(connection: Connection, whose: ColumnElement[bool], now: datetime) -> None:
    """Batches that have nothing queued or claimed any more are done (ix_touch_batch)."""
    b, c = t.batch.c, t.touch.c
    left = select(c.id).where(c.batch == b.id, c.state.in_([int(State.QUEUED), int(State.CLAIMED)]))
    connection.execute(
        update(t.batch)
        .where(whose, b.done_at.is_(None), ~left.correlate(t.batch).exists())
        .values(done_at=now, lease_owner=null(), lease_until=null())
    )


def _move(connection: Connection, campaign: int, by: timedelta) -> bool:
    """All that the open wave still has to do, this much later; whether there is one."""
    c, b, w = t.touch.c, t.batch.c, t.wave.c
    waves = select(w.id).where(w.campaign == campaign, w.state.in_(["enrolling", "open"]))

    def later(*columns: Column[Any]) -> dict[Column[Any], ColumnElement[int]]:
        return {column: type_coerce(column, BigInteger) + by // MICROSECOND for column in columns}

    queued = c.state == int(State.QUEUED)
    connection.execute(update(t.touch).where(c.wave.in_(waves), queued).values(later(c.not_before, c.not_after)))
    connection.execute(update(t.batch).where(b.wave.in_(waves), b.done_at.is_(None)).values(later(b.due)))
    wave = connection.execute(update(t.wave).where(w.id.in_(waves)).values(later(w.released, w.closes, w.rest_from)))
    return wave.rowcount > 0
