"""The gates: why a member does or does not take part in a wave; dry run, enrolment, claim and dial list share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import (
    ColumnElement,
    FromClause,
    ScalarSelect,
    Subquery,
    and_,
    case,
    false,
    func,
    or_,
    select,
    true,
)

from ledger import tables as t
from ledger.legal_hours import Rules
from ledger.limits import Limit
from ledger.sql import inline, least, unindexed
from ledger.types import Span, When
from waves.draw import BUCKETS, Draw, threshold
from waves.message import AddressState, Consent
from waves.outcomes import Verdict

OPEN_CASE = "open_case"
PASSES = int(Verdict.GO)
FALSE: ColumnElement[bool] = false()
Members = FromClause
Enter = Callable[[Members], ColumnElement[bool]]
"""Builds the enter rule over a members' source: customer, arm, bucket, erased and the attributes."""
Halted = Callable[[ColumnElement[int]], ColumnElement[bool]]
"""Whether the customer of a column is in a segment whose kill switch is on."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What the gates of one wave need to know; ids are None in a dry run, where nothing has happened yet."""

    groups: tuple[tuple[int, ...], ...]
    goal: str
    since: datetime
    now: datetime
    rules: Rules
    """The permitted hours."""
    released: datetime
    """Messages are sent before this moment."""
    closes: datetime
    """Calls are made before this moment."""
    priority: int
    enter: Enter | None = None
    limit: Limit | None = None
    ramp: tuple[Draw, float] | None = None
    """The lottery of the ramp's first part and its share."""
    rest_from: datetime | None = None
    """The rest of a ramp is not sent before."""
    campaign: int | None = None
    stopping_waves: tuple[int, ...] = ()
    heard: tuple[int, ...] = ()
    """The earlier waves whose outcomes `enter` reads."""
    span: Span | None = None
    """Where the members of a set-wise statement lie; None when each customer is to be looked up alone."""
    holdout: tuple[Draw, float] | None = None
    halted: Halted | None = None
    rivals: tuple[Rival, ...] = ()
    """Waves of more important campaigns that open on the same day: the contacts they will make are kept for them."""
    prepared: dict[Any, Any] = field(default_factory=dict, init=False, repr=False, compare=False)
    """Statements built for exactly these gates."""

    @property
    def channels(self) -> tuple[int, ...]:
        """Every channel code of the wave, in the plan's order."""
        return tuple(code for group in self.groups for code in group)


@dataclass(frozen=True, slots=True)
class Rival:
    """A wave about to open, as it would be enrolled: its gates and the types of its members' columns."""

    gates: Gates
    types: Mapping[str, str]


def live_members(campaign: int, types: Mapping[str, str], span: Span | None = None) -> Subquery:
    """The frozen members of a campaign as a members' source; of the span alone when one is given."""
    member, c = t.member_table(types), t.customer.c
    found = (
        select(
            member.c.customer,
            member.c.arm,
            c.bucket,
            c.zone_set,
            c.erased_at.is_not(None).label("erased"),
            *[member.c[name] for name in types],
        )
        .join(t.customer, c.id == member.c.customer)
        .where(member.c.campaign == campaign)
    )
    if span:  # said of both tables: PostgreSQL carries an equality over a join, but no range
        within = (member.c.customer > span[0], member.c.customer <= span[1], c.id > span[0], c.id <= span[1])
        found = found.where(*within)
    return found.subquery("m")


def ticket(bucket: ColumnElement[int], draw: Draw) -> ColumnElement[int]:
    """The customer's number in this lottery: the arithmetic of waves.draw."""
    return (bucket * draw.a + draw.b) % BUCKETS


def drawn(bucket: ColumnElement[int], draw: Draw, share: float) -> ColumnElement[bool]:
    """Whether the customer's ticket in this lottery is among the first `share`."""
    return ticket(bucket, draw) < threshold(share)


def _standing(now: When) -> ColumnElement[bool]:
    return or_(t.suppression.c.until.is_(None), t.suppression.c.until > now)


def listed(
    customer: ColumnElement[int], column: ColumnElement[int], span: Span | None, *where: ColumnElement[bool]
) -> ColumnElement[bool]:
    """Whether a row `where` holds names the customer in `column`: looked up, or in a list read once for the span."""
    rows = select(column).where(*where)
    if span is None:
        # No EXISTS: PostgreSQL may answer that by reading the whole table, once for each chunk that is claimed.
        one = rows.where(column == customer).limit(1).correlate_except(column.table)
        return one.scalar_subquery().is_not(None)
    return customer.in_(rows.where(column > span[0], column <= span[1]))


def suppressed(
    customer: ColumnElement[int], now: When, channel: int, reason_is_case: bool, span: Span | None = None
) -> ColumnElement[bool]:
    """Whether a standing instruction names the customer on this channel; for 0, all, an open case is asked apart.

    ix_suppression_customer.
    """
    s = t.suppression.c
    kind = (s.reason == OPEN_CASE if reason_is_case else s.reason != OPEN_CASE,) if channel == 0 else ()
    return listed(customer, s.customer, span, s.channel == channel, unindexed(s.value).is_(None), *kind, _standing(now))


def instructed(customer: ColumnElement[int], now: When, channel: ColumnElement[int]) -> ColumnElement[int]:
    """The first gate at which a standing instruction stops the customer on a channel, as a verdict's number; or PASSES.

    One look at ix_suppression_customer for what `suppressed` is asked three times.
    """
    s = t.suppression.c
    gate = case(
        (s.channel != inline(0), inline(Verdict.NO_CONSENT)),
        (s.reason == OPEN_CASE, inline(Verdict.OPEN_CASE)),
        else_=inline(Verdict.SUPPRESSED),
    )
    first = select(func.min(gate)).where(
        s.customer == customer, s.channel.in_([inline(0), channel]), unindexed(s.value).is_(None), _standing(now)
    )
    return func.coalesce(first.correlate_except(t.suppression).scalar_subquery(), inline(PASSES))


def converted(
    customer: ColumnElement[int], goal: str, since: datetime, span: Span | None = None
) -> ColumnElement[bool]:
    """Whether an unreversed conversion of the goal stands since the campaign began (ix_conversion_customer)."""
    c = t.conversion.c
    return listed(customer, c.customer, span, c.goal == goal, c.at >= since, c.reversed_at.is_(None))


def member_gate(m: Members, gates: Gates) -> ColumnElement[int]:
    """The first member's gate that stops, as its verdict's number; 0: it passes."""
    customer, now, span = m.c.customer, gates.now, gates.span
    return case(
        *_settled(m, gates),
        (or_(m.c.erased, suppressed(customer, now, 0, False, span)), inline(Verdict.SUPPRESSED)),
        (suppressed(customer, now, 0, True, span), inline(Verdict.OPEN_CASE)),
        (~_entered(m, gates), inline(Verdict.NOT_ENTERED)),
        else_=0,
    )


def _settled(m: Members, gates: Gates) -> Sequence[tuple[ColumnElement[bool], ColumnElement[int]]]:
    """The gates of those whose part in the campaign is over, or never was to begin."""
    stopped: ColumnElement[bool] = m.c.arm == 1
    customer, span = m.c.customer, gates.span
    if gates.stopping_waves:
        e = t.enrolment.c
        held = e.verdict == inline(Verdict.WAVE_HELD_OUT)
        stopped = or_(stopped, listed(customer, e.customer, span, e.wave.in_(gates.stopping_waves), held))
    return (
        (converted(customer, gates.goal, gates.since, span), inline(Verdict.CONVERTED)),
        (stopped, inline(Verdict.HELD_OUT)),
    )


def _entered(m: Members, gates: Gates) -> ColumnElement[bool]:
    return func.coalesce(gates.enter(m), false()) if gates.enter else true()


def _elsewhere(campaign: int | None, members: Members | None) -> ColumnElement[bool]:
    """Whether a treated member with a lower customer id has the same living, consented address."""
    other = t.address.alias("other")
    a = t.address.c
    rivals = (members if members is not None else t.member).alias("rival")
    treated = select(rivals.c.customer).where(rivals.c.customer == other.c.customer, rivals.c.arm == 0)
    if members is None:
        treated = treated.where(rivals.c.campaign == campaign)
    # A nested EXISTS, not a join: a planner that starts from the members reads them all for every shared address.
    return (
        select(other.c.id)
        .where(
            other.c.channel == a.channel,
            other.c.value == a.value,  # ix_address_channel_value
            other.c.customer < a.customer,
            other.c.state < inline(AddressState.REPLACED),
            other.c.consent == inline(Consent.GRANTED),
            treated.correlate(other).exists(),
        )
        .correlate(t.address)
        .exists()
    )


def address_suppressed(now: When) -> ColumnElement[bool]:
    """Whether a standing instruction names a row of `address` on its channel (ix_suppression_value).

    One in lower case, as providers' lists have them, is about every spelling.
    """
    a, s, lower = t.address.c, t.suppression.c, func.lower(t.address.c.value)
    here = (s.channel.in_([inline(0), a.channel]), _standing(now))
    as_it_is, in_lower_case = (
        select(s.id).where(s.value == value, *here).correlate(t.address).exists() for value in (a.value, lower)
    )
    return or_(as_it_is, and_(a.value != lower, in_lower_case))


def address_gate(
    now: When, campaign: int | None, members: Members | None, stopped: ColumnElement[bool] = FALSE
) -> ColumnElement[int]:
    """How far one row of `address` gets, as a verdict's number; PASSES when it may be contacted.

    `stopped` says whether its customer is suppressed on its channel, where that is not asked apart.
    """
    a = t.address.c
    return case(
        (a.state >= inline(AddressState.REPLACED), inline(Verdict.NO_ADDRESS)),
        (or_(a.consent != inline(Consent.GRANTED), stopped, address_suppressed(now)), inline(Verdict.NO_CONSENT)),
        (and_(a.shared, _elsewhere(campaign, members)), inline(Verdict.SHARED_ADDRESS)),
        else_=inline(PASSES),
    )


def best_address(
    customer: ColumnElement[int], channel: ColumnElement[int], now: datetime, campaign: int | None
) -> ScalarSelect[int]:
    """The id of the address to use: among those that pass, the most preferred, then the oldest."""
    a = t.address.c
    return (
        select(a.id)
        .where(a.customer == customer, a.channel == channel, address_gate(now, campaign, None) == PASSES)
        .order_by(a.preference, a.id)
        .limit(1)
        .correlate_except(t.address, t.suppression)
        .scalar_subquery()
    )


def recheck(m: Members, gates: Gates, channel: ColumnElement[int], now: When | None = None) -> ColumnElement[int]:
    """What stops a queued touch by what is known now, as a reason's number; 0 when only its hour and limit are left.

    Reads table address.
    """
    when = gates.now if now is None else now
    # Each gate is named once: a database works an expression out as often as it is written down.
    later = case(
        (~_entered(m, gates), inline(Verdict.NOT_ENTERED)),
        else_=address_gate(when, gates.campaign, None),
    )
    first = case(
        *_settled(m, gates),
        (m.c.erased, inline(Verdict.SUPPRESSED)),
        else_=least(instructed(m.c.customer, when, channel), later),  # the numbers are in the order of the gates
    )
    return func.coalesce(func.nullif(first, inline(PASSES)), inline(0))
