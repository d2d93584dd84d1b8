"""The sieve: every member of a wave through all its gates, set by set, with the address each channel would use."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from datetime import datetime
from functools import lru_cache, partial
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    ColumnElement,
    Connection,
    FromClause,
    Insert,
    Integer,
    MetaData,
    Select,
    SmallInteger,
    Table,
    and_,
    case,
    false,
    func,
    insert,
    literal,
    select,
)
from sqlalchemy.schema import Column
from sqlalchemy.types import TypeEngine

from ledger import tables as t
from ledger.gates import PASSES, Gates, Members, address_gate, drawn, live_members, member_gate, suppressed
from ledger.law_caps import Called, Counted, used_up
from ledger.legal_hours import first_hours
from ledger.limits import CALL, Pressure, room_left
from ledger.sql import greatest, once, unindexed
from ledger.types import RANGE, Moment, Span
from ledger.words import heard_by, heard_name
from waves.hours import Kind, kind_of
from waves.outcomes import Verdict

STEP, NEXT = 1 << 55, 1 << 40
"""A reach is gate * STEP - preference * NEXT - address id: the largest is the furthest gate, there the best address."""
LOOKED_UP = frozenset({"first_gates", "hours", "pressed", "capped"})
"""Tables that are joined: PostgreSQL, told nothing of their size, would read one for every row of another."""
NOWHERE = int(Verdict.NO_ADDRESS) * STEP


@contextmanager
def sieved(
    connection: Connection, members: Members, gates: Gates, span: Span, rivals: Members | None = None
) -> Iterator[Table]:
    """A temporary table of the members: customer, bucket, verdict, channels, rest, hour_CODE, place_CODE.

    `channels` is the mask of those that passed; there, and only there, the place is the address to use and the hour the
    first permitted one. `rest` marks those whom a ramp keeps for later. The members lie in `span`. Run and dry run read
    the same table, gone at the end; in a dry run `rivals` are those among whom an address is shared.
    Of a run the statements are built once for its gates, so its members are asked for by RANGE.
    """
    built = gates.prepared if rivals is None else {}
    gates = replace(gates, span=RANGE)
    with ExitStack() as kept:

        def lay(name: str, rows: Callable[[Table], Insert], **columns: Any) -> Table:
            table = _table(name, tuple(columns.items()), connection.dialect.name == "sqlite")
            return kept.enter_context(_kept(connection, table, rows(table), span))

        def keep(name: str, rows: Select[Any], **columns: Any) -> Table:
            return lay(name, lambda table: _filled(table, rows), **columns)

        def keep_built(name: str, rows: Callable[[], Select[Any]], of: Hashable = None, **columns: Any) -> Table:
            return lay(name, lambda table: once(built, (name, of), lambda: _filled(table, rows())), **columns)

        kept_for = [
            keep(f"kept_for_{n}", rows, contacts=Integer) for n, rows in enumerate(_rivals(connection, gates, span))
        ]
        heard = [
            keep_built(heard_name(wave), partial(heard_by, wave, RANGE), **{heard_name(wave): Integer})
            for wave in gates.heard
        ]
        asked = partial(_asked, members, heard, gates)
        first = keep_built("first_gates", asked, bucket=BigInteger, zone_set=BigInteger, gate=Integer)
        kinds = {kind_of(code) for code in gates.channels}
        times = dict.fromkeys(_hour_names(gates, kinds), Moment)
        hours = keep_built("hours", partial(_hours, gates, kinds), known=Boolean, **times)
        pressure = Pressure(gates.now, gates.priority, gates.limit, len(gates.groups), kept_for)
        short, room = room_left(connection, RANGE, pressure)
        pressed = None if short is None else keep("pressed", short, left_over=Integer)
        calls = CALL in gates.channels and gates.rules.counted - {Counted.PHONE}
        capped = keep_built("capped", partial(_barred, first, gates)) if calls else None
        columns = {f"hour_{code}": Moment for code in gates.channels} | {
            f"place_{code}": BigInteger for code in gates.channels
        }

        def reached() -> FromClause:
            reaches = _reaches(first, gates, rivals)
            if rivals is None:
                return reaches.subquery("reaches")
            # SQLite's parser is 100 levels deep, and the members of a dry run are a deep question themselves.
            numbers = {f"reach_{code}": BigInteger for code in gates.channels}
            return keep("reaches", reaches, bucket=BigInteger, zone_set=BigInteger, gate=Integer, **numbers)

        fixed = {"bucket": BigInteger, "verdict": SmallInteger, "channels": Integer, "rest": Boolean}
        limit = (room, pressed is None)
        looked = partial(_verdicts, gates=gates, hours=hours, pressed=pressed, capped=capped, room=room)
        yield keep_built("sieve", lambda: looked(reached()), limit, **fixed, **columns)


def _rivals(connection: Connection, gates: Gates, span: Span) -> Iterator[Select[Any]]:
    """(customer, contacts) of whom each rival wave would take, and how often it would contact them."""
    for rival in gates.rivals:
        members = live_members(rival.gates.campaign or 0, rival.types, RANGE)
        with sieved(connection, members, rival.gates, span) as found:
            each = [case((found.c.channels.op("&")(_bits(group)) != 0, 1), else_=0) for group in rival.gates.groups]
            yield select(found.c.customer, sum(each[1:], each[0])).where(found.c.verdict == int(Verdict.GO))


def _bits(group: Iterable[int]) -> int:
    return sum(1 << code for code in group)


def _asked(members: Members, heard: list[Table], gates: Gates) -> Select[Any]:
    """Each member with the gate that stopped it, 0 for none."""
    source, columns = members, []
    for table in heard:
        source = source.outerjoin(table, table.c.customer == members.c.customer)
        columns.append(table.c[table.name])
    m = select(*members.c, *columns).select_from(source).subquery("m") if heard else members
    return select(m.c.customer, m.c.bucket, m.c.zone_set, member_gate(m, gates))


def _hour_names(gates: Gates, kinds: Iterable[Kind]) -> list[str]:
    parts = ("first", "rest") if gates.ramp else ("first",)
    return [f"{part}_{int(kind)}" for kind in sorted(kinds) for part in parts]


def _hours(gates: Gates, kinds: Iterable[Kind]) -> Select[Any]:
    """Each zone set with the first permitted hour of each kind, for the first part of a ramp and for its rest."""
    asked = {}
    for name in _hour_names(gates, kinds):
        part, kind = name.split("_")
        start = gates.now if part == "first" else gates.rest_from or gates.now
        end = gates.closes if int(kind) == Kind.CALL else gates.released
        asked[name] = (Kind(int(kind)), start, end)
    return first_hours(gates.rules.id, asked)


@contextmanager
def _kept(connection: Connection, table: Table, rows: Insert, span: Span) -> Iterator[Table]:
    table.create(connection, checkfirst=False)
    connection.execute(rows, {"low": span[0], "high": span[1]})
    if connection.dialect.name == "postgresql" and table.name in LOOKED_UP:
        connection.exec_driver_sql(f"ANALYZE {table.name}")
    yield table
    table.drop(connection, checkfirst=False)


def _filled(table: Table, rows: Select[Any]) -> Insert:
    return insert(table).from_select(list(table.c), rows)


@lru_cache(maxsize=256)
def _table(name: str, columns: tuple[tuple[str, type[TypeEngine[Any]]], ...], keyed: bool) -> Table:
    """A temporary table, made once so that statements about it are compiled once.

    SQLite gets a key: it would read a CTE or an unkeyed table again for every row joined. PostgreSQL hashes.
    """
    key = Column("zone_set" if name == "hours" else "customer", t.Id, primary_key=keyed, autoincrement=False)
    return Table(name, MetaData(), key, *[Column(*column) for column in columns], prefixes=["TEMPORARY"])


def _reach(first: FromClause, channel: int, gates: Gates, rivals: Members | None) -> ColumnElement[int]:
    """How far a row of `address` gets, and how good it is there, as one number."""
    a = t.address.c
    stopped = suppressed(first.c.customer, gates.now, channel, False, gates.span)
    gate = address_gate(gates.now, gates.campaign, rivals, stopped)
    step, following = literal(STEP, BigInteger), literal(NEXT, BigInteger)
    return gate * step - a.preference * following - a.id


def _reaches(first: FromClause, gates: Gates, rivals: Members | None) -> Select[Any]:
    """Each member with its best reach on every channel; the LEFT JOIN makes SQLite go from the members to addresses."""
    a = t.address.c
    best = [
        func.coalesce(func.max(case((a.channel == code, _reach(first, code, gates, rivals)))), NOWHERE).label(
            f"reach_{code}"
        )
        for code in gates.channels
    ]
    wanted = and_(
        a.customer == first.c.customer,  # uq_address_customer_channel_value
        a.customer > RANGE[0],
        a.customer <= RANGE[1],
        unindexed(a.channel).in_(gates.channels),
        first.c.gate < 1,  # not = 0: PostgreSQL takes a third of the members to pass it, where it would take one in 200
    )
    known = [func.max(first.c[name]).label(name) for name in ("bucket", "zone_set", "gate")]
    return select(first.c.customer, *known, *best).outerjoin_from(first, t.address, wanted).group_by(first.c.customer)


def _barred(first: Table, gates: Gates) -> Select[Any]:
    """The members whom the law lets nobody call before a call wave closes, by the calls known now."""
    who = Called(first.c.customer, first.c.zone_set)
    over = used_up(gates.rules.id, gates.rules.counted, who, gates.closes, held=False)
    return select(first.c.customer).where(first.c.gate < 1, over)


def _verdicts(
    r: FromClause, gates: Gates, hours: Table, pressed: Table | None, capped: Table | None, room: int
) -> Select[Any]:
    """What the reaches come to; whoever a member's gate stopped has reached nothing.

    Past its address each channel meets the hours, then the limit, of which `room` is left where nothing else is said,
    and for calls the caps of the law.
    """
    source = r.outerjoin(hours, hours.c.zone_set == r.c.zone_set)
    left: ColumnElement[int] = literal(room, Integer)
    if pressed is not None:
        source = source.outerjoin(pressed, pressed.c.customer == r.c.customer)
        left = func.coalesce(pressed.c.left_over, room)
    lefts = dict.fromkeys(gates.channels, left)
    if capped is not None:
        source = source.outerjoin(capped, capped.c.customer == r.c.customer)
        lefts[CALL] = case((capped.c.customer.is_not(None), 0), else_=left)
    rest = ~drawn(r.c.bucket, *gates.ramp) if gates.ramp else false()
    reach = {code: r.c[f"reach_{code}"] for code in gates.channels}
    hour = {code: _hour(hours, rest, code, gates) for code in gates.channels}
    worked_out = [r.c.customer, r.c.bucket, r.c.gate, rest.label("rest"), left.label("room")]
    worked_out += [_gate(reach[code], hours, hour[code], lefts[code]).label(f"gate_{code}") for code in gates.channels]
    worked_out += [hour[code].label(f"hour_{code}") for code in gates.channels]
    worked_out += [((PASSES * STEP - reach[code]) % NEXT).label(f"place_{code}") for code in gates.channels]
    # OFFSET 0: both databases would else work each gate out again wherever it is named below.
    g = select(*worked_out).select_from(source).offset(0).subquery("gated").c
    gate = {code: g[f"gate_{code}"] for code in gates.channels}
    mask, best = _mask(gate, gates, g.room), greatest(*gate.values()) if len(gate) > 1 else gate[gates.channels[0]]
    held = drawn(g.bucket, *gates.holdout) if gates.holdout else false()
    verdict = case(
        (g.gate != 0, g.gate),
        (best < PASSES, best),
        (held, int(Verdict.WAVE_HELD_OUT)),
        else_=int(Verdict.GO),
    )
    each = [g[f"{name}_{code}"] for name in ("hour", "place") for code in gates.channels]
    return select(g.customer, g.bucket, verdict, mask, g.rest, *each)


def _hour(hours: Table, rest: ColumnElement[bool], code: int, gates: Gates) -> ColumnElement[datetime]:
    kind = int(kind_of(code))
    first = hours.c[f"first_{kind}"]
    return case((rest, hours.c[f"rest_{kind}"]), else_=first) if gates.ramp else first


def _gate(
    reach: ColumnElement[int], hours: Table, hour: ColumnElement[datetime], left: ColumnElement[int]
) -> ColumnElement[int]:
    """The gate at which one channel stops, as its verdict's number; PASSES when none does."""
    return case(
        (reach <= (PASSES - 1) * STEP, (reach + (STEP - 1)) // STEP),
        (~func.coalesce(hours.c.known, false()), int(Verdict.HOURS_UNKNOWN)),
        (hour.is_(None), int(Verdict.NO_LEGAL_HOUR)),
        (left <= 0, int(Verdict.OVER_LIMIT)),
        else_=PASSES,
    )


def _mask(gate: Mapping[int, ColumnElement[int]], gates: Gates, left: ColumnElement[int]) -> ColumnElement[int]:
    """The channels that passed; of several groups the first in the plan's order, as far as the limit's room goes."""
    mask: ColumnElement[int] = literal(0, Integer)
    taken: ColumnElement[int] = literal(0, Integer)
    for group in gates.groups:
        bits: ColumnElement[int] = literal(0, Integer)
        for code in group:
            bits = bits + case((gate[code] == PASSES, 1 << code), else_=0)
        mask = mask + (case((taken < left, bits), else_=0) if len(gates.groups) > 1 else bits)
        taken = taken + case((bits > 0, 1), else_=0)
    return mask
