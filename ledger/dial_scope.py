"""Which calls and lists a lead asks about, and by what they are told apart."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Literal

from sqlalchemy import CTE, BigInteger, ColumnElement, Connection, Select, case, func, or_, select, type_coerce

from ledger import tables as t
from ledger.callbacks import kept_or_sooner, void_for
from ledger.types import EPOCH, MICROSECOND
from waves.abandonment import HANDLED
from waves.dial_stats import local_time
from waves.dispositions import DIALS

By = Literal["hour", "team", "agent", "list", "day"]
Key = str | int | None
QUARTER = timedelta(minutes=15)
"""Every time zone is whole quarters of an hour from UTC."""
QUARTER_US = QUARTER // MICROSECOND
COLUMNS: Mapping[By | None, tuple[str, ...]] = {
    None: (),
    "hour": ("zones", "quarter"),
    "day": ("zones", "quarter"),
    "team": ("team",),
    "agent": ("agent",),
    "list": ("list",),
}
"""The columns of `scoped` that tell groups apart."""
CLOCKS = {"hour": "%H", "day": "%Y-%m-%d"}


@dataclass(frozen=True, slots=True)
class Which:
    """Calls of a campaign, a wave, a team's lists or one list, made in [since, until); None: of all."""

    campaign: int | None = None
    wave: int | None = None
    team: str | None = None
    list: int | None = None
    since: datetime | None = None
    until: datetime | None = None


def key_of(by: By | None, values: tuple[Any, ...]) -> Key:
    """What a group is called, by its COLUMNS: an hour is 00 to 23 and a day a date on the customer's own clock."""
    if by in CLOCKS:
        zones, quarter = values
        return local_time(zones.split(), EPOCH + quarter * QUARTER, CLOCKS[by])
    return values[0] if values else None


def teams(connection: Connection) -> list[str]:
    """Every team that a list was ever pulled for."""
    return list(connection.scalars(select(t.dial_list.c.team).distinct().order_by(t.dial_list.c.team)))


def within(query: Select[Any], which: Which) -> Select[Any]:
    """A query over waves and lists, cut to what was asked for; its times are the caller's."""
    d, w = t.dial_list.c, t.wave.c
    asked = ((w.campaign, which.campaign), (w.id, which.wave), (d.team, which.team), (d.id, which.list))
    return query.where(*[column == value for column, value in asked if value is not None])


def scoped(which: Which) -> CTE:
    """The calls asked about, one row each, by when they were made.

    From a campaign by the touches of its waves (uq_touch_wave_customer_channel, ix_call_touch), from a list by its
    entries (ix_dial_entry_list, ix_call_touch). `converted`: its disposition is one that the campaign's goal names, and
    that conversion stands (uq_conversion_source).
    """
    k, ev, g, v = t.call.c, t.event.c, t.campaign.c, t.conversion.c
    met = (
        select(v.id)
        .where(v.source == "call", v.source_id == ev.provider + ":" + k.call_id, v.goal == g.goal)
        .where(v.reversed_at.is_(None))
        .correlate_except(t.conversion)
        .exists()
    )
    taken = k.disposition.in_([int(d) for d in DIALS]) & or_(
        k.agent.is_not(None), k.disposition.in_([int(d) for d in HANDLED])
    )
    times = (k.ring_s, k.talk_s, k.wrap_s)
    timed = taken & or_(*[time.is_not(None) for time in times])
    seconds: ColumnElement[float] = sum((func.coalesce(time, 0.0) for time in times[1:]), func.coalesce(times[0], 0.0))
    query = _calls(which, k.at).add_columns(
        k.event,
        k.entry,
        k.touch,
        t.touch.c.customer,
        k.number,
        type_coerce(k.at, BigInteger).label("at"),
        t.dial_entry.c.call_until,
        k.disposition,
        flag(met).label("converted"),
        flag(taken).label("by_agent"),
        flag(timed).label("timed"),
        case((timed, seconds), else_=0.0).label("seconds"),
    )
    return query.join(t.event, ev.id == k.event).join(t.campaign, g.id == t.wave.c.campaign).cte("scoped")


def promised(which: Which) -> CTE:
    """The promises asked about, one row each, by the time promised (ix_call_callback_at): `kept`, `sooner`, `void`."""
    k = t.call.c
    kept, sooner = kept_or_sooner()
    query = _calls(which, k.callback_at).join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
    states = (("kept", kept), ("sooner", sooner), ("void", void_for().is_not(None)))
    columns = [k.callback_at, *[flag(condition).label(name) for name, condition in states]]
    return query.where(k.callback_at.is_not(None)).add_columns(*columns).cte("promised")


def _calls(which: Which, when: ColumnElement[datetime]) -> Select[Any]:
    """Calls with the columns that tell groups apart; those that no list of ours led to have no team and no list."""
    k, c, e, d, w, z = t.call.c, t.touch.c, t.dial_entry.c, t.dial_list.c, t.wave.c, t.zone_set.c
    any_list = which.team is None and which.list is None
    query = (
        select(
            func.coalesce(z.zones, "").label("zones"),
            (type_coerce(when, BigInteger) // QUARTER_US).label("quarter"),
            d.team,
            k.agent,
            d.id.label("list"),
        )
        .select_from(t.call)
        .join(t.touch, c.id == k.touch)
        .join(t.wave, w.id == c.wave)
        .join(t.customer, t.customer.c.id == c.customer)
        .outerjoin(t.zone_set, z.id == t.customer.c.zone_set)
        .join(t.dial_entry, (e.touch == k.touch) & (e.id == k.entry), isouter=any_list)
        .join(t.dial_list, d.id == e.list, isouter=any_list)
    )
    if which.since is not None:
        query = query.where(when >= which.since)
    if which.until is not None:
        query = query.where(when < which.until)
    return within(query, which)


def flag(condition: ColumnElement[bool]) -> ColumnElement[int]:
    """1 or 0, to be summed; 0 where nothing is known."""
    return case((condition, 1), else_=0)
