"""Dial lists: the best callable touches of a wave in one team's hands; nobody is on two live lists."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, func, insert, null, select, update

from ledger import tables as t
from ledger.audit import record
from ledger.dial_candidates import calls_to, candidates, ranked, waiting
from ledger.doubts import given_up
from ledger.gates import Gates, Members
from ledger.kill_switches import switches_on
from ledger.legal_hours import cover
from ledger.recycling import hold_lists, wait_again
from ledger.sql import among
from ledger.store import keep_open, keep_out_new_touches
from waves.dial_list import Composed, compose
from waves.dispositions import Disposition
from waves.errors import CampaignError
from waves.outcomes import State
from waves.recycling import DialRules

FEWEST = 2_000
"""So many are looked at together, or twice the list where that is more."""
Score = Callable[[Members], ColumnElement[float]]


@dataclass(frozen=True, slots=True)
class Pull:
    """What a lead asks for."""

    wave: int
    team: str
    shift: str
    format: str
    size: int
    by: str
    valid_until: datetime
    lease_until: datetime
    scopes: tuple[str, ...] = ()
    """The kill switches that stop it."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of a dial list."""

    id: int
    customer: int
    number: str
    name: str | None
    language: str | None
    rank: int
    tier: str
    score: float | None
    call_until: datetime
    """The end of the customer's permitted hours, or of the list."""
    callback_at: datetime | None = None
    """When the customer was promised a call."""
    agent: str | None = None
    """Who promised it."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A list that was cut, and why it has no more: `number` 0 when nobody was callable."""

    number: int
    entries: Sequence[Entry]
    funnel: Mapping[str, int]
    """Reason to how many of those looked at were left out for it."""
    waiting: Mapping[str, int]
    """What the wave's other calls do now: due, later, on_a_list, done."""


def pull(
    connection: Connection,
    ask: Pull,
    gates: Gates,
    types: Mapping[str, str],
    score: Score | None,
    rules: DialRules,
    now: datetime,
) -> Pulled:
    """Cut a list of at most `size` entries, best first, each re-checked; what fails the re-check is withdrawn.

    CampaignError under a kill switch; people of a halted segment are left out. Who may not be called at this hour, or
    not that often, waits for a later list. Nobody is looked at who would come after the last entry.
    """
    if gates.campaign is None:
        raise ValueError("a dry run lists nobody")
    hold_lists(connection)
    keep_out_new_touches(connection, ask.wave)
    refuse_unless_open(connection, ask.wave, ask.scopes, now)
    cover(connection, gates.rules, now, gates.closes)
    made, scores = Composed(), dict[int, float | None]()
    for block in ranked(connection, ask, gates, types, score, now, max(FEWEST, 2 * ask.size)):
        scores |= {one.touch: one.score for one in block}
        found = candidates(connection, [one.touch for one in block], ask.wave, gates, types, now)
        to_numbers = calls_to(connection, (number.value for one in found for number in one.numbers))
        compose(made, found, to_numbers, rules, now, ask.size)
        if len(made.chosen) >= ask.size:
            break
    for reason in {one.stopped_by for one in made.stopped}:
        connection.execute(
            update(t.touch)
            .where(
                among(t.touch.c.id, [one.touch for one in made.stopped if one.stopped_by == reason]),
                t.touch.c.state == int(State.QUEUED),
            )
            .values(state=given_up(State.WITHDRAWN), reason=reason)
        )
    number, entries = _write(connection, ask, made, scores, now)
    return Pulled(number, entries, dict(made.funnel), waiting(connection, ask.wave, now))


def refuse_unless_open(connection: Connection, wave: int, scopes: Sequence[str], now: datetime) -> None:
    """CampaignError unless a wave is open, its campaign runs, and none of these kill switches is on."""
    state = connection.execute(
        select(t.wave.c.state, t.wave.c.name, t.wave.c.stopped_at, t.campaign.c.state.label("campaign"))
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .where(t.wave.c.id == wave)
    ).one()
    if state.state != "open" or state.stopped_at or state.campaign != "running":
        raise CampaignError(
            f"the wave {state.name} is {'stopped' if state.stopped_at else state.state} and its campaign "
            f"{state.campaign}: "
            "a list is cut only from an open wave of a running campaign"
        )
    for switch in switches_on(connection, now):
        if switch.scope in scopes:
            raise CampaignError(f"{switch}; no list is cut while it is on")


def _write(
    connection: Connection, ask: Pull, made: Composed, scores: Mapping[int, float | None], now: datetime
) -> tuple[int, list[Entry]]:
    if not made.chosen:
        return 0, []
    number = connection.execute(
        insert(t.dial_list)
        .values(
            wave=ask.wave,
            team=ask.team,
            shift=ask.shift,
            format=ask.format,
            pulled_at=now,
            pulled_by=ask.by,
            valid_until=ask.valid_until,
            lease_until=ask.lease_until,
        )
        .returning(t.dial_list.c.id)
    ).scalar_one()
    connection.execute(
        insert(t.dial_entry),
        [
            {
                "list": number,
                "touch": one.touch,
                "rank": rank,
                "tier": one.tier,
                "score": scores[one.touch],
                "customer": one.customer,
                "number": line.value,
                "household": one.household,
                "call_until": min(one.call_until or ask.valid_until, ask.valid_until),
                "active": True,
                "callback_at": one.promise.callback_at if one.promise else None,
                "agent": one.promise.agent if one.promise else None,
            }
            for rank, (one, line) in enumerate(made.chosen, 1)
        ],
    )
    c = t.touch.c
    listed = {"state": int(State.LISTED), "provider": ask.format, "claimed_at": now, "claimed_by": f"list {number}"}
    connection.execute(
        update(t.touch)
        .where(c.id == bindparam("b_touch"), c.state == int(State.QUEUED))
        .values(address=bindparam("b_address"), **listed),
        [{"b_touch": one.touch, "b_address": line.address} for one, line in made.chosen],
    )
    after = f"{len(made.chosen)} entries for {ask.team}"
    record(connection, now, ask.by, "dial-list pull", f"list {number}", after=after)
    return number, entries_of(connection, number)


def entries_of(connection: Connection, number: int) -> list[Entry]:
    """The lines of a list by rank (ix_dial_entry_list)."""
    e, p = t.dial_entry.c, t.customer.c
    query = select(e.id, e.customer, e.number, p.name, p.language, e.rank, e.tier, e.score, e.call_until)
    query = query.add_columns(e.callback_at, e.agent).join(t.customer, p.id == e.customer).where(e.list == number)
    return [Entry(*row) for row in connection.execute(query.order_by(e.rank))]


def give_back(connection: Connection, number: int, rules: DialRules, by: str, now: datetime) -> tuple[int, int]:
    """Return a list: (entries called, entries that were not). CampaignError for an unknown or returned one.

    Who was not called waits for a list again at once, who was called as `rules` say.
    """
    hold_lists(connection)
    d, e = t.dial_list.c, t.dial_entry.c
    row = connection.execute(select(d.wave, d.returned_at).where(d.id == number).with_for_update()).one_or_none()
    if row is None:
        raise CampaignError(f"there is no dial list {number}; see: multiwave dial-list ls")
    if row.returned_at is not None:
        raise CampaignError(f"dial list {number} was returned at {row.returned_at:%Y-%m-%d %H:%M} UTC already")
    keep_open(connection, [row.wave])
    freed = free(connection, [e.list == number], rules)
    connection.execute(update(t.dial_list).where(d.id == number).values(returned_at=now))
    after = f"{freed.not_called} of {freed.entries} not called"
    record(connection, now, by, "dial-list return", f"list {number}", after=after)
    return freed.entries - freed.not_called, freed.not_called


@dataclass(frozen=True, slots=True)
class Freed:
    """How many entries hold nobody any more, and how many of them were not called."""

    entries: int
    not_called: int


def free(connection: Connection, which: Sequence[ColumnElement[bool]], rules: DialRules) -> Freed:
    """Let go of the entries of live lists that `which` says; the caller holds the lists and keeps the wave open."""
    e, c = t.dial_entry.c, t.touch.c
    mine = connection.scalars(select(e.touch).where(*which, e.active)).all()
    again = connection.execute(
        update(t.touch)
        .where(among(c.id, mine), c.state == int(State.LISTED), ~_called(c.id))
        .values(state=int(State.QUEUED), claimed_at=null(), claimed_by=null())
    ).rowcount
    entries = connection.execute(update(t.dial_entry).where(*which, e.active).values(active=False)).rowcount
    wait_again(connection, mine, rules)
    return Freed(int(entries), int(again))


def _called(touch: ColumnElement[int]) -> ColumnElement[bool]:
    """Whether the dialler tried this touch at all (ix_call_touch)."""
    k = t.call.c
    tried = select(k.event).where(k.touch == touch, k.disposition != int(Disposition.NOT_ATTEMPTED))
    return tried.correlate_except(t.call).exists()


def lists(connection: Connection, campaign: int | None = None) -> Sequence[Row[Any]]:
    """Every dial list with its wave, campaign, size and how many of its entries were called."""
    d, e = t.dial_list.c, t.dial_entry.c
    called = _called(e.touch)
    size = select(func.count()).where(e.list == d.id).scalar_subquery()
    done = select(func.count()).where(e.list == d.id, called).correlate(t.dial_list).scalar_subquery()
    query = (
        select(
            d.id,
            t.campaign.c.name.label("campaign"),
            t.wave.c.name.label("wave"),
            d.team,
            d.shift,
            d.format,
            d.pulled_at,
            d.pulled_by,
            d.lease_until,
            d.returned_at,
            size.label("entries"),
            done.label("called"),
        )
        .join(t.wave, t.wave.c.id == d.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .order_by(d.id)
    )
    return connection.execute(query if campaign is None else query.where(t.wave.c.campaign == campaign)).all()
