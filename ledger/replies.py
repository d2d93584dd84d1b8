"""What people wrote back: the message it answers, the consent it gives or takes, the case it opens; each once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection, Row, func, insert, or_, select, update

from ledger import tables as t
from ledger.addresses import FROM_EVENT, by_event, yields_to_denial
from ledger.cases import open_case
from ledger.channel_tables import reply
from ledger.erasure import known_again
from ledger.event_rows import stored
from ledger.events import Recorded, event_row, fold, insert_events
from ledger.store import record_alone
from ledger.suppressions import suppress
from waves.message import Consent, Event
from waves.outcomes import Outcome, Side, State
from waves.replies import Reading

ANSWERS_WITHIN = timedelta(days=30)
"""An older message is not what somebody answers."""
CLOCKS = timedelta(minutes=1)
"""A carrier's clock may be so far behind ours."""
WENT = (int(State.SENT), int(State.IN_DOUBT))
STOPPED = "unsubscribed"
"""The reason of a suppression that a STOP from an address which nobody has leaves."""


@dataclass(frozen=True, slots=True)
class NewReply:
    """One reply and what it was taken for."""

    channel: int
    value: str
    """The sender's address."""
    sealed: str
    """The same as a keyed digest."""
    at: datetime
    provider: str
    provider_event_id: str
    reading: Reading
    raw: Mapping[str, object]


def record_replies(connection: Connection, replies: Sequence[NewReply], now: datetime) -> Recorded:
    """Store replies and let them act, in the order given; one that is known already changes nothing."""
    record_alone(connection)
    found = Recorded(0, 0, 0)
    for one in replies:
        new, known_sender = _record(connection, one, now)
        found = Recorded(found.new + new, found.known + (not new), found.unknown_touch + (not known_sender))
    return found


def _record(connection: Connection, one: NewReply, now: datetime) -> tuple[bool, bool]:
    """Whether the reply is new, and whether anybody has the address that it came from."""
    touch = _answered(connection, one)
    customer = touch.customer if touch else _owner(connection, one.channel, one.value)
    outcome, keyword = _means(connection, one)
    raw = {} if known_again(connection, [one.sealed]) else one.raw
    event = Event("", int(outcome), one.at, one.provider, one.provider_event_id, raw=raw)
    rows = [event_row(event, touch.id if touch else None, stored(now))]
    mark = insert_events(connection, rows)
    ident = connection.scalar(select(func.max(t.event.c.id)).where(t.event.c.id > mark))
    if ident is None:
        return False, customer is not None
    if outcome != Side.RESUBSCRIBED:  # a START is for the one address that it came from: _resubscribe
        fold(connection, mark, rows, [])
    if outcome == Side.UNSUBSCRIBED:
        _stop(connection, one, customer is not None)
    elif outcome == Side.RESUBSCRIBED:
        _resubscribe(connection, one)
    asks, case = one.reading.asks, None
    if asks and customer is not None:
        case = open_case(connection, customer, "reply", min(one.at, now))
    row = {"event": ident, "channel": one.channel, "sealed": one.sealed, "customer": customer}
    connection.execute(insert(reply).values(**row, keyword=keyword, asks=asks, suppression=case))
    return True, customer is not None


def _means(connection: Connection, one: NewReply) -> tuple[Outcome | Side, str | None]:
    """The report that a reply makes, and the keyword that it acts as."""
    keyword = one.reading.keyword
    if keyword == "stop":
        # A later START that came in before it is the person's last word.
        return (Side.UNKNOWN if _started_since(connection, one) else Side.UNSUBSCRIBED), keyword
    if keyword == "start" and _has_stopped(connection, one):
        return Side.RESUBSCRIBED, keyword
    if keyword == "help":  # the carrier answers it
        return Side.UNKNOWN, keyword
    return (Outcome.AUTO_REPLIED if one.reading.is_automatic else Outcome.REPLIED), keyword


def _answered(connection: Connection, one: NewReply) -> Row[Any] | None:
    """The latest message that went to this address on this channel, by the same sender if any.

    One in doubt too: it may have arrived, and nothing else will tell its campaign of the answer.
    ix_address_channel_value, ix_touch_customer.
    """
    a, c = t.address.c, t.touch.c
    return connection.execute(
        select(c.id, c.customer)
        .join_from(t.address, t.touch, (c.customer == a.customer) & (c.address == a.id))
        .where(a.channel == one.channel, a.value == one.value, c.channel == one.channel)
        .where(c.state.in_(WENT), c.sent_at > one.at - ANSWERS_WITHIN, c.sent_at <= one.at + CLOCKS)
        .order_by((func.coalesce(c.provider, "") == one.provider).desc(), c.sent_at.desc(), c.id.desc())
        .limit(1)
    ).one_or_none()


def _owner(connection: Connection, channel: int, value: str) -> int | None:
    """The first customer who has the address (ix_address_channel_value)."""
    a = t.address.c
    found = connection.scalar(select(func.min(a.customer)).where(a.channel == channel, a.value == value))
    return None if found is None else int(found)


def _started_since(connection: Connection, one: NewReply) -> bool:
    r, ev = reply.c, t.event.c
    query = select(r.event).join(t.event, ev.id == r.event)
    query = query.where(r.sealed == one.sealed, r.channel == one.channel, r.keyword == "start", ev.at > one.at)
    return connection.scalar(query.limit(1)) is not None  # ix_reply_sealed


def _has_stopped(connection: Connection, one: NewReply) -> bool:
    """Whether it was the person who said no to this address, before this moment."""
    a, s = t.address.c, t.suppression.c
    denied = (a.consent == int(Consent.DENIED)) & by_event() & func.coalesce(a.consent_at <= one.at, True)
    addresses = select(a.id).where(a.channel == one.channel, a.value == one.value, denied)
    return (
        connection.scalar(addresses.limit(1)) is not None
        or connection.scalar(select(s.id).where(*_own_stop(one)).limit(1)) is not None
    )


def _own_stop(one: NewReply) -> tuple[Any, ...]:
    s = t.suppression.c
    live = or_(s.until.is_(None), s.until > one.at)
    said = (s.reason == STOPPED, s.source == FROM_EVENT, s.since <= one.at, live)
    return (s.value == one.value, s.channel == one.channel, *said)  # ix_suppression_value


def _stop(connection: Connection, one: NewReply, known: bool) -> None:
    """Nobody writes there any more on this channel, whoever has the address, and whoever is to have it.

    Where one customer alone has it, nor to the others of that customer: there may be no message that it answers.
    """
    a = t.address.c
    denied = {"consent": int(Consent.DENIED), "consent_source": FROM_EVENT, "consent_at": one.at}
    here = a.channel == one.channel
    owners = connection.scalars(select(a.customer).where(here, a.value == one.value).distinct().limit(2)).all()
    mine = or_(a.value == one.value, a.customer == owners[0]) if len(owners) == 1 else a.value == one.value
    connection.execute(update(t.address).where(here, mine, yields_to_denial(one.at)).values(denied))
    if not known:
        suppress(connection, None, one.value, one.channel, STOPPED, FROM_EVENT, one.at)


def _resubscribe(connection: Connection, one: NewReply) -> None:
    """This address on this channel alone, and only where the no was the person's own."""
    a = t.address.c
    denied = (a.consent == int(Consent.DENIED), by_event(), func.coalesce(a.consent_at <= one.at, True))
    granted = {"consent": int(Consent.GRANTED), "consent_source": FROM_EVENT, "consent_at": one.at}
    mine = (a.channel == one.channel, a.value == one.value)
    connection.execute(update(t.address).where(*mine, *denied).values(granted))
    connection.execute(update(t.suppression).where(*_own_stop(one)).values(until=one.at))


def unknown_senders(connection: Connection) -> int:
    """How many replies came from addresses that no customer has."""
    return connection.scalar(select(func.count()).select_from(reply).where(reply.c.customer.is_(None))) or 0
