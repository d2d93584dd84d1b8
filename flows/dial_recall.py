"""A list that is out, looked at again: how fresh it is, and a file for the dialler of whom to take off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import count
from pathlib import Path
from typing import Any

from channels.call_list.formats import FORMATS
from channels.call_list.rows import Phone, RecallRow, Written
from flows.dial_forecast import Forecast, runs_dry
from flows.halting import halted_segments
from flows.room import Room
from flows.running import Running, gates_of, load_running
from flows.switching import lies_in
from ledger import dial_recall
from ledger.dial_blocks import Block, blocks, cards_of
from ledger.dial_lists import list_of, refuse_if_back
from ledger.dial_recall import Recalled, Standing
from ledger.gates import Gates
from ledger.kill_switches import anybody, switches_on
from ledger.recycling import hold_lists
from waves.dial_lease import Lease, held_until, life
from waves.diallers import Dialler
from waves.tokens import Kind, make_token


@dataclass(frozen=True, slots=True)
class Shown:
    """A list as it stands now."""

    number: int
    campaign: str
    wave: str
    team: str
    shift: str
    dialler: str
    pulled_at: datetime
    valid_until: datetime
    returned_at: datetime | None
    expired_at: datetime | None
    """When its recall for being over was written; None: it is not over, or came back before that."""
    let_go_at: datetime | None
    """When it let go of its people without having been returned."""
    held_until: datetime
    """When it lets go of its people if nobody returns it."""
    loaded: int | None
    """How many of its entries its dialler took; None: nobody said."""
    loaded_at: datetime | None
    life: str
    """Where it stands, as waves.dial_lease.life says."""
    standing: Standing
    stale: Sequence[Recalled]
    """Whom it should not dial any more, and no recall has named yet."""
    blocks: Sequence[Block]
    """Its blocks in the order of dialling, with the answers that were expected and that came."""
    cards: Sequence[int]
    """The model cards that ranked it; empty: no model did."""
    runs_dry: Forecast | None
    """When it has nobody left to dial; None: it is not out."""


@dataclass(frozen=True, slots=True)
class Taken:
    """A recall: whom it names, and its file (None: nobody, or nobody whom no file had named before)."""

    entries: Sequence[Recalled]
    file: Path | None
    written: Written
    files: Mapping[str, int]
    """Every file that took people off the list, by name, with how many it holds still."""


def show(room: Room, number: int, now: datetime) -> Shown:
    """How a list stands, and how fresh it is; CampaignError when there is none."""
    with room.ledger.read() as connection:
        row = list_of(connection, number)
    running, gates = _gates(room, row, now)
    with room.ledger.read() as connection:
        standing = dial_recall.standing_of(connection, number)
        stale = dial_recall.stale(connection, number, gates, running.types) if standing.active else []
        parts = (blocks(connection, number), cards_of(connection, number))
        ends = row.valid_until or row.lease_until
        out = standing.active and now < ends
        forecast = runs_dry(room, connection, number, ends, now) if out else None
    told = (row.campaign, row.wave_name, row.team, row.shift, row.format, row.pulled_at, row.valid_until)
    ends = (row.returned_at, row.expired_at, row.let_go_at, held_until(row.pulled_at, row.valid_until))
    at = (row.valid_until, row.returned_at, row.let_go_at, row.loaded_at)
    stands = life(Lease(*at, standing.active, standing.off, standing.called), now)
    return Shown(number, *told, *ends, row.loaded, row.loaded_at, stands, standing, stale, *parts, forecast)


def recall(
    room: Room,
    number: int,
    by: str,
    now: datetime,
    customer: str | None = None,
    everybody: bool = False,
    last: int = 0,
) -> Taken:
    """Write the file that takes people off a list that is out: whoever is stale, one customer, everybody, or the last.

    They go on holding their customer and number until `acknowledge` of the first file that names them, or until the
    list comes back. CampaignError for a list that is none, or is not out any more.
    """
    with room.ledger.read() as connection:
        row = list_of(connection, number)
    running, gates = _gates(room, row, now)
    dialler = room.dialler(row.format)
    layout = FORMATS[dialler.format].layout
    with room.ledger.write() as connection:
        hold_lists(connection)
        refuse_if_back(number, list_of(connection, number))
        if everybody or last or customer is not None:
            entries = dial_recall.entries_to_recall(connection, number, customer, last)
        else:
            entries = dial_recall.stale(connection, number, gates, running.types)
        if all(one.again for one in entries):
            return Taken([], None, Written(0), dial_recall.recall_files(connection, number))
        file = _new_file(room, f"{row.campaign}-{row.wave_name}-list-{number}-recall", layout.recall_ending)
        dial_recall.recall(connection, number, entries, file.name, by, now)
        # Written before the commit: a recall that no file holds would never reach the dialler.
        written = write_recall(room, dialler, file, number, entries, now)
        return Taken(entries, file, written, dial_recall.recall_files(connection, number))


def _gates(room: Room, row: Any, now: datetime) -> tuple[Running, Gates]:
    running = load_running(room.ledger, row.campaign)
    with room.ledger.read() as connection:
        halted = halted_segments(connection, running, now)
        scopes = [switch.scope for switch in switches_on(connection, now)]
    if any(lies_in(room, row.campaign, row.wave_name, row.format, scope) for scope in scopes):
        halted = anybody
    return running, replace(gates_of(running, running.plan.wave(row.wave_name), now), halted=halted)


def write_recall(
    room: Room, dialler: Dialler, file: Path, number: int, entries: Sequence[Recalled], now: datetime
) -> Written:
    """The file that takes these entries of a list off, in the dialler's own layout; SendRefused."""
    return FORMATS[dialler.format].recall(file, [_row(room, number, one, now) for one in entries], dialler)


def _new_file(room: Room, stem: str, ending: str) -> Path:
    """Never over one that a lead may have fetched; one whose commit was cut off takes nobody off by mistake."""
    folder = room.settings.home / "dial-lists"
    return next(path for n in count(1) if not (path := folder / f"{stem}-{n}{ending}").exists())


def _row(room: Room, number: int, one: Recalled, now: datetime) -> RecallRow:
    return RecallRow(
        make_token(room.token_key, Kind.DIAL_ENTRY, one.entry), (Phone(one.number),), one.reason, now, number
    )


def acknowledge(room: Room, number: int, by: str, now: datetime, file: str | None = None) -> int:
    """The dialler took off whom this recall's file names (None: the list's one); how many hold nobody any more.

    CampaignError for a file that is none of the list's, and without one when the list had several.
    """
    rules = room.dial_rules()
    with room.ledger.write() as connection:
        return dial_recall.acknowledge(connection, number, file, rules, by, now)
