"""What the customers of a call wave were worth when they were last scored: what its lists can be ranked by in SQL."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, ScalarSelect, delete, select
from sqlalchemy.dialects import postgresql, sqlite

from ledger import tables as t
from ledger.dial_choice import Score
from ledger.dial_tables import call_score
from ledger.gates import Members
from ledger.store import read_meta, write_meta

RANGE = 10_000
"""Rows kept in one transaction."""
SCORED = "scored wave {}"
"""The meta row of a wave whose scores are all of one moment, which it names."""


def keep_scores(connection: Connection, rows: Sequence[dict[str, Any]]) -> None:
    """Keep rows of call_score, each in the place of the customer's earlier one (pk_call_score)."""
    if not rows:
        return
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    put: Any = make(call_score)
    after = {column.name: put.excluded[column.name] for column in call_score.c if not column.primary_key}
    connection.execute(put.on_conflict_do_update(index_elements=["wave", "customer"], set_=after), rows)


def begin_scoring(connection: Connection, wave: int) -> None:
    """From now on the scores of a wave are of different moments, until `end_scoring`."""
    connection.execute(delete(t.meta).where(t.meta.c.key == SCORED.format(wave)))


def end_scoring(connection: Connection, wave: int, now: datetime) -> None:
    """All scores of a wave are of this moment."""
    write_meta(connection, SCORED.format(wave), now.isoformat())


def last_scored(connection: Connection, wave: int) -> datetime | None:
    """Of which moment all scores of a wave are; None while there are none, or only some were kept."""
    said = read_meta(connection, SCORED.format(wave))
    return datetime.fromisoformat(said) if said else None


def kept_score(wave: int) -> Score:
    """The kept score of each member, null without one: a wave's rank as ledger.dial_lists takes it (pk_call_score)."""
    c = call_score.c

    def build(members: Members) -> ScalarSelect[float]:
        mine = select(c.score).where(c.wave == wave, c.customer == members.c.customer)
        return mine.correlate(members).scalar_subquery()

    return build
