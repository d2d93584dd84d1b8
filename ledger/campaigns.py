"""Campaigns as rows: approve, start, pause, resume, abort, and who belongs to one."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import (
    Connection,
    FromClause,
    Insert,
    Row,
    Select,
    Subquery,
    case,
    func,
    insert,
    literal,
    null,
    select,
    true,
    update,
)
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.elements import ColumnElement

from ledger import tables as t
from ledger.audit import record
from ledger.doubts import given_up
from ledger.gates import drawn
from ledger.types import MICROSECOND
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


def profiles(types: Mapping[str, str]) -> FromClause:
    """Customers with their typed attributes, erased ones left out: what a segment rule is about."""
    profile = t.profile_table(types)
    return (
        select(
            t.customer.c.id.label("customer"),
            t.customer.c.bucket,
            t.customer.c.zone_set,
            t.customer.c.language,
            *[profile.c[name] for name in types],
        )
        .outerjoin_from(t.customer, profile, profile.c.customer == t.customer.c.id)
        .where(t.customer.c.erased_at.is_(None))
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


def start(
    connection: Connection, new: NewCampaign, source: FromClause, rule: ColumnElement[bool], by: str, now: datetime
) -> tuple[int, int]:
    """Freeze the plan and its members; (campaign id, members). CampaignError when not approved or already started."""
    approved = connection.scalar(
        select(t.approval.c.id).where(t.approval.c.campaign == new.name, t.approval.c.digest == new.digest)
    )
    if not approved:
        earlier = connection.scalar(select(func.count()).where(t.approval.c.campaign == new.name))
        why = "the plan or a file it names changed since it was approved" if earlier else "nobody approved this plan"
        raise CampaignError(f"{new.name} was not started: {why}; read it with `plan`, then run: multiwave approve PLAN")
    try:
        campaign = connection.execute(
            insert(t.campaign)
            .values(
                name=new.name,
                title=new.title,
                bundle=new.bundle,
                digest=new.digest,
                hours_digest=new.hours_digest,
                state="running",
                priority=new.priority,
                goal=new.goal,
                goal_dispositions=" ".join(new.goal_dispositions),
                started_at=now,
                started_by=by,
                limit_contacts=new.limits.contacts if new.limits else None,
                limit_within_us=new.limits.within // MICROSECOND if new.limits else None,
            )
            .returning(t.campaign.c.id)
        ).scalar_one()
    except IntegrityError as error:
        raise CampaignError(f"{new.name} was already started; give the plan another campaign name") from error
    members = connection.execute(_member_rows(campaign, new, source, rule)).rowcount
    connection.execute(
        insert(t.wave),
        [
            {
                "campaign": campaign,
                "seq": seq,
                "name": wave.name,
                "state": "pending",
                "channels": json.dumps(wave.groups),
                "holdout_stops": wave.holdout_stops,
            }
            for seq, wave in enumerate(new.waves, 1)
        ],
    )
    record(connection, now, by, "start", new.name, after=new.digest)
    return campaign, members


def _member_rows(campaign: int, new: NewCampaign, source: FromClause, rule: ColumnElement[bool]) -> Insert:
    member = t.member_table({name: new.types[name] for name in sorted(new.member_columns)})
    columns = [member.c[name] for name in sorted(new.member_columns)]
    rows: Select[Any] = select(
        literal(campaign),
        source.c.customer,
        arm(source.c.bucket, new.name, new.holdout),
        *[source.c[column.name] for column in columns],
    ).where(rule)
    return insert(member).from_select([member.c.campaign, member.c.customer, member.c.arm, *columns], rows)


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


def set_state(connection: Connection, name: str, target: str, allowed: tuple[str, ...], by: str, now: datetime) -> None:
    """Move a campaign to another state; CampaignError when it is not in one of `allowed`."""
    row = find(connection, name)
    changed = connection.execute(
        update(t.campaign)
        .where(t.campaign.c.id == row.id, t.campaign.c.state.in_(allowed))
        .values(state=target, paused_at=now if target == "paused" else None)
    ).rowcount
    if not changed:
        raise CampaignError(f"{name} is {row.state}; only a campaign that is {' or '.join(allowed)} can be {target}")
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


def abort(connection: Connection, name: str, by: str, now: datetime) -> int:
    """Stop for good: what is queued is withdrawn in the same commit; returns how many touches that was."""
    set_state(connection, name, "aborted", ("running", "paused"), by, now)
    return withdraw(connection, name)


def withdraw(connection: Connection, name: str) -> int:
    """Withdraw all that an aborted campaign has queued, its last enrolment's touches too; how many."""
    waves = select(t.wave.c.id).join(t.campaign, t.campaign.c.id == t.wave.c.campaign).where(t.campaign.c.name == name)
    withdrawn = connection.execute(
        update(t.touch)
        .where(t.touch.c.wave.in_(waves), t.touch.c.state == int(State.QUEUED))
        .values(state=given_up(State.WITHDRAWN), reason=int(Reason.ABORTED), claimed_by=null())
    ).rowcount
    return int(withdrawn)
