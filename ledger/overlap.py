"""Whom a plan shares with the campaigns that are under way, and who would win them."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select

from ledger import tables as t
from ledger.gates import Members
from ledger.limits import LIVE, Limit
from ledger.types import MICROSECOND


@dataclass(frozen=True, slots=True)
class Overlap:
    """Treated members that a live campaign has in common with a plan."""

    campaign: str
    state: str
    priority: int
    limit: Limit | None
    members: int

    def winner(self, plan: str, priority: int) -> str:
        """Whose contact stands where a limit has no room for both on one day: of equals, who started first."""
        return plan if priority > self.priority else self.campaign


def overlaps(connection: Connection, members: Members) -> list[Overlap]:
    """Every live campaign that shares treated members with these, the most important first (pk_member)."""
    c, m = t.campaign.c, t.member.c
    mine = select(members.c.customer).where(members.c.arm == 0)
    rows = connection.execute(
        select(c.name, c.state, c.priority, c.limit_contacts, c.limit_within_us, func.count().label("members"))
        .join(t.member, m.campaign == c.id)
        .where(c.state.in_(LIVE), m.arm == 0, m.customer.in_(mine))
        .group_by(c.id, c.name, c.state, c.priority, c.limit_contacts, c.limit_within_us)
        .order_by(c.priority.desc(), c.id)
    )
    return [
        Overlap(
            row.name,
            row.state,
            row.priority,
            Limit(row.limit_contacts, row.limit_within_us * MICROSECOND) if row.limit_contacts else None,
            row.members,
        )
        for row in rows
    ]
