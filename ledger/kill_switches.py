"""Kill switches: nothing begins in their scope while they are on, whatever is queued; nothing is lost by them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
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
    text,
    true,
    update,
)
from sqlalchemy.exc import IntegrityError

from ledger import tables as t
from ledger.audit import record
from ledger.engine_tables import kill_switch
from ledger.gates import Halted
from ledger.sql import among
from ledger.store import ENROL_LOCK
from ledger.types import Moment, When
from waves.errors import CampaignError
from waves.outcomes import State

EVERYTHING = "everything"
SEGMENT = "segment:"
FEW = 1000
"""Ids in one statement."""


@dataclass(frozen=True, slots=True)
class Switch:
    """A switch that is on; as text, a sentence that says so."""

    scope: str
    since: datetime
    until: datetime | None
    by: str
    why: str
    rule: str | None

    def __str__(self) -> str:
        ends = f", until {self.until:%Y-%m-%d %H:%M} UTC" if self.until else ""
        return (
            f"the kill switch {self.scope} is on since {self.since:%Y-%m-%d %H:%M} UTC{ends}, by {self.by}: {self.why}"
        )


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


def is_on(within: Collection[str] | BindParameter[Collection[str]], now: When) -> ColumnElement[bool]:
    """Whether a switch of one of these scopes is on (uq_kill_switch_on)."""
    k = kill_switch.c
    return select(k.id).where(among(k.scope, within), *_standing(now)).exists()


def named_by_any(people: FromClause, rules: Sequence[ColumnElement[bool]]) -> Halted:
    """Whether a customer of `people` is named by one of the rules over them; one that nobody can judge is."""

    def named(customer: ColumnElement[int]) -> ColumnElement[bool]:
        asked = select(people.c.customer).where(people.c.customer == customer, func.coalesce(or_(*rules), true()))
        return asked.correlate_except(people).exists()

    return named


def anybody(customer: ColumnElement[int]) -> ColumnElement[bool]:
    """Of a switch that asks not who it is, such as that of a campaign."""
    return true()


def any_of(connection: Connection, named: Halted, customer: int) -> bool:
    """Whether this one customer is named."""
    c = t.customer.c
    return bool(connection.scalar(select(c.id).where(c.id == customer, named(c.id))))


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
    """Stop everything in a scope from the commit on; False when it is stopped already, for as long or longer.

    One that would end sooner gives way: who says stop is not overruled by a breaker's end.
    """
    k = kill_switch.c
    row = {"scope": scope, "why": why, "by": by, "since": now, "until": until, "rule": rule}
    while True:
        known = connection.execute(
            select(k.id, k.until).where(k.scope == scope, k.lifted_at.is_(None)).with_for_update()
        ).one_or_none()
        if known is not None and (known.until is None or (until is not None and known.until >= until)):
            return False
        if known is not None:
            over = known.until <= now
            ended = {"lifted_at": min(known.until, now), "lifted_by": "its own end" if over else by}
            connection.execute(update(kill_switch).where(k.id == known.id).values(ended))
        try:
            with connection.begin_nested():
                connection.execute(insert(kill_switch).values(row))
        except IntegrityError:  # uq_kill_switch_on: somebody else was first, and is seen now
            continue
        record(connection, now, by, "kill switch on", scope, after=why)
        return True


def lift(connection: Connection, scope: str, by: str, now: datetime) -> None:
    """Let a scope go on, from where it was stopped; CampaignError when no such switch is on."""
    k = kill_switch.c
    lifted = connection.execute(
        update(kill_switch).where(k.scope == scope, *_standing(now)).values(lifted_at=now, lifted_by=by)
    ).rowcount
    if not lifted:
        known = ", ".join(switch.scope for switch in switches_on(connection, now)) or "none"
        raise CampaignError(f"no kill switch is on for {scope}; on are: {known}")
    if scope.startswith(SEGMENT):
        _due_again(connection, now)
    record(connection, now, by, "kill switch off", scope)


def _due_again(connection: Connection, now: datetime) -> None:
    """Batches that only waited for the people of a halted segment are due by their touches again (ix_touch_batch)."""
    b, c, w = t.batch.c, t.touch.c, t.wave.c
    queued = (c.batch == b.id, c.state == int(State.QUEUED), c.not_after > now)
    least = select(func.min(c.not_before)).where(*queued).correlate(t.batch).scalar_subquery()
    waits = (
        b.wave.in_(select(w.id).where(w.state == "open")),
        b.done_at.is_(None),
        b.due > now,
        select(c.id).where(*queued, c.not_before <= now).correlate(t.batch).exists(),
    )
    connection.execute(update(t.batch).where(*waits).values(due=least))


def reach(scope: str, channels: Sequence[int], named: Halted | None) -> ColumnElement[bool]:
    """A scope as a condition on touch, wave and campaign; `channels` are those of a channel, provider or sender."""
    kind, _, name = scope.partition(":")
    if kind == "campaign":
        return t.campaign.c.name == name
    if kind == "wave":
        campaign, _, wave = name.partition("/")
        return (t.campaign.c.name == campaign) & (t.wave.c.name == wave)
    if named is not None:
        return named(t.touch.c.customer)
    return true() if scope == EVERYTHING else t.touch.c.channel.in_(channels)


def claimed_within(connection: Connection, within: ColumnElement[bool]) -> list[int]:
    """Claimed touches that a condition on touch, wave and campaign holds for; every one is of a batch in hand.

    Waits for claims that are being written: from here on every claim has seen what was committed before.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": ENROL_LOCK})
    c, b = t.touch.c, t.batch.c
    in_hand = select(b.id).where(b.done_at.is_(None), b.lease_owner.is_not(None))
    query = (
        select(c.id)
        .join(t.wave, t.wave.c.id == c.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(c.batch.in_(in_hand), c.state == int(State.CLAIMED), within)
    )
    return list(connection.scalars(query))


def still_claimed(connection: Connection, touches: Sequence[int]) -> tuple[int, int]:
    """Of these touches, how many are claimed still, and how many were given back."""
    found: Counter[int] = Counter()
    c = t.touch.c
    for first in range(0, len(touches), FEW):
        some = touches[first : first + FEW]
        query = select(c.state, func.count()).where(c.id.in_(some)).group_by(c.state)
        found.update({row[0]: row[1] for row in connection.execute(query)})
    waiting = (State.QUEUED, State.EXPIRED, State.WITHDRAWN)
    return found[int(State.CLAIMED)], sum(found[int(state)] for state in waiting)
