"""Touches in motion: lease a batch, claim a chunk, settle it, sweep up after a lost worker."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, cast

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Select,
    Update,
    bindparam,
    case,
    func,
    literal,
    null,
    or_,
    select,
    text,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ledger import tables as t
from ledger.addresses import act
from ledger.claims import NOW, claim_statement, may_be_sent
from ledger.doubts import note_doubts, queued_again, resent
from ledger.gates import Gates, Halted
from ledger.kill_switches import is_on
from ledger.legal_hours import cover
from ledger.limits import any_calls
from ledger.sql import Given, among, named_ids
from ledger.store import keep_open, keep_out_new_touches
from waves.message import Receipt
from waves.outcomes import Action, Reason, State

REFS = {
    "sqlite": "UPDATE touch SET provider_ref = told.value FROM json_each(:refs) AS told "
    "WHERE touch.id = CAST(told.key AS integer)",
    "postgresql": "UPDATE touch SET provider_ref = told.value FROM json_each_text(CAST(:refs AS json)) AS told "
    "WHERE touch.id = CAST(told.key AS bigint)",
}
"""Each touch its own reference, in one statement."""
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


class Claimed(NamedTuple):
    """A touch that was claimed and committed; nobody else will send it."""

    touch: int
    customer: int
    address: int
    variant: int


class Chunk(list[Claimed]):
    """Touches claimed together, in order; `last`: the batch had no more than these to look at."""

    def __init__(self, claimed: Sequence[Claimed], last: bool) -> None:
        super().__init__(claimed)
        self.last = last


def due_batches(connection: Connection, wave: int, now: datetime) -> list[int]:
    """Batches of an open wave of a running campaign that are due and free, in order."""
    return list(connection.scalars(_due(), {"of_wave": wave, "now": now}))


def _due() -> Select[tuple[int]]:
    b = t.batch.c
    return (
        select(b.id)
        .join(t.wave, t.wave.c.id == b.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(
            b.wave == bindparam("of_wave"),
            b.done_at.is_(None),
            b.due <= NOW,
            or_(b.lease_until.is_(None), b.lease_until <= NOW),
            *may_be_sent(),
        )
        .order_by(b.due, b.id)
    )


@cache
def _next_statement(past: bool) -> ReturningUpdate[Any]:
    """Kept, because building it takes longer than running it."""
    b = t.batch.c
    query = (
        _due().where(b.channel == bindparam("on_channel"), ~is_on(bindparam("scopes", expanding=True), NOW)).limit(1)
    )
    if past:
        due = bindparam("past_due", type_=b.due.type)
        query = query.where(or_(b.due > due, (b.due == due) & (b.id > bindparam("past"))))
    free = query.with_for_update(of=t.batch, skip_locked=True).cte("free")  # ix_batch_wave
    return _lease_statement(b.id.in_(select(free.c.id)))


def _lease_statement(which: ColumnElement[bool]) -> ReturningUpdate[Any]:
    b = t.batch.c
    owner, until = bindparam("owner", type_=b.lease_owner.type), bindparam("until", type_=b.lease_until.type)
    return (
        update(t.batch)
        .where(which, b.done_at.is_(None), or_(b.lease_until.is_(None), b.lease_until <= NOW))
        .values(lease_owner=owner, lease_until=until)
        .returning(b.id, b.wave, b.channel, b.due)
    )


def lease(connection: Connection, batch: int, owner: str, now: datetime, length: timedelta) -> Leased | None:
    """Take a free batch; None when another worker has it or nothing of it is left. What is claimed is in doubt."""
    return _take(connection, _lease_statement(t.batch.c.id == batch), {"now": now}, owner, now + length, ())


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
    given = {"of_wave": wave, "on_channel": channel, "now": now, "scopes": tuple(scopes)}
    if after is not None:
        given |= {"past_due": after[0], "past": after[1]}
    return _take(connection, _next_statement(after is not None), given, owner, now + length, tuple(scopes))


def _take(
    connection: Connection,
    statement: ReturningUpdate[Any],
    given: Mapping[str, object],
    owner: str,
    until: datetime,
    scopes: tuple[str, ...],
) -> Leased | None:
    now = cast(datetime, given["now"])
    row = connection.execute(statement, {**given, "owner": owner, "until": until}).one_or_none()
    if row is None:
        return None
    _doubt(connection, [row.id], now)
    return Leased(row.id, row.wave, row.channel, owner, until, row.due, scopes)


def claim(
    connection: Connection, leased: Leased, gates: Gates, types: Mapping[str, str], size: int, now: datetime
) -> Chunk | None:
    """Claim up to `size` touches, re-checking each in the same statement; None when the batch has none left to look at.

    What fails the re-check is withdrawn with its reason, and what may not go at this hour waits for its next one. A
    paused campaign, a closed or stopped wave, a kill switch or a lost lease yields None.
    """
    if gates.campaign is None:
        raise ValueError("a dry run claims nothing")
    keep_out_new_touches(connection, leased.wave)
    cover(connection, gates.rules, now, gates.closes)
    statement = claim_statement(gates, types, leased.channel, any_calls(connection))
    rows = connection.execute(
        statement,
        {"in_batch": leased.batch, "owner": leased.owner, "scopes": leased.scopes, "now": now, "most": size},
    ).all()
    if not rows:
        return None
    claimed = sorted(Claimed(*row) for *row, state in rows if state == State.CLAIMED)
    return Chunk(claimed, len(rows) < size)


def give_back(connection: Connection, owner: str, touches: Sequence[int], now: datetime) -> None:
    """Touches that their worker provably did not begin wait in the queue again, also those swept up meanwhile."""
    settle(connection, owner, [(touch, Receipt("", "not_sent", retry_after_s=0.0)) for touch in touches], "", None, now)


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
    if unsent:
        hold_open(connection, unsent)
    for touch, receipt in receipts:
        key = (receipt.result, receipt.reason, receipt.action, receipt.retry_after_s)
        kinds.setdefault(key, []).append(touch)
    for (result, reason, action, wait), touches in kinds.items():
        if result == "accepted":
            given = {"touches": touches, "owner": owner, "by": provider, "price": cost, "now": now}
            if connection.execute(_accepted_statement(), given).rowcount < len(touches):
                connection.execute(_late_statement(), given)
        else:
            change = _change(result, reason, action, wait, provider, now)
            connection.execute(update(t.touch).where(*_settled_by(touches, owner)).values(change))
        act(connection, touches, action, now)
        if result == "not_sent":
            reopen(connection, touches)
        if result == "in_doubt":
            note_doubts(connection, touches, now)
    refs = {i: r.provider_ref for i, r in receipts if r.provider_ref}
    if refs:
        connection.execute(text(REFS[connection.dialect.name]), {"refs": json.dumps(refs)})


def _change(
    result: str,
    reason: Reason | None,
    action: Action,
    wait: float | None,
    provider: str,
    now: datetime,
) -> dict[str, object]:
    why = int(reason) if reason else None
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


def _accepted() -> dict[str, object]:
    c = t.touch.c
    price, provider = bindparam("price", type_=c.cost.type), bindparam("by", type_=c.provider.type)
    reported = case((c.outcome.is_not(None), c.reason), else_=null())
    return {"state": int(State.SENT), "provider": provider, "sent_at": NOW, "cost": price, "reason": reported}


@cache
def _accepted_statement() -> Update:
    mine = _settled_by(named_ids("touches"), bindparam("owner", type_=t.touch.c.claimed_by.type))
    return update(t.touch).where(*mine).values(_accepted())


@cache
def _late_statement() -> Update:
    """What was taken, and queued again before its worker could say so, is not sent again."""
    return update(t.touch).where(among(t.touch.c.id, named_ids("touches")), queued_again()).values(_accepted())


def _settled_by(touches: Given, owner: Any) -> tuple[ColumnElement[bool], ...]:
    """Which of the touches their worker may still settle."""
    c = t.touch.c
    return among(c.id, touches), c.claimed_by == owner, c.state.in_([int(State.CLAIMED), int(State.IN_DOUBT)])


def reopen(connection: Connection, touches: Sequence[int]) -> None:
    """A batch that others finished, or left until later, is due again for those of the touches that wait in it."""
    _hold_batches(connection, touches)
    c, b = t.touch.c, t.batch.c
    waits = select(func.min(c.not_before)).where(c.batch == b.id, c.state == int(State.QUEUED)).scalar_subquery()
    batches = select(c.batch).where(among(c.id, touches), c.state == int(State.QUEUED))
    connection.execute(
        update(t.batch)
        .where(b.id.in_(batches), or_(b.done_at.is_not(None), b.due > waits))
        .values(done_at=null(), due=waits)
    )


def hold_open(connection: Connection, touches: Sequence[int]) -> None:
    """Before these touches are queued again: until the transaction ends nobody closes their waves or their batches.

    Batches are held before touches, as a lease does it, or the two would wait for each other.
    """
    waves = select(t.touch.c.wave.distinct()).where(among(t.touch.c.id, touches))
    keep_open(connection, connection.scalars(waves).all())
    _hold_batches(connection, touches)


def _hold_batches(connection: Connection, touches: Sequence[int]) -> None:
    """Until the transaction ends nobody lets go of the batches of these touches: they would count them too early."""
    b = t.batch.c
    theirs = select(t.touch.c.batch).where(among(t.touch.c.id, touches))
    connection.execute(select(b.id).where(b.id.in_(theirs)).order_by(b.id).with_for_update())


def finish(connection: Connection, leased: Leased, now: datetime, halted: Halted | None = None) -> None:
    """Let go of a batch: done when nothing is queued or claimed, else due when its next touch may go.

    Where only halted segments are left it is looked at again now and then; lifting their switch makes it due.
    """
    b = t.batch.c
    mine = (b.id == leased.batch, b.lease_owner == leased.owner)
    if connection.scalar(select(b.id).where(*mine).with_for_update()) is None:
        return
    statement = _left_statement() if halted is None else _left(halted)
    row = connection.execute(statement, {"in_batch": leased.batch, "now": now}).one()
    values: dict[str, object] = {"lease_owner": None, "lease_until": None}
    if row.queued:
        values["due"] = now + HALTED_FOR if row.next is None else row.next
    elif not row.in_hand:
        values["done_at"] = now
    connection.execute(update(t.batch).where(*mine).values(values))


@cache
def _left_statement() -> Select[Any]:
    return _left(None)


def _left(halted: Halted | None) -> Select[Any]:
    c = t.touch.c
    count = select(func.count()).where(c.batch == bindparam("in_batch"))
    queued = (c.state == int(State.QUEUED), c.not_after > NOW)
    free = select(func.min(c.not_before)).where(c.batch == bindparam("in_batch"), *queued)
    return select(
        count.where(c.state == int(State.CLAIMED)).scalar_subquery().label("in_hand"),
        count.where(*queued).scalar_subquery().label("queued"),
        (free.where(~halted(c.customer)) if halted else free).scalar_subquery().label("next"),
    )


def sweep(connection: Connection, now: datetime, all_workers_gone: bool = False) -> int:
    """Touches whose worker is past its lease are in doubt, or sent when a report proves it; returns how many.

    `all_workers_gone` says that the caller holds the engine's lock file, so that every claim left is a dead one's.
    """
    b = t.batch.c
    lost = select(b.id).where(b.done_at.is_(None), b.lease_owner.is_not(None))
    if not all_workers_gone:
        lost = lost.where(b.lease_until <= now)
    batches = list(connection.scalars(lost.with_for_update(skip_locked=True)))  # whoever takes or claims one lives
    if not batches:
        return 0
    swept = _doubt(connection, batches, now)
    connection.execute(update(t.batch).where(b.id.in_(batches)).values(lease_owner=null(), lease_until=null()))
    return swept


def _doubt(connection: Connection, batches: Sequence[int], now: datetime) -> int:
    """What is claimed of these batches is in doubt, or sent when a report proves it (ix_touch_batch)."""
    doubted = connection.scalars(_doubt_statement(), {"batches": batches}).all()
    note_doubts(connection, doubted, now)
    return len(doubted)


@cache
def _doubt_statement() -> ReturningUpdate[Any]:
    c = t.touch.c
    return (
        update(t.touch)
        .where(among(c.batch, named_ids("batches")), c.state == int(State.CLAIMED))
        .values(
            state=case((_proven(), int(State.SENT)), else_=int(State.IN_DOUBT)),
            reason=case((_proven(), c.reason), else_=literal(int(Reason.WORKER_LOST), Integer)),
            sent_at=c.claimed_at,
        )
        .returning(c.id)
    )


def _proven() -> ColumnElement[bool]:
    """Whether a report came first, a STOP as well as a delivery: the provider has the message (ix_event_touch)."""
    return select(t.event.c.id).where(t.event.c.touch == t.touch.c.id).correlate(t.touch).exists()
