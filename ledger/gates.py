"""The gates: why a member does or does not take part in a wave; dry run, enrolment, claim and dial list share them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    ColumnElement,
    FromClause,
    Integer,
    ScalarSelect,
    Select,
    Subquery,
    and_,
    case,
    false,
    func,
    literal,
    or_,
    select,
    true,
)

from ledger import tables as t
from ledger.sql import greatest
from waves.draw import BUCKETS, Draw, threshold
from waves.message import AddressState, Consent
from waves.outcomes import Verdict

OPEN_CASE = "open_case"
PASSES = int(Verdict.GO)
Members = FromClause
Enter = Callable[[Members], ColumnElement[bool]]
"""Builds the enter rule over a members' source: customer, arm, bucket, erased and the attributes."""


@dataclass(frozen=True, slots=True)
class Gates:
    """What the gates of one wave need to know; ids are None in a dry run, where nothing has happened yet."""

    groups: tuple[tuple[int, ...], ...]
    goal: str
    since: datetime
    now: datetime
    enter: Enter | None = None
    campaign: int | None = None
    stopping_waves: tuple[int, ...] = ()
    holdout: tuple[Draw, float] | None = None

    @property
    def channels(self) -> tuple[int, ...]:
        """Every channel code of the wave, in the plan's order."""
        return tuple(code for group in self.groups for code in group)


def live_members(campaign: int, types: Mapping[str, str]) -> Subquery:
    """The frozen members of a campaign as a members' source."""
    member = t.member_table(types)
    return (
        select(
            member.c.customer,
            member.c.arm,
            t.customer.c.bucket,
            t.customer.c.erased_at.is_not(None).label("erased"),
            *[member.c[name] for name in types],
        )
        .join(t.customer, t.customer.c.id == member.c.customer)
        .where(member.c.campaign == campaign)
        .subquery("m")
    )


def drawn(bucket: ColumnElement[int], draw: Draw, share: float) -> ColumnElement[bool]:
    """Whether the customer's ticket in this lottery is among the first `share`; the arithmetic of waves.draw."""
    return (bucket * draw.a + draw.b) % BUCKETS < threshold(share)


def _standing(now: datetime) -> ColumnElement[bool]:
    return or_(t.suppression.c.until.is_(None), t.suppression.c.until > now)


def suppressed(customer: ColumnElement[int], now: datetime, channel: int, reason_is_case: bool) -> ColumnElement[bool]:
    """Whether a standing instruction names the customer on this channel; for 0, all, an open case is asked apart."""
    s = t.suppression.c
    named = s.reason == OPEN_CASE if reason_is_case else s.reason != OPEN_CASE
    kind = true() if channel else named
    # ix_suppression_customer
    return (
        select(s.id)
        .where(s.customer == customer, s.channel == channel, s.value.is_(None), kind, _standing(now))
        .correlate_except(t.suppression)
        .exists()
    )


def converted(customer: ColumnElement[int], goal: str, since: datetime) -> ColumnElement[bool]:
    """Whether an unreversed conversion of the goal stands since the campaign began (ix_conversion_customer)."""
    c = t.conversion.c
    return (
        select(c.id)
        .where(c.customer == customer, c.goal == goal, c.at >= since, c.reversed_at.is_(None))
        .correlate_except(t.conversion)
        .exists()
    )


def member_gate(m: Members, gates: Gates) -> ColumnElement[int]:
    """The first member's gate that stops, as its verdict's number; 0 when the member passes."""
    stopped: ColumnElement[bool] = m.c.arm == 1
    if gates.stopping_waves:
        e = t.enrolment.c
        held = select(e.customer).where(
            e.wave.in_(gates.stopping_waves), e.customer == m.c.customer, e.verdict == int(Verdict.WAVE_HELD_OUT)
        )
        stopped = or_(stopped, held.correlate_except(t.enrolment).exists())
    entered = func.coalesce(gates.enter(m), false()) if gates.enter else true()
    return case(
        (converted(m.c.customer, gates.goal, gates.since), int(Verdict.CONVERTED)),
        (stopped, int(Verdict.HELD_OUT)),
        (or_(m.c.erased, suppressed(m.c.customer, gates.now, 0, False)), int(Verdict.SUPPRESSED)),
        (suppressed(m.c.customer, gates.now, 0, True), int(Verdict.OPEN_CASE)),
        (~entered, int(Verdict.NOT_ENTERED)),
        else_=0,
    )


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
            other.c.state < int(AddressState.REPLACED),
            other.c.consent == int(Consent.GRANTED),
            treated.correlate(other).exists(),
        )
        .correlate(t.address)
        .exists()
    )


def address_gate(gates: Gates, members: Members | None) -> ColumnElement[int]:
    """How far one row of `address` gets, as a verdict's number; PASSES when it may be contacted."""
    a, s = t.address.c, t.suppression.c
    value_stopped = (
        select(s.id)
        .where(s.value == a.value, s.channel.in_([0, a.channel]), _standing(gates.now))
        .correlate(t.address)
        .exists()
    )
    return case(
        (a.state >= int(AddressState.REPLACED), int(Verdict.NO_ADDRESS)),
        (or_(a.consent != int(Consent.GRANTED), value_stopped), int(Verdict.NO_CONSENT)),
        (and_(a.shared, _elsewhere(gates.campaign, members)), int(Verdict.SHARED_ADDRESS)),
        else_=PASSES,
    )


def channel_gate(
    customer: ColumnElement[int], channel: int, gates: Gates, members: Members | None
) -> ColumnElement[int]:
    """How far a member gets on one channel: the best of its addresses there (uq_address_customer_channel_value)."""
    a = t.address.c
    best: ScalarSelect[int] = (
        select(func.max(address_gate(gates, members)))
        .where(a.customer == customer, a.channel == channel)
        .correlate_except(t.address, t.suppression)
        .scalar_subquery()
    )
    stopped = and_(suppressed(customer, gates.now, channel, False), best > int(Verdict.NO_ADDRESS))
    return case((stopped, int(Verdict.NO_CONSENT)), else_=func.coalesce(best, int(Verdict.NO_ADDRESS)))


def best_address(customer: ColumnElement[int], channel: ColumnElement[int], gates: Gates) -> ScalarSelect[int]:
    """The id of the address to use: among those that pass, the most preferred, then the oldest."""
    a = t.address.c
    return (
        select(a.id)
        .where(a.customer == customer, a.channel == channel, address_gate(gates, None) == PASSES)
        .order_by(a.preference, a.id)
        .limit(1)
        .correlate_except(t.address, t.suppression)
        .scalar_subquery()
    )


def verdicts(members: Members, gates: Gates, dry: bool = False) -> Select[tuple[int, int, int]]:
    """(customer, verdict, mask of the channels that passed) for every member: the one statement of the spec."""
    first = (
        select(members.c.customer, members.c.bucket, member_gate(members, gates).label("gate"))
        .cte("first_gate")
        .prefix_with("MATERIALIZED")
    )
    rivals = members if dry else None
    each = {
        code: case((first.c.gate == 0, channel_gate(first.c.customer, code, gates, rivals)), else_=0)
        for code in gates.channels
    }
    second = (
        select(first.c.customer, first.c.bucket, first.c.gate, *[gate.label(f"g{code}") for code, gate in each.items()])
        .cte("channel_gate")
        .prefix_with("MATERIALIZED")
    )
    reached = [second.c[f"g{code}"] for code in gates.channels]
    furthest = greatest(*reached) if len(reached) > 1 else reached[0]
    mask: ColumnElement[int] = literal(0, Integer)
    for code in gates.channels:
        mask = mask + case((second.c[f"g{code}"] == PASSES, 1 << code), else_=0)
    held = drawn(second.c.bucket, *gates.holdout) if gates.holdout else false()
    verdict = case(
        (second.c.gate != 0, second.c.gate),
        (furthest < PASSES, furthest),
        (held, int(Verdict.WAVE_HELD_OUT)),
        else_=int(Verdict.GO),
    )
    return select(second.c.customer, verdict.label("verdict"), mask.label("channels"))


def recheck(m: Members, gates: Gates, channel: ColumnElement[int]) -> ColumnElement[int]:
    """What stops a queued touch by what is known now, as a reason's number; 0 when it may go. Reads table address."""
    member = member_gate(m, gates)
    s = t.suppression.c
    channel_stopped = (
        select(s.id)
        .where(s.customer == m.c.customer, s.channel == channel, s.value.is_(None), _standing(gates.now))
        .correlate_except(t.suppression)
        .exists()
    )
    place = address_gate(gates, None)
    return case(
        (member != 0, member),
        (and_(channel_stopped, place > int(Verdict.NO_ADDRESS)), int(Verdict.NO_CONSENT)),
        (place < PASSES, place),
        else_=0,
    )
