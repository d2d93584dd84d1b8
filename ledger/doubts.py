"""Sends in doubt, each with its own row: when it was cut off, what the provider said of it, what was decided."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, insert, literal, select, update

from ledger import tables as t
from ledger.engine_tables import doubt
from ledger.types import Moment
from waves.outcomes import State


def note_doubts(connection: Connection, touches: Sequence[int], now: datetime) -> None:
    """Of these touches, remember those that are in doubt; one that was in doubt before is so anew."""
    if not touches:
        return
    c, d = t.touch.c, doubt.c
    unsure = (c.id.in_(touches), c.state == int(State.IN_DOUBT))
    known = select(d.touch).where(d.touch.in_(select(c.id).where(*unsure)))
    again = {"since": now, "asked_at": None, "said": None, "decided": None, "decided_at": None, "decided_by": None}
    connection.execute(update(doubt).where(d.touch.in_(known), d.decided == "resend").values(again))
    rows = select(c.id, c.wave, literal(now, Moment)).where(*unsure, c.id.not_in(known))
    connection.execute(insert(doubt).from_select([d.touch, d.wave, d.since], rows))
