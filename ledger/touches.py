"""Touches in motion: lease a batch, claim a chunk, settle it, sweep up after a lost worker."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    SmallInteger,
    bindparam,
    case,
    false,
    func,
    literal,
    null,
    or_,
    select,
    type_coerce,
    update,
)

from ledger import tables as t
from ledger.addresses import act
from ledger.doubts import given_up, note_doubts, queued_again, resent
from ledger.gates import Gates, Halted, live_members, recheck
from ledger.kill_switches import is_on
from ledger.legal_hours import cover, first_hour, is_known
from ledger.limits import over_limit
from ledger.store import keep_open, keep_out_new_touches
from waves.hours import kind_of
from waves.message import Receipt
from waves.outcomes import Action, Reason, State

LEAVES_WITHIN = timedelta(seconds=5)
"""A claimed message has left by then, so it is not claimed that shortly before its permitted hours end."""
HALTED_FOR = timedelta(minutes=10)
"""A batch that only waits for the kill switch of a segment is looked at so often: its people may have left it."""


@dataclass(frozen=True, slots=True)
class Leased:
    """A batch in one worker's hands until its lease ends."""

    batch: int
    wave: int
    channel: int
    owner: str
    until: datetime
    due: datetime
    scopes: tuple[str, ...] = ()
    """The kill switches that stop it."""


@dataclass(frozen=True, slots=True)
class Claimed:
    """A touch that was claimed and committed; nobody else will send it."""

    touch: int
    customer: int
    address: int
    variant: int


def due_batches(connection: Connection, wave: int, now: datetime) -> list[int]:
    """Batches of an open wave of a running campaign that are due and free, in order."""
    return list(connection.scalars(_due(wave, now)))


def _due(wave: int, now: datetime) -> Select[tuple[int]]:
    b = t.batch.c
    return (
        select(b.id)
        .join(t.wave, t.wave.c.id == b.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(
            b.wave == wave,
            b.done_at.is_(None),
            b.due <= now,
            or_(b.lease_until.is_(None), b.lease_until <= now),
            *_sending(),
        )
        .order_by(b.due, b.id)
    )


def _sending() -> tuple[ColumnElement[bool], ...]:
    """That a batch, joined to its wave and campaign, may be sent at all."""
    return t.wave.c.state == "open", t.wave.c.stopped_at.is_(None), let_go(), t.campaign.c.state == "running"


def let_go() -> ColumnElement[bool]:
    """Whether a batch, joined to its wave, is not the rest of a ramp that still waits."""
    return or_(~t.batch.c.rest, t.wave.c.ramp_passed.is_not(None))


def lease(connection: Connection, batch: int, owner: str, now: datetime, length: timedelta) -> Leased | None:
    """Take a free batch; None when another worker has it or nothing of it is left. What is claimed is in doubt."""
    return _lease(connection, t.batch.c.id == batch, owner, now, length, ())


def lease_next(
    connection: Connection,
    wave: int,
    channel: int,
    owner: str,
    now: datetime,
    length: timedelta,
    after: tuple[datetime, int] | None = None,
    scopes: Sequence[str] = (),
) -> Leased | None:
    """Take the next batch of a wave and channel that is due and free, by due and id, past the one given.

    None when there is none, or when a kill switch of these scopes is on. Workers pass by what others are taking.
    """
    b = t.batch.c
    query = _due(wave, now).where(b.channel == channel, ~is_on(scopes, now)).limit(1)
    if after is not None:
        due = type_coerce(after[0], b.due.type)
        query = query.where(or_(b.due > due, (b.due == due) & (b.id > after[1])))
    free = query.with_for_update(of=t.batch, skip_locked=True).cte("free")  # ix_batch_wave
    return _lease(connection, b.id.in_(select(free.c.id)), owner, now, length, tuple(scopes))


def _lease(
    connection: Connection,
    which: ColumnElement[bool],
    owner: str,
    now: datetime,
    length: timedelta,
    scopes: tuple[str, ...],
) -> Leased | None:
    b = t.batch.c
    row = connection.execute(
        update(t.batch)
        .where(which, b.done_at.is_(None), or_(b.lease_until.is_(None), b.lease_until <= now))
        .values(lease_owner=owner, lease_until=now + length)
        .returning(b.id, b.wave, b.channel, b.due)
    ).one_or_none()
    if row is None:
        return None
    _doubt(connection, [row.id], now)
    return Leased(row.id, row.wave, row.channel, owner, now + length, row.due, scopes)


def claim(
    connection: Connection, leased: Leased, gates: Gates, types: Mapping[str, str], size: int, now: datetime
) -> list[Claimed] | None:
    """Claim up to `size` touches, re-checking each in the same statement; None when the batch has none left to look at.

    What fails the re-check is withdrawn with its reason, and what may not go at this hour waits for its next one. A
    paused campaign, a closed or stopped wave, a kill switch or a lost lease yields None.
    """
    if gates.campaign is None:
        raise ValueError("a dry run claims nothing")
    keep_out_new_touches(connection, leased.wave)
    cover(connection, gates.rules, now, gates.closes)
    c, b, rules = t.touch.c, t.batch.c, gates.rules.id
    m = live_members(gates.campaign, types)
    mine = (
        select(b.id)
        .join(t.wave, t.wave.c.id == b.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(
            b.id == leased.batch,
            b.lease_owner == leased.owner,
            b.lease_until > now,
            ~is_on(leased.scopes, now),
            *_sending(),
        )
        .exists()
    )
    halted = gates.halted(c.customer) if gates.halted else false()
    picked = (
        select(c.id, c.customer, c.address, c.not_after)
        .where(
            c.batch == leased.batch,  # ix_touch_batch
            c.state == int(State.QUEUED),
            c.not_before <= now,
            c.not_after > now,
            mine,
            ~halted,
        )
        .order_by(c.id)
        .limit(size)
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    kind = literal(int(kind_of(leased.channel)), SmallInteger)
    hour = first_hour(rules, kind, m.c.zone_set, now, picked.c.not_after, LEAVES_WITHIN)
    found = recheck(m, gates, literal(leased.channel, SmallInteger))
    over = over_limit(picked.c.id, picked.c.customer, now, gates.priority)
    checked = (
        select(
            picked.c.id,
            case(
                (found != 0, found),
                (hour.is_(None) & ~is_known(rules, m.c.zone_set), int(Reason.HOURS_UNKNOWN)),
                (hour.is_(None), int(Reason.NO_LEGAL_HOUR)),
                ((hour <= now) & over, int(Reason.OVER_LIMIT)),
                else_=0,
            ).label("stopped_by"),
            func.coalesce(hour, literal(now, c.not_before.type)).label("hour"),
        )
        .join_from(picked, m, m.c.customer == picked.c.customer)
        .join(t.address, t.address.c.id == picked.c.address)
        .subquery("checked")
    )
    stopped, waits = checked.c.stopped_by != 0, checked.c.hour > now
    goes = ~stopped & ~waits
    rows = connection.execute(
        update(t.touch)
        .where(c.id == checked.c.id, c.state == int(State.QUEUED))
        .values(
            state=case((stopped, given_up(State.WITHDRAWN)), (waits, int(State.QUEUED)), else_=int(State.CLAIMED)),
            reason=case((stopped, checked.c.stopped_by), else_=null()),
            not_before=case((~stopped & waits, checked.c.hour), else_=c.not_before),
            claimed_by=case((goes, leased.owner), else_=null()),
            claimed_at=case((goes, literal(now, c.claimed_at.type)), else_=null()),
        )
        .returning(c.id, c.customer, c.address, c.variant, c.state)
    ).all()
    if not rows:
        return None
    kept = [Claimed(r.id, r.customer, r.address, r.variant) for r in rows if r.state == int(State.CLAIMED)]
    return sorted(kept, key=lambda claimed: claimed.touch)


def give_back(connection: Connection, owner: str, touches: Collection[int]) -> None:
    """Claimed touches that were provably not begun wait in the queue again."""
    connection.execute(
        update(t.touch)
        .where(t.touch.c.id.in_(touches), t.touch.c.claimed_by == owner, t.touch.c.state == int(State.CLAIMED))
        .values(state=int(State.QUEUED), claimed_by=null(), claimed_at=null())
    )


def settle(
    connection: Connection,
    owner: str,
    receipts: Sequence[tuple[int, Receipt]],
    provider: str,
    cost: Decimal | None,
    now: datetime,
) -> None:
    """Write what the provider said of a chunk: sent, refused, in doubt, or queued again with its wait."""
    kinds: dict[tuple[str, Reason | None, Action, float | None], list[int]] = {}
    unsent = [touch for touch, receipt in receipts if receipt.result == "not_sent"]
    if unsent:  # they are queued again while their wave is open
        keep_open(
            connection, connection.scalars(select(t.touch.c.wave.distinct()).where(t.touch.c.id.in_(unsent))).all()
        )
    for touch, receipt in receipts:
        key = (receipt.result, receipt.reason, receipt.action, receipt.retry_after_s)
        kinds.setdefault(key, []).append(touch)
    for (result, reason, action, wait), touches in kinds.items():
        change = _change(result, reason, action, wait, provider, cost, now)
        if _settle_alike(connection, owner, touches, change) < len(touches) and result == "accepted":
            _settle_late(connection, touches, change)
        act(connection, touches, action, now)
        if result == "not_sent":
            reopen(connection, touches)
        if result == "in_doubt":
            note_doubts(connection, touches, now)
    refs = [{"touch_id": i, "ref": r.provider_ref} for i, r in receipts if r.provider_ref]
    if refs:
        connection.execute(
            update(t.touch).where(t.touch.c.id == bindparam("touch_id")).values(provider_ref=bindparam("ref")), refs
        )


def _change(
    result: str,
    reason: Reason | None,
    action: Action,
    wait: float | None,
    provider: str,
    cost: Decimal | None,
    now: datetime,
) -> dict[str, object]:
    why = int(reason) if reason else None
    if result == "accepted":
        reported = case((t.touch.c.outcome.is_not(None), t.touch.c.reason), else_=null())
        return {"state": int(State.SENT), "provider": provider, "sent_at": now, "cost": cost, "reason": reported}
    if result == "refused":
        state = case((resent(), int(State.IN_DOUBT)), else_=int(State.REFUSED))
        return {"state": state, "provider": provider, "reason": why, "action": int(action)}
    if result == "not_sent":
        later = now + timedelta(seconds=60 if wait is None else wait)
        open_still = select(t.wave.c.id).where(t.wave.c.id == t.touch.c.wave, t.wave.c.state == "open").exists()
        state = case((open_still, int(State.QUEUED)), (resent(), int(State.IN_DOUBT)), else_=int(State.EXPIRED))
        sent_at = case((resent(), t.touch.c.sent_at), else_=null())
        waits = {"state": state, "not_before": later, "sent_at": sent_at}
        return {**waits, "claimed_by": None, "claimed_at": None, "reason": why}
    proven = _proven()
    return {
        "state": case((proven, int(State.SENT)), else_=int(State.IN_DOUBT)),
        "provider": provider,
        "sent_at": now,
        "reason": case((proven, t.touch.c.reason), else_=literal(why, Integer)),
    }


def _settle_alike(connection: Connection, owner: str, touches: Sequence[int], change: Mapping[str, object]) -> int:
    c = t.touch.c
    return connection.execute(
        update(t.touch)
        .where(c.id.in_(touches), c.claimed_by == owner, c.state.in_([int(State.CLAIMED), int(State.IN_DOUBT)]))
        .values(dict(change))
    ).rowcount


def _settle_late(connection: Connection, touches: Sequence[int], change: Mapping[str, object]) -> None:
    """What was taken, and queued again before its worker could say so, is not sent again."""
    connection.execute(update(t.touch).where(t.touch.c.id.in_(touches), queued_again()).values(dict(change)))


def reopen(connection: Connection, touches: Sequence[int]) -> None:
    """A batch that others finished, or left until later, is due again for those of the touches that wait in it."""
    c, b = t.touch.c, t.batch.c
    waits = select(func.min(c.not_before)).where(c.batch == b.id, c.state == int(State.QUEUED)).scalar_subquery()
    batches = select(c.batch).where(c.id.in_(touches), c.state == int(State.QUEUED))
    connection.execute(
        update(t.batch)
        .where(b.id.in_(batches), or_(b.done_at.is_not(None), b.due > waits))
        .values(done_at=null(), due=waits)
    )


def finish(connection: Connection, leased: Leased, now: datetime, halted: Halted | None = None) -> None:
    """Let go of a batch: done when nothing is queued or claimed, else due when its next touch may go.

    Where only halted segments are left it is looked at again now and then; lifting their switch makes it due.
    """
    c, b = t.touch.c, t.batch.c
    count = select(func.count()).where(c.batch == leased.batch)
    queued = (c.state == int(State.QUEUED), c.not_after > now)
    free = select(func.min(c.not_before)).where(c.batch == leased.batch, *queued)
    row = connection.execute(
        select(
            count.where(c.state == int(State.CLAIMED)).scalar_subquery().label("in_hand"),
            count.where(*queued).scalar_subquery().label("queued"),
            (free.where(~halted(c.customer)) if halted else free).scalar_subquery().label("next"),
        )
    ).one()
    values: dict[str, object] = {"lease_owner": None, "lease_until": None}
    if row.queued:
        values["due"] = now + HALTED_FOR if row.next is None else row.next
    elif not row.in_hand:
        values["done_at"] = now
    connection.execute(update(t.batch).where(b.id == leased.batch, b.lease_owner == leased.owner).values(values))


def sweep(connection: Connection, now: datetime, all_workers_gone: bool = False) -> int:
    """Touches whose worker is past its lease are in doubt, or sent when a report proves it; returns how many.

    `all_workers_gone` says that the caller holds the engine's lock file, so that every claim left is a dead one's.
    """
    b = t.batch.c
    lost = select(b.id).where(b.done_at.is_(None), b.lease_owner.is_not(None))
    if not all_workers_gone:
        lost = lost.where(b.lease_until <= now)
    batches = list(connection.scalars(lost))
    if not batches:
        return 0
    swept = _doubt(connection, batches, now)
    connection.execute(update(t.batch).where(b.id.in_(batches)).values(lease_owner=null(), lease_until=null()))
    return swept


def _doubt(connection: Connection, batches: Sequence[int], now: datetime) -> int:
    """What is claimed of these batches is in doubt, or sent when a report proves it (ix_touch_batch)."""
    c = t.touch.c
    doubted = connection.scalars(
        update(t.touch)
        .where(c.batch.in_(batches), c.state == int(State.CLAIMED))
        .values(
            state=case((_proven(), int(State.SENT)), else_=int(State.IN_DOUBT)),
            reason=case((_proven(), c.reason), else_=literal(int(Reason.WORKER_LOST), Integer)),
            sent_at=c.claimed_at,
        )
        .returning(c.id)
    ).all()
    note_doubts(connection, doubted, now)
    return len(doubted)


def _proven() -> ColumnElement[bool]:
    """Whether a report came first, a STOP as well as a delivery: the provider has the message (ix_event_touch)."""
    return select(t.event.c.id).where(t.event.c.touch == t.touch.c.id).correlate(t.touch).exists()
