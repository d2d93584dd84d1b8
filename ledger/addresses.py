"""What is learned of an address holds for everybody who has it on that channel."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Select, Update, and_, case, func, literal, or_, select, update

from ledger import tables as t
from ledger.sql import among
from waves.message import AddressState, Consent
from waves.outcomes import Action

FROM_EVENT = "event"
"""The source of a consent that the person gave or took back."""
OWN_WORDS = (FROM_EVENT, "push_page")
"""Sources of consent that are the person's own act (segments.consent has the other one)."""


def dialled(place: Any, customer: Any, number: Any) -> ColumnElement[bool]:
    """Whether an address is the customer's one that a call dialled; a spreadsheet may have taken the number's plus."""
    return and_(place.c.customer == customer, or_(place.c.value == number, place.c.value == literal("+") + number))


def by_event() -> ColumnElement[bool]:
    """Whether the person said it, in a report or in the browser: then the time decides between that and a report."""
    return func.coalesce(t.address.c.consent_source, "").in_(OWN_WORDS)


def yields_to_denial(latest: Any) -> ColumnElement[bool]:
    """Whether an address's consent gives way to a no of this moment: a later yes of the person's own stays."""
    a = t.address.c
    granted = a.consent == int(Consent.GRANTED)
    return case(
        (granted & by_event(), a.consent_at <= latest),
        (granted, True),
        else_=func.coalesce(a.consent_at < latest, True),
    )


def burial(gone: Select[Any]) -> Update:
    """Says that the addresses with these ids are dead, and every row with the same value on the same channel."""
    a, told = t.address.c, t.address.alias("told")
    # ix_address_channel_value
    same = (
        select(a.id)
        .join_from(told, t.address, (a.channel == told.c.channel) & (a.value == told.c.value))
        .where(told.c.id.in_(gone))
    )
    return update(t.address).where(a.id.in_(same)).values(state=int(AddressState.DEAD))


def act(connection: Connection, touches: Sequence[int], action: Action, now: datetime) -> None:
    """What a refusal asks of us beyond the touch: the address is dead, or its consent gone."""
    if action not in (Action.DROP_ADDRESS, Action.DROP_CONSENT):
        return
    mine = select(t.touch.c.address).where(among(t.touch.c.id, touches))
    if action is Action.DROP_ADDRESS:
        connection.execute(burial(mine))
    if action is Action.DROP_CONSENT:
        # As ledger.events: every address of the customer there, and everybody's row with that value.
        a = t.address.c
        said = select(a.customer, a.channel, a.value).where(a.id.in_(mine)).subquery("said")
        covered = (a.channel == said.c.channel) & or_(a.customer == said.c.customer, a.value == said.c.value)
        ids = select(a.id).join_from(t.address, said, covered)
        denied = {"consent": int(Consent.DENIED), "consent_source": FROM_EVENT, "consent_at": now}
        connection.execute(update(t.address).where(a.id.in_(ids)).values(denied))
