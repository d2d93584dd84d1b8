"""Open a wave: every member gets a verdict row, every `go` its touches, in ranges that a killed run resumes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    BindParameter,
    ColumnElement,
    Connection,
    Insert,
    Integer,
    Row,
    Select,
    Subquery,
    Table,
    bindparam,
    case,
    false,
    func,
    insert,
    literal,
    null,
    select,
    type_coerce,
    union_all,
    update,
)
from sqlalchemy.exc import IntegrityError

from ledger import tables as t
from ledger.doubts import resent
from ledger.gates import Gates, best_address, live_members, ticket
from ledger.legal_hours import cover
from ledger.sieve import sieved
from ledger.sql import among, once
from ledger.store import next_batch_id
from ledger.types import RANGE
from waves.draw import Draw, threshold
from waves.message import CHANNEL_CODES
from waves.outcomes import FAILURES, FALLS_THROUGH, State, Verdict

CALL = CHANNEL_CODES["call_list"]
BASE, ROOM = bindparam("base", type_=BigInteger()), bindparam("room", type_=BigInteger())
"""The first batch of a range, and how many numbers each lot of it may use."""
LISTED_BY_PEOPLE = frozenset({CALL})
"""Channels whose touches wait for a dial list instead of a batch."""


@dataclass(frozen=True, slots=True)
class Opening:
    """One wave about to be enrolled: its gates and how its touches are cut."""

    wave: int
    gates: Gates
    types: Mapping[str, str]
    batch_size: int
    range_size: int
    variants: tuple[float, ...] = ()
    variant_draw: Draw | None = None


def begin(
    connection: Connection,
    wave: int,
    opened: datetime,
    released: datetime,
    closes: datetime,
    rest_from: datetime | None = None,
) -> bool:
    """Move a pending wave of a running campaign to `enrolling`, one at a time per ledger; False when it cannot be."""
    mark = connection.scalar(select(func.coalesce(func.max(t.event.c.id), 0)))
    campaign = t.campaign.c
    running = select(campaign.id).where(campaign.id == t.wave.c.campaign, campaign.state == "running").exists()
    change = (
        update(t.wave)
        .where(t.wave.c.id == wave, t.wave.c.state == "pending", running)
        .values(state="enrolling", opened=opened, released=released, closes=closes, rest_from=rest_from)
        .values(event_mark=mark, enrolled_to=0)
    )
    try:
        with connection.begin_nested():
            return connection.execute(change).rowcount == 1
    except IntegrityError:  # uq_wave_one_enrolling
        return False


def enrol_range(connection: Connection, opening: Opening) -> bool:
    """Write the verdicts and touches of the next range of customers; True when the wave's last one was written."""
    row = connection.execute(select(t.wave).where(t.wave.c.id == opening.wave).with_for_update()).one()
    if row.state != "enrolling":
        return True
    low, high = row.enrolled_to, _range_end(connection, row.campaign, row.enrolled_to, opening.range_size)
    if high is None:
        connection.execute(update(t.wave).where(t.wave.c.id == opening.wave).values(state="open"))
        return True
    for gates in (opening.gates, *[rival.gates for rival in opening.gates.rivals]):
        cover(connection, gates.rules, opening.gates.now, gates.closes)
    members = once(opening.gates.prepared, "members", lambda: live_members(row.campaign, opening.types, RANGE))
    with sieved(connection, members, opening.gates, (low, high)) as found:
        connection.execute(once(opening.gates.prepared, "enrolments", lambda: _enrolments(opening, found)))
        lay_down_touches(connection, opening, found)
    connection.execute(update(t.wave).where(t.wave.c.id == opening.wave).values(enrolled_to=high))
    return False


def _enrolments(opening: Opening, found: Table) -> Insert:
    e = t.enrolment.c
    rows = select(literal(opening.wave), found.c.customer, found.c.verdict, found.c.channels)
    return insert(t.enrolment).from_select([e.wave, e.customer, e.verdict, e.channels], rows)


def _range_end(connection: Connection, campaign: int, low: int, size: int) -> int | None:
    m = t.member.c
    ahead = select(m.customer).where(m.campaign == campaign, m.customer > low).order_by(m.customer)
    end: int | None = connection.scalar(ahead.offset(size - 1).limit(1))
    if end is None:
        end = connection.scalar(select(func.max(ahead.subquery().c.customer)))
    return end


def _chosen(opening: Opening, found: Table) -> Subquery:
    """(customer, bucket, rest, channel, address, hour, position) of the touches that the verdicts ask for."""
    parts: list[Select[Any]] = []
    for group in opening.gates.groups:
        before = 0
        for code in group:
            channel, pos = literal(code, Integer).label("channel"), literal(len(parts), Integer).label("pos")
            passed = found.c.channels.op("&")(1 << code) != 0
            free = found.c.channels.op("&")(before) == 0
            place, hour = found.c[f"place_{code}"].label("address"), found.c[f"hour_{code}"].label("hour")
            row = select(found.c.customer, found.c.bucket, found.c.rest, channel, place, hour, pos)
            parts.append(row.where(found.c.verdict == int(Verdict.GO), passed, free))
            before |= 1 << code
    return union_all(*parts).subquery("u")


def variant_of(bucket: ColumnElement[int], opening: Opening) -> ColumnElement[int]:
    """The variant's number, 1.. by the customer's ticket in the wave's lottery; 0 when the wave has one wording."""
    if not opening.variants or opening.variant_draw is None:
        return literal(0, Integer)
    mine = ticket(bucket, opening.variant_draw)
    total, cases = 0.0, []
    for number, share in enumerate(opening.variants[:-1], 1):
        total += share
        cases.append((mine < threshold(total), literal(number, Integer)))
    return case(*cases, else_=len(opening.variants)) if cases else literal(1, Integer)


def lay_down_touches(connection: Connection, opening: Opening, found: Table) -> None:
    """One INSERT ... SELECT unpivots the `go` verdicts of a range into touches, one more gathers their batches."""
    numbers = {"base": next_batch_id(connection), "room": opening.range_size // opening.batch_size + 2}
    cut = (opening.batch_size, opening.variants, opening.variant_draw)
    connection.execute(once(opening.gates.prepared, ("touches", cut), lambda: _touches(opening, found)), numbers)
    rest = (t.touch.c.batch - BASE) // ROOM % 2 == 1 if opening.gates.ramp else false()
    connection.execute(once(opening.gates.prepared, "batches", lambda: _batches(BASE, rest)), numbers)


def _touches(opening: Opening, found: Table) -> Insert:
    u = _chosen(opening, found)
    gates, order = opening.gates, (u.c.hour, u.c.customer)
    lots = (u.c.pos, u.c.rest) if gates.ramp else (u.c.pos,)
    within = type_coerce(func.row_number().over(partition_by=lots, order_by=order), BigInteger) - 1
    lot = u.c.pos * 2 + case((u.c.rest, 1), else_=0) if gates.ramp else u.c.pos * 2
    by_hand = u.c.channel.in_(LISTED_BY_PEOPLE)
    rows = (
        select(
            literal(opening.wave),
            u.c.customer,
            u.c.channel,
            case((by_hand, null()), else_=BASE + lot * ROOM + within // opening.batch_size),
            u.c.address,
            variant_of(u.c.bucket, opening),
            literal(int(State.QUEUED), Integer),
            u.c.hour,
            case(
                (by_hand, literal(gates.closes, t.touch.c.not_after.type)),
                else_=literal(gates.released, t.touch.c.not_after.type),
            ),
        )
        .select_from(u)
        .order_by(*lots, *order)
    )
    c = t.touch.c
    names = [c.wave, c.customer, c.channel, c.batch, c.address, c.variant, c.state, c.not_before, c.not_after]
    return insert(t.touch).from_select(names, rows)


def _batches(base: int | BindParameter[int], rest: ColumnElement[bool]) -> Insert:
    """A batch row for every batch number from `base` on that touches carry (ix_touch_batch)."""
    c = t.touch.c
    rows = (
        select(c.batch, c.wave, c.channel, func.min(c.not_before), rest)
        .where(c.batch >= base)
        .group_by(c.batch, c.wave, c.channel)
    )
    b = t.batch.c
    return insert(t.batch).from_select([b.id, b.wave, b.channel, b.due, b.rest], rows)


@dataclass(frozen=True, slots=True)
class Step:
    """From a channel of a `first_of` that failed to the last of those `ahead` of it; others have no address."""

    failed: int
    ahead: tuple[int, ...]


def steps(groups: Sequence[Sequence[int]]) -> list[Step]:
    """Every step that a wave's groups of channels allow, in the order in which they are tried."""
    return [
        Step(failed, tuple(group[position + 1 : end + 1]))
        for group in groups
        for position, failed in enumerate(group)
        for end in range(position + 1, len(group))
    ]


def falling(connection: Connection, wave: int, gates: Gates, step: Step, low: int, size: int) -> Sequence[int]:
    """The next customers past `low`, at most `size`, whose touch failed in a way that the step can mend."""
    row = connection.execute(select(t.wave).where(t.wave.c.id == wave)).one()
    if not _falls(row, gates.now):
        return []
    found = _fallen(row, gates, step, 0, t.touch.c.customer > low)
    return connection.scalars(select(found.c.customer).order_by(found.c.customer).limit(size)).all()


def fall_through(connection: Connection, wave: int, gates: Gates, step: Step, customers: Sequence[int]) -> int:
    """Queue the channel that a step leads to for those of these customers who still need it; how many."""
    row = connection.execute(select(t.wave).where(t.wave.c.id == wave).with_for_update()).one()  # it stays open
    if not _falls(row, gates.now):
        return 0
    base, c = next_batch_id(connection), t.touch.c
    found = _fallen(row, gates, step, base, among(c.customer, customers))
    names = [c.wave, c.customer, c.channel, c.batch, c.address, c.variant, c.state, c.not_before, c.not_after]
    made = connection.execute(insert(t.touch).from_select(names, select(found).order_by(found.c.customer))).rowcount
    if made:
        connection.execute(_batches(base, false()))
    return int(made)


def _falls(wave: Row[Any], now: datetime) -> bool:
    return wave.state == "open" and wave.stopped_at is None and now < wave.closes


def _fallen(wave: Row[Any], gates: Gates, step: Step, base: int, whose: ColumnElement[bool]) -> Subquery:
    """The touches that a step lays down for those whose first one failed and none of the others was tried."""
    failed, ahead, following = step.failed, step.ahead, step.ahead[-1]
    c, e = t.touch.c, t.enrolment.c
    tried = t.touch.alias("tried")
    address = best_address(c.customer, literal(following, Integer), gates.now, gates.campaign)
    # Looked up one by one: PostgreSQL expects a single touch, and would read all of the enrolment for each it finds.
    passed = select(e.channels).where(e.wave == wave.id, e.customer == c.customer).correlate(t.touch).scalar_subquery()
    wanted = (
        select(
            c.wave,
            c.customer,
            literal(following, Integer).label("channel"),
            literal(base).label("batch"),
            address.label("address"),
            c.variant,
            literal(int(State.QUEUED), Integer).label("state"),
            literal(gates.now, c.not_before.type).label("not_before"),
            literal(wave.closes, c.not_after.type).label("not_after"),
        )
        .where(
            c.wave == wave.id,
            whose,
            c.channel == failed,
            c.action.in_(FALLS_THROUGH),
            (c.state == int(State.REFUSED)) | c.outcome.in_(FAILURES),
            ~resent(),  # what failed may be one of the two sends
            passed.op("&")(1 << following) != 0,
            ~select(tried.c.id)
            .where(tried.c.wave == c.wave, tried.c.customer == c.customer, tried.c.channel.in_(ahead))
            .exists(),
        )
        .subquery("w")
    )
    return select(wanted).where(wanted.c.address.is_not(None)).subquery("f")
