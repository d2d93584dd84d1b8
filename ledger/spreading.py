"""Spread what came due over time at a stated rate, each within its permitted hours: never a burst, day or night."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    Connection,
    func,
    select,
)

from ledger import tables as t
from ledger.legal_hours import Rules, cover

LONGEST = 31
"""Days looked ahead at most; who has no place by then keeps the last one, and expires with the wave."""


@dataclass(frozen=True, slots=True)
class Pace:
    """So many messages a second, within these hours."""

    rate: float
    rules: Rules


def spread(
    connection: Connection, campaign: int, late: Sequence[ColumnElement[bool]], pace: Pace, now: datetime
) -> datetime | None:
    """Give the late touches their places in a queue from `now` on; the last place, None when there are none.

    Each goes when it may and the one before has gone 1 / rate earlier: sorted by the hour from which they may go, the
    n-th goes at n / rate + max(hour of the i-th - i / rate, i <= n). Who would go outside permitted hours, as the day
    ends before the queue does, waits for the next hours and stands in the queue again from there.
    """
    ends = connection.scalar(select(func.max(t.touch.c.not_after)).where(*late)) or now
    cover(connection, pace.rules, now, min(ends, now + timedelta(days=LONGEST)))
    waiting = [row[0] for row in connection.execute(select(t.touch.c.id).where(*late))]
    return None if not waiting else now
