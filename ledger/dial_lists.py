"""Dial lists: the best callable touches of a wave in one team's hands; nobody is on two live lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Subquery,
    Text,
    cast,
    func,
    insert,
    literal,
    null,
    or_,
    select,
    text,
    true,
    update,
)

from ledger import tables as t
from ledger.audit import record
from ledger.gates import Gates, Members, live_members, recheck
from ledger.kill_switches import switches_on
from ledger.law_caps import Called, used_up
from ledger.legal_hours import cover, open_until
from ledger.limits import over_limit
from ledger.store import keep_open, keep_out_new_touches
from waves.dispositions import Disposition
from waves.errors import CampaignError
from waves.hours import kind_of
from waves.message import CHANNEL_CODES
from waves.outcomes import State

CALL = CHANNEL_CODES["call_list"]
DIAL_LOCK = 0x6D77_6469  # PostgreSQL advisory lock: one list is cut at a time
Score = Callable[[Members], ColumnElement[float]]


@dataclass(frozen=True, slots=True)
class Pull:
    """What a lead asks for."""

    wave: int
    team: str
    shift: str
    format: str
    size: int
    by: str
    valid_until: datetime
    lease_until: datetime
    scopes: tuple[str, ...] = ()
    """The kill switches that stop it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a dial list."""

    id: int
    customer: int
    number: str
    name: str | None
    language: str | None
    rank: int
    tier: str
    score: float | None
    call_until: datetime
    """The end of the customer's permitted hours, or of the list."""


def pull(
    connection: Connection, ask: Pull, gates: Gates, types: Mapping[str, str], score: Score | None, now: datetime
) -> tuple[int, list[Entry]]:
    """Cut a list of at most `size` entries, best first, each re-checked; what fails the re-check is withdrawn.

    CampaignError under a kill switch; people of a halted segment are left out. Who may not be called at this hour, or
    not that often, waits for a later list.
    """
    if gates.campaign is None:
        raise ValueError("a dry run lists nobody")
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": DIAL_LOCK})
    keep_out_new_touches(connection, ask.wave)
    state = connection.execute(
        select(t.wave.c.state, t.wave.c.name, t.wave.c.stopped_at, t.campaign.c.state.label("campaign"))
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(t.wave.c.id == ask.wave)
    ).one()
    if state.state != "open" or state.stopped_at or state.campaign != "running":
        raise CampaignError(
            f"the wave {state.name} is {'stopped' if state.stopped_at else state.state} and its campaign "
            f"{state.campaign}: "
            "a list is cut only from an open wave of a running campaign"
        )
    for switch in switches_on(connection, now):
        if switch.scope in ask.scopes:
            raise CampaignError(f"{switch}; no list is cut while it is on")
    cover(connection, gates.rules, now, gates.closes)
    found = _callable(ask.wave, gates, types, score, now)
    stopped = select(found.c.touch, found.c.stopped_by).where(found.c.stopped_by != 0).cte("stopped")
    connection.execute(
        update(t.touch)
        .where(t.touch.c.id == stopped.c.touch, t.touch.c.state == int(State.QUEUED))
        .values(state=int(State.WITHDRAWN), reason=stopped.c.stopped_by)
    )
    chosen = connection.execute(_best(found, ask.size)).all()
    return _write(connection, ask, chosen, now)


def _callable(wave: int, gates: Gates, types: Mapping[str, str], score: Score | None, now: datetime) -> Subquery:
    c = t.touch.c
    m = live_members(gates.campaign or 0, types)
    over = over_limit(c.id, c.customer, now, None)
    if gates.rules.counted:
        who = Called(c.customer, m.c.zone_set, t.address.c.value)
        over = or_(over, used_up(gates.rules.id, gates.rules.counted, who, now))
    value = score(m) if score else cast(null(), t.dial_entry.c.score.type)
    return (
        select(
            c.id.label("touch"),
            c.customer,
            t.address.c.value.label("number"),
            t.customer.c.household,
            t.customer.c.name,
            t.customer.c.language,
            m.c.bucket,
            value.label("score"),
            recheck(m, gates, literal(CALL, Integer)).label("stopped_by"),
            open_until(gates.rules.id, kind_of(CALL), m.c.zone_set, now).label("call_until"),
            over.label("over"),
        )
        .join_from(t.touch, m, m.c.customer == c.customer)
        .join(t.address, t.address.c.id == c.address)
        .join(t.customer, t.customer.c.id == c.customer)
        .where(
            c.wave == wave,
            c.channel == CALL,
            c.state == int(State.QUEUED),
            c.not_before <= now,
            c.not_after > now,
            ~gates.halted(c.customer) if gates.halted else true(),
        )
        .subquery("callable")
    )


def _best(found: Subquery, size: int) -> Select[Any]:
    """The best free ones, one per number and household; ties by bucket, so that no order of import favours anybody."""
    f, e = found.c, t.dial_entry.c
    taken = (
        select(e.id)
        .where(
            e.active,
            or_(e.customer == f.customer, e.number == f.number, e.household == f.household),
        )
        .correlate(found)
        .exists()
    )
    best = (f.score.is_(None), f.score.desc(), f.bucket, f.touch)
    household = func.coalesce(f.household, literal("\x01", Text) + cast(f.customer, Text))
    free = (
        select(
            found,
            func.row_number().over(partition_by=f.number, order_by=best).label("by_number"),
            func.row_number().over(partition_by=household, order_by=best).label("by_household"),
        )
        .where(f.stopped_by == 0, f.call_until.is_not(None), ~f.over, ~taken)
        .subquery("free")
    )
    order = (free.c.score.is_(None), free.c.score.desc(), free.c.bucket, free.c.touch)
    return select(free).where(free.c.by_number == 1, free.c.by_household == 1).order_by(*order).limit(size)


def _write(connection: Connection, ask: Pull, chosen: Sequence[Row[Any]], now: datetime) -> tuple[int, list[Entry]]:
    if not chosen:
        return 0, []
    number = connection.execute(
        insert(t.dial_list)
        .values(
            wave=ask.wave,
            team=ask.team,
            shift=ask.shift,
            format=ask.format,
            pulled_at=now,
            pulled_by=ask.by,
            lease_until=ask.lease_until,
        )
        .returning(t.dial_list.c.id)
    ).scalar_one()
    connection.execute(
        insert(t.dial_entry),
        [
            {
                "list": number,
                "touch": row.touch,
                "rank": rank,
                "tier": "normal",
                "score": row.score,
                "customer": row.customer,
                "number": row.number,
                "household": row.household,
                "call_until": min(row.call_until, ask.valid_until),
                "active": True,
            }
            for rank, row in enumerate(chosen, 1)
        ],
    )
    e = t.dial_entry.c
    touches = select(e.touch).where(e.list == number)
    connection.execute(
        update(t.touch)
        .where(t.touch.c.id.in_(touches), t.touch.c.state == int(State.QUEUED))
        .values(state=int(State.LISTED), provider=ask.format, claimed_at=now, claimed_by=f"list {number}")
    )
    record(connection, now, ask.by, "dial-list pull", f"list {number}", after=f"{len(chosen)} entries for {ask.team}")
    ids = {row.touch: row.id for row in connection.execute(select(e.touch, e.id).where(e.list == number))}
    return number, [
        Entry(
            ids[row.touch],
            row.customer,
            row.number,
            row.name,
            row.language,
            rank,
            "normal",
            row.score,
            min(row.call_until, ask.valid_until),
        )
        for rank, row in enumerate(chosen, 1)
    ]


def give_back(connection: Connection, number: int, by: str, now: datetime) -> tuple[int, int]:
    """Return a list: (entries called, entries that wait again). CampaignError for an unknown or returned one."""
    d, e, c = t.dial_list.c, t.dial_entry.c, t.touch.c
    row = connection.execute(select(d.wave, d.returned_at).where(d.id == number).with_for_update()).one_or_none()
    if row is None:
        raise CampaignError(f"there is no dial list {number}; see: multiwave dial-list ls")
    if row.returned_at is not None:
        raise CampaignError(f"dial list {number} was returned at {row.returned_at:%Y-%m-%d %H:%M} UTC already")
    keep_open(connection, [row.wave])
    mine = select(e.touch).where(e.list == number, e.active)
    called = _called(c.id)
    again = connection.execute(
        update(t.touch)
        .where(c.id.in_(mine), c.state == int(State.LISTED), ~called)
        .values(state=int(State.QUEUED), claimed_at=null(), claimed_by=null())
    ).rowcount
    entries = connection.execute(update(t.dial_entry).where(e.list == number, e.active).values(active=False)).rowcount
    connection.execute(update(t.dial_list).where(d.id == number).values(returned_at=now))
    record(connection, now, by, "dial-list return", f"list {number}", after=f"{again} of {entries} not called")
    return int(entries - again), int(again)


def _called(touch: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the dialler tried this touch at all (ix_call_touch)."""
    k = t.call.c
    tried = select(k.event).where(k.touch == touch, k.disposition != int(Disposition.NOT_ATTEMPTED))
    return tried.correlate_except(t.call).exists()


def lists(connection: Connection, campaign: int | None = None) -> Sequence[Row[Any]]:
    """Every dial list with its wave, campaign, size and how many of its entries were called."""
    d, e = t.dial_list.c, t.dial_entry.c
    called = _called(e.touch)
    size = select(func.count()).where(e.list == d.id).scalar_subquery()
    done = select(func.count()).where(e.list == d.id, called).correlate(t.dial_list).scalar_subquery()
    query = (
        select(
            d.id,
            t.campaign.c.name.label("campaign"),
            t.wave.c.name.label("wave"),
            d.team,
            d.shift,
            d.format,
            d.pulled_at,
            d.pulled_by,
            d.lease_until,
            d.returned_at,
            size.label("entries"),
            done.label("called"),
        )
        .join(t.wave, t.wave.c.id == d.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .order_by(d.id)
    )
    return connection.execute(query if campaign is None else query.where(t.wave.c.campaign == campaign)).all()
