"""What campaigns that ran tell of how customers answer: the counts that a rehearsal's world is fitted from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Integer,
    Row,
    Select,
    Subquery,
    case,
    func,
    literal,
    select,
    type_coerce,
)

from ledger import tables as t
from ledger.rehearsed import HOUR_US
from ledger.types import EPOCH
from waves.dispositions import EFFECTS, Disposition
from waves.message import CHANNEL_CODES, CHANNEL_NAMES
from waves.outcomes import PART_OF_OUTCOME, Outcome, Part, Side, State

CALL = CHANNEL_CODES["call_list"]
BY_CALL = "call"
ENGAGING = (int(Outcome.CLICKED), int(Outcome.REPLIED))
SILENT = [int(outcome) for outcome, part in PART_OF_OUTCOME.items() if part is Part.UNCONFIRMED]
LOST = [int(o) for o, part in PART_OF_OUTCOME.items() if part is Part.MISSED and o is not Outcome.BOUNCED_HARD]
SPOKEN = [int(disposition) for disposition, effect in EFFECTS.items() if effect.right_party]
ANSWERLESS = [int(d) for d, effect in EFFECTS.items() if effect.outcome is None or not effect.rang]
"""Not a call that a customer could have answered."""


@dataclass(frozen=True, slots=True)
class Messages:
    """Messages of one channel sent in one hour to customers of one set of zones, and what came back of them."""

    channel: str
    at: datetime
    zones: str | None
    sent: int
    hard: int
    soft: int
    silent: int
    displayed: int
    read: int
    clicked: int
    replied: int
    unsubscribed: int
    complained: int
    seen: int
    """Displayed or read, clicked or replied: seen as far as anybody was told."""

    @property
    def delivered(self) -> int:
        """What was not bounced and not lost."""
        return self.sent - self.hard - self.soft - self.silent


@dataclass(frozen=True, slots=True)
class Addresses:
    """One channel's addresses that were written to, those that proved dead, and messages that were refused at once."""

    channel: str
    written: int
    dead: int
    tried: int
    refused: int


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of one disposition at one attempt, made in one hour to customers of one set of zones."""

    attempt: int
    disposition: Disposition
    at: datetime
    zones: str | None
    count: int


def _waves(campaigns: Sequence[int]) -> Select[tuple[int]]:
    return select(t.wave.c.id).where(t.wave.c.campaign.in_(campaigns))


def _any(condition: ColumnElement[bool], name: str) -> ColumnElement[int]:
    return func.coalesce(func.max(case((condition, 1), else_=0)), 0).label(name)


def messages_observed(connection: Connection, campaigns: Sequence[int]) -> list[Messages]:
    """What came back of messages, by channel, hour of sending and zones."""
    c, ev = t.touch.c, t.event.c
    told = {
        "displayed": ev.outcome == int(Outcome.DISPLAYED),
        "read": ev.outcome == int(Outcome.READ),
        "clicked": ev.outcome == int(Outcome.CLICKED),
        "replied": ev.outcome == int(Outcome.REPLIED),
        "unsubscribed": ev.outcome == int(Side.UNSUBSCRIBED),
        "complained": ev.outcome == int(Side.COMPLAINED),
        "seen": ev.outcome.in_([int(Outcome.DISPLAYED), int(Outcome.READ), *ENGAGING]),
    }
    hour = (type_coerce(c.sent_at, BigInteger) // literal(HOUR_US)).label("hour")
    each = (
        select(
            c.channel,
            hour,
            t.zone_set.c.zones,
            case((c.outcome == int(Outcome.BOUNCED_HARD), 1), else_=0).label("hard"),
            case((c.outcome.in_(LOST), 1), else_=0).label("soft"),
            case((c.outcome.is_(None) | c.outcome.in_(SILENT), 1), else_=0).label("silent"),
            *[_any(condition, name) for name, condition in told.items()],
        )
        .join(t.customer, t.customer.c.id == c.customer)
        .outerjoin(t.zone_set, t.zone_set.c.id == t.customer.c.zone_set)
        .outerjoin(t.event, ev.touch == c.id)  # ix_event_touch
        .where(c.wave.in_(_waves(campaigns)), c.channel != CALL, c.state == int(State.SENT), c.sent_at.is_not(None))
        .group_by(c.id, c.channel, hour, t.zone_set.c.zones, c.outcome)
        .subquery("each")
    )
    counted = [field.name for field in fields(Messages)][4:]
    query = select(
        each.c.channel, each.c.hour, each.c.zones, func.count(), *[func.sum(each.c[name]) for name in counted]
    ).group_by(each.c.channel, each.c.hour, each.c.zones)
    return [
        Messages(CHANNEL_NAMES[row[0]], _time(row[1]), row[2], *(int(count) for count in row[3:]))
        for row in connection.execute(query)
    ]


def _time(hour: int) -> datetime:
    return EPOCH + timedelta(hours=hour)


def addresses_observed(connection: Connection, campaigns: Sequence[int]) -> list[Addresses]:
    """How many addresses were written to and proved dead, and how many messages were refused, by channel."""
    c = t.touch.c
    sent, dead = c.state == int(State.SENT), c.outcome == int(Outcome.BOUNCED_HARD)
    refused = c.state == int(State.REFUSED)
    query = (
        select(
            c.channel,
            func.count(case((sent, c.address)).distinct()),
            func.count(case((sent & dead, c.address)).distinct()),
            func.sum(case((sent | refused, 1), else_=0)),
            func.sum(case((refused, 1), else_=0)),
        )
        .where(c.wave.in_(_waves(campaigns)), c.channel != CALL)
        .group_by(c.channel)
    )
    return [Addresses(CHANNEL_NAMES[row[0]], *(int(count) for count in row[1:])) for row in connection.execute(query)]


def mean_delays(connection: Connection, campaigns: Sequence[int]) -> dict[Outcome, float]:
    """Mean seconds from sending a message to each outcome that was reported of it."""
    c, ev = t.touch.c, t.event.c
    passed = type_coerce(ev.at, BigInteger) - type_coerce(c.sent_at, BigInteger)
    query = (
        select(ev.outcome, func.avg(passed, type_=t.dial_entry.c.score.type))
        .join(t.touch, c.id == ev.touch)
        .where(c.wave.in_(_waves(campaigns)), c.channel != CALL, c.sent_at.is_not(None), ev.outcome <= max(Outcome))
        .group_by(ev.outcome)
    )
    return {Outcome(row[0]): float(row[1]) / 1e6 for row in connection.execute(query)}


def _calls(campaigns: Sequence[int]) -> Subquery:
    k, c = t.call.c, t.touch.c
    nth = func.row_number().over(partition_by=(t.wave.c.campaign, c.customer), order_by=(k.at, k.event))
    return (
        select(k.disposition, k.at, c.customer, k.ring_s, k.talk_s, k.wrap_s, nth.label("attempt"))
        .join(t.touch, c.id == k.touch)
        .join(t.wave, t.wave.c.id == c.wave)
        .where(t.wave.c.campaign.in_(campaigns), k.disposition.not_in(ANSWERLESS))
        .subquery("made")
    )


def calls_observed(connection: Connection, campaigns: Sequence[int]) -> list[Calls]:
    """What came of calls, by attempt at the customer, hour and zones."""
    made = _calls(campaigns)
    hour = (type_coerce(made.c.at, BigInteger) // literal(HOUR_US)).label("hour")
    keys = (made.c.attempt, made.c.disposition, hour, t.zone_set.c.zones)
    query = (
        select(*keys, func.count())
        .join(t.customer, t.customer.c.id == made.c.customer)
        .outerjoin(t.zone_set, t.zone_set.c.id == t.customer.c.zone_set)
        .group_by(*keys)
    )
    return [Calls(row[0], Disposition(row[1]), _time(row[2]), *row[3:]) for row in connection.execute(query)]


def numbers_observed(connection: Connection, campaigns: Sequence[int]) -> tuple[int, dict[Disposition, int]]:
    """How many customers were called, and how many of them at a number that was invalid or somebody else's."""
    made = _calls(campaigns)
    count = func.count(made.c.customer.distinct())
    facts = (Disposition.INVALID_NUMBER, Disposition.WRONG_NUMBER)
    found = {fact: connection.scalar(select(count).where(made.c.disposition == int(fact))) or 0 for fact in facts}
    return connection.scalar(select(count)) or 0, found


def call_seconds(connection: Connection, campaigns: Sequence[int]) -> tuple[float | None, float | None, float | None]:
    """Mean seconds of ringing, of talking with the right party, and of wrapping up; None where nobody noted them."""
    made = _calls(campaigns)
    spoken = case((made.c.disposition.in_(SPOKEN), made.c.talk_s))
    row = connection.execute(select(func.avg(made.c.ring_s), func.avg(spoken), func.avg(made.c.wrap_s))).one()
    return row[0], row[1], row[2]


@dataclass(frozen=True, slots=True)
class Answered:
    """Members of campaigns by how they were reached, and those of each who met the goal by themselves."""

    engaged: int = 0
    engaged_converted: int = 0
    sold: int = 0
    sold_converted: int = 0
    others: int = 0
    others_converted: int = 0


def conversions_observed(
    connection: Connection, campaign: int, goal: str, start: datetime, within: timedelta
) -> Answered:
    """One campaign's members: the engaged, those who said yes on the phone, all others; conversions not by a call."""
    m, v = t.member.c, t.conversion.c
    engaged = _first(campaign, t.event.c.at, t.event.c.outcome.in_(ENGAGING), t.event, t.event.c.touch)
    sold = _first(campaign, t.call.c.at, t.call.c.disposition == int(Disposition.SALE), t.call, t.call.c.touch)
    since = case(
        (engaged.c.at.is_not(None), engaged.c.at),
        (sold.c.at.is_not(None), sold.c.at),
        else_=literal(start, v.at.type),
    )
    met = (
        select(v.id)
        .where(v.customer == m.customer, v.goal == goal, v.source != BY_CALL, v.at >= since, v.at < start + within)
        .correlate_except(t.conversion)
        .exists()
    )
    kind = case((engaged.c.at.is_not(None), 0), (sold.c.at.is_not(None), 1), else_=2).label("kind")
    each = (
        select(kind, case((met, 1), else_=0).label("met"))
        .select_from(t.member)
        .outerjoin(engaged, engaged.c.customer == m.customer)
        .outerjoin(sold, sold.c.customer == m.customer)
        .where(m.campaign == campaign)
        .subquery("each")
    )
    rows = connection.execute(select(each.c.kind, func.count(), func.sum(each.c.met)).group_by(each.c.kind))
    found: dict[int, Row[Any]] = {row[0]: row for row in rows}
    counts = [int(found[kind][place]) if kind in found else 0 for kind in range(3) for place in (1, 2)]
    return Answered(*counts)


def _first(
    campaign: int, at: ColumnElement[datetime], which: ColumnElement[bool], table: Any, touch: ColumnElement[int]
) -> Subquery:
    c = t.touch.c
    return (
        select(c.customer, func.min(at).label("at"))
        .join(table, touch == c.id)
        .where(c.wave.in_(_waves([campaign])), which)
        .group_by(c.customer)
        .subquery()
    )


def values_observed(connection: Connection, campaign: int, goal: str, start: datetime) -> list[tuple[Decimal, str]]:
    """What the conversions of a campaign's members were worth, with the currency."""
    m, v = t.member.c, t.conversion.c
    query = (
        select(v.value, v.currency)
        .join(t.member, m.customer == v.customer)
        .where(m.campaign == campaign, v.goal == goal, v.at >= start, v.value > literal(0, Integer))
        .where(v.currency.is_not(None))
    )
    return [(row[0], row[1]) for row in connection.execute(query)]
