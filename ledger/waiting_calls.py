"""Who of a call wave waits for a list, with what is known of them before a call."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Float, Row, cast, func, null, select

from ledger import tables as t
from ledger.call_history import OF, TRIED
from ledger.dial_candidates import CALL
from ledger.dial_choice import Score
from ledger.gates import live_members
from ledger.limits import names_calls
from waves.outcomes import State


def read_waiting(
    connection: Connection,
    campaign: int,
    wave: int,
    types: Mapping[str, str],
    score: Score | None,
    states: Collection[State] = (State.QUEUED,),
) -> Sequence[Row[Any]]:
    """Whose touch is in one of these states: touch, customer, key, bucket, number, attempt, zones, language, value.

    `attempt` is that of the call to come, from 1; `value` what the plan's rank gives, null without one. Attributes are
    those of ledger.call_history.read_calls. In the order of the touches.
    """
    c, k, p = t.touch.c, t.call.c, t.customer.c
    m, profile = live_members(campaign, types), t.profile_table(types)
    made = select(func.count()).where(k.touch == c.id, k.disposition.in_(TRIED)).scalar_subquery()  # ix_call_touch
    query = (
        select(
            c.id.label("touch"),
            c.customer,
            p.key,
            p.bucket,
            t.address.c.value.label("number"),
            (made + 1).label("attempt"),
            t.zone_set.c.zones,
            p.language,
            cast(score(m) if score else null(), Float(53)).label("value"),
            *[func.coalesce(m.c[name], profile.c[name]).label(OF + name) for name in types],
        )
        .join_from(t.touch, m, m.c.customer == c.customer)
        .join(t.customer, p.id == c.customer)
        .join(t.address, t.address.c.id == c.address)
        .outerjoin(t.zone_set, t.zone_set.c.id == p.zone_set)
        .outerjoin(profile, profile.c.customer == c.customer)
        .where(c.wave == wave, c.channel == CALL, c.state.in_(list(map(int, states))), p.erased_at.is_(None))
        .order_by(c.id)
    )
    return connection.execute(query).all()


def open_call_waves(connection: Connection) -> list[tuple[str, str, int]]:
    """(campaign, wave, id) of every open wave of a running campaign that calls."""
    c, w = t.campaign.c, t.wave.c
    query = select(c.name, w.name, w.id, w.channels).join_from(t.wave, t.campaign, c.id == w.campaign)
    rows = connection.execute(query.where(c.state == "running", w.state == "open").order_by(w.id))
    return [(row[0], row[1], row[2]) for row in rows if names_calls(row.channels)]
