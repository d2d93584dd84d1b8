"""The claim of a chunk as one statement: each touch is judged anew by what is known at that moment, and marked.

Building it takes longer than running it, so it is kept with the gates it was built for; the moment is a parameter.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Integer,
    SmallInteger,
    bindparam,
    case,
    false,
    func,
    null,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.sql.dml import ReturningUpdate

from ledger import tables as t
from ledger.doubts import given_up
from ledger.gates import Gates, live_members, recheck
from ledger.kill_switches import is_on
from ledger.legal_hours import first_hour, is_known
from ledger.limits import over_limit
from ledger.sql import inline, named_words
from ledger.types import Moment
from waves.outcomes import Reason, State

LEAVES_WITHIN = timedelta(seconds=5)
"""A claimed message has left by then, so it is not claimed that shortly before its permitted hours end."""
NOW: ColumnElement[datetime] = bindparam("now", type_=Moment())


def may_be_sent() -> tuple[ColumnElement[bool], ...]:
    """That a batch, joined to its wave and campaign, may be sent at all."""
    return t.wave.c.state == "open", t.wave.c.stopped_at.is_(None), let_go(), t.campaign.c.state == "running"


def let_go() -> ColumnElement[bool]:
    """Whether a batch, joined to its wave, is not the rest of a ramp that still waits."""
    return or_(~t.batch.c.rest, t.wave.c.ramp_passed.is_not(None))


def claim_statement(gates: Gates, types: Mapping[str, str], calls: bool, several: bool) -> ReturningUpdate[Any]:
    """The UPDATE of one chunk, with parameters in_batch, on_channel, kind, owner, scopes, now and most.

    `several`: its channel may have several senders, and the parameter `sender` is the one that carries this chunk.
    What may have been given to another one is left to that one.

    It returns rows of what it looked at. `kind` is that of the channel's hours (waves.hours).

    `calls` says whether any wave of the ledger calls.
    """
    key = (calls, several, *types.items())
    if key not in gates.prepared:
        gates.prepared[key] = _built(gates, types, calls, several)
    return gates.prepared[key]  # type: ignore[no-any-return]


def _built(gates: Gates, types: Mapping[str, str], calls: bool, several: bool) -> ReturningUpdate[Any]:
    assert gates.campaign is not None
    c, b, rules = t.touch.c, t.batch.c, gates.rules.id
    owner, batch = bindparam("owner", type_=b.lease_owner.type), bindparam("in_batch", type_=b.id.type)
    m = live_members(gates.campaign, types)
    mine = (
        select(b.id)
        .join(t.wave, t.wave.c.id == b.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(
            b.id == batch,
            b.lease_owner == owner,
            b.lease_until > NOW,
            ~is_on(named_words("scopes"), NOW),
            *may_be_sent(),
        )
        # Nobody takes the batch over, or lets go of it, before what is claimed here is there to be seen.
        .with_for_update(read=True, of=t.batch)
        .cte("mine")
    )
    halted = gates.halted(c.customer) if gates.halted else false()
    its_own = or_(c.provider.is_(None), c.provider == bindparam("sender", type_=c.provider.type)) if several else true()
    picked = (
        select(c.id, c.customer, c.address, c.not_after)
        .where(
            c.batch == batch,  # ix_touch_batch
            c.state == inline(State.QUEUED),
            c.not_before <= NOW,
            c.not_after > NOW,
            select(mine.c.id).exists(),
            its_own,
            ~halted,
        )
        .order_by(c.id)
        .limit(bindparam("most", type_=Integer()))
        .with_for_update(skip_locked=True)
        .cte("picked")
    )
    channel, kind = bindparam("on_channel", type_=SmallInteger()), bindparam("kind", type_=SmallInteger())
    # MATERIALIZED: both databases would else work a column out anew wherever the next step names it.
    looked = (
        select(
            picked.c.id,
            m.c.customer,
            m.c.zone_set,
            recheck(m, gates, channel, NOW).label("found"),
            first_hour(rules, kind, m.c.zone_set, NOW, picked.c.not_after, LEAVES_WITHIN).label("hour"),
        )
        .join_from(picked, m, m.c.customer == picked.c.customer)
        .join(t.address, t.address.c.id == picked.c.address)
        .cte("looked")
        .prefix_with("MATERIALIZED")
    )
    hour = looked.c.hour
    over = over_limit(looked.c.id, looked.c.customer, NOW, gates.priority, calls)
    checked = (
        select(
            looked.c.id,
            case(
                (looked.c.found != inline(0), looked.c.found),
                (hour.is_(None) & ~is_known(rules, looked.c.zone_set), inline(Reason.HOURS_UNKNOWN)),
                (hour.is_(None), inline(Reason.NO_LEGAL_HOUR)),
                ((hour <= NOW) & over, inline(Reason.OVER_LIMIT)),
                else_=inline(0),
            ).label("stopped_by"),
            func.coalesce(hour, NOW).label("hour"),
        )
        .cte("checked")
        .prefix_with("MATERIALIZED")
    )
    stopped, waits = checked.c.stopped_by != inline(0), checked.c.hour > NOW
    goes = ~stopped & ~waits
    return (
        update(t.touch)
        .where(c.id == checked.c.id, c.state == inline(State.QUEUED))
        .values(
            state=case(
                (stopped, given_up(State.WITHDRAWN)), (waits, inline(State.QUEUED)), else_=inline(State.CLAIMED)
            ),
            reason=case((stopped, checked.c.stopped_by), else_=null()),
            not_before=case((~stopped & waits, checked.c.hour), else_=c.not_before),
            claimed_by=case((goes, owner), else_=null()),
            claimed_at=case((goes, NOW), else_=null()),
        )
        .returning(c.id, c.customer, c.address, c.variant, c.state)
    )
