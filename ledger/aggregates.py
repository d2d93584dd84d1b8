"""The SQL of what people read: status of a campaign, conversion of each wave against its holdout."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, FromClause, Row, case, func, select

from ledger import tables as t
from ledger.close import Balance, balance
from waves.outcomes import Verdict


@dataclass(frozen=True, slots=True)
class WaveStatus:
    """One wave as it stands, late reports included."""

    wave: str
    state: str
    opened: datetime | None
    closes: datetime | None
    closed: datetime | None
    books: Balance


@dataclass(frozen=True, slots=True)
class Arms:
    """Customers and converters of two arms that a lottery made."""

    name: str
    treated: int
    treated_converted: int
    held_out: int
    held_out_converted: int


def wave_statuses(connection: Connection, campaign: int) -> list[WaveStatus]:
    """Every wave of a campaign in order, counted from its rows."""
    w = t.wave.c
    rows = connection.execute(select(t.wave).where(w.campaign == campaign).order_by(w.seq)).all()
    return [
        WaveStatus(row.name, row.state, row.opened, row.closes, row.closed, balance(connection, row.id, campaign))
        for row in rows
    ]


def member_count(connection: Connection, campaign: int) -> int:
    """How many customers were frozen into the campaign."""
    return connection.scalar(select(func.count()).where(t.member.c.campaign == campaign)) or 0


def _converted(customer: ColumnElement[int], goal: str, start: datetime, within: timedelta) -> ColumnElement[bool]:
    v = t.conversion.c
    return (
        select(v.id)
        .where(v.customer == customer, v.goal == goal, v.at >= start, v.at < start + within, v.reversed_at.is_(None))
        .exists()
    )


def _arms(
    connection: Connection, name: str, source: FromClause, held: ColumnElement[bool], converted: ColumnElement[bool]
) -> Arms:
    row = connection.execute(
        select(
            func.sum(case((~held, 1), else_=0)).label("treated"),
            func.sum(case((~held & converted, 1), else_=0)).label("treated_converted"),
            func.sum(case((held, 1), else_=0)).label("held"),
            func.sum(case((held & converted, 1), else_=0)).label("held_converted"),
        ).select_from(source)
    ).one()
    return Arms(name, row.treated or 0, row.treated_converted or 0, row.held or 0, row.held_converted or 0)


def conversion_by_arm(connection: Connection, campaign: int, goal: str, within: timedelta) -> list[Arms]:
    """Conversions within the goal's window: the campaign from its first opening, then each opened wave from its own.

    The denominators are everybody the lottery assigned, reached or not (intention to treat): for the campaign its
    members, for a wave its `go` against its `wave_held_out`.
    """
    m, e = t.member.c, t.enrolment.c
    members = select(m.customer, m.arm).where(m.campaign == campaign).subquery()
    w = t.wave.c
    opened = select(t.wave).where(w.campaign == campaign, w.opened.is_not(None)).order_by(w.seq)
    waves = connection.execute(opened).all()
    if not waves:
        return []
    met = _converted(members.c.customer, goal, waves[0].opened, within)
    found = [_arms(connection, "campaign", members, members.c.arm == 1, met)]
    for wave in waves:
        drawn = (Verdict.GO, Verdict.WAVE_HELD_OUT)
        rows = select(e.customer, e.verdict).where(e.wave == wave.id, e.verdict.in_([int(v) for v in drawn])).subquery()
        met = _converted(rows.c.customer, goal, wave.opened, within)
        found.append(_arms(connection, wave.name, rows, rows.c.verdict == int(Verdict.WAVE_HELD_OUT), met))
    return found


def campaigns_at_a_glance(connection: Connection) -> Sequence[Row[Any]]:
    """Every campaign: name, state, when it started, how many members."""
    c = t.campaign.c
    members = select(func.count()).where(t.member.c.campaign == c.id).scalar_subquery()
    return connection.execute(
        select(c.name, c.title, c.state, c.started_at, members.label("members")).order_by(c.id)
    ).all()
