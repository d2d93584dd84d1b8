"""Kill switches: nothing begins in their scope while they are on, whatever is queued; nothing is lost by them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from typing import Any

from sqlalchemy import (
    BindParameter,
    ColumnElement,
    Connection,
    FromClause,
    Select,
    bindparam,
    func,
    insert,
    or_,
    select,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from ledger.audit import record
from ledger.engine_tables import kill_switch
from ledger.types import Moment, When
from waves.errors import CampaignError

EVERYTHING = "everything"
SEGMENT = "segment:"


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch that is on."""

    scope: str
    since: datetime
    until: datetime | None
    by: str
    why: str
    rule: str | None


def scopes(campaign: str, wave: str, channel: str, sender: str, provider: str) -> tuple[str, ...]:
    """Every scope, segments apart, that a message of this wave on this channel lies in."""
    return (
        EVERYTHING,
        f"channel:{channel}",
        f"provider:{provider}",
        f"sender:{sender}",
        f"campaign:{campaign}",
        f"wave:{campaign}/{wave}",
    )


def is_on(within: Sequence[str] | BindParameter[Sequence[str]], now: When) -> ColumnElement[bool]:
    """Whether a switch of one of these scopes is on (uq_kill_switch_on)."""
    k = kill_switch.c
    return select(k.id).where(k.scope.in_(within), *_standing(now)).exists()


def named_by_any(
    people: FromClause, rules: Sequence[ColumnElement[bool]]
) -> Callable[[ColumnElement[int]], ColumnElement[bool]]:
    """Whether a customer of `people` is named by one of the rules over them; one that nobody can judge is."""

    def named(customer: ColumnElement[int]) -> ColumnElement[bool]:
        asked = select(people.c.customer).where(people.c.customer == customer, func.coalesce(or_(*rules), true()))
        return asked.correlate_except(people).exists()

    return named


def _standing(now: When) -> tuple[ColumnElement[bool], ...]:
    k = kill_switch.c
    return k.lifted_at.is_(None), or_(k.until.is_(None), k.until > now)


def switches_on(connection: Connection, now: datetime) -> list[Switch]:
    """Every switch that is on, the oldest first."""
    return [Switch(*row) for row in connection.execute(_switches_on(), {"now": now})]


@cache
def _switches_on() -> Select[Any]:
    k = kill_switch.c
    standing = _standing(bindparam("now", type_=Moment()))
    return select(k.scope, k.since, k.until, k.by, k.why, k.rule).where(*standing).order_by(k.since, k.id)


def switch_on(
    connection: Connection,
    scope: str,
    why: str,
    by: str,
    now: datetime,
    until: datetime | None = None,
    rule: str | None = None,
) -> bool:
    """Stop everything in a scope from the commit on; False when it is stopped already."""
    k = kill_switch.c
    over = (k.scope == scope, k.lifted_at.is_(None), k.until <= now)
    connection.execute(update(kill_switch).where(*over).values(lifted_at=k.until, lifted_by="its own end"))
    try:
        with connection.begin_nested():
            row = {"scope": scope, "why": why, "by": by, "since": now, "until": until, "rule": rule}
            connection.execute(insert(kill_switch).values(row))
    except IntegrityError:  # uq_kill_switch_on
        return False
    record(connection, now, by, "kill switch on", scope, after=why)
    return True


def lift(connection: Connection, scope: str, by: str, now: datetime) -> None:
    """Let a scope go on; CampaignError when no such switch is on."""
    k = kill_switch.c
    lifted = connection.execute(
        update(kill_switch).where(k.scope == scope, *_standing(now)).values(lifted_at=now, lifted_by=by)
    ).rowcount
    if not lifted:
        known = ", ".join(switch.scope for switch in switches_on(connection, now)) or "none"
        raise CampaignError(f"no kill switch is on for {scope}; on are: {known}")
    record(connection, now, by, "kill switch off", scope)
