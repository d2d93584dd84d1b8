"""A list loaded into its dialler by the dialler's API, and its recalled entries taken off there."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from filelock import FileLock, Timeout

from channels.call_list.formats import FORMATS
from channels.call_list.rows import Answered
from channels.call_list.vicidial_api import Lead, VicidialApi
from flows import dial_recall
from flows.abandonment import keep_below
from flows.dialling import rows_of, scopes_of_list, terms_of
from flows.hours import keep_hours
from flows.room import Room
from flows.running import Running, gates_of, load_running
from ledger import dial_loads
from ledger.dial_lists import entries_of, refuse_if_over, refuse_unless_open
from ledger.dial_recall import list_of
from ledger.legal_hours import cover
from waves.diallers import Dialler
from waves.errors import CampaignError, InputError
from waves.plan import Wave
from waves.recycling import DialRules
from waves.tokens import Kind, make_token

MAY_COME = "not there, and a load of the list has not ended: load it again, then ask again"
OFF_THE_LIST = "off_the_list"
AT_ONCE = 25
"""Entries that are taken off between two looks at whether to stop, for each request in the air."""


@dataclass
class Loaded:
    """What became of a list's entries: those there now or before, those left out and why, and every other answer."""

    number: int
    dialler: str
    into: int
    entries: int
    words: Counter[str] = field(default_factory=Counter)
    left_out: Counter[str] = field(default_factory=Counter)
    """Whom the list should not have any more, by reason; nothing was sent of them."""
    others: list[Answered] = field(default_factory=list)
    """Those that are not loaded as they should be."""
    taken_off: list[Answered] = field(default_factory=list)
    """Those that were recalled while they were loaded."""
    stopped: str | None = None
    """Why the rest was not loaded."""

    @property
    def is_whole(self) -> bool:
        """Whether everybody who may be dialled is there, and nobody else."""
        done = self.stopped is None and not self.others
        return done and all(answer.word == "off" for answer in self.taken_off)


@dataclass(frozen=True, slots=True)
class TakenOff:
    """A recall as the dialler answered it, for every entry that is recalled and not acknowledged."""

    taken: dial_recall.Taken
    answers: Sequence[Answered]

    @property
    def words(self) -> Counter[str]:
        """Word to entries."""
        return Counter(answer.word for answer in self.answers)

    @property
    def is_whole(self) -> bool:
        """Whether the dialler dials none of them any more."""
        return all(answer.word in ("off", "not_there") for answer in self.answers)


@dataclass(frozen=True)
class _Loading:
    room: Room
    running: Running
    wave: Wave
    row: Any
    scopes: Sequence[str]
    rules: DialRules

    def standing(self, connection: Any, now: datetime, entries: Sequence[int]) -> Mapping[int, str | None]:
        """Why each of these entries must not be loaded now; CampaignError when nobody must be."""
        refuse_unless_open(connection, self.row.wave, self.scopes, now)
        terms = terms_of(connection, self.running, self.wave, self.rules, now)
        return dial_loads.standing(connection, self.row, terms, now, entries)


def load(
    room: Room, number: int, by: str, into: int | None = None, environment: Mapping[str, str] = os.environ
) -> Loaded:
    """Load a list that is out into its dialler, each entry once however often this is run.

    Before each handful everybody in it is looked at again, and after it who was recalled meanwhile is taken off.
    CampaignError when the list is returned or over, its wave is not open, a kill switch is on, or it went elsewhere
    before; InputError when its dialler has no `api`, SendRefused when that lacks its user or password.
    """
    with room.ledger.read() as connection:
        row = list_of(connection, number)
    now = room.ledger.now()
    refuse_if_over(row, now)
    with _api(room, row.format, environment) as api, _alone(room, number):
        dialler = api.dialler
        list_id = into or dialler.list_id
        if list_id is None:
            raise InputError(f"dialler {dialler.dialler} has no `list_id` in config/diallers.yaml")
        keep_hours(room, now)
        keep_below(room, row.campaign, now)
        running = load_running(room.ledger, row.campaign)
        wave = running.plan.wave(row.wave_name)
        scopes = scopes_of_list(room, row.campaign, row.wave_name, dialler)
        loading = _Loading(room, running, wave, row, scopes, room.dial_rules())
        leads, unended = _begin(loading, api, dialler, list_id, by, now)
        made = Loaded(number, dialler.dialler, list_id, len(leads))
        _each(loading, api, leads, made)
        with room.ledger.write() as connection:
            new, ended = made.words["loaded"] + made.words["unscheduled"], room.ledger.now()
            there = dial_loads.note_run(connection, number, new, made.words["there"], ended)
            passed_by = unended and made.stopped is not None  # whom the load before left in doubt
            if not made.words["in_doubt"] and not passed_by:
                told = f"{there} of {made.entries} in list {list_id} of {made.dialler}"
                dial_loads.end_load(connection, number, told, by, ended)
    return made


def recall(
    room: Room,
    number: int,
    by: str,
    customer: str | None = None,
    everybody: bool = False,
    last: int = 0,
    environment: Mapping[str, str] = os.environ,
) -> TakenOff:
    """Recall whom `dial_recall.recall` names, with its file, and have the dialler take off all who are recalled.

    They hold their customer and number as before, until `acknowledge`. Safe to run again: it asks again. Who is not
    there, while a load is under way or somebody in it is in doubt, may yet come: that is in doubt as well.
    """
    with room.ledger.read() as connection:
        row = list_of(connection, number)
    with _api(room, row.format, environment) as api:
        taken = dial_recall.recall(room, number, by, room.ledger.now(), customer, everybody, last)
        with room.ledger.read() as connection:
            tokens = [make_token(room.token_key, Kind.DIAL_ENTRY, e) for e in dial_loads.recalled(connection, number)]
        answers: list[Answered] = []
        for block in _blocks(tokens, AT_ONCE * api.api.parallel):
            answers += api.recall(block)
            room.tick(f"taking off list {number}", len(answers), len(tokens))
        with room.ledger.write() as connection:
            if dial_loads.is_open(connection, number):
                answers = [_may_come(answer) for answer in answers]
            off = sum(answer.word == "off" for answer in answers)
            told = f"{off} of {len(answers)} taken off by the API"
            dial_loads.note_recall(connection, number, told, by, room.ledger.now())
    return TakenOff(taken, answers)


def _begin(
    loading: _Loading, api: VicidialApi, dialler: Dialler, list_id: int, by: str, now: datetime
) -> tuple[dict[int, Lead], bool]:
    """Entry to lead for all who are on the list, before anything is sent; whether a load before never ended."""
    room, row = loading.room, loading.row
    told = {"list": row.id, "campaign": row.campaign, "wave": row.wave_name, "shift": row.shift}
    with room.ledger.write() as connection:
        gates = gates_of(loading.running, loading.wave, now)
        cover(connection, gates.rules, now, gates.closes)
        refuse_unless_open(connection, row.wave, loading.scopes, now)
        entries = entries_of(connection, row.id)
        rows, extra = rows_of(room, connection, dialler, entries, told, row.team, loading.wave.skill, now)
        leads = dict(zip([entry.id for entry in entries], api.leads(rows, extra, list_id), strict=True))
        unended = dial_loads.begin_load(connection, row.id, f"list {list_id} of {dialler.dialler}", by, now)
    return leads, unended


def _each(loading: _Loading, api: VicidialApi, leads: Mapping[int, Lead], made: Loaded) -> None:
    """As many at a time as requests are in the air: none begins long after its entry was looked at."""
    room, number, done = loading.room, loading.row.id, 0
    for block in _blocks(list(leads), api.api.parallel):
        with room.ledger.read() as connection:
            try:
                standing = loading.standing(connection, room.ledger.now(), block)
            except CampaignError as error:
                made.stopped = str(error)
                return
        out = [standing.get(entry, OFF_THE_LIST) for entry in block]
        made.left_out.update(why for why in out if why is not None)
        ready = [entry for entry, why in zip(block, out, strict=True) if why is None]
        answers = api.load([leads[entry] for entry in ready])
        made.words.update(answer.word for answer in answers)
        made.others += [answer for answer in answers if answer.word not in ("loaded", "there")]
        asked = [entry for entry, said in zip(ready, answers, strict=True) if said.word not in ("refused", "not_asked")]
        with room.ledger.read() as connection:
            gone = dial_loads.gone(connection, number, asked)
        made.taken_off += api.recall([leads[entry].token for entry in sorted(gone)])
        done += len(block)
        room.tick(f"loading list {number}", done, len(leads))
        if api.stopped is not None or room.is_over:
            made.stopped = api.stopped or "it was asked to end"
            return


def _may_come(answer: Answered) -> Answered:
    return Answered(answer.token, "in_doubt", MAY_COME) if answer.word == "not_there" else answer


def _blocks(all_: Sequence[Any], size: int) -> Iterator[Sequence[Any]]:
    return (all_[i : i + size] for i in range(0, len(all_), size))


@contextmanager
def _api(room: Room, name: str, environment: Mapping[str, str]) -> Iterator[VicidialApi]:
    dialler = room.dialler(name)
    opens = FORMATS[dialler.format].api
    if opens is None:
        raise InputError(f"{dialler.format} has no API here; give dialler {dialler.dialler} the file of the list")
    api = opens(dialler, environment)
    try:
        yield api
    finally:
        api.close()


@contextmanager
def _alone(room: Room, number: int) -> Iterator[None]:
    """Two programs that load one list at once could both find somebody missing there."""
    folder = room.settings.home / "dial-lists"
    folder.mkdir(exist_ok=True)
    lock = FileLock(folder / f".list-{number}.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise CampaignError(f"another program loads dial list {number}; wait for it") from None
    try:
        yield
    finally:
        lock.release()
