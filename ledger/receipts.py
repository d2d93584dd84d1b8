"""What the receipt of a provider makes of a touch."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Integer,
    Update,
    bindparam,
    case,
    cast,
    literal,
    null,
    select,
    update,
)

from ledger import tables as t
from ledger.claims import NOW
from ledger.doubts import queued_again, resent
from ledger.sql import Given, among, named_ids, told
from waves.outcomes import Action, Reason, State


def changed(
    result: str,
    reason: Reason | None,
    action: Action,
    wait: float | None,
    provider: str,
    price: Decimal | None,
    now: datetime,
) -> dict[str, object]:
    """The columns of a touch that was refused, not sent or left in doubt, and what they become.

    One in doubt keeps its price: its text is forgotten by the time that is decided.
    """
    why = int(reason) if reason else None
    if result == "refused":
        state = case((resent(), int(State.IN_DOUBT)), else_=int(State.REFUSED))
        return {"state": state, "provider": provider, "reason": why, "action": int(action)}
    if result == "not_sent":
        later = now + timedelta(seconds=60 if wait is None else wait)
        open_still = select(t.wave.c.id).where(t.wave.c.id == t.touch.c.wave, t.wave.c.state == "open").exists()
        state = case((open_still, int(State.QUEUED)), (resent(), int(State.IN_DOUBT)), else_=int(State.EXPIRED))
        sent_at = case((resent(), t.touch.c.sent_at), else_=null())
        named = case((resent(), t.touch.c.provider), else_=null())  # it surely has it not: any sender may
        waits = {"state": state, "not_before": later, "sent_at": sent_at, "provider": named}
        return {**waits, "claimed_by": None, "claimed_at": None, "reason": why}
    came_first = proven()
    return {
        "state": case((came_first, int(State.SENT)), else_=int(State.IN_DOUBT)),
        "provider": provider,
        "sent_at": now,
        "cost": price,
        "reason": case((came_first, t.touch.c.reason), else_=literal(why, Integer)),
    }


def _accepted() -> dict[str, object]:
    c = t.touch.c
    price, provider = bindparam("price", type_=c.cost.type), bindparam("by", type_=c.provider.type)
    reported = case((c.outcome.is_not(None), c.reason), else_=null())
    return {"state": int(State.SENT), "provider": provider, "sent_at": NOW, "cost": price, "reason": reported}


@cache
def accepted_statement() -> Update:
    """What was taken was sent; parameters touches, owner, by, price and now. Kept, as it is quicker run than built."""
    return update(t.touch).where(among(t.touch.c.id, named_ids("touches")), *_its_own()).values(_accepted())


@cache
def referred_statement(dialect: str) -> Update:
    """The same where the provider gave references: `refs`, JSON of touch to reference or null, in place of touches."""
    refs = told(dialect, "refs")
    mine = t.touch.c.id == cast(refs.c.key, BigInteger)
    return update(t.touch).where(mine, *_its_own()).values({**_accepted(), "provider_ref": refs.c.value})


@cache
def late_statement() -> Update:
    """What was taken, and queued again before its worker could say so, is not sent again; touches, by, price, now."""
    return update(t.touch).where(among(t.touch.c.id, named_ids("touches")), queued_again()).values(_accepted())


@cache
def refs_statement(dialect: str) -> Update:
    """References alone, whatever became of their touches; parameter refs, JSON of touch to reference."""
    refs = told(dialect, "refs")
    return update(t.touch).where(t.touch.c.id == cast(refs.c.key, BigInteger)).values(provider_ref=refs.c.value)


def settled_by(touches: Given, owner: str) -> tuple[ColumnElement[bool], ...]:
    """Which of the touches their worker may still settle."""
    return among(t.touch.c.id, touches), *_its_own(owner)


def _its_own(owner: str | None = None) -> tuple[ColumnElement[bool], ...]:
    """Whether its worker, that of the parameter `owner` if none is given, may still settle a touch."""
    c = t.touch.c
    whose = bindparam("owner", type_=c.claimed_by.type) if owner is None else literal(owner, c.claimed_by.type)
    return c.claimed_by == whose, c.state.in_([int(State.CLAIMED), int(State.IN_DOUBT)])


def proven() -> ColumnElement[bool]:
    """Whether a report came first, a STOP as well as a delivery: the provider has the message (ix_event_touch)."""
    return select(t.event.c.id).where(t.event.c.touch == t.touch.c.id).correlate(t.touch).exists()
