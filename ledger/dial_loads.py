"""A list on its way into a dialler by the dialler's API: who may still be loaded, where it went, who was taken off."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Integer, Row, case, func, literal, null, or_, select, true, update

from ledger import tables as t
from ledger.audit import record
from ledger.dial_choice import Pull, Terms, look_at
from ledger.dial_lists import called, list_of, refuse_if_back
from ledger.dial_recall import CALL, CALLED, HALTED
from ledger.gates import live_members, recheck
from ledger.legal_hours import open_until
from ledger.sql import among
from waves.dial_list import NEXT_CALL_LATER, held_since
from waves.errors import CampaignError, InputError
from waves.hours import kind_of
from waves.outcomes import Reason, word

LOAD, LOADED = "dial-list load", "dial-list loaded"
OUTSIDE_HOURS = "outside_hours"


def standing(
    connection: Connection,
    row: Row[Any],
    terms: Terms,
    now: datetime,
    entries: Collection[int],
) -> dict[int, str | None]:
    """Those of the entries that the list (its `row`) still holds: why each must not be loaded now, None: nothing.

    The word of a Reason, one of ours, or why a list that is cut now would leave them out: results of earlier lists
    came since. The permitted hours are covered by the caller. pk_dial_entry, ix_call_touch.
    """
    e, c, a, d = t.dial_entry.c, t.touch.c, t.address.c, t.dial_list.c
    gates = terms.gates
    m = live_members(gates.campaign or 0, terms.types)
    until = open_until(gates.rules.id, kind_of(CALL), m.c.zone_set, now)
    query = (
        select(
            e.id,
            e.touch,
            e.number,
            recheck(m, gates, literal(CALL, Integer)).label("stopped_by"),
            case(
                (called(e.touch, d.pulled_at), literal(CALLED)),
                (or_(until.is_(None), e.call_until <= now), literal(OUTSIDE_HOURS)),
            ).label("why"),
            (case((gates.halted(e.customer), true()), else_=null()) if gates.halted else null()).label("halted"),
        )
        .join_from(t.dial_entry, t.dial_list, d.id == e.list)
        .join(t.touch, c.id == e.touch)
        .join(m, m.c.customer == e.customer)
        .join(t.address, a.id == c.address)
        .where(among(e.id, entries), e.list == row.id, e.active, e.recalled_at.is_(None))
    )
    found = connection.execute(query).all()
    whys = {each.id: _why(each) for each in found}
    free = [each for each in found if whys[each.id] is None]
    return whys | _held_since(connection, free, row, terms, now)


def _why(entry: Row[Any]) -> str | None:
    if entry.stopped_by:
        return word(Reason(entry.stopped_by))
    return HALTED if entry.halted else entry.why


def _held_since(
    connection: Connection,
    entries: Sequence[Row[Any]],
    row: Row[Any],
    terms: Terms,
    now: datetime,
) -> dict[int, str | None]:
    ends = row.valid_until or row.lease_until
    ask = Pull(row.wave, row.team, row.shift, row.format, len(entries), row.pulled_by, ends, row.lease_until)
    people, to_numbers = look_at(connection, [entry.touch for entry in entries], ask, terms, now)
    known = {one.touch: one for one in people}
    return {
        entry.id: held_since(known[entry.touch], entry.number, to_numbers.get(entry.number, ()), terms.rules, now)
        if entry.touch in known
        else NEXT_CALL_LATER
        for entry in entries
    }


def gone(connection: Connection, number: int, entries: Collection[int]) -> set[int]:
    """Those of the entries that the list does not hold any more, or that were recalled."""
    e = t.dial_entry.c
    held = select(e.id).where(e.list == number, among(e.id, entries), e.active, e.recalled_at.is_(None))
    return set(entries) - set(connection.scalars(held))


def recalled(connection: Connection, number: int) -> list[int]:
    """The recalled entries that hold their customer until somebody says that the dialler took them off."""
    e = t.dial_entry.c
    query = select(e.id).where(e.list == number, e.active, e.recalled_at.is_not(None))
    return list(connection.scalars(query.order_by(e.rank)))


def begin_load(connection: Connection, number: int, into: str, by: str, now: datetime) -> bool:
    """Note where a list is loaded, before anything is; whether a load before never ended.

    CampaignError when it went elsewhere before: the search for duplicates looks into that one place, and loaded
    elsewhere as well everybody would be dialled twice.
    """
    a = t.audit.c
    query = select(a.after).where(a.did == LOAD, a.what == f"list {number}").order_by(a.id.desc()).limit(1)
    before = connection.scalar(query)
    if before not in (None, into):
        raise CampaignError(f"dial list {number} was loaded into {before}, and goes nowhere else: {into} is another")
    unended = is_open(connection, number)
    record(connection, now, by, LOAD, f"list {number}", after=into)
    return unended


def acknowledge(connection: Connection, number: int, loaded: int, by: str, now: datetime) -> int:
    """Note how many entries of a list that is out its dialler took, as counted last; how many it has.

    InputError for more than it has, CampaignError for a list that is none, or not out any more.
    """
    refuse_if_back(number, list_of(connection, number))
    entries = _entries(connection, number)
    if loaded > entries:
        raise InputError(f"dial list {number} has {entries:,} entries; {loaded:,} of them cannot be loaded")
    _note_loaded(connection, number, loaded, now)
    record(connection, now, by, "dial-list acknowledge", f"list {number}", after=f"{loaded} of {entries} loaded")
    return entries


def note_run(connection: Connection, number: int, new: int, there: int, now: datetime) -> int:
    """Keep how many entries of a list are in its dialler after a run that put `new` ones there and met others.

    A run that stopped, or left out who was called since, met not all of those that runs before it put there.
    """
    before = list_of(connection, number).loaded or 0
    loaded = min(max(before + new, there + new), _entries(connection, number))
    _note_loaded(connection, number, loaded, now)
    return loaded


def _entries(connection: Connection, number: int) -> int:
    return connection.scalar(select(func.count()).where(t.dial_entry.c.list == number)) or 0  # ix_dial_entry_list


def _note_loaded(connection: Connection, number: int, loaded: int, now: datetime) -> None:
    connection.execute(update(t.dial_list).where(t.dial_list.c.id == number).values(loaded_at=now, loaded=loaded))


def end_load(connection: Connection, number: int, told: str, by: str, now: datetime) -> None:
    """Note that a load ended with everybody's place known; one that was killed, or has somebody in doubt, never did."""
    record(connection, now, by, LOADED, f"list {number}", after=told)


def is_open(connection: Connection, number: int) -> bool:
    """Whether somebody whom the dialler does not have yet may be there at any moment."""
    a = t.audit.c
    query = select(a.did).where(a.did.in_([LOAD, LOADED]), a.what == f"list {number}").order_by(a.id.desc()).limit(1)
    return connection.scalar(query) == LOAD


def note_recall(connection: Connection, number: int, told: str, by: str, now: datetime) -> None:
    """Note what the dialler made of a recall, in counts."""
    record(connection, now, by, "dial-list recall", f"list {number}", after=told)
