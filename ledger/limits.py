"""Contact limits: how often a customer was or may yet be contacted, over all campaigns and channels."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    Integer,
    Select,
    Subquery,
    and_,
    case,
    func,
    literal,
    null,
    or_,
    select,
    true,
    type_coerce,
    union_all,
)

from ledger import tables as t
from ledger.sql import inline, least
from ledger.types import EPOCH, MICROSECOND, Span, When
from waves.dispositions import EFFECTS
from waves.message import CHANNEL_CODES
from waves.outcomes import State

CALL = CHANNEL_CODES["call_list"]
LIVE = ("running", "paused")
"""Campaign states in which a plan's limit binds its members."""
CONTACT = t.touch.alias("contact")
"""A touch that counts, beside the one it is counted for."""
SILENT = [int(code) for code, effect in EFFECTS.items() if not effect.rang]
"""Dispositions of calls that nobody could hear: no contact."""


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `contacts` of one customer in any window of `within`."""

    contacts: int
    within: timedelta


def _contacts(since: When, now: When, waiting: ColumnElement[bool]) -> tuple[Select[Any], Select[Any], Select[Any]]:
    """(customer, at, n) of every contact since a moment: messages sent, calls listed, calls that rang; n is 1.

    `at` is NULL for what may yet happen, which counts whatever the window; `waiting` says which queued messages do.
    """
    c = CONTACT.c
    done = type_coerce(func.coalesce(c.sent_at, c.claimed_at), c.sent_at.type)
    never = type_coerce(null(), c.sent_at.type)
    one = literal(1, Integer).label("n")
    went = c.state.in_([inline(State.SENT), inline(State.IN_DOUBT)])
    again = (c.state == inline(State.QUEUED)) & (c.sent_at > since)  # in doubt, and to be sent again
    ahead = or_(c.state == inline(State.CLAIMED), and_(c.state == inline(State.QUEUED), c.not_after > now, waiting))
    message = select(c.customer, case((went, done), else_=never).label("at"), one).where(
        c.channel != inline(CALL), or_(went & (done > since), again, ahead)
    )
    return message, *made_calls(since, True)


def made_calls(since: When, held: bool) -> tuple[Select[Any], Select[Any]]:
    """(customer, at, n) of every call since a moment: those listed and not reported yet, and those that rang; n is 1.

    With `held` who is on a live list counts whenever that was cut, with a NULL `at`: it may ring any time.
    """
    c, k, e = CONTACT.c, t.call.c, t.dial_entry.c
    never = type_coerce(null(), c.sent_at.type)
    one = literal(1, Integer).label("n")
    rang = k.disposition.not_in(SILENT)
    dialled = select(k.event).where(k.touch == c.id, rang).correlate(CONTACT).exists()  # ix_call_touch
    live = select(e.id).where(e.touch == c.id, e.active).correlate(CONTACT).exists()  # ix_dial_entry_touch
    late = or_(c.claimed_at > since, live) if held else c.claimed_at > since
    at = case((live, never), else_=c.claimed_at) if held else c.claimed_at
    listed = select(c.customer, at.label("at"), one).where(
        c.channel == CALL, c.state == inline(State.LISTED), late, ~dialled
    )
    called = select(c.customer, k.at.label("at"), one).join_from(t.call, CONTACT, c.id == k.touch)
    return listed, called.where(c.channel == CALL, k.at > since, rang)


def _of_priority(test: Callable[[ColumnElement[int]], ColumnElement[bool]]) -> ColumnElement[bool]:
    """Whether a touch belongs to a campaign whose priority passes the test."""
    rival = t.campaign.alias("rival_campaign")
    waves = select(t.wave.c.id).join(rival, rival.c.id == t.wave.c.campaign).where(test(rival.c.priority))
    return CONTACT.c.wave.in_(waves)


@dataclass(frozen=True, slots=True)
class Pressure:
    """What a wave wants: the moment, its plan's priority and limit, its contacts, and what is kept for rival waves."""

    now: datetime
    priority: int
    own: Limit | None
    wanted: int
    kept: Sequence[FromClause] = ()
    """Tables of (customer, contacts)."""


def room_left(connection: Connection, span: Span, asked: Pressure) -> tuple[Select[Any] | None, int]:
    """(customers whose room is less than that, as rows of customer and left_over; the room of everybody else).

    Binding are the plan's own limit and, for its members, the limit of every live campaign: the strictest wins. More
    room than the contacts wanted is not told apart. Queued messages of less important campaigns yield: their own claim
    finds them over the limit.
    """
    c, m = t.campaign.c, t.member.c
    rows = connection.execute(
        select(c.id, c.limit_contacts, c.limit_within_us).where(c.state.in_(LIVE), c.limit_contacts.is_not(None))
    )
    theirs: dict[Limit, list[int]] = {}
    for row in rows:
        theirs.setdefault(Limit(row.limit_contacts, row.limit_within_us * MICROSECOND), []).append(row.id)
    if asked.own:
        theirs.pop(asked.own, None)
    members = {
        limit: select(m.customer).where(m.campaign.in_(campaigns), *_inside(m.customer, span))
        for limit, campaigns in theirs.items()
    }
    everybody = min(asked.wanted, asked.own.contacts) if asked.own else asked.wanted
    limits = [asked.own, *theirs] if asked.own else list(theirs)
    if not limits:
        return None, everybody
    counted = _counted(span, asked, limits, any_calls(connection))
    left: ColumnElement[int] = literal(asked.wanted, Integer)
    short: list[ColumnElement[bool]] = []
    for number, limit in enumerate(limits):
        few = counted.c[f"n{number}"] > limit.contacts - asked.wanted
        bound = few if limit == asked.own else few & counted.c.customer.in_(members[limit])
        left = least(left, case((bound, limit.contacts - counted.c[f"n{number}"]), else_=asked.wanted))
        short.append(few)
    found = [select(counted.c.customer, left.label("left_over")).where(or_(*short))]
    # Who was never contacted has less room than the wave wants only where a limit is that tight.
    for limit in theirs:
        if limit.contacts < asked.wanted:
            found.append(members[limit].add_columns(literal(limit.contacts, Integer)))
    if len(found) == 1:
        return found[0], everybody
    each = union_all(*found).subquery("each")
    return select(each.c.customer, func.min(each.c.left_over)).group_by(each.c.customer), everybody


def any_calls(connection: Connection) -> bool:
    """Whether any wave of the ledger calls; where none does there is nothing to look for among the calls."""
    return any(names_calls(text) for text in connection.scalars(_every_channels()))


@cache
def _every_channels() -> Select[tuple[str]]:
    return select(t.wave.c.channels).distinct()


@lru_cache(maxsize=256)
def names_calls(channels: str) -> bool:
    """Whether the call list is among the channels of a wave, as its row holds them."""
    return any(CALL in group for group in json.loads(channels))


def _counted(span: Span, asked: Pressure, limits: Sequence[Limit], calls: bool) -> Subquery:
    """(customer, n0, n1 ...): the contacts of each window, by one scan of the touches (ix_touch_customer)."""
    longest = max(limit.within for limit in limits)
    others = _of_priority(lambda theirs: theirs >= asked.priority)
    message, *calling = _contacts(asked.now - longest, asked.now, others)
    made = [message, *calling] if calls else [message]
    rows = [part.where(*_inside(CONTACT.c.customer, span)) for part in made]
    rows += [select(kept.c.customer, null(), kept.c.contacts) for kept in asked.kept]
    every = union_all(*rows).subquery("contacts")
    counts = []
    for number, limit in enumerate(limits):
        # Every row is in the longest window; NULL, what may yet happen, is in all of them.
        old = every.c.at <= asked.now - limit.within
        inside = every.c.n if limit.within == longest else case((old, 0), else_=every.c.n)
        counts.append(type_coerce(func.sum(inside), Integer).label(f"n{number}"))
    return select(every.c.customer, *counts).group_by(every.c.customer).subquery("counted")


def _inside(column: ColumnElement[int], span: Span) -> tuple[ColumnElement[bool], ...]:
    return column > span[0], column <= span[1]


def over_limit(
    touch: ColumnElement[int],
    customer: ColumnElement[int],
    now: When,
    priority: int | None,
    calls: bool = True,
) -> ColumnElement[bool]:
    """Whether a queued touch would be one contact too many under a limit that binds its customer.

    Of a listed touch too, while it is not called: it does not count against itself. Every message claimed, sent or in
    doubt counts, and of those queued the ones that go before it: of more important campaigns, and of equal ones with a
    lower id. So of any two that race exactly one counts the other. For a call, `priority` None, every queued message
    counts. `calls` False says that no wave of the ledger calls.
    """
    c, m, id_ = t.campaign.c, t.member.c, CONTACT.c.id
    now_us = type_coerce(now, BigInteger) if isinstance(now, ColumnElement) else literal((now - EPOCH) // MICROSECOND)
    since = type_coerce(now_us - c.limit_within_us, CONTACT.c.sent_at.type)
    waiting: ColumnElement[bool] = true()
    if priority is not None:
        equal = _of_priority(lambda theirs: theirs == priority) & (id_ < touch)
        waiting = or_(_of_priority(lambda theirs: theirs > priority), equal)
    message, listed, called = _contacts(since, now, waiting)
    counts = [
        part.with_only_columns(func.count())
        # Of the member's row, not of `customer`: nothing is counted for a campaign that the customer is not in.
        .where(CONTACT.c.customer == m.customer)  # ix_touch_customer
        .correlate_except(CONTACT, t.call)
        .scalar_subquery()
        for part in (message.where(id_ != touch), *((listed.where(id_ != touch), called) if calls else ()))
    ]
    binding = (
        select(c.id)
        .join(t.member, (m.campaign == c.id) & (m.customer == customer))
        .where(c.state.in_(LIVE), c.limit_contacts.is_not(None), sum(counts[1:], counts[0]) >= c.limit_contacts)
    )
    return binding.correlate_except(t.campaign, t.member).exists()
