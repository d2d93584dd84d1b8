"""Start a campaign: freeze its plan, then its members range by range, so that a start that was killed goes on."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Insert, Row, Select, func, insert, literal, select, update
from sqlalchemy.exc import IntegrityError

from ledger import tables as t
from ledger.audit import record
from ledger.campaigns import NewCampaign, arm
from ledger.types import MICROSECOND, Span
from waves.errors import CampaignError

STARTING = "starting"
"""The state of a campaign whose members are being frozen: it opens nothing and sends nothing."""
Choose = Callable[[Span], tuple[FromClause, ColumnElement[bool]]]
"""The customers of a span with their attributes, and the clause over them that says which are members."""


@dataclass(frozen=True, slots=True)
class Frozen:
    """What one transaction of a start did."""

    members: int
    done: bool
    """Whether nobody is left to be judged, or the campaign is not being started any more."""


def freeze_range(connection: Connection, campaign: int, new: NewCampaign, choose: Choose, size: int) -> Frozen:
    """Freeze the members among the next `size` customers, as they are now; past the last one the campaign runs.

    Customers are judged range by range: what changes meanwhile counts for those who were not reached yet.
    """
    row = connection.execute(select(t.campaign).where(t.campaign.c.id == campaign).with_for_update()).one()
    if row.state != STARTING:
        return Frozen(0, True)
    span, last = _next_span(connection, row.frozen_to, size)
    members = connection.execute(_member_rows(campaign, new, *choose(span))).rowcount
    changes = {"state": "running", "frozen_to": None} if last else {"frozen_to": span[1]}
    connection.execute(update(t.campaign).where(t.campaign.c.id == campaign).values(changes))
    return Frozen(members, last)


def _next_span(connection: Connection, low: int, size: int) -> tuple[Span, bool]:
    """The next `size` customers, and whether they are the last."""
    c = t.customer.c
    ahead = select(c.id).where(c.id > low).order_by(c.id)
    ids = connection.scalars(ahead.offset(size - 1).limit(2)).all()
    if len(ids) == 2:
        return (low, ids[0]), False
    return (low, connection.scalar(select(func.max(c.id))) or low), True


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


def begin_start(connection: Connection, new: NewCampaign, by: str, now: datetime) -> Row[Any]:
    """Write the campaign and its waves, nobody a member yet, or find them so; the campaign's row.

    CampaignError when the plan is not approved, or was started before.
    """
    c = t.campaign.c
    known = connection.execute(select(t.campaign).where(c.name == new.name)).one_or_none()
    if known is not None and (known.state, known.digest) == (STARTING, new.digest):
        return known
    _approved(connection, new)
    try:
        row = connection.execute(insert(t.campaign).values(_campaign_values(new, by, now)).returning(t.campaign)).one()
    except IntegrityError as error:
        raise CampaignError(f"{new.name} was already started; give the plan another campaign name") from error
    waves = [
        {
            "campaign": row.id,
            "seq": seq,
            "name": wave.name,
            "state": "pending",
            "channels": json.dumps(wave.groups),
            "holdout_stops": wave.holdout_stops,
        }
        for seq, wave in enumerate(new.waves, 1)
    ]
    connection.execute(insert(t.wave), waves)
    record(connection, now, by, "start", new.name, after=new.digest)
    return row


def _approved(connection: Connection, new: NewCampaign) -> None:
    a = t.approval.c
    if connection.scalar(select(a.id).where(a.campaign == new.name, a.digest == new.digest)):
        return
    earlier = connection.scalar(select(func.count()).where(a.campaign == new.name))
    why = "the plan or a file it names changed since it was approved" if earlier else "nobody approved this plan"
    raise CampaignError(f"{new.name} was not started: {why}; read it with `plan`, then run: multiwave approve PLAN")


def _campaign_values(new: NewCampaign, by: str, now: datetime) -> dict[str, object]:
    return {
        "name": new.name,
        "title": new.title,
        "bundle": new.bundle,
        "digest": new.digest,
        "hours_digest": new.hours_digest,
        "state": STARTING,
        "priority": new.priority,
        "goal": new.goal,
        "goal_dispositions": " ".join(new.goal_dispositions),
        "started_at": now,
        "started_by": by,
        "limit_contacts": new.limits.contacts if new.limits else None,
        "limit_within_us": new.limits.within // MICROSECOND if new.limits else None,
        "frozen_to": 0,
    }
