"""Cut a dial list for a lead and write its file for their dialler."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from channels.call_list.formats import FORMATS
from channels.call_list.rows import DialRow, Phone, Written
from config.dialling import load_dialling
from flows.abandonment import keep_below
from flows.halting import halted_segments, scopes_on
from flows.hours import keep_hours
from flows.room import Room
from flows.running import gates_of, load_running, score_of
from ledger import dial_lists
from ledger.dial_details import Detail, details, known_attributes
from waves.diallers import Dialler
from waves.errors import CampaignError
from waves.recycling import DialRules
from waves.senders import Sender
from waves.tokens import Kind, make_token

GRACE = timedelta(minutes=30)
ALONG = ("list", "campaign", "wave", "shift")
"""Further columns of a list whose dialler takes any."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A list that was cut, its file (None: nobody was callable), and until when it may be dialled."""

    pulled: dial_lists.Pulled
    file: Path | None
    valid_until: datetime
    written: Written

    @property
    def number(self) -> int:
        """The list's number; 0: there is none."""
        return self.pulled.number

    @property
    def entries(self) -> Sequence[dial_lists.Entry]:
        """Its lines, best first."""
        return self.pulled.entries


def pull(
    room: Room,
    campaign: str,
    wave_name: str,
    team: str,
    shift: str,
    size: int,
    hours: float,
    by: str,
    now: datetime,
    dialler_name: str | None = None,
) -> Cut:
    """The best `size` callable members of a call wave as a file for a dialler.

    CampaignError when the wave is none, or not open, or while the campaign abandons more calls than
    rules/abandonment.yaml lets it; InputError for an unknown dialler, SendRefused for an entry that
    it cannot take.
    """
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
    keep_below(room, campaign, now)
    valid_until = min(now + timedelta(hours=hours), row.closes)
    within = scopes_of_list(room, campaign, wave_name, dialler)
    ask = dial_lists.Pull(row.id, team, shift, dialler.dialler, size, by, valid_until, valid_until + GRACE, within)
    score = score_of(running, wave, now)
    file, written = None, Written(0)
    with room.ledger.write() as connection:
        gates = replace(gates_of(running, wave, now), halted=halted_segments(connection, running, now))
        pulled = dial_lists.pull(connection, ask, gates, running.types, score, dial_rules(room), now)
        if pulled.number:
            # Written before the commit: a list that no file holds would keep its people from everybody else.
            file = room.settings.home / "dial-lists" / f"{campaign}-{wave_name}-list-{pulled.number}"
            file = file.with_name(file.name + FORMATS[dialler.format].layout.ending)
            told = {"list": pulled.number, "campaign": campaign, "wave": wave_name, "shift": shift}
            rows, extra = rows_of(room, connection, dialler, pulled.entries, told, team, now)
            written = FORMATS[dialler.format].write(file, rows, extra, dialler)
    return Cut(pulled, file, valid_until, written)


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
    now: datetime,
) -> tuple[Iterator[DialRow], tuple[str, ...]]:
    """The entries as lines for a dialler, and the names of the further columns they have; `told` is said of each."""
    named = [name.removeprefix("extra.") for name in dialler.columns.values() if name.startswith("extra.")]
    types = known_attributes(connection, [name for name in named if name not in ALONG])
    known = details(connection, [entry.customer for entry in entries], types)
    rows = (_row(room, entry, told, known[entry.customer], team, now) for entry in entries)
    return rows, (*ALONG, *types)


def give_back(room: Room, number: int, by: str, now: datetime) -> tuple[int, int]:
    """Return a list: (entries called, entries that were not); CampaignError for an unknown or returned one."""
    rules = dial_rules(room)
    with room.ledger.write() as connection:
        return dial_lists.give_back(connection, number, rules, by, now)


def dial_rules(room: Room) -> DialRules:
    """How often and how soon somebody is dialled again, as the home's file reads now; PlanError with its problems."""
    return load_dialling(room.settings.home / "config")


def _row(
    room: Room, entry: dial_lists.Entry, told: Mapping[str, Any], known: Detail, team: str, now: datetime
) -> DialRow:
    return DialRow(
        token=make_token(room.token_key, Kind.DIAL_ENTRY, entry.id),
        phones=(Phone(entry.number),),
        name=entry.name,
        language=entry.language,
        rank=entry.rank,
        tier=entry.tier,
        score=entry.score,
        not_before=now,
        valid_until=entry.call_until,
        tz=known.zone,
        callable_until=entry.call_until,
        callback_at=entry.callback_at,
        callback_agent=entry.agent,
        team=team,
        list=told["list"],
        batch=f"list-{told['list']}",
        campaign=told["campaign"],
        wave=told["wave"],
        extra={**known.attributes, **told},
    )
