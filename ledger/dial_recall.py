"""Taking people off a list that is out: who must not be dialled any more, and what a lead did about it.

A file that was downloaded cannot be undownloaded. So a recalled entry goes on holding its customer and number until the
lead says that the dialler took off whom its file names, or the list comes back: nobody else calls them meanwhile.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, bindparam, case, false, func, literal, select, update

from ledger import tables as t
from ledger.audit import record
from ledger.dial_lists import called_from, called_from_another, free, list_of
from ledger.gates import Gates, Halted, live_members, recheck
from ledger.recycling import hold_lists
from ledger.sql import inline
from ledger.store import keep_open
from waves.errors import CampaignError
from waves.message import CHANNEL_CODES
from waves.outcomes import Reason, word
from waves.recycling import DialRules

CALL = CHANNEL_CODES["call_list"]
BY_LEAD = "by_lead"
HALTED, CALLED = "halted", "called"
"""Of somebody whom a kill switch stops, of a segment or of the list itself; of who was called meanwhile."""


@dataclass(frozen=True, slots=True)
class Recalled:
    """An entry that must not be dialled any more, and why (the word of a Reason, or `by_lead`)."""

    entry: int
    number: str
    reason: str
    again: bool = False
    """Whether an earlier file named it, which is the one that counts."""


def stale(connection: Connection, number: int, gates: Gates, types: Mapping[str, str]) -> list[Recalled]:
    """Whom a list that is out should not dial any more, by what is known now (ix_dial_entry_list).

    Of a stopped wave or an aborted campaign that is everybody. Also who was called from another list since this one was
    pulled: its dialler was not told in time. Those who were recalled already are not named again.
    """
    e, c, a = t.dial_entry.c, t.touch.c, t.address.c
    m = live_members(gates.campaign or 0, types)
    stopped = recheck(m, gates, literal(CALL, Integer)).label("stopped_by")
    halted = (gates.halted(e.customer) if gates.halted else false()).label("halted")
    over = case(
        (t.campaign.c.state == "aborted", inline(Reason.ABORTED)),
        (t.wave.c.stopped_at.is_not(None), inline(Reason.STOPPED)),
        else_=inline(0),
    ).label("over")
    query = (
        select(e.id, e.number, stopped, over, halted, called_from_another().label("called"))
        .join_from(t.dial_entry, t.touch, c.id == e.touch)
        .join(t.dial_list, t.dial_list.c.id == e.list)
        .join(t.wave, t.wave.c.id == c.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .join(m, m.c.customer == e.customer)
        .join(t.address, a.id == c.address)
        .where(e.list == number, e.active, e.recalled_at.is_(None))
        .order_by(e.rank)
    )
    return [Recalled(row.id, row.number, why) for row in connection.execute(query) if (why := _why(row)) is not None]


def _why(row: Row[Any]) -> str | None:
    if row.stopped_by or row.over:
        return word(Reason(row.stopped_by or row.over))
    return HALTED if row.halted else CALLED if row.called else None


def lists_of_halted(connection: Connection, halted: Halted) -> set[int]:
    """The lists that hold people whom a switch names (uq_dial_entry_active_customer)."""
    e = t.dial_entry.c
    return set(connection.scalars(select(e.list).where(e.active, halted(e.customer)).distinct()))


def entries_to_recall(connection: Connection, number: int, customer: str | None, last: int = 0) -> list[Recalled]:
    """Every entry that a list holds still, or the one of a customer; CampaignError when the list has none such.

    With `last` so many from its end whom nobody dialled or took off.
    """
    e, p = t.dial_entry.c, t.customer.c
    query = select(e.id, e.number, e.recalled_at).join(t.customer, p.id == e.customer)
    query = query.where(e.list == number, e.active)
    if customer is not None:
        query = query.where(p.key == customer)
    if last:
        query = query.where(e.recalled_at.is_(None), ~called_from()).order_by(e.rank.desc()).limit(last)
    rows = connection.execute(query if last else query.order_by(e.rank))
    found = [Recalled(row.id, row.number, BY_LEAD, row.recalled_at is not None) for row in rows]
    if customer is not None and not found:
        raise CampaignError(f"customer {customer} is not on dial list {number}, or not any more")
    return found


def recall(connection: Connection, number: int, entries: Sequence[Recalled], file: str, by: str, now: datetime) -> None:
    """Note that the file of this name says to dial these entries no more; again changes nothing of them."""
    hold_lists(connection)
    e = t.dial_entry.c
    mark = update(t.dial_entry).where(e.id == bindparam("b_entry"), e.recalled_at.is_(None))
    connection.execute(
        mark.values(recalled_at=now, recalled_for=bindparam("b_reason"), recalled_in=file),
        [{"b_entry": one.entry, "b_reason": one.reason} for one in entries],
    )
    record(connection, now, by, "dial-list recall", f"list {number}", after=f"{len(entries)} entries")


def acknowledge(connection: Connection, number: int, file: str | None, rules: DialRules, by: str, now: datetime) -> int:
    """The dialler took off whom a recall's file names: they may be listed again from now on, or are done; how many.

    Without a `file` that of the list's one recall. CampaignError for a file that is none of the list's, and without one
    when the list had several, done or not: who says it a second time would free those of a file that nobody loaded.
    """
    hold_lists(connection)
    row, e, files = list_of(connection, number), t.dial_entry.c, recall_files(connection, number)
    if file is not None and file not in files:
        raise CampaignError(f"no recall of dial list {number} is called {file}; its recalls: {_told(files)}")
    if file is None and len(files) > 1:
        raise CampaignError(
            f"dial list {number} was recalled by several files: {_told(files)}; say which of them the dialler took: "
            f"multiwave dial-list recall {number} --done --file NAME"
        )
    keep_open(connection, [row.wave])
    which = [e.list == number, e.recalled_in.is_not(None) if file is None else e.recalled_in == file]
    taken = free(connection, which, rules)
    after = f"{taken.entries} entries taken off{f' by {file}' if file else ''}"
    record(connection, now, by, "dial-list recall", f"list {number}", after=after)
    return taken.entries


def recall_files(connection: Connection, number: int) -> dict[str, int]:
    """The files that took entries off a list, by name, with how many of them it holds still (ix_dial_entry_list)."""
    e = t.dial_entry.c
    query = select(e.recalled_in, func.count().filter(e.active)).where(e.list == number, e.recalled_in.is_not(None))
    return dict(connection.execute(query.group_by(e.recalled_in).order_by(e.recalled_in)).tuples().all())


def _told(files: Mapping[str, int]) -> str:
    return ", ".join(f"{file} ({held} held still)" for file, held in files.items()) or "none"


def lists_again(connection: Connection, number: int, now: datetime) -> bool:
    """Whether whom this list let go of may be on a later one: its wave is open, not over and not stopped or aborted."""
    w = t.wave.c
    goes_on = (w.state == "open", w.closes > now, w.stopped_at.is_(None), t.campaign.c.state != "aborted")
    query = select(w.id).join(t.campaign, t.campaign.c.id == w.campaign)
    return connection.scalar(query.where(w.id == list_of(connection, number).wave, *goes_on)) is not None


@dataclass(frozen=True, slots=True)
class Standing:
    """How a list that is out stands: its entries, those called, those recalled and still held, by reason."""

    entries: int
    active: int
    called: int
    recalled: Mapping[str, int]
    off: int = 0
    """Those recalled that it holds still."""
    files: Mapping[str, int] = field(default_factory=dict)
    """The same by the file that took them off; 0: done."""


def standing_of(connection: Connection, number: int) -> Standing:
    """What became of a list's entries (ix_dial_entry_list, ix_call_touch)."""
    e = t.dial_entry.c
    query = select(e.active, e.recalled_for, called_from().label("called")).where(e.list == number)
    rows = connection.execute(query).all()
    recalled: dict[str, int] = {}
    for row in rows:
        if row.recalled_for is not None:
            recalled[row.recalled_for] = recalled.get(row.recalled_for, 0) + 1
    files = recall_files(connection, number)
    active, called = sum(row.active for row in rows), sum(row.called for row in rows)
    return Standing(len(rows), active, called, recalled, sum(files.values()), files)
