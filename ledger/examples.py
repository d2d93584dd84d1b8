"""Customers whose stories are worth telling."""

from __future__ import annotations

from sqlalchemy import Connection, Integer, case, cast, func, select

from ledger import tables as t
from waves.outcomes import Verdict


def exemplary(connection: Connection, campaign: int) -> list[str]:
    """Two keys: the customer asked in most waves who converted, and the one asked in most waves who did not."""
    e, w = t.enrolment.c, t.wave.c
    asked = (
        select(e.customer, func.sum(case((e.verdict == int(Verdict.GO), 1), else_=0)).label("times"))
        .join(t.wave, w.id == e.wave)
        .where(w.campaign == campaign)
        .group_by(e.customer)
        .subquery()
    )
    bought = select(t.conversion.c.id).where(t.conversion.c.customer == asked.c.customer).exists()
    keys = []
    for met in (True, False):
        query = (
            select(t.customer.c.key)
            .join(asked, asked.c.customer == t.customer.c.id)
            .where(cast(bought, Integer) == int(met))
            .order_by(asked.c.times.desc(), t.customer.c.id)
            .limit(1)
        )
        keys += list(connection.scalars(query))
    return keys
