"""Sends in doubt, each with its own row: when it was cut off, what the provider said of it, what was decided.

The row outlives the doubt. A touch that is queued again because of its plan's `resend` keeps its `sent_at`: the first
send may have arrived, so it counts as a contact, and when it is not sent again after all it is in doubt as before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    Row,
    ScalarSelect,
    Select,
    and_,
    case,
    func,
    insert,
    literal,
    or_,
    select,
    type_coerce,
    update,
)

from ledger import tables as t
from ledger.engine_tables import doubt
from ledger.types import EPOCH, MICROSECOND, Moment
from waves.outcomes import State

DECISIONS: dict[str, str] = {
    "sent": "it was sent",
    "refused": "the provider had refused it",
    "settled": "its worker or a report came after all",
    "assume_sent": "counts as sent; nobody gets it twice",
    "hold": "waits for a person",
    "resend": "queued again, once",
    "not_sent": "a person says that it was not sent",
}
"""What can be decided of a doubt, and what that means."""

SAID_ACCEPTED, SAID_REFUSED, SAID_UNKNOWN = "accepted", "refused", "unknown"
NO_ANSWER, CANNOT_BE_ASKED = "no answer", "cannot be asked"
FIRST_PAUSE_US = 30_000_000
"""A provider is asked again after half a minute at the earliest, then each time after twice as long."""

UNSURE = (State.CLAIMED, State.IN_DOUBT, State.QUEUED)
"""States of a touch that a provider may have without our knowing its reference, once it was begun."""
APART = timedelta(days=1)
"""Of two messages that were begun so far apart none is taken for the other."""


@dataclass(frozen=True, slots=True)
class Unsure:
    """A touch in doubt that its provider is to be asked about."""

    touch: int
    channel: int
    sender: str | None
    """Whom it was handed to, where its worker lived to say so."""


def note_doubts(connection: Connection, touches: Sequence[int], now: datetime) -> None:
    """Of these touches, remember those that are in doubt; one that had left its doubt since is in a new one."""
    if not touches:
        return
    c, d = t.touch.c, doubt.c
    unsure = (c.id.in_(touches), c.state == int(State.IN_DOUBT))
    again = {"since": now, "asked_at": None, "said": None, "decided": None, "decided_at": None, "decided_by": None}
    left = or_(c.claimed_at >= d.since, d.decided.in_(["settled", "not_sent"]))
    anew = select(c.id).where(*unsure, c.id == d.touch, left).correlate(doubt).exists()
    connection.execute(update(doubt).where(d.touch.in_(touches), anew).values(again))
    known = select(d.touch).where(d.touch.in_(touches))
    rows = select(c.id, c.wave, literal(now, Moment)).where(*unsure, c.id.not_in(known))
    connection.execute(insert(doubt).from_select([d.touch, d.wave, d.since], rows))


def given_up(state: State) -> ColumnElement[int]:
    """What a queued touch becomes that is not sent any more: this state, but for two that were out already.

    In doubt where it was to be a resend, listed where it waited to be dialled again.
    """
    c = t.touch.c
    return case(
        (c.sent_at.is_not(None), int(State.IN_DOUBT)),
        (c.disposition.is_not(None), int(State.LISTED)),
        else_=int(state),
    )


def resent() -> ColumnElement[bool]:
    """Whether a touch was queued again by its plan's `resend`, so that an earlier send of it may have arrived."""
    d = doubt.c
    return select(d.touch).where(d.touch == t.touch.c.id, d.resends > 0).correlate(t.touch).exists()


def queued_again() -> ColumnElement[bool]:
    """Whether a touch that was in doubt waits to be sent again; whoever proves the first send takes it back."""
    was = select(doubt.c.touch).where(doubt.c.touch == t.touch.c.id).correlate(t.touch).exists()
    return and_(t.touch.c.state == int(State.QUEUED), was)


def since() -> ScalarSelect[datetime]:
    """When a touch was found in doubt."""
    return select(doubt.c.since).where(doubt.c.touch == t.touch.c.id).correlate(t.touch).scalar_subquery()


def later(column: ColumnElement[Any], by_us: int | ColumnElement[int]) -> ColumnElement[int]:
    """A time as microseconds, that much later."""
    return type_coerce(column, BigInteger) + by_us


def in_us(moment: datetime) -> int:
    """A time as microseconds since 1970 UTC, as the columns of times hold it."""
    return (moment - EPOCH) // MICROSECOND


def undecided() -> tuple[ColumnElement[bool], ...]:
    """Doubts that nobody has decided, joined to touches that are in doubt (ix_doubt_open)."""
    return doubt.c.decided.is_(None), t.touch.c.state == int(State.IN_DOUBT)


def any_undecided(connection: Connection) -> bool:
    """Whether there is anything to ask or to decide (ix_doubt_open)."""
    return connection.scalar(select(doubt.c.touch).where(doubt.c.decided.is_(None)).limit(1)) is not None


def to_ask(connection: Connection, now: datetime) -> list[Unsure]:
    """The doubts whose provider is to be asked now, who waited longest first; one that cannot be asked is not again."""
    c, d = t.touch.c, doubt.c
    asked = later(d.asked_at, 0)
    rested = and_(asked + FIRST_PAUSE_US <= in_us(now), 2 * asked - later(d.since, 0) <= in_us(now))
    query = (
        select(c.id, c.channel, c.provider)
        .join_from(doubt, t.touch, c.id == d.touch)
        .where(*undecided(), func.coalesce(d.said, "") != CANNOT_BE_ASKED, or_(d.asked_at.is_(None), rested))
        .order_by(func.coalesce(d.asked_at, d.since), d.touch)
    )
    return [Unsure(*row) for row in connection.execute(query)]


def addressed(connection: Connection, touches: Sequence[int]) -> dict[int, tuple[str, datetime, frozenset[str], bool]]:
    """Of each touch: where it went, when it was claimed, the references of all else that went there, and whether of
    no other message that went there around that time the reference may be unknown.

    ix_address_channel_value, ix_touch_customer.
    """
    c, a = t.touch.c, t.address.c
    same, other = t.address.alias(), t.touch.alias()
    begun, theirs = func.coalesce(c.claimed_at, doubt.c.since), func.coalesce(other.c.claimed_at, other.c.sent_at)
    query = (
        select(c.id, a.value, begun, other.c.provider_ref, other.c.state, type_coerce(theirs, Moment))
        .join_from(t.touch, t.address, a.id == c.address)
        .join(doubt, doubt.c.touch == c.id)
        .join(same, and_(same.c.channel == a.channel, same.c.value == a.value))
        .outerjoin(
            other,
            and_(other.c.customer == same.c.customer, other.c.channel == c.channel, other.c.id != c.id),
        )
        .where(c.id.in_(touches))
    )
    found: dict[int, tuple[str, datetime, frozenset[str], bool]] = {}
    for touch, value, at, ref, state, other_at in connection.execute(query):
        _, _, refs, alone = found.get(touch, (value, at, frozenset[str](), True))
        refs = refs | {ref} if ref else refs
        is_unsure = state in UNSURE and other_at is not None and abs(other_at - at) < APART
        found[touch] = (value, at, refs, alone and not is_unsure)
    return found


def open_cases(connection: Connection) -> list[tuple[str, int, str | None]]:
    """(campaign, channel, sender) of the touches in doubt whose provider was asked, and that nobody has decided."""
    c, d, w = t.touch.c, doubt.c, t.wave.c
    query = (
        select(t.campaign.c.name, c.channel, c.provider)
        .join_from(doubt, t.touch, c.id == d.touch)
        .join(t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .where(*undecided(), d.said.is_not(None))
        .distinct()
        .order_by(t.campaign.c.name, c.channel, c.provider)
    )
    return [(row[0], row[1], row[2]) for row in connection.execute(query)]


def lapse(connection: Connection, now: datetime) -> None:
    """Doubts that a late worker or a report has settled meanwhile are decided (ix_doubt_open)."""
    c, d = t.touch.c, doubt.c
    settled = select(c.id).where(c.id == d.touch, c.state != int(State.IN_DOUBT)).correlate(doubt).exists()
    values = {"decided": "settled", "decided_at": now, "decided_by": "upkeep"}
    connection.execute(update(doubt).where(d.decided.is_(None), settled).values(values))


def _named(campaign: int) -> Select[Any]:
    c, d, w = t.touch.c, doubt.c, t.wave.c
    columns = (d.touch, d.since, d.asked_at, d.said, d.decided, d.decided_at, d.decided_by, d.resends)
    return (
        select(t.customer.c.key, w.name.label("wave"), c.channel, c.provider, c.state, c.reason, *columns)
        .join_from(doubt, t.touch, c.id == d.touch)
        .join(t.wave, w.id == d.wave)  # ix_doubt_wave
        .join(t.customer, t.customer.c.id == c.customer)
        .where(w.campaign == campaign)
        .order_by(w.seq, t.customer.c.key, c.channel)
    )


def doubts_of(connection: Connection, campaign: int, as_of: datetime | None = None) -> Sequence[Row[Any]]:
    """Every touch of a campaign that is in doubt, or was and was queued again, by wave and customer key."""
    c, d = t.touch.c, doubt.c
    query = _named(campaign).where(or_(c.state == int(State.IN_DOUBT), d.resends > 0))
    return connection.execute(query if as_of is None else query.where(d.since <= as_of)).all()


def held(connection: Connection, campaign: int) -> Sequence[Row[Any]]:
    """The touches of a campaign in doubt that wait for a person."""
    return connection.execute(
        _named(campaign).where(t.touch.c.state == int(State.IN_DOUBT), doubt.c.decided == "hold")
    ).all()


def doubt_of(connection: Connection, touch: int) -> Row[Any] | None:
    """A touch's doubt, None when it never was in one."""
    return connection.execute(select(doubt).where(doubt.c.touch == touch)).one_or_none()
