"""Who was called waits for a list again, or never: by what every call of the wave said, in whatever order it came."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sqlalchemy import Connection, Select, Update, bindparam, null, or_, select, text, update

from ledger import tables as t
from ledger.sql import among
from ledger.store import keep_open
from waves.dispositions import Disposition
from waves.outcomes import State
from waves.recycling import DialRules, Tried, again_from

DIAL_LOCK = 0x6D77_6469  # PostgreSQL advisory lock: who may cut, change or hear of lists
HELD = [int(State.QUEUED), int(State.LISTED)]


def hold_lists(connection: Connection) -> None:
    """Until the transaction ends nobody else cuts a list, changes one or records calls."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": DIAL_LOCK})


def keep_waves_open(connection: Connection, touches: Collection[int]) -> None:
    """Until the transaction ends nobody closes the waves of these touches."""
    c = t.touch.c
    keep_open(connection, list(connection.scalars(select(c.wave).where(among(c.id, touches)).distinct())))


def wait_again(connection: Connection, touches: Collection[int], rules: DialRules | None) -> int:
    """Let those of these touches that were called, and are on no live list, wait again or not; how many do.

    The caller holds the lists. Of a wave that is not open nobody waits. While there are no rules nothing changes: no
    list is cut then, and the first after it leaves out whose calls allow no other, or not yet (waves.dial_list).
    """
    if rules is None:
        return 0
    calls: dict[int, list[Tried]] = {}
    places: dict[int, list[str]] = {}
    for row in connection.execute(_calls(touches)):
        calls.setdefault(row.id, []).append(
            Tried(row.at, Disposition(row.disposition), row.call_id, callback_at=row.callback_at)
        )
        if row.state == "open" and row.stopped_at is None:
            places[row.id] = (row.jurisdictions or "").split()
    found = {
        touch: again_from(made, rules, places[touch]) if touch in places else None for touch, made in calls.items()
    }
    c = t.touch.c
    over = [touch for touch, when in found.items() if when is None]
    if over:
        connection.execute(_off_lists().where(among(c.id, over)).values(state=int(State.LISTED)))
    due = [{"b_id": touch, "b_due": when} for touch, when in found.items() if when is not None]
    if due:
        waits = {"state": int(State.QUEUED), "claimed_at": null(), "claimed_by": null()}
        one = _off_lists().where(c.id == bindparam("b_id")).values(not_before=bindparam("b_due"), **waits)
        connection.execute(one, due)
    return len(due)


def _off_lists() -> Update:
    """Touches that wait for a list or were on one, and are on none now (ix_dial_entry_touch)."""
    c, e = t.touch.c, t.dial_entry.c
    live = select(e.id).where(e.touch == c.id, e.active).correlate(t.touch).exists()
    return update(t.touch).where(or_(*[c.state == state for state in HELD]), ~live)


def _calls(touches: Collection[int]) -> Select[Any]:
    c, k, w = t.touch.c, t.call.c, t.wave.c
    return (
        select(c.id, k.at, k.disposition, k.call_id, k.callback_at, w.state, w.stopped_at, t.zone_set.c.jurisdictions)
        .join_from(t.touch, t.call, k.touch == c.id)  # ix_call_touch
        .join(t.wave, w.id == c.wave)
        .join(t.customer, t.customer.c.id == c.customer)
        .outerjoin(t.zone_set, t.zone_set.c.id == t.customer.c.zone_set)
        .where(among(c.id, touches), c.state.in_(HELD), k.disposition != int(Disposition.NOT_ATTEMPTED))
    )
