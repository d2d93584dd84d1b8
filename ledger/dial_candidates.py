"""Who waits for a dial list, best first, and what the ledger knows of them: a block at a time, never the whole wave."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    CompoundSelect,
    Connection,
    Float,
    Integer,
    Select,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    null,
    or_,
    select,
    true,
    tuple_,
    type_coerce,
)

from ledger import tables as t
from ledger.dial_tables import past_call
from ledger.gates import PASSES, Gates, Members, address_gate, best_address, live_members, recheck, ticket
from ledger.law_caps import Called, Counted, used_up
from ledger.legal_hours import open_until
from ledger.limits import over_limit
from ledger.sql import among, inline, unindexed
from waves.dial_list import Candidate, Number
from waves.dispositions import Disposition
from waves.draw import BUCKETS, Draw
from waves.hours import kind_of
from waves.message import CHANNEL_CODES
from waves.outcomes import State
from waves.recycling import DAY, Made, Tried, promised

CALL = CHANNEL_CODES["call_list"]


class Asked(Protocol):
    """Whose list it is, and until when it may be dialled."""

    @property
    def wave(self) -> int:
        """The call wave."""

    @property
    def valid_until(self) -> datetime:
        """The list's end."""

    @property
    def ahead(self) -> bool:
        """Whether calls promised for later in the list's time are on it."""

    @property
    def skill(self) -> str | None:
        """The attribute that says which skill a customer takes; None: none does."""

    @property
    def only(self) -> str | None:
        """The key of the one customer who is asked for; None: whoever is best."""


WORST = 1.7e308
"""The place of those without a score: after everybody who has one."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """One touch in the order of its wave."""

    touch: int
    score: float | None
    place: tuple[int, float, int, int]


def ranked(
    connection: Connection,
    ask: Asked,
    gates: Gates,
    types: Mapping[str, str],
    score: Any,
    now: datetime,
    block: int,
    touches: Sequence[int] | None = None,
) -> Iterator[list[Ranked]]:
    """Everybody who is due for a list, the best first and equals by lot, in blocks that double.

    Before all others come those to whom a call was promised, the soonest first, until the list's end. Equals go by
    bucket, so that no order of import favours anybody. With `touches` it is of these alone.
    """
    c = t.touch.c
    m = live_members(gates.campaign or 0, types)
    value: ColumnElement[Any] = cast(score(m), Float(53)) if score else cast(null(), Float(53))
    owed = c.disposition.is_not_distinct_from(inline(Disposition.CALLBACK_AGREED))
    group = case((owed, inline(0)), else_=inline(1))
    by_rank = func.coalesce(-value, literal(WORST, Float(53)))
    key = case((owed, cast(type_coerce(c.not_before, BigInteger), Float(53))), else_=by_rank)
    place = (group, key, m.c.bucket, c.id)
    # PostgreSQL, a million who wait and 529,072 of them due, 1.9 million members, cold (bench/dial_list.py), 1.3 s:
    # Limit > Incremental Sort (top-N, 3.4 MB) > Nested Loop by pk_member > Nested Loop by pk_customer > Gather Merge >
    # Sort > Parallel Seq Scan on touch. What `candidates` asks of 2,000 of them is nested loops by keys alone: 60 ms.
    query = (
        select(c.id, value, *place[:3])
        .join_from(t.touch, m, m.c.customer == (c.customer if touches is None else unindexed(c.customer)))
        .where(*_due(ask, gates, now), true() if touches is None else among(c.id, touches))
        .where(or_(c.not_before <= now, owed & (c.not_before < ask.valid_until)) if ask.ahead else c.not_before <= now)
        .where(c.customer.in_(select(t.customer.c.id).where(t.customer.c.key == ask.only)) if ask.only else true())
        .order_by(*place)
    )
    after: tuple[int, float, int, int] | None = None
    while True:
        here = query if after is None else query.where(tuple_(*place) > tuple_(*map(literal, after)))
        found = connection.execute(here.limit(block))
        rows = [Ranked(touch, of, (which, at, bucket, touch)) for touch, of, which, at, bucket in found]
        if rows:
            yield rows
        if len(rows) < block:
            return
        after, block = rows[-1].place, 2 * block


def _due(ask: Asked, gates: Gates, now: datetime) -> list[ColumnElement[bool]]:
    c = t.touch.c
    waits = [c.wave == ask.wave, c.channel == CALL, c.state == int(State.QUEUED), c.not_after > now]
    return [*waits, ~gates.halted(c.customer)] if gates.halted else waits


def _unpromised(ask: Asked, gates: Gates, now: datetime) -> list[ColumnElement[bool]]:
    """Who is due and was promised nothing: among whom a lot is drawn."""
    c = t.touch.c
    owed = c.disposition.is_not_distinct_from(inline(Disposition.CALLBACK_AGREED))
    return [*_due(ask, gates, now), c.not_before <= now, ~owed]


def by_lot(
    connection: Connection, ask: Asked, gates: Gates, lottery: Draw, now: datetime, block: int
) -> Iterator[list[int]]:
    """The touches of all who are due and were promised nothing, in the order of their tickets, in blocks that double.

    A ticket is of the touch's number: no other table is read, and under a lottery of a name of its own each pair of
    numbers is drawn as if independently (Carter and Wegman, 1979).
    """
    c = t.touch.c
    mine = ticket(c.id % BUCKETS, lottery)
    query = select(c.id, mine).where(*_unpromised(ask, gates, now)).order_by(mine, c.id)
    after: tuple[int, int] | None = None
    while True:
        here = query if after is None else query.where(tuple_(mine, c.id) > tuple_(*map(literal, after)))
        rows = connection.execute(here.limit(block)).all()
        if rows:
            yield [row[0] for row in rows]
        if len(rows) < block:
            return
        after, block = (rows[-1][1], rows[-1][0]), 2 * block


def count_due(connection: Connection, ask: Asked, gates: Gates, now: datetime) -> int:
    """How many `by_lot` names (uq_touch_wave_customer_channel)."""
    return connection.execute(select(func.count()).where(*_unpromised(ask, gates, now))).scalar_one()


def count_promised_later(connection: Connection, ask: Asked, gates: Gates, now: datetime) -> int:
    """How many were promised a call for later in the list's time (uq_touch_wave_customer_channel)."""
    c = t.touch.c
    owed = (c.disposition == int(Disposition.CALLBACK_AGREED), c.not_before > now, c.not_before < ask.valid_until)
    return connection.execute(select(func.count()).where(*_due(ask, gates, now), *owed)).scalar_one()


def candidates(
    connection: Connection,
    touches: Sequence[int],
    ask: Asked,
    gates: Gates,
    types: Mapping[str, str],
    now: datetime,
    since: datetime | None = None,
) -> list[Candidate]:
    """What is known now of these touches of a wave, in their order (pk_touch), less those who only wait for a time.

    Calls to whole households are read from `since` on; None: none are.
    """
    rows = {row.id: row for row in connection.execute(_facts(touches, ask, gates, types, now))}
    customers = sorted({row.customer for row in rows.values()})
    numbers = _by_customer(connection.execute(_numbers(customers, ask, gates, now)))
    calls = calls_of(connection, customers)
    homes = {row.household for row in rows.values() if row.household is not None}
    of_households = _calls_to_homes(connection, homes, since) if since and homes else {}
    found = []
    for touch in touches:
        row = rows[touch]
        mine = calls.get(row.customer, ())
        of_wave = [one.call for one in mine if one.wave == ask.wave]
        if row.not_before > now and not promised(of_wave):
            continue
        found.append(
            Candidate(
                touch,
                row.customer,
                (row.zones or "").split(),
                row.stopped_by,
                row.call_until,
                row.over,
                row.law_cap,
                row.household,
                row.on_a_list,
                [Number(n.id, n.value, n.on_a_list, n.law_cap) for n in numbers.get(row.customer, ())],
                [one.call for one in mine],
                of_wave,
                row.language,
                row.team,
                of_households.get(row.household, ()),
                (row.jurisdictions or "").split(),
                _promised_elsewhere(mine, ask.wave, now - DAY, ask.valid_until),
                row.skill or None,
            )
        )
    return found


def _promised_elsewhere(calls: Iterable[Made], wave: int, start: datetime, end: datetime) -> bool:
    """Whether another wave has promised a call for after `start` and before `end`, and may yet make it."""
    of_waves: dict[int, list[Tried]] = {}
    for made in calls:
        if made.runs and made.wave is not None and made.wave != wave:
            of_waves.setdefault(made.wave, []).append(made.call)
    owed = [one.callback_at for mine in of_waves.values() if (one := promised(mine)) and one.callback_at]
    return any(start < at < end for at in owed)


def _by_customer(rows: Iterable[Any]) -> dict[int, list[Any]]:
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.customer, []).append(row)
    return found


def _tried(row: Any) -> Tried:
    return Tried(row.at, Disposition(row.disposition), row.call_id, row.number, row.agent, row.callback_at)


def _facts(touches: Sequence[int], ask: Asked, gates: Gates, types: Mapping[str, str], now: datetime) -> Select[Any]:
    skill = ask.skill
    profile = t.profile_table({skill: "text"} if skill else {})
    c, a, p, e = t.touch.c, t.address.c, t.customer.c, t.dial_entry.c
    m: Members = live_members(gates.campaign or 0, types)
    mine = or_(e.customer == c.customer, e.household == p.household)  # uq_dial_entry_active_customer, ..._household
    law, called = gates.rules.counted - {Counted.PHONE}, Called(c.customer, m.c.zone_set, wave=ask.wave)
    return (
        select(
            c.id,
            c.customer,
            c.not_before,
            p.household,
            p.language,
            t.zone_set.c.zones,
            t.zone_set.c.jurisdictions,
            recheck(m, gates, literal(CALL, Integer)).label("stopped_by"),
            open_until(gates.rules.id, kind_of(CALL), m.c.zone_set, now).label("call_until"),
            over_limit(c.id, c.customer, now, None).label("over"),
            (used_up(gates.rules.id, law, called, now) if law else false()).label("law_cap"),
            select(e.id).where(e.active, mine).correlate(t.touch, t.customer).exists().label("on_a_list"),
            _last_team(c.id).label("team"),
            (profile.c[skill] if skill else null()).label("skill"),
        )
        .join_from(t.touch, m, m.c.customer == unindexed(c.customer))  # SQLite would look for each member's touch
        .join(t.customer, p.id == c.customer)
        .outerjoin(t.zone_set, t.zone_set.c.id == p.zone_set)
        .outerjoin(profile, profile.c.customer == c.customer)
        # The number may have died since: the best living one is asked, and with none the dead one says so.
        .outerjoin(
            t.address, a.id == func.coalesce(best_address(c.customer, c.channel, now, gates.campaign), c.address)
        )
        .where(among(c.id, touches))
    )


def _last_team(touch: ColumnElement[int]) -> ColumnElement[str]:
    """The team of the last list that a touch was on (ix_dial_entry_touch)."""
    e = t.dial_entry.alias("earlier_entry")
    last = select(t.dial_list.c.team).join_from(e, t.dial_list, t.dial_list.c.id == e.c.list).where(e.c.touch == touch)
    return last.order_by(e.c.id.desc()).limit(1).correlate(t.touch).scalar_subquery()


def _numbers(customers: Sequence[int], ask: Asked, gates: Gates, now: datetime) -> Select[Any]:
    """Every number that may be called, the preferred first (ix_address by customer, uq_dial_entry_active_number)."""
    a, p, e = t.address.c, t.customer.c, t.dial_entry.c
    law = gates.rules.counted & {Counted.PHONE}
    used = used_up(gates.rules.id, law, Called(a.customer, p.zone_set, a.value, ask.wave), now) if law else false()
    return (
        select(
            a.customer,
            a.id,
            a.value,
            select(e.id).where(e.active, e.number == a.value).correlate(t.address).exists().label("on_a_list"),
            used.label("law_cap"),
        )
        .join_from(t.address, t.customer, p.id == a.customer)
        .where(among(a.customer, customers), a.channel == CALL, address_gate(now, gates.campaign, None) == PASSES)
        .order_by(a.customer, a.preference, a.id)
    )


def calls_of(connection: Connection, customers: Sequence[int]) -> dict[int, list[Made]]:
    """Every known call to each of these customers that has one."""
    found: dict[int, list[Made]] = {}
    for row in connection.execute(_calls(customers)):
        found.setdefault(row.customer, []).append(Made(row.wave, bool(row.runs), _tried(row)))
    return found


def _calls(customers: Sequence[int]) -> CompoundSelect[Any]:
    """Every call to these customers (ix_touch_customer, ix_call_touch), and the imported (ix_past_call_customer).

    `runs`: whether its wave is open and may call again: who reached the campaign's goal is done there
    (ix_conversion_customer).
    """
    c, k, p, w, v, g = t.touch.c, t.call.c, past_call.c, t.wave.c, t.conversion.c, t.campaign.c
    reached = select(v.id).where(v.customer == c.customer, v.goal == g.goal, v.at >= g.started_at)
    done = reached.where(v.reversed_at.is_(None)).correlate(t.touch, t.campaign).exists()
    runs = and_(w.state == "open", w.stopped_at.is_(None), ~done).label("runs")
    made = select(c.customer, c.wave, runs, *_told(k)).join_from(t.touch, t.call, k.touch == c.id)
    made = made.join(t.wave, w.id == c.wave).join(t.campaign, g.id == w.campaign).where(among(c.customer, customers))
    return made.union_all(select(p.customer, null(), false(), *_of_old(p)).where(among(p.customer, customers)))


def _calls_to_homes(connection: Connection, homes: Collection[str], since: datetime) -> dict[str, list[Tried]]:
    """The calls to anybody of each of these households since then (ix_customer_household, as `_calls`)."""
    c, k, p, m = t.touch.c, t.call.c, past_call.c, t.customer.c
    mine, found = and_(among(m.household, homes), m.household.is_not(None)), dict[str, list[Tried]]()
    made = select(m.household, *_told(k)).join_from(t.customer, t.touch, c.customer == m.id)
    old = select(m.household, *_of_old(p)).join_from(t.customer, past_call, p.customer == m.id)
    both = made.join(t.call, k.touch == c.id).where(mine, k.at > since).union_all(old.where(mine, p.at > since))
    for row in connection.execute(both):
        found.setdefault(row.household, []).append(_tried(row))
    return found


def _told(k: Any) -> list[ColumnElement[Any]]:
    return [k.at, k.disposition, k.call_id, k.number, k.agent, k.callback_at]


def _of_old(p: Any) -> list[ColumnElement[Any]]:
    return [p.at, p.disposition, p.source_id, p.number, p.agent, null()]


def calls_to(connection: Connection, numbers: Iterable[str]) -> dict[str, list[Tried]]:
    """Every call to each of these numbers, whosesoever it was (ix_call_number, ix_past_call_number)."""
    k, p = t.call.c, past_call.c
    found: dict[str, list[Tried]] = {}
    asked = sorted(set(numbers))
    made = select(*_told(k)).where(among(k.number, asked))
    for row in connection.execute(made.union_all(select(*_of_old(p)).where(among(p.number, asked)))):
        found.setdefault(row.number, []).append(_tried(row))
    return found


def waiting(connection: Connection, wave: int, now: datetime) -> dict[str, int]:
    """How many of a wave's calls are due for a list, wait for their time, are on a live list, and are done with."""
    c, e = t.touch.c, t.dial_entry.c
    live = select(e.id).where(e.touch == c.id, e.active).correlate(t.touch).exists()  # ix_dial_entry_touch
    queued = c.state == int(State.QUEUED)
    kinds = {
        "due": and_(queued, c.not_before <= now, c.not_after > now),
        "later": and_(queued, c.not_before > now),
        "on_a_list": live,
    }
    counts = [func.count().filter(kind).label(name) for name, kind in kinds.items()]
    row = connection.execute(select(func.count().label("all"), *counts).where(c.wave == wave, c.channel == CALL)).one()
    return {**{name: getattr(row, name) for name in kinds}, "done": row.all - row.due - row.later - row.on_a_list}


def why_none_waits(connection: Connection, wave: int, key: str, now: datetime) -> str:
    """Why no call of a wave waits for a list to this customer now, in a few words (uq_touch_wave_customer_channel)."""
    c, e, p = t.touch.c, t.dial_entry.c, t.customer.c
    on = (
        select(func.min(e.list)).where(e.touch == c.id, e.active).correlate(t.touch).scalar_subquery()
    )  # ix_dial_entry_touch
    mine = (c.wave == wave) & (c.customer == p.id) & (c.channel == CALL)
    query = select(c.id, c.state, c.not_before, on.label("on")).select_from(t.customer).outerjoin(t.touch, mine)
    row = connection.execute(query.where(p.key == key)).one_or_none()
    if row is None:
        return "there is no such customer"
    if row.id is None:
        return "this wave does not call them"
    if row.on is not None:
        return f"they are on list {row.on}; take them off it: multiwave dial-list recall {row.on} --customer {key}"
    if row.state == int(State.QUEUED) and row.not_before > now:
        return f"their next call is due at {row.not_before:%Y-%m-%d %H:%M} UTC"
    return "no call of this wave waits for them"
