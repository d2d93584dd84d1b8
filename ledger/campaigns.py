"""Campaigns as rows: approve, pause, resume, abort, and who belongs to one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Row,
    Subquery,
    and_,
    case,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.sql.elements import ColumnElement

from ledger import tables as t
from ledger.audit import record
from ledger.gates import drawn
from ledger.giving_up import give_up
from ledger.types import Span
from waves.draw import Draw
from waves.errors import CampaignError
from waves.outcomes import Reason, State
from waves.plan import Limits


@dataclass(frozen=True, slots=True)
class NewWave:
    """One wave of a campaign about to start."""

    name: str
    groups: tuple[tuple[int, ...], ...]
    holdout_stops: bool


@dataclass(frozen=True, slots=True)
class NewCampaign:
    """What `start` writes once and nobody changes after."""

    name: str
    title: str
    bundle: str
    digest: str
    hours_digest: str
    priority: int
    goal: str
    goal_dispositions: tuple[str, ...]
    holdout: float
    waves: Sequence[NewWave]
    member_columns: frozenset[str]
    types: Mapping[str, str]
    limits: Limits | None = None


def profiles(types: Mapping[str, str], span: Span | None = None) -> FromClause:
    """Customers with their typed attributes, erased ones left out: what a segment rule is about."""
    profile, c = t.profile_table(types), t.customer.c
    whose: list[ColumnElement[bool]] = [profile.c.customer == c.id]
    whom: list[ColumnElement[bool]] = [c.erased_at.is_(None)]
    if span:  # said of both tables, as in ledger.gates.live_members
        whose += [profile.c.customer > span[0], profile.c.customer <= span[1]]
        whom += [c.id > span[0], c.id <= span[1]]
    return (
        select(
            t.customer.c.id.label("customer"),
            t.customer.c.bucket,
            t.customer.c.zone_set,
            t.customer.c.language,
            *[profile.c[name] for name in types],
        )
        .outerjoin_from(t.customer, profile, and_(*whose))
        .where(*whom)
        .subquery("p")
    )


def arm(bucket: ColumnElement[int], campaign: str, holdout: float) -> ColumnElement[int]:
    """0 treated, 1 held out: arithmetic on the bucket, the same on every run."""
    draw = Draw.named("campaign", campaign, "holdout")
    return case((drawn(bucket, draw, holdout), 1), else_=0)


def future_members(source: FromClause, rule: ColumnElement[bool], campaign: str, holdout: float) -> Subquery:
    """The members that a start at this moment would freeze, as a members' source for a dry run."""
    taken = [c for c in source.c if c.name not in ("customer", "bucket", "zone_set", "language")]
    return (
        select(
            source.c.customer,
            arm(source.c.bucket, campaign, holdout).label("arm"),
            source.c.bucket,
            source.c.zone_set,
            (~true()).label("erased"),
            *taken,
        )
        .where(rule)
        .subquery("m")
    )


def approve(connection: Connection, campaign: str, digest: str, by: str, now: datetime) -> bool:
    """Record that `by` read the plan of exactly this digest; False when it was approved before."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    row = make(t.approval).values(campaign=campaign, digest=digest, by=by, at=now)
    if not connection.execute(row.on_conflict_do_nothing()).rowcount:
        return False
    record(connection, now, by, "approve", campaign, after=digest)
    return True


def approvals(connection: Connection, campaign: str, digest: str) -> Sequence[Row[Any]]:
    """Who approved the plan of exactly this digest, and when."""
    a = t.approval.c
    query = select(a.by, a.at).where(a.campaign == campaign, a.digest == digest)
    return connection.execute(query.order_by(a.id)).all()


def names(connection: Connection) -> Sequence[str]:
    """The names of all campaigns that were started."""
    return connection.scalars(select(t.campaign.c.name).order_by(t.campaign.c.name)).all()


def find(connection: Connection, name: str) -> Row[Any]:
    """The campaign's row; CampaignError with the names there are when there is none."""
    row = connection.execute(select(t.campaign).where(t.campaign.c.name == name)).one_or_none()
    if row is None:
        known = ", ".join(names(connection)) or "none was started yet"
        raise CampaignError(f"there is no campaign {name!r}; started campaigns: {known}")
    return row


def find_wave(connection: Connection, campaign: str, wave: str) -> tuple[Row[Any], Row[Any]]:
    """The campaign's row and its wave's; CampaignError with the names there are when there is none."""
    found = find(connection, campaign)
    rows = {row.name: row for row in waves_of(connection, found.id)}
    if wave not in rows:
        raise CampaignError(f"{campaign} has no wave {wave!r}; its waves: {', '.join(rows)}")
    return found, rows[wave]


def waves_of(connection: Connection, campaign: int) -> Sequence[Row[Any]]:
    """The campaign's waves in order."""
    return connection.execute(select(t.wave).where(t.wave.c.campaign == campaign).order_by(t.wave.c.seq)).all()


def may_be(campaign: Row[Any], target: str, allowed: tuple[str, ...]) -> None:
    """CampaignError when a campaign is not in one of the states from which it can become `target`."""
    if campaign.state not in allowed:
        choice = " or ".join(allowed)
        raise CampaignError(f"{campaign.name} is {campaign.state}; only a campaign that is {choice} can be {target}")


def set_state(connection: Connection, name: str, target: str, allowed: tuple[str, ...], by: str, now: datetime) -> None:
    """Move a campaign to another state; CampaignError when it is not in one of `allowed`."""
    row = find(connection, name)
    changed = connection.execute(
        update(t.campaign)
        .where(t.campaign.c.id == row.id, t.campaign.c.state.in_(allowed))
        .values(state=target, paused_at=now if target == "paused" else None)
    ).rowcount
    if not changed:
        may_be(row, target, allowed)
    record(connection, now, by, {"running": "resume"}.get(target, target), name, before=row.state, after=target)


def finish(connection: Connection, name: str, now: datetime) -> bool:
    """A running campaign whose waves are all closed is finished; False when it is another's turn, or done already."""
    c, w = t.campaign.c, t.wave.c
    left = select(w.id).where(w.campaign == c.id, w.state != "closed").exists()
    over = update(t.campaign).where(c.name == name, c.state == "running", ~left)
    if not connection.execute(over.values(state="finished", paused_at=None)).rowcount:
        return False
    record(connection, now, "advance", "finished", name, before="running", after="finished")
    return True


def abort(connection: Connection, name: str, by: str, now: datetime) -> None:
    """Stop for good: from this commit on nothing of it is claimed; what it has queued is withdrawn after it."""
    set_state(connection, name, "aborted", ("starting", "running", "paused"), by, now)


def withdraw(connection: Connection, wave: int, customers: Sequence[int]) -> int:
    """Withdraw what these customers have queued in a wave of an aborted campaign; how many touches."""
    return give_up(connection, wave, customers, State.WITHDRAWN, Reason.ABORTED)
