"""What becomes of a send in doubt: what its provider says, else what its plan says, else what a person says.

Each change asks again whether the touch is still in doubt: any number may decide at once, and be killed anywhere.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import ColumnElement, Connection, and_, bindparam, case, func, literal, null, or_, select, update

from ledger import tables as t
from ledger.addresses import act
from ledger.audit import record
from ledger.doubts import (
    CANNOT_BE_ASKED,
    NO_ANSWER,
    SAID_ACCEPTED,
    SAID_REFUSED,
    SAID_UNKNOWN,
    in_us,
    later,
    queued_again,
    resent,
    undecided,
)
from ledger.engine_tables import doubt
from ledger.touches import hold_open, reopen
from ledger.types import MICROSECOND, Moment
from waves.message import Receipt
from waves.outcomes import Action, Reason, State
from waves.plan import InDoubt

PATIENCE = timedelta(hours=1)
"""A provider that does not answer is asked for so long; then the plan decides without it."""


@dataclass(frozen=True, slots=True)
class Case:
    """The doubts of one campaign, channel and sender (None: its worker never said whom it was handed to)."""

    campaign: str
    channel: int
    sender: str | None
    lease: timedelta
    timeout: timedelta
    """A request of the worker's may have left until its lease ended, and is under way for no longer than this."""


def heard(connection: Connection, touches: Sequence[int], said: str, asked_at: datetime) -> None:
    """Remember what the provider said of these doubts, asked at that moment; not of those that are newer or decided."""
    d = doubt.c
    mine = (d.touch.in_(touches), d.decided.is_(None), d.since <= asked_at)
    connection.execute(update(doubt).where(*mine).values(said=said, asked_at=asked_at))


def accepted(
    connection: Connection,
    found: Sequence[tuple[int, Receipt]],
    sender: str,
    cost: Decimal | None,
    asked_at: datetime,
    now: datetime,
) -> None:
    """The provider has these messages: they are sent, those too that were queued again meanwhile."""
    c = t.touch.c
    ids = [touch for touch, _ in found]
    in_doubt = or_(c.state == int(State.IN_DOUBT), queued_again())
    proven = connection.scalars(
        update(t.touch)
        .where(c.id.in_(_locked(c.id.in_(ids), in_doubt)), in_doubt)
        .values(
            state=int(State.SENT),
            provider=func.coalesce(c.provider, sender),
            sent_at=func.coalesce(c.sent_at, literal(now, Moment)),
            cost=func.coalesce(c.cost, literal(cost, c.cost.type)),
            reason=case((c.outcome.is_not(None), c.reason), else_=null()),
        )
        .returning(c.id)
    ).all()
    refs = [{"id_": i, "ref": r.provider_ref} for i, r in found if r.provider_ref and i in set(proven)]
    if refs:
        connection.execute(update(t.touch).where(c.id == bindparam("id_")).values(provider_ref=bindparam("ref")), refs)
    heard(connection, ids, SAID_ACCEPTED, asked_at)
    _decided(connection, proven, "sent", "provider", now)


def refused(
    connection: Connection,
    touches: Sequence[int],
    why: tuple[Reason | None, Action],
    sender: str,
    asked_at: datetime,
    now: datetime,
) -> None:
    """The provider said no to these, all for one reason; of one that was sent again its answer settles nothing."""
    c = t.touch.c
    reason, action = why
    mine = (c.state == int(State.IN_DOUBT), ~resent())
    changed = connection.scalars(
        update(t.touch)
        .where(c.id.in_(_locked(c.id.in_(touches), *mine)), *mine)
        .values(
            state=int(State.REFUSED),
            provider=func.coalesce(c.provider, sender),
            reason=int(reason) if reason else None,
            action=int(action),
            sent_at=null(),
        )
        .returning(c.id)
    ).all()
    act(connection, changed, action, now)
    heard(connection, touches, SAID_REFUSED, asked_at)
    _decided(connection, changed, "refused", "provider", now)


def by_plan(connection: Connection, of: Case, policy: InDoubt, now: datetime) -> int:
    """Decide what the provider could not: by the plan's word for the channel; how many are queued again.

    `resend` acts once for a touch, while its wave sends and its time lasts; else the touch counts as sent.
    """
    again = _resend(connection, of, now) if policy == "resend" else []
    ripe = select(doubt.c.touch).join_from(doubt, t.touch, t.touch.c.id == doubt.c.touch).where(*_ripe(of, now))
    decided = "hold" if policy == "hold" else "assume_sent"
    connection.execute(
        update(doubt)
        .where(doubt.c.touch.in_(ripe), doubt.c.decided.is_(None))
        .values(decided=decided, decided_at=now, decided_by="plan")
    )
    return len(again)


def _resend(connection: Connection, of: Case, now: datetime) -> Sequence[int]:
    c, d = t.touch.c, doubt.c
    once = select(d.touch).where(d.touch == c.id, d.resends == 0, d.decided.is_(None)).correlate(t.touch).exists()
    # A restored ledger's doubts are nobody's: it cannot know whether they were sent again before.
    able = (c.claimed_by.is_not(None), once, _still_sends(), c.not_after > now)
    due = select(c.id).join_from(doubt, t.touch, c.id == d.touch).where(*_ripe(of, now), *able)
    touches = connection.scalars(due.correlate(None)).all()
    if not touches:
        return []
    hold_open(connection, touches)
    picked = _locked(c.id.in_(touches), c.state == int(State.IN_DOUBT), *able)
    again = _queue(connection, and_(c.id.in_(picked), c.state == int(State.IN_DOUBT), once), c.sent_at, now)
    if again:
        values = {"decided": "resend", "decided_at": now, "decided_by": "plan", "resends": d.resends + 1}
        connection.execute(update(doubt).where(d.touch.in_(again)).values(values))
        record(connection, now, "upkeep", "resend", of.campaign, after=_touches(again))
    return again


def say_sent(connection: Connection, campaign: str, touches: Sequence[int], by: str, now: datetime) -> int:
    """A person says that these held messages were sent; how many were held still."""
    c = t.touch.c
    said = connection.scalars(
        update(t.touch).where(c.id.in_(touches), *_held()).values(state=int(State.SENT), reason=null()).returning(c.id)
    ).all()
    _decided(connection, said, "sent", by, now)
    record(connection, now, by, "doubt sent", campaign, after=_touches(said))
    return len(said)


def say_not_sent(
    connection: Connection, campaign: str, touches: Sequence[int], by: str, now: datetime
) -> tuple[int, int]:
    """A person says that these held messages were not sent: (queued again, over because their wave sends no more)."""
    c = t.touch.c
    hold_open(connection, touches)
    queued = _queue(connection, and_(c.id.in_(touches), *_held(), _still_sends(), c.not_after > now), null(), now)
    connection.execute(update(t.touch).where(c.id.in_(queued)).values(provider=null()))  # any sender may
    _decided(connection, queued, "not_sent", by, now)
    ended = {"state": int(State.EXPIRED), "reason": _why_over(), "sent_at": None}
    over = connection.scalars(
        update(t.touch)
        .where(c.id.in_(touches), *_held())
        .values(**ended, claimed_at=None, claimed_by=None)
        .returning(c.id)
    ).all()
    _decided(connection, over, "not_sent", by, now)
    record(connection, now, by, "doubt not-sent", campaign, after=_touches([*queued, *over]))
    return len(queued), len(over)


def _queue(
    connection: Connection, which: ColumnElement[bool], sent_at: ColumnElement[Any], now: datetime
) -> Sequence[int]:
    """Let these touches wait for their next claim, which asks everything anew; nobody's any more."""
    values = {"state": int(State.QUEUED), "sent_at": sent_at, "claimed_by": None, "claimed_at": None, "not_before": now}
    queued = connection.scalars(update(t.touch).where(which).values(values).returning(t.touch.c.id)).all()
    reopen(connection, queued)
    return queued


def _ripe(of: Case, now: datetime) -> tuple[ColumnElement[bool], ...]:
    """Undecided doubts of a case of which all was heard that will be: no request of theirs is on its way any more."""
    c, d, w = t.touch.c, doubt.c, t.wave.c
    timeout, lease = of.timeout // MICROSECOND, of.lease // MICROSECOND
    landed, expired = later(d.since, timeout), later(func.coalesce(c.claimed_at, d.since), lease + timeout)
    asked, moment = later(d.asked_at, 0), in_us(now)
    answered = or_(
        d.said == CANNOT_BE_ASKED,
        d.said.in_([SAID_UNKNOWN, SAID_REFUSED]) & (asked >= landed) & (asked >= expired),
        (d.said == NO_ANSWER) & (d.since <= now - PATIENCE),
    )
    campaign = select(w.id).join(t.campaign, t.campaign.c.id == w.campaign).where(t.campaign.c.name == of.campaign)
    provider = c.provider.is_(None) if of.sender is None else c.provider == of.sender
    mine = (d.wave.in_(campaign), c.channel == of.channel, provider)
    return (*undecided(), *mine, landed <= moment, expired <= moment, answered)


def _still_sends() -> ColumnElement[bool]:
    """Whether the wave of a touch may send it yet, once its campaign runs."""
    w, campaign = t.wave.c, t.campaign.c
    return (
        select(w.id)
        .join(t.campaign, campaign.id == w.campaign)
        .where(w.id == t.touch.c.wave, w.state == "open", w.stopped_at.is_(None))
        .where(campaign.state.in_(["running", "paused"]))
        .correlate(t.touch)
        .exists()
    )


def _why_over() -> Any:
    """Why the wave of a touch does not send it any more."""
    w, campaign = t.wave.c, t.campaign.c
    why = case(
        (w.state.in_(["closing", "closed"]), int(Reason.WAVE_CLOSED)),
        (campaign.state == "aborted", int(Reason.ABORTED)),
        (w.stopped_at.is_not(None), int(Reason.STOPPED)),
        else_=int(Reason.NO_LEGAL_HOUR),
    )
    found = select(why).join_from(t.wave, t.campaign, campaign.id == w.campaign).where(w.id == t.touch.c.wave)
    return found.correlate(t.touch).scalar_subquery()


def _held() -> tuple[ColumnElement[bool], ...]:
    c, d = t.touch.c, doubt.c
    held = select(d.touch).where(d.touch == c.id, d.decided == "hold").correlate(t.touch).exists()
    return c.state == int(State.IN_DOUBT), held


def _locked(*which: ColumnElement[bool]) -> Any:
    """The ids of these touches in one order, without those that somebody else is settling at this moment."""
    return select(t.touch.c.id).where(*which).order_by(t.touch.c.id).with_for_update(of=t.touch, skip_locked=True)


def _decided(connection: Connection, touches: Sequence[int], decided: str, by: str, now: datetime) -> None:
    values = {"decided": decided, "decided_at": now, "decided_by": by}
    connection.execute(update(doubt).where(doubt.c.touch.in_(touches)).values(values))


def _touches(touches: Sequence[int]) -> str:
    return "touches " + ", ".join(map(str, sorted(touches)))
