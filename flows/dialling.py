"""Cut a dial list for a lead and write its file for their dialler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from channels.call_list.formats import FORMATS
from channels.call_list.rows import DialRow, Phone, Written
from flows.abandonment import keep_below
from flows.call_scores import Ranking, call_rank
from flows.dial_sizing import SHIFT, Sized, as_asked, served_by, size_for
from flows.halting import halted_segments, scopes_on
from flows.hours import keep_hours
from flows.room import Room
from flows.running import Running, gates_of, load_running
from ledger import dial_lists
from ledger.dial_candidates import why_none_waits
from ledger.dial_choice import Pull, Score, Terms
from ledger.dial_details import Detail, details, known_attributes
from ledger.dial_expiry import unreturned
from waves.dial_split import Share, gap
from waves.diallers import OF_CUSTOMERS, Dialler, filled, tells_times
from waves.errors import CampaignError
from waves.outcomes import word
from waves.plan import Wave
from waves.recycling import PUNCTUAL, DialRules
from waves.senders import Sender
from waves.tokens import Kind, make_token

GRACE = timedelta(minutes=30)
HOURS = 8.0
"""How long a list may be dialled where neither the lead nor the plan says."""
ALONG = ("list", "campaign", "wave", "shift")
"""Further columns of a list whose dialler takes any."""


class _OfShift:
    """A list beside the others of its shift."""

    pulled: dial_lists.Pulled
    sized: Sized

    @property
    def worth_an_hour(self) -> dict[str, float]:
        """What an agent hour is worth to each team of the shift, by its list or its share, in units of the rank."""
        return {**self.sized.before, **self.pulled.worth_an_hour}

    @property
    def gap(self) -> float:
        """How much less that is for the poorest team than for the richest, as a share."""
        return gap(self.worth_an_hour.values())


@dataclass(frozen=True)
class Cut(_OfShift):
    """A list that was cut, its file (None: nobody was callable), and until when it may be dialled."""

    pulled: dial_lists.Pulled
    file: Path | None
    valid_until: datetime
    written: Written
    sized: Sized

    @property
    def number(self) -> int:
        """The list's number; 0: there is none."""
        return self.pulled.number

    @property
    def entries(self) -> Sequence[dial_lists.Entry]:
        """Its lines, as they are to be dialled."""
        return self.pulled.entries


def pull(
    room: Room,
    campaign: str,
    wave_name: str,
    team: str,
    shift: str,
    size: int | None,
    hours: float | None,
    by: str,
    now: datetime,
    dialler_name: str | None = None,
    agents: int | None = None,
    keep_last: bool = False,
) -> Cut:
    """A team's share of the best callable members of a call wave as a file for a dialler.

    Without a `size` the plan's capacity says how long it is, for so many `agents` where they are given; `hours` (the
    plan's shift) is how long the list may be dialled.

    CampaignError when the wave is none, or not open, when the team's last list of it is over and not returned unless
    they `keep_last`, or while the campaign abandons more calls than rules/abandonment.yaml lets it; InputError for an
    unknown dialler, SendRefused for an entry that it cannot take.
    """
    desk = _desk(room, campaign, wave_name, dialler_name, by, now)
    with room.ledger.write() as connection:
        if not keep_last and (why := unreturned(connection, desk.row.id, team, now)):
            raise CampaignError(why)
        sized, ask = _ask(connection, desk, team, shift, size, hours, by, now, agents)
        return _cut(room, connection, desk, ask, sized, now)


@dataclass(frozen=True)
class Planned(_OfShift):
    """The list that a team would get now; `refused` says why `pull` gives it none unless they `keep_last`."""

    team: str
    sized: Sized
    pulled: dial_lists.Pulled
    refused: str | None


def plan(
    room: Room,
    campaign: str,
    wave_name: str,
    shift: str,
    hours: float | None,
    by: str,
    now: datetime,
    team: str | None = None,
    size: int | None = None,
    agents: int | None = None,
    dialler_name: str | None = None,
) -> list[Planned]:
    """The lists that `pull` would cut now for this team, or one after the other for those of the shift without one.

    They are cut and taken back in one transaction: nobody is listed, withdrawn or held, and no file is written.
    CampaignError as `pull`, and when there is no team to plan for.
    """
    desk = _desk(room, campaign, wave_name, dialler_name, by, now)
    with room.ledger.write() as connection:
        capacity = desk.wave.capacity
        done = dial_lists.teams_of_shift(connection, desk.row.id, shift, now - SHIFT)
        teams = [team] if team else [name for name in (capacity.teams if capacity else ()) if name not in done]
        if not teams:
            raise CampaignError(
                f"every team has a list of the shift {shift}; write another --shift, or --team"
                if done
                else "the plan names no team in `capacity`; write --team and --size"
            )
        dry, made, terms = connection.begin_nested(), [], _terms(room, connection, desk, now)
        for name in teams:
            sized, ask = _ask(connection, desk, name, shift, size, hours, by, now, agents)
            pulled = dial_lists.pull(connection, ask, terms, now)
            made.append(Planned(name, sized, pulled, unreturned(connection, desk.row.id, name, now)))
        dry.rollback()
    return made


def _ask(
    connection: Any,
    desk: _Desk,
    team: str,
    shift: str,
    size: int | None,
    hours: float | None,
    by: str,
    now: datetime,
    agents: int | None,
) -> tuple[Sized, Pull]:
    capacity = desk.wave.capacity
    ends = min(now + timedelta(hours=hours or (capacity.hours if capacity else HOURS)), desk.closes)
    sized = size_for(connection, desk.running.id, desk.row.id, capacity, team, shift, now, ends, size, agents)
    lease = (ends, ends + GRACE, desk.scopes)
    ask = Pull(desk.row.id, team, shift, desk.dialler.dialler, sized.size, by, *lease, sized.teams)
    return sized, _ranked(ask, desk, sized)


def _ranked(ask: Pull, desk: _Desk, sized: Sized) -> Pull:
    dialler, share = desk.dialler, desk.ranking.explore(desk.wave.explore)
    ahead = dialler.api is not None or tells_times(dialler, FORMATS[dialler.format].layout)
    by = {"explore": share, "card": desk.ranking.card, "passes": sized.rates}
    return replace(ask, **by, ahead=ahead, skill=desk.wave.skill)


def extend(room: Room, number: int, size: int, by: str, now: datetime, customer: str | None = None) -> Cut:
    """Put `size` more on a list that is out, or this one customer, and write a file of them alone.

    CampaignError for a list that is over, and for a customer who cannot be listed now, with the reason.
    """
    with room.ledger.read() as connection:
        row = dial_lists.list_of(connection, number)
    ends = row.valid_until or row.lease_until
    desk = _desk(room, row.campaign, row.wave_name, row.format, by, now)
    with room.ledger.write() as connection:
        lease = (ends, row.lease_until, desk.scopes)
        team = desk.wave.capacity.teams.get(row.team) if desk.wave.capacity else None
        alone = {row.team: Share(size, 1.0, *served_by(team))} if team else {}
        ask = Pull(row.wave, row.team, row.shift, row.format, size, by, *lease, alone, number, customer)
        sized = as_asked(connection, desk.running.id, size)
        cut = _cut(room, connection, desk, _ranked(ask, desk, sized), sized, now)
        if customer is not None and not cut.entries:
            why = ", ".join(cut.pulled.funnel) or why_none_waits(connection, row.wave, customer, now)
            raise CampaignError(f"customer {customer} cannot be put on list {number} now: {why}")
        return cut


@dataclass(frozen=True, slots=True)
class _Desk:
    """An open call wave and the dialler of a list of it."""

    running: Running
    wave: Wave
    row: Any
    closes: datetime
    dialler: Dialler
    scopes: tuple[str, ...]
    """The kill switches that stop it."""
    ranking: Ranking
    """What it is ranked by: what the models say, or the plan."""


def _desk(room: Room, campaign: str, wave_name: str, dialler_name: str | None, by: str, now: datetime) -> _Desk:
    dialler = room.dialler(dialler_name)
    keep_hours(room, now)
    running = load_running(room.ledger, campaign)
    wave = next((wave for wave in running.plan.waves if wave.wave == wave_name), None)
    if wave is None or "call_list" not in wave.channel_names:
        calls = ", ".join(w.wave for w in running.plan.waves if "call_list" in w.channel_names) or "none"
        raise CampaignError(f"{campaign} has no call wave {wave_name!r}; its call waves: {calls}")
    row = running.row(wave_name)
    if row.closes is None:
        raise CampaignError(f"the wave {wave_name} is not open yet; run: multiwave advance")
    if row.state == "open" and row.closes <= now:
        raise CampaignError(f"the wave {wave_name} is over since {row.closes:%Y-%m-%d %H:%M} UTC; no list is cut of it")
    keep_below(room, campaign, now)
    within = scopes_of_list(room, campaign, wave_name, dialler)
    ranking = call_rank(room, running, wave_name, by, now)
    return _Desk(running, wave, row, row.closes, dialler, within, ranking)


def _cut(room: Room, connection: Any, desk: _Desk, ask: Pull, sized: Sized, now: datetime) -> Cut:
    running, dialler, file, written = desk.running, desk.dialler, None, Written(0)
    pulled = dial_lists.pull(connection, ask, _terms(room, connection, desk, now), now)
    if pulled.entries:
        # Written before the commit: a list that no file holds would keep its people from everybody else. Its name is
        # the ledger's, so that a file whose commit was cut off is written over by the next one.
        told = {"list": pulled.number, "campaign": running.name, "wave": desk.wave.wave, "shift": ask.shift}
        part = f"-from-{pulled.entries[0].rank}" if ask.number else ""
        name = f"{running.name}-{desk.wave.wave}-list-{pulled.number}{part}{FORMATS[dialler.format].layout.ending}"
        file = room.settings.home / "dial-lists" / name
        now_or_told = [entry for entry in pulled.entries if not _rings_early(dialler, entry, now)]
        rows, extra = rows_of(room, connection, dialler, now_or_told, told, ask.team, desk.wave.skill, now)
        written = FORMATS[dialler.format].write(file, rows, extra, dialler)
        if early := len(pulled.entries) - len(now_or_told):
            note = f"promised calls of later, which the file tells no time of, so they are not in it: {early:,}"
            by_api = f"load the list by the API: multiwave dial-list load {pulled.number}"
            written = replace(written, notes=(*written.notes, f"{note}; {by_api}"))
    return Cut(pulled, file, ask.valid_until, written, sized)


def _rings_early(dialler: Dialler, entry: dial_lists.Entry, now: datetime) -> bool:
    """Whether an entry of a file would be dialled before the call that its customer was promised."""
    later = entry.callback_at is not None and entry.callback_at - PUNCTUAL > now
    return later and not tells_times(dialler, FORMATS[dialler.format].layout)


def _terms(room: Room, connection: Any, desk: _Desk, now: datetime) -> Terms:
    return terms_of(connection, desk.running, desk.wave, room.dial_rules(), now, desk.ranking.score)


def terms_of(
    connection: Any, running: Running, wave: Wave, rules: DialRules, now: datetime, score: Score | None = None
) -> Terms:
    """What decides who may be on a list of a wave now; people of halted segments are left out."""
    gates = replace(gates_of(running, wave, now), halted=halted_segments(connection, running, now))
    return Terms(gates, running.types, rules, score)


def scopes_of_list(room: Room, campaign: str, wave: str, dialler: Dialler) -> tuple[str, ...]:
    """The kill switches that stop lists of a wave for a dialler."""
    carrying = Sender(sender=dialler.dialler, channel="call_list", provider=dialler.format)
    within = {*scopes_on(campaign, wave, room.sender("call_list")), *scopes_on(campaign, wave, carrying)}
    return tuple(sorted(within))


def rows_of(
    room: Room,
    connection: Any,
    dialler: Dialler,
    entries: Sequence[dial_lists.Entry],
    told: Mapping[str, Any],
    team: str,
    skill: str | None,
    now: datetime,
) -> tuple[Iterator[DialRow], tuple[str, ...]]:
    """The entries as lines for a dialler, and the names of the further columns they have; `told` is said of each.

    `skill` is the attribute that says which skill a customer takes.
    """
    named = [name.removeprefix("extra.") for name in dialler.columns.values() if name.startswith("extra.")]
    types = known_attributes(connection, [name for name in named if name not in ALONG])
    asked = set(filled(dialler, FORMATS[dialler.format].layout).values())
    own = known_attributes(connection, [name for name in OF_CUSTOMERS if name in asked])
    known = details(connection, entries, types | own, skill, room.dial_rules(), now)
    rows = (_row(room, dialler, entry, told, known[entry.customer], team, now) for entry in entries)
    return rows, (*ALONG, *types)


def give_back(room: Room, number: int, by: str, now: datetime) -> tuple[int, int]:
    """Return a list: (entries called, entries that were not); CampaignError for an unknown or returned one."""
    rules = room.dial_rules()
    with room.ledger.write() as connection:
        return dial_lists.give_back(connection, number, rules, by, now)


def _row(
    room: Room,
    dialler: Dialler,
    entry: dial_lists.Entry,
    told: Mapping[str, Any],
    known: Detail,
    team: str,
    now: datetime,
) -> DialRow:
    tries, of_them = known.tries, known.attributes
    own = {name: text for name in OF_CUSTOMERS if isinstance(text := of_them.get(name), str) and text}
    if entry.name and "last_name" not in own:
        own.setdefault("first_name", entry.name)
    return DialRow(
        token=make_token(room.token_key, Kind.DIAL_ENTRY, entry.id),
        phones=(Phone(entry.number),),
        name=entry.name,
        language=entry.language,
        rank=entry.rank,
        tier=entry.tier,
        score=entry.score,
        not_before=max(now, entry.callback_at - PUNCTUAL) if entry.callback_at else now,
        valid_until=entry.call_until,
        tz=known.zone,
        callable_from=now,
        callable_until=entry.call_until,
        callback_at=entry.callback_at,
        callback_agent=entry.agent,
        attempts_total=tries.total,
        attempts_today=tries.today,
        attempts_left=tries.left,
        last_attempt_at=tries.last.at if tries.last else None,
        last_disposition=word(tries.last.disposition) if tries.last else None,
        skill=known.skill,
        agent_owner=entry.agent or tries.agent,
        caller_id=dialler.caller_id,
        team=team,
        list=told["list"],
        batch=f"list-{told['list']}",
        campaign=told["campaign"],
        wave=told["wave"],
        extra={**of_them, **told},
        **own,
    )
