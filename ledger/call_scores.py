"""What the customers of a call wave were worth when they were last scored: what its lists can be ranked by in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ScalarSelect, func, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger.dial_choice import Score
from ledger.dial_tables import call_score
from ledger.gates import Members

RANGE = 10_000
"""Rows kept in one transaction."""


def keep_scores(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep rows of call_score, each in the place of the customer's earlier one (pk_call_score)."""
    if not rows:
        return
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    put: Any = make(call_score)
    after = {column.name: put.excluded[column.name] for column in call_score.c if not column.primary_key}
    connection.execute(put.on_conflict_do_update(index_elements=["wave", "customer"], set_=after), rows)


def last_scored(connection: Connection, wave: int) -> datetime | None:
    """When the last of a wave's scores was kept; None when there is none."""
    c = call_score.c
    found: datetime | None = connection.scalar(select(func.max(c.scored_at)).where(c.wave == wave))
    return found


def kept_score(wave: int) -> Score:
    """The kept score of each member, null without one: a wave's rank as ledger.dial_lists takes it (pk_call_score)."""
    c = call_score.c

    def build(members: Members) -> ScalarSelect[float]:
        mine = select(c.score).where(c.wave == wave, c.customer == members.c.customer)
        return mine.correlate(members).scalar_subquery()

    return build
