"""Lists that are over and were not returned: whom they must not dial any more, and when they let go of their people."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Connection, select, update

from ledger import tables as t
from ledger.audit import record
from ledger.dial_lists import Freed, called_from, free
from ledger.dial_recall import Recalled, recall
from ledger.recycling import hold_lists
from ledger.store import keep_open
from waves.dial_lease import SHIFT, held_until
from waves.recycling import DialRules

EXPIRED = "expired"
WHO = "upkeep"


def just_over(connection: Connection, now: datetime) -> Sequence[int]:
    """The lists that are over, were not returned, and did not expire yet (ix_dial_list_out)."""
    d = t.dial_list.c
    over = select(d.id).where(d.returned_at.is_(None), d.valid_until <= now, d.expired_at.is_(None))
    return connection.scalars(over.order_by(d.id)).all()


def expire(connection: Connection, number: int, file: str, now: datetime) -> tuple[list[Recalled], int] | None:
    """Recall by this file everybody on a list that is over whom it has no result of: they, and how many it holds.

    They hold their customer and number as before. None when it came back meanwhile, or expired before.
    """
    hold_lists(connection)
    d, e = t.dial_list.c, t.dial_entry.c
    expiring = update(t.dial_list).where(d.id == number, d.returned_at.is_(None), d.expired_at.is_(None))
    if not connection.execute(expiring.values(expired_at=now)).rowcount:
        return None
    held = select(e.id, e.number, called_from().label("called")).where(e.list == number, e.active)  # ix_dial_entry_list
    rows = connection.execute(held.order_by(e.rank)).all()
    entries = [Recalled(row.id, row.number, EXPIRED) for row in rows if not row.called]
    if entries:
        recall(connection, number, entries, file, WHO, now)
    return entries, len(rows)


def past_grace(connection: Connection, now: datetime) -> list[int]:
    """The lists that were not returned within their grace (ix_dial_list_out)."""
    d = t.dial_list.c
    over = select(d.id, d.pulled_at, d.valid_until).where(d.returned_at.is_(None), d.valid_until <= now - SHIFT)
    rows = connection.execute(over.order_by(d.id))
    return [row.id for row in rows if held_until(row.pulled_at, row.valid_until) <= now]


def let_go(connection: Connection, number: int, rules: DialRules, now: datetime) -> Freed | None:
    """A list that was not returned within its grace holds nobody any more, and counts as returned.

    Who was not called, as far as anybody said, waits for a list again where the wave still gives any, who was called
    as `rules` say. None when it came back meanwhile.
    """
    hold_lists(connection)
    d, e = t.dial_list.c, t.dial_entry.c
    going = update(t.dial_list).where(d.id == number, d.returned_at.is_(None))
    wave = connection.scalar(going.values(returned_at=now, let_go_at=now).returning(d.wave))
    if wave is None:
        return None
    keep_open(connection, [wave])
    freed = free(connection, [e.list == number], rules, now)
    after = f"{freed.not_called} of {freed.entries} not called"
    record(connection, now, WHO, "dial-list expire", f"list {number}", after=after)
    return freed


def unreturned(connection: Connection, wave: int, team: str, now: datetime) -> str | None:
    """Which list of a wave a team has that is over and was not returned, and what to do; None: it has none.

    ix_dial_list_wave.
    """
    d = t.dial_list.c
    mine = (d.wave == wave, d.team == team, d.returned_at.is_(None), d.valid_until <= now)
    last = connection.execute(select(d.id, d.valid_until).where(*mine).order_by(d.id.desc()).limit(1)).one_or_none()
    if last is None:
        return None
    return (
        f"dial list {last.id} of {team} was over at {last.valid_until:%Y-%m-%d %H:%M} UTC and is not returned; import "
        f"its results, then: multiwave dial-list return {last.id}; or pull with --keep-last: its people stay on it"
    )
