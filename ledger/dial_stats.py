"""The counts that a dial desk's rates are made of: calls by how they ended, people on lists, promises."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Select, Subquery, and_, case, func, or_, select

from ledger import tables as t
from ledger.dial_breaks import Breaks, breaks, capped
from ledger.dial_scope import COLUMNS, By, Key, Which, flag, key_of, promised, scoped, within
from ledger.sql import among
from waves.abandonment import HANDLED
from waves.dial_stats import Ended, People, Promised
from waves.dispositions import DIALS, Disposition
from waves.outcomes import State
from waves.recycling import PUNCTUAL, DialRules, Tried, again_from

BY_PERSON: tuple[By | None, ...] = (None, "team", "list")
"""People are on lists, so only these tell them apart."""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a group of calls is judged by; no people where the group is not one of lists."""

    ended: Sequence[Ended]
    people: People | None
    promised: Promised
    breaks: Breaks


def counted(
    connection: Connection, which: Which, rules: DialRules, now: datetime, by: By | None = None
) -> dict[Key, Counted]:
    """Everything asked about, by group; in all (by None) there is one group, None, even when nothing was called."""
    calls, promises = ended(connection, which, by), kept(connection, which, now, by)
    broken = breaks(connection, which, rules, by)
    loaded = people(connection, which, rules, now, by) if by in BY_PERSON else {}
    keys = [None] if by is None else [*dict.fromkeys([*calls, *promises, *broken, *loaded])]
    nobody = People() if by is None else None
    return {
        key: Counted(
            calls.get(key, ()), loaded.get(key, nobody), promises.get(key, Promised()), broken.get(key, Breaks())
        )
        for key in keys
    }


def ended(connection: Connection, which: Which, by: By | None = None) -> dict[Key, list[Ended]]:
    """The calls asked about, by group and by how they ended: one statement (ledger.dial_scope.scoped)."""
    x, names = scoped(which).c, COLUMNS[by]
    columns = [x[name] for name in names]
    timed_met = case((x.timed == 1, x.converted), else_=0)
    sums = [func.sum(column) for column in (x.converted, x.by_agent, x.timed, timed_met, x.seconds)]
    found: dict[Key, list[Ended]] = {}
    query = select(*columns, x.disposition, func.count(), *sums)
    for row in connection.execute(query.group_by(*columns, x.disposition)):
        disposition, calls, converted, by_agent, timed, timed_converted, seconds = row[len(names) :]
        one = Ended(Disposition(disposition), calls, converted, by_agent, timed, timed_converted, seconds)
        found.setdefault(key_of(by, tuple(row[: len(names)])), []).append(one)
    return found


def kept(connection: Connection, which: Which, now: datetime, by: By | None = None) -> dict[Key, Promised]:
    """The promises whose time came, by the group of the call that made them; the settled and the void were not due."""
    x, names = promised(which).c, COLUMNS[by]
    columns = [x[name] for name in names]
    due = or_(x.kept == 1, and_(x.sooner == 0, x.void == 0, x.callback_at < now - PUNCTUAL))
    counts = (func.sum(flag(due)), func.sum(x.kept))
    found: dict[Key, Promised] = {}
    for row in connection.execute(select(*columns, *counts).group_by(*columns)):
        key = key_of(by, tuple(row[: len(names)]))
        before = found.get(key, Promised())
        found[key] = Promised(before.due + int(row[-2] or 0), before.kept + int(row[-1] or 0))
    return found


def people(
    connection: Connection, which: Which, rules: DialRules, now: datetime, by: By | None = None
) -> dict[Key, People]:
    """The people on the lists asked about, each once in a group (in all, by team or by list), and what became of them.

    In a span of time those count whose list was out in it: pulled before its end, and neither returned before its
    begin nor, unreturned, past its lease. Complete is who is not to be dialled any more as the ledger stands now,
    in any wave that listed them, or is at a cap.
    """
    names = COLUMNS[by]
    tried, loaded = _tried(which, names), _loaded(which, names, _over_on_lists(connection, which, rules))
    at_cap = capped(rules, now, select(loaded.c.customer)).subquery("at_cap")
    same = and_(tried.c.customer == loaded.c.customer, *[tried.c[name] == loaded.c[name] for name in names])
    counts = (
        flag(tried.c.attempts > 0),
        tried.c.attempts,
        tried.c.contacted,
        tried.c.converted,
        flag(or_(loaded.c.final == 1, at_cap.c.customer.is_not(None))),
    )
    columns = [loaded.c[name] for name in names]
    query = select(*columns, func.count(), *[func.sum(func.coalesce(each, 0)) for each in counts]).select_from(loaded)
    query = query.outerjoin(tried, same).outerjoin(at_cap, at_cap.c.customer == loaded.c.customer)
    rows = connection.execute(query.group_by(*columns))
    return {
        key_of(by, tuple(row[: len(names)])): People(*(int(count or 0) for count in row[len(names) :])) for row in rows
    }


def _tried(which: Which, names: Sequence[str]) -> Subquery:
    """The people whom a list led to, with their dials and what those came to."""
    x = scoped(which).c
    columns = [*[x[name] for name in names], x.customer]
    dials = flag(x.disposition.in_([int(d) for d in DIALS]))
    reached = flag(x.disposition.in_([int(d) for d in HANDLED]))
    sums = (
        func.sum(dials).label("attempts"),
        func.max(reached).label("contacted"),
        func.max(x.converted).label("converted"),
    )
    return select(*columns, *sums).where(x.list.is_not(None)).group_by(*columns).subquery("tried")


def _loaded(which: Which, names: Sequence[str], over: Sequence[int]) -> Subquery:
    """The people on the lists (ix_dial_list_wave, ix_dial_entry_list, pk_touch), and whether their calls are over.

    `over`: touches on a live list that are.
    """
    d, e, c, live = t.dial_list.c, t.dial_entry.c, t.touch.c, t.dial_entry.alias("live")
    on_a_list = select(live.c.id).where(live.c.touch == c.id, live.c.active).correlate(t.touch).exists()
    final = or_(among(c.id, over), and_(c.state != int(State.QUEUED), ~on_a_list))  # ix_dial_entry_touch
    grouped = [{"team": d.team, "list": d.id}[name] for name in names]
    named = [column.label(name) for name, column in zip(names, grouped, strict=True)]
    query = _lists(select(*named, e.customer, func.min(flag(final)).label("final")), which)
    return query.group_by(*grouped, e.customer).subquery("loaded")


def _lists(query: Select[Any], which: Which) -> Select[Any]:
    """A query over the entries of the lists asked about, with their touches."""
    d, e, c, w = t.dial_list.c, t.dial_entry.c, t.touch.c, t.wave.c
    joined = query.select_from(t.dial_list).join(t.wave, w.id == d.wave)
    joined = joined.join(t.dial_entry, e.list == d.id).join(t.touch, c.id == e.touch)
    if which.until is not None:
        joined = joined.where(d.pulled_at < which.until)
    if which.since is not None:
        joined = joined.where(func.coalesce(d.returned_at, d.lease_until) >= which.since)
    return within(joined, which)


def _over_on_lists(connection: Connection, which: Which, rules: DialRules) -> list[int]:
    """Touches that are on a live list and were called so that nobody is to call them again in their wave."""
    k, e, c = t.call.c, t.dial_entry.c, t.touch.c
    columns = (c.id, k.at, k.disposition, k.call_id, k.callback_at, t.zone_set.c.jurisdictions)
    query = _lists(select(*columns), which).where(e.active, k.disposition != int(Disposition.NOT_ATTEMPTED))
    query = query.join(t.call, k.touch == c.id).join(t.customer, t.customer.c.id == c.customer)  # ix_call_touch
    calls: dict[int, list[Tried]] = {}
    places: dict[int, Sequence[str]] = {}
    for row in connection.execute(query.join(t.zone_set, t.zone_set.c.id == t.customer.c.zone_set)):
        made = Tried(row.at, Disposition(row.disposition), row.call_id, callback_at=row.callback_at)
        calls.setdefault(row.id, []).append(made)
        places[row.id] = row.jurisdictions.split()
    return [touch for touch, made in calls.items() if again_from(made, rules, places[touch]) is None]


def silent_goals(connection: Connection, which: Which) -> list[str]:
    """The campaigns asked about whose goal names no disposition: no call of theirs tells of a conversion."""
    d, g, w = t.dial_list.c, t.campaign.c, t.wave.c
    joined = select(g.name).join_from(t.dial_list, t.wave, w.id == d.wave).join(t.campaign, g.id == w.campaign)
    return list(connection.scalars(within(joined, which).where(g.goal_dispositions == "").distinct().order_by(g.name)))
