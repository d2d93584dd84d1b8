"""Dial lists: the best callable touches of a wave in one team's hands; nobody is on two live lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, bindparam, case, func, insert, null, select, update

from ledger import tables as t
from ledger.audit import record
from ledger.dial_blocks import Block, blocks
from ledger.dial_candidates import count_promised_later, waiting
from ledger.dial_choice import Line, Pull, Terms, choose
from ledger.dial_tables import call_score
from ledger.doubts import given_up
from ledger.kill_switches import switches_on
from ledger.legal_hours import cover
from ledger.recycling import hold_lists, wait_again
from ledger.sql import among
from ledger.store import keep_open, keep_out_new_touches
from waves.dial_list import PROMISED_LATER
from waves.dispositions import Disposition
from waves.errors import CampaignError
from waves.outcomes import State
from waves.recycling import DialRules, said

OTHER_TEAMS = "other_teams"
"""Callable, and for the lists of the shift's other teams."""


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
    p_answer: float | None = None
    """P(a person answers), as the list was cut."""
    explored: bool = False
    """Whether the entry came on the list by lot, not by its score."""
    p_assign: float | None = None
    """The probability that it would, the lot being the chance; None: no lot was drawn."""


@dataclass(frozen=True, slots=True)
class Pulled:
    """A list that was cut, and why it has no more: `number` 0 when nobody was callable."""

    number: int
    entries: Sequence[Entry]
    funnel: Mapping[str, int]
    """Reason to how many of those looked at were left out for it."""
    waiting: Mapping[str, int]
    """What the wave's other calls do now: due, later, on_a_list, done."""
    worth_an_hour: Mapping[str, float] = field(default_factory=dict)
    """What an agent hour of each team of the shift is worth by its share, in units of the wave's rank."""
    blocks: Sequence[Block] = ()
    """Its blocks as they are to be dialled, with the share of the dials that is expected to be answered."""


def pull(connection: Connection, ask: Pull, terms: Terms, now: datetime) -> Pulled:
    """Cut a list of at most `size` entries, the best, each re-checked; what fails the re-check is withdrawn.

    CampaignError under a kill switch, and when the list that is to be longer is over; people of a halted segment are
    left out. Who may not be called at this hour, or not that often, waits for a later list. Nobody is looked at who
    would come after the last entry.
    """
    gates = terms.gates
    if gates.campaign is None:
        raise ValueError("a dry run lists nobody")
    hold_lists(connection)
    if ask.number:
        refuse_if_over(list_of(connection, ask.number), now)
    keep_out_new_touches(connection, ask.wave)
    refuse_unless_open(connection, ask.wave, ask.scopes, now)
    cover(connection, gates.rules, now, gates.closes)
    choice = choose(connection, ask, terms, now)
    made = choice.made
    for reason in {one.stopped_by for one in made.stopped}:
        connection.execute(
            update(t.touch)
            .where(
                among(t.touch.c.id, [one.touch for one in made.stopped if one.stopped_by == reason]),
                t.touch.c.state == int(State.QUEUED),
            )
            .values(state=given_up(State.WITHDRAWN), reason=reason)
        )
    if not ask.ahead and (later := count_promised_later(connection, ask, gates, now)):
        made.funnel[PROMISED_LATER] += later
    mine = choice.of(ask.team)
    if len(mine) < len(made.chosen):
        made.funnel[OTHER_TEAMS] += len(made.chosen) - len(mine)
    number, entries = _write(connection, ask, mine, now)
    left = waiting(connection, ask.wave, now)
    parts = blocks(connection, number, entries[0].rank) if entries else []
    return Pulled(number, entries, dict(made.funnel), left, choice.dealt.worth_an_hour, parts)


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
    connection: Connection,
    ask: Pull,
    chosen: Sequence[Line],
    now: datetime,
) -> tuple[int, list[Entry]]:
    if not chosen:
        return 0, []
    number = ask.number or _new_list(connection, ask, now)
    first = 1 + (connection.scalar(select(func.max(t.dial_entry.c.rank)).where(t.dial_entry.c.list == number)) or 0)
    connection.execute(
        insert(t.dial_entry),
        [
            {
                "list": number,
                "touch": one.touch,
                "rank": rank,
                "tier": line.tier,
                "score": line.score,
                "customer": one.customer,
                "number": line.number.value,
                "household": one.household,
                "call_until": min(one.call_until or ask.valid_until, ask.valid_until),
                "active": True,
                "callback_at": one.promise.callback_at if one.promise else None,
                "agent": one.promise.agent if one.promise else None,
                "p_answer": p_answer,
                "explored": line.explored,
                "p_assign": line.p_assign,
                "card": ask.card,
            }
            for rank, (line, p_answer) in enumerate(zip(chosen, _answers(connection, ask, chosen), strict=True), first)
            for one in [line.one]
        ],
    )
    c = t.touch.c
    listed = {"state": int(State.LISTED), "provider": ask.format, "claimed_at": now, "claimed_by": f"list {number}"}
    connection.execute(
        update(t.touch)
        .where(c.id == bindparam("b_touch"), c.state == int(State.QUEUED))
        .values(address=bindparam("b_address"), **listed),
        [{"b_touch": line.one.touch, "b_address": line.number.address} for line in chosen],
    )
    after = f"{len(chosen)} entries for {ask.team}"
    did = "dial-list extend" if ask.number else "dial-list pull"
    record(connection, now, ask.by, did, f"list {number}", after=after)
    return number, entries_of(connection, number, first)


def _answers(connection: Connection, ask: Pull, chosen: Sequence[Line]) -> list[float | None]:
    """P(a person answers) of each line by the model that ranks the list, else by how often it was dialled."""
    c, scored = call_score.c, dict[int, float]()
    if ask.card is not None:  # pk_call_score
        asked = among(c.customer, [line.one.customer for line in chosen])
        rows = connection.execute(select(c.customer, c.answer).where(c.wave == ask.wave, asked))
        scored = {row.customer: row.answer for row in rows}
    dials = [min(len(said(line.one.of_wave)), len(ask.passes) - 1) for line in chosen]
    by_dials = [ask.passes[n] if ask.passes else None for n in dials]
    return [scored.get(line.one.customer, usual) for line, usual in zip(chosen, by_dials, strict=True)]


def _new_list(connection: Connection, ask: Pull, now: datetime) -> int:
    made = insert(t.dial_list).values(
        wave=ask.wave,
        team=ask.team,
        shift=ask.shift,
        format=ask.format,
        pulled_at=now,
        pulled_by=ask.by,
        valid_until=ask.valid_until,
        lease_until=ask.lease_until,
    )
    return int(connection.execute(made.returning(t.dial_list.c.id)).scalar_one())


def entries_of(connection: Connection, number: int, first: int = 1) -> list[Entry]:
    """The lines of a list by rank, from this rank on (ix_dial_entry_list)."""
    e, p = t.dial_entry.c, t.customer.c
    query = select(e.id, e.customer, e.number, p.name, p.language, e.rank, e.tier, e.score, e.call_until)
    query = query.add_columns(e.callback_at, e.agent, e.p_answer, e.explored, e.p_assign).join(
        t.customer, p.id == e.customer
    )
    query = query.where(e.list == number, e.rank >= first)
    return [Entry(*row) for row in connection.execute(query.order_by(e.rank))]


def list_of(connection: Connection, number: int) -> Row[Any]:
    """A dial list with the names of its campaign and wave; CampaignError when there is none."""
    d, w = t.dial_list.c, t.wave.c
    query = (
        select(t.dial_list, w.name.label("wave_name"), t.campaign.c.name.label("campaign"))
        .join(t.wave, w.id == d.wave)
        .join(t.campaign, t.campaign.c.id == w.campaign)
        .where(d.id == number)
    )
    row = connection.execute(query).one_or_none()
    if row is None:
        raise CampaignError(f"there is no dial list {number}; see: multiwave dial-list ls")
    return row


def refuse_if_back(number: int, row: Row[Any]) -> None:
    """CampaignError when a list is not out any more: it was returned, or let go of its people after its grace."""
    if row.let_go_at is not None:
        raise CampaignError(
            f"dial list {number} was over and not returned, and let go of its people at {row.let_go_at:%Y-%m-%d %H:%M} "
            "UTC; its results can still be imported"
        )
    if row.returned_at is not None:
        raise CampaignError(f"dial list {number} was returned at {row.returned_at:%Y-%m-%d %H:%M} UTC already")


def refuse_if_over(row: Row[Any], now: datetime) -> None:
    """CampaignError when nobody may be put on a list any more: it is not out, its end has come, or it expired."""
    refuse_if_back(row.id, row)
    ends = row.valid_until or row.lease_until
    if ends <= now or row.expired_at is not None:
        raise CampaignError(
            f"dial list {row.id} was to be dialled until {ends:%Y-%m-%d %H:%M} UTC and is over; pull another: "
            "multiwave dial-list pull"
        )


@dataclass(frozen=True, slots=True)
class OfShift:
    """What a team has of a shift: the worth of its list's entries (1 each where nothing ranks them), and its hours."""

    worth: float
    hours: float


def teams_of_shift(connection: Connection, wave: int, shift: str, since: datetime) -> dict[str, OfShift]:
    """The teams that have pulled a list of this shift (ix_dial_list_wave, ix_dial_entry_list)."""
    d, e = t.dial_list.c, t.dial_entry.c
    worth = func.sum(case((e.score > 0, e.score), (e.score.is_(None), 1.0), else_=0.0))
    times = (func.min(d.pulled_at).label("pulled_at"), func.max(d.valid_until).label("ends"))
    query = select(d.team, worth.label("worth"), *times).join_from(t.dial_list, t.dial_entry, e.list == d.id)
    query = query.where(d.wave == wave, d.shift == shift, d.pulled_at > since).group_by(d.team)
    found = connection.execute(query).all()
    return {row.team: OfShift(row.worth, (row.ends - row.pulled_at) / timedelta(hours=1)) for row in found}


def give_back(connection: Connection, number: int, rules: DialRules, by: str, now: datetime) -> tuple[int, int]:
    """Return a list: (entries called, entries that were not). CampaignError for an unknown or returned one.

    Who was not called waits for a list again at once, who was called as `rules` say.
    """
    hold_lists(connection)
    d, e = t.dial_list.c, t.dial_entry.c
    query = select(d.wave, d.returned_at, d.let_go_at).where(d.id == number)
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise CampaignError(f"there is no dial list {number}; see: multiwave dial-list ls")
    refuse_if_back(number, row)
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


def free(
    connection: Connection, which: Sequence[ColumnElement[bool]], rules: DialRules, until: datetime | None = None
) -> Freed:
    """Let go of the entries of live lists that `which` says; the caller holds the lists and keeps the wave open.

    Who was not called waits for a list again while the wave is open, and closes later than `until`; else stays listed.
    """
    e, c, w = t.dial_entry.c, t.touch.c, t.wave.c
    mine = connection.execute(select(e.touch, called_from().label("called")).where(*which, e.active)).all()
    touches = [row.touch for row in mine]
    taking = select(w.id).where(w.state == "open", *([] if until is None else [w.closes > until]))
    connection.execute(
        update(t.touch)
        .where(among(c.id, touches), c.state == int(State.LISTED), ~called(c.id), c.wave.in_(taking))
        .values(state=int(State.QUEUED), claimed_at=null(), claimed_by=null())
    )
    connection.execute(update(t.dial_entry).where(*which, e.active).values(active=False))
    wait_again(connection, touches, rules)
    return Freed(len(mine), sum(not row.called for row in mine))


def called(touch: ColumnElement[int], since: ColumnElement[datetime] | None = None) -> ColumnElement[bool]:
    """Whether a dialler tried this touch at all (since then), from whatever list (ix_call_touch)."""
    k = t.call.c
    tried = select(k.event).where(k.touch == touch, k.disposition != int(Disposition.NOT_ATTEMPTED))
    tried = tried if since is None else tried.where(k.at >= since)
    return tried.correlate_except(t.call).exists()


def called_from() -> ColumnElement[bool]:
    """Whether the dialler tried a customer from this entry of a list, not from an earlier one (ix_call_touch)."""
    k, e = t.call.c, t.dial_entry.c
    tried = select(k.event).where(k.entry == e.id, k.touch == e.touch, k.disposition != int(Disposition.NOT_ATTEMPTED))
    return tried.correlate(t.dial_entry).exists()


def called_from_another() -> ColumnElement[bool]:
    """Whether a dialler tried the customer of this entry from another one since its list was pulled (ix_call_touch)."""
    k, e = t.call.c, t.dial_entry.c
    tried = select(k.event).where(k.touch == e.touch, k.entry != e.id, k.disposition != int(Disposition.NOT_ATTEMPTED))
    return tried.where(k.at >= t.dial_list.c.pulled_at).correlate(t.dial_entry, t.dial_list).exists()


def lists(connection: Connection, campaign: int | None = None) -> Sequence[Row[Any]]:
    """Every dial list with its wave, campaign, size and how many of its entries were called."""
    d, e = t.dial_list.c, t.dial_entry.c
    size = select(func.count()).where(e.list == d.id).correlate(t.dial_list)
    done = select(func.count()).where(e.list == d.id, called_from()).correlate(t.dial_list).scalar_subquery()
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
            d.valid_until,
            d.lease_until,
            d.returned_at,
            *(d.expired_at, d.let_go_at, d.loaded_at, d.loaded),
            size.scalar_subquery().label("entries"),
            done.label("called"),
            size.where(e.active).scalar_subquery().label("held"),
            size.where(e.active, e.recalled_at.is_not(None)).scalar_subquery().label("recalled"),
        )
        .join(t.wave, t.wave.c.id == d.wave)
        .join(t.campaign, t.campaign.c.id == t.wave.c.campaign)
        .order_by(d.id)
    )
    return connection.execute(query if campaign is None else query.where(t.wave.c.campaign == campaign)).all()
