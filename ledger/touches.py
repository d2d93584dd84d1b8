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
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ledger import tables as t
from ledger.addresses import act
from ledger.claims import NOW, claim_statement, may_be_sent
from ledger.doubts import note_doubts
from ledger.gates import Gates, Halted
from ledger.kill_switches import is_on
from ledger.legal_hours import cover
from ledger.limits import any_calls
from ledger.owners import claimed_by_sender, sender_in
from ledger.provider_refs import keep_refs
from ledger.receipts import (
    accepted_statement,
    changed,
    late_statement,
    proven,
    referred_statement,
    refs_statement,
    settled_by,
)
from ledger.sql import among, named_ids, named_words
from ledger.store import keep_open, keep_out_new_touches
from waves.hours import kind_of
from waves.message import Receipt
from waves.outcomes import Action, Reason, State

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
    query = _due().where(b.channel == bindparam("on_channel"), ~is_on(named_words("scopes"), NOW)).limit(1)
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
    sender = sender_in(leased.owner)
    statement = claim_statement(gates, types, any_calls(connection), sender is not None)
    given = {"in_batch": leased.batch, "owner": leased.owner, "scopes": leased.scopes, "now": now, "most": size}
    given |= {"on_channel": leased.channel, "kind": int(kind_of(leased.channel))}
    given |= {} if sender is None else {"sender": sender}
    rows = connection.execute(statement, given).all()
    if not rows:
        return None
    claimed = int(State.CLAIMED)
    return Chunk(sorted([Claimed._make(row[:4]) for row in rows if row[4] == claimed]), len(rows) < size)


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
    units: Mapping[int, int] | None = None,
) -> None:
    """Write what the provider said of a chunk: sent, refused, in doubt, or queued again with its wait.

    `cost` is that of one unit; a touch that `units` does not name is one.
    """
    kinds: dict[tuple[str, Reason | None, Action, float | None, int], list[int]] = {}
    unsent = [touch for touch, receipt in receipts if receipt.result == "not_sent"]
    if unsent:
        hold_open(connection, unsent)
    for touch, receipt in receipts:
        counted = 1 if units is None else units.get(touch, 1)
        key = (receipt.result, receipt.reason, receipt.action, receipt.retry_after_s, counted)
        kinds.setdefault(key, []).append(touch)
    refs = {i: r.provider_ref for i, r in receipts if r.provider_ref}
    for (result, reason, action, wait, counted), touches in kinds.items():
        price = None if cost is None else cost * counted
        if result == "accepted":
            _accept(connection, touches, refs, {"owner": owner, "by": provider, "price": price, "now": now})
        else:
            change = changed(result, reason, action, wait, provider, price, now)
            connection.execute(update(t.touch).where(*settled_by(touches, owner)).values(change))
        act(connection, touches, action, now)
        if result == "not_sent":
            reopen(connection, touches)
        if result == "in_doubt":
            note_doubts(connection, touches, now)
    if refs:
        connection.execute(refs_statement(connection.dialect.name), {"refs": json.dumps(refs)})
    keep_refs(connection, provider, [(ref, touch) for touch, receipt in receipts for ref in receipt.refs])


def _accept(connection: Connection, touches: Sequence[int], refs: dict[int, str], given: Mapping[str, object]) -> None:
    """Settle what was taken, and take from `refs` what is written with it."""
    theirs = {touch: refs.get(touch) for touch in touches}
    if any(theirs.values()):
        told = {**given, "refs": json.dumps(theirs)}
        settled = connection.execute(referred_statement(connection.dialect.name), told).rowcount
    else:
        settled = connection.execute(accepted_statement(), {**given, "touches": touches}).rowcount
    if settled < len(touches):
        late = {name: value for name, value in given.items() if name != "owner"}
        connection.execute(late_statement(), {**late, "touches": touches})
    else:
        for touch in touches:
            refs.pop(touch, None)


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
    mine = {"in_batch": leased.batch, "owner": leased.owner}
    if connection.scalar(_held_statement(), mine) is None:
        return
    statement = _left_statement() if halted is None else _left(halted)
    row = connection.execute(statement, {"in_batch": leased.batch, "now": now}).one()
    due = None
    if row.queued:
        due = now + HALTED_FOR if row.next is None else row.next
    done = None if row.queued or row.in_hand else now
    connection.execute(_let_go_statement(), {**mine, "next": due, "done": done})


def _mine() -> tuple[ColumnElement[bool], ...]:
    """That this batch is in this worker's hands."""
    b = t.batch.c
    return b.id == bindparam("in_batch", type_=b.id.type), b.lease_owner == bindparam("owner", type_=b.lease_owner.type)


@cache
def _held_statement() -> Select[tuple[int]]:
    return select(t.batch.c.id).where(*_mine()).with_for_update()


@cache
def _let_go_statement() -> Update:
    b = t.batch.c
    due, done = bindparam("next", type_=b.due.type), bindparam("done", type_=b.done_at.type)
    free = {"lease_owner": null(), "lease_until": null()}
    return (
        update(t.batch)
        .where(*_mine())
        .values(free | {"due": func.coalesce(due, b.due), "done_at": func.coalesce(done, b.done_at)})
    )


@cache
def _left_statement() -> Select[Any]:
    return _left(None)


def _left(halted: Halted | None) -> Select[Any]:
    """One look at the batch (ix_touch_batch)."""
    c = t.touch.c
    queued = (c.state == int(State.QUEUED)) & (c.not_after > NOW)
    free = queued & ~halted(c.customer) if halted else queued
    return select(
        func.count(case((c.state == int(State.CLAIMED), 1))).label("in_hand"),
        func.count(case((queued, 1))).label("queued"),
        func.min(case((free, c.not_before))).label("next"),
    ).where(c.batch == bindparam("in_batch"))


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
            state=case((proven(), int(State.SENT)), else_=int(State.IN_DOUBT)),
            reason=case((proven(), c.reason), else_=literal(int(Reason.WORKER_LOST), Integer)),
            sent_at=c.claimed_at,
            provider=claimed_by_sender(),
        )
        .returning(c.id)
    )
