"""Queued touches that are not sent any more, some customers of a wave at a time."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import ColumnElement, Connection, null, select, update

from ledger import tables as t
from ledger.doubts import given_up
from ledger.sql import among
from waves.outcomes import Reason, State


def who_waits(connection: Connection, wave: int, low: int, size: int) -> Sequence[int]:
    """The next `size` customers past `low` with something queued in a wave (uq_touch_wave_customer_channel)."""
    c = t.touch.c
    query = select(c.customer.distinct()).where(c.wave == wave, c.customer > low, c.state == int(State.QUEUED))
    return connection.scalars(query.order_by(c.customer).limit(size)).all()


def give_up(
    connection: Connection, wave: int, customers: Sequence[int], state: State, why: Reason | ColumnElement[int]
) -> int:
    """What these customers have queued in a wave becomes `state`, or what it was before it waited again."""
    c = t.touch.c
    reason = int(why) if isinstance(why, Reason) else why
    return connection.execute(
        update(t.touch)
        .where(c.wave == wave, among(c.customer, customers), c.state == int(State.QUEUED))
        .values(state=given_up(state), reason=reason, claimed_by=null())
    ).rowcount
