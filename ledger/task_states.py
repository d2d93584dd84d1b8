"""Whether what was given to people, or waits in an inbox, still holds: asked of touches that were sent."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, case, func, literal, or_, select

from ledger import tables as t
from ledger.gates import PASSES, address_suppressed, instructed
from ledger.sql import among
from waves.message import AddressState, Consent
from waves.outcomes import Outcome, State, word

FEW = 1000
"""Ids in one statement."""
CLOSED, STOPPED, ABORTED, UNWANTED, NOT_SENT = (
    "the wave is closed",
    "the wave was stopped",
    "the campaign was aborted",
    "the customer is not to be contacted",
    "it was not sent",
)


@dataclass(frozen=True, slots=True)
class Waiting:
    """A message of an inbox that may be shown."""

    touch: int
    customer: int
    campaign: str
    wave: str
    variant: int
    closes: datetime
    sent_at: datetime


def unwanted(now: datetime) -> ColumnElement[bool]:
    """Whether the customer of a touch, joined to address and customer, must not be contacted there at this moment."""
    a, c = t.address.c, t.touch.c
    return or_(
        t.customer.c.erased_at.is_not(None),
        a.state >= int(AddressState.REPLACED),
        a.consent != int(Consent.GRANTED),
        instructed(c.customer, now, c.channel) != literal(PASSES),
        address_suppressed(now),
    )


def task_states(connection: Connection, touches: Collection[int], now: datetime) -> dict[int, str]:
    """Touch to how its task stands: `open`, an outcome's word, or `void: ` and why."""
    found, wanted = dict[int, str](), sorted(touches)
    for first in range(0, len(wanted), FEW):
        found |= _states(connection, wanted[first : first + FEW], now)
    return found


def _states(connection: Connection, touches: Collection[int], now: datetime) -> dict[int, str]:
    c, w = t.touch.c, t.wave.c
    void = case(
        (c.state.in_([int(State.EXPIRED), int(State.WITHDRAWN), int(State.REFUSED)]), NOT_SENT),
        (t.campaign.c.state == "aborted", ABORTED),
        (or_(w.state.in_(["closing", "closed"]), w.closes <= now), CLOSED),
        (w.stopped_at.is_not(None), STOPPED),
        (unwanted(now), UNWANTED),
    )
    rows = connection.execute(
        select(c.id, c.outcome, void)
        .join(t.address, t.address.c.id == c.address)
        .join(t.customer, t.customer.c.id == c.customer)
        .join(t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .where(among(c.id, touches))
    )
    return {touch: _state(outcome, why) for touch, outcome, why in rows}


def _state(outcome: int | None, why: str | None) -> str:
    return word(Outcome(outcome)) if outcome else f"void: {why}" if why else "open"


def change_mark(connection: Connection) -> str:
    """What changes whenever a wave closes or is stopped, a campaign is aborted, or somebody is suppressed."""
    w, s = t.wave.c, t.suppression.c
    waves = connection.execute(select(func.count(w.closed), func.count(w.stopped_at)).select_from(t.wave)).one()
    aborted = connection.scalar(select(func.count()).where(t.campaign.c.state == "aborted"))
    return " ".join(map(str, (*waves, aborted, connection.scalar(select(func.max(s.id))))))


def waiting_in_inbox(connection: Connection, customer: int, channel: int, now: datetime) -> list[Waiting]:
    """A customer's messages of open waves of running campaigns, the newest first (ix_touch_customer)."""
    c = t.touch.c
    query = _waiting(channel, now).where(c.customer == customer).order_by(c.sent_at.desc(), c.id.desc())
    return [Waiting(*row) for row in connection.execute(query)]


def waiting_touch(connection: Connection, touch: int, channel: int, now: datetime) -> Waiting | None:
    """One message, if it may still be shown."""
    row = connection.execute(_waiting(channel, now).where(t.touch.c.id == touch)).one_or_none()
    return Waiting(*row) if row else None


def _waiting(channel: int, now: datetime) -> Select[Any]:
    c, w = t.touch.c, t.wave.c
    return (
        select(c.id, c.customer, t.campaign.c.name, w.name, c.variant, w.closes, c.sent_at)
        .join(t.address, t.address.c.id == c.address)
        .join(t.customer, t.customer.c.id == c.customer)
        .join(t.wave, w.id == c.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .where(
            c.channel == channel,
            c.state == int(State.SENT),
            w.state == "open",
            w.stopped_at.is_(None),
            w.closes > now,
            t.campaign.c.state == "running",
            ~unwanted(now),
        )
    )


def known_reports(connection: Connection, provider: str, idents: Collection[str]) -> set[str]:
    """Which of these reports came already (uq_event_provider_provider_event_id)."""
    e = t.event.c
    query = select(e.provider_event_id).where(e.provider == provider, e.provider_event_id.in_(list(idents)))
    return set(connection.scalars(query)) if idents else set()
