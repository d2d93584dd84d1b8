"""Who got a wave's message, and who was to get it and did not: what a wrong text needs."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, func, or_, select

from ledger import tables as t
from ledger.campaigns import find_wave
from ledger.types import Span
from waves.dispositions import EFFECTS
from waves.errors import CampaignError
from waves.message import CHANNEL_CODES
from waves.outcomes import FAILURES, Outcome, State, Verdict
from waves.plan import Audience

WENT_OUT = (State.SENT, State.CLAIMED, State.IN_DOUBT)
MAYBE = frozenset({State.CLAIMED, State.IN_DOUBT, State.QUEUED})
"""States of which nobody knows yet whether the message left; who is in one counts as having got it."""

ARRIVED = tuple(outcome for outcome in Outcome if outcome not in FAILURES | {Outcome.CANCELED})
RINGING = tuple(disposition for disposition, effect in EFFECTS.items() if effect.rang)


@dataclass(frozen=True, slots=True)
class Got:
    """One touch by which the wave's message went, or may have gone, to a customer."""

    customer: str
    """The customer's key, never an address."""
    channel: int
    variant: int
    sent_at: datetime | None
    """When it was handed over; of a call, when it last rang."""
    state: State
    outcome: Outcome | None


def reached() -> ColumnElement[bool]:
    """Whether a touch went to the provider, or may have: by its state, by a report of it, or by a call that rang."""
    c, k = t.touch.c, t.call.c
    rang = select(k.event).where(k.touch == c.id, k.disposition.in_([int(d) for d in RINGING]))  # ix_call_touch
    return or_(
        c.state.in_([int(state) for state in WENT_OUT]),
        (c.state == int(State.QUEUED)) & c.sent_at.is_not(None),  # in doubt, and to be sent again
        c.outcome.in_([int(outcome) for outcome in ARRIVED]),
        rang.correlate(t.touch).exists(),
    )


def who_got(connection: Connection, wave: int, variant: int | None = None) -> Iterator[Got]:
    """Every touch by which the wave's message went out, by customer key; of one variant when one is named."""
    c = t.touch.c
    last_call = select(func.max(t.call.c.at)).where(t.call.c.touch == c.id).correlate(t.touch).scalar_subquery()
    query = (
        select(t.customer.c.key, c.channel, c.variant, func.coalesce(c.sent_at, last_call), c.state, c.outcome)
        .join_from(t.touch, t.customer, t.customer.c.id == c.customer)
        .where(*_touches(wave, variant))
        .order_by(t.customer.c.key, c.channel)
        .execution_options(yield_per=10_000)
    )
    for key, channel, number, at, state, outcome in connection.execute(query):
        yield Got(key, channel, number, at, State(state), None if outcome is None else Outcome(outcome))


def counts_of(connection: Connection, wave: int, variant: int | None = None) -> list[tuple[int, int, State, int]]:
    """(channel, variant, state, touches) of those whom the wave's message went to."""
    c = t.touch.c
    groups = (c.channel, c.variant, c.state)
    rows = connection.execute(
        select(*groups, func.count()).where(*_touches(wave, variant)).group_by(*groups).order_by(*groups)
    )
    return [(channel, number, State(state), count) for channel, number, state, count in rows]


def audience(connection: Connection, wanted: Audience) -> Select[tuple[int]]:
    """The ids of the customers an audience names, all of them treated and `go` in that wave.

    CampaignError for an unknown campaign or wave, and while the answer could still change.
    """
    _, row = find_wave(connection, wanted.campaign, wanted.wave)
    _settled(connection, wanted.campaign, row)
    e, c = t.enrolment.c, t.touch.c
    if wanted.who == "not_got":
        # NOT EXISTS, not NOT IN: PostgreSQL reads a list too long for its memory once for every customer.
        got = select(c.id).where(c.wave == row.id, c.customer == e.customer, reached()).correlate(t.enrolment).exists()
        return select(e.customer).where(e.wave == row.id, e.verdict == int(Verdict.GO), ~got)
    went = select(c.customer).where(*_touches(row.id, wanted.variant))
    return went.where(c.channel == CHANNEL_CODES[wanted.by]) if wanted.by else went


def audience_within(wanted: Select[tuple[int]], span: Span) -> Select[tuple[int]]:
    """Those of an audience whose ids lie in the span."""
    (customer,) = wanted.selected_columns
    return wanted.where(customer > span[0], customer <= span[1])


def lists_out(connection: Connection, wave: int) -> list[int]:
    """The dial lists of a wave that may still be called from."""
    d, e = t.dial_list.c, t.dial_entry.c
    out = select(d.id).join(t.dial_entry, e.list == d.id).where(d.wave == wave, e.active).distinct().order_by(d.id)
    return list(connection.scalars(out))


def _touches(wave: int, variant: int | None) -> list[ColumnElement[bool]]:
    c = t.touch.c
    return [c.wave == wave, reached(), *([c.variant == variant] if variant is not None else [])]


def _settled(connection: Connection, campaign: str, wave: Row[Any]) -> None:
    """Nothing when it is final who got the wave; else CampaignError with what to do first."""
    name, c = f"wave {wave.name} of {campaign}", t.touch.c
    if wave.state not in ("open", "closing", "closed"):
        what = "has not opened" if wave.state == "pending" else "is being enrolled"
        raise CampaignError(f"{name} {what}, so nobody can be named by it yet; run: multiwave advance")
    if wave.state == "open" and wave.stopped_at is None:
        raise CampaignError(
            f"{name} still sends, so who got it changes by the minute; "
            f"stop it first: multiwave stop {campaign} {wave.name}"
        )
    claimed = connection.scalar(select(func.count()).where(c.wave == wave.id, c.state == int(State.CLAIMED)))
    if claimed:
        raise CampaignError(f"{claimed:,} messages of {name} are in the hands of a worker; try again in a minute")
    if lists := lists_out(connection, wave.id):
        raise CampaignError(
            f"dial list {', '.join(map(str, lists))} of {name} is out and may be called from; "
            "return it first: multiwave dial-list return NUMBER"
        )
