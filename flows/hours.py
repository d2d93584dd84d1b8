"""The rules of hours and the bans as they read now: kept in the ledger, so that every worker obeys a change."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from config.bans import FILE as BANS_FILE
from config.bans import bans_in
from config.hours import FILE, hours_problems, hours_set
from config.yaml_lines import Document, parse_document, read_text
from flows.room import Room
from ledger.audit import record
from ledger.store import read_meta, write_meta
from waves.bans import Ban
from waves.errors import PlanError, Problem
from waves.hours_set import HoursSet

KEY, BANS = "hours", "bans"
SAVED = "{} saved"
"""The meta row of when the file that was taken over last had been saved."""


def keep_hours(room: Room, now: datetime) -> None:
    """Take the home's files of hours and bans over where they changed; PlanError with each problem of either.

    Of a file with a problem nothing is taken over: what it said last holds. A home without a file says nothing: then
    the rules that each campaign was started with hold alone, and the bans that were read last. Nor does a copy on
    another machine that was saved before the one that holds, or it would lift a ban that it has not heard of.
    """
    problems = [
        *_keep(room, now, BANS_FILE, BANS, _ban_problems),
        *_keep(room, now, FILE, KEY, hours_problems),
    ]
    if problems:
        raise PlanError(problems)


def _keep(
    room: Room, now: datetime, file: Path, key: str, problems_in: Callable[[Document], list[Problem]]
) -> Iterator[Problem]:
    path = room.settings.home / "config" / file
    try:
        saved = min(datetime.fromtimestamp(path.stat().st_mtime, UTC), now)
    except FileNotFoundError:
        return
    try:
        with room.ledger.read() as connection:
            kept, kept_saved = read_meta(connection, key), read_meta(connection, SAVED.format(key))
        text = read_text(path)
        if text == kept:
            return
        has_copies = room.settings.database_url is not None
        if has_copies and kept_saved is not None and saved < datetime.fromisoformat(kept_saved):
            room.tell_once(f"{path} was saved before the {key} that hold; save it again if it is to hold instead")
            return
        problems = problems_in(parse_document(text, str(path)))
    except PlanError as error:
        problems = list(error.problems)
    if problems:
        yield from problems
        return
    with room.ledger.write() as connection:
        write_meta(connection, key, text)
        write_meta(connection, SAVED.format(key), saved.isoformat())
        record(connection, now, "advance", f"{key} changed", str(file), before=_digest(kept), after=_digest(text))


def bans_today(room: Room) -> str | None:
    """The text of the bans as they would be taken over now, for a ledger that nothing is written to."""
    path = room.settings.home / "config" / BANS_FILE
    if path.exists():
        text = read_text(path)
        bans_of(text)
        return text
    with room.ledger.read() as connection:
        return read_meta(connection, BANS)


def _ban_problems(document: Document) -> list[Problem]:
    try:
        bans_in(document)
    except PlanError as error:
        return list(error.problems)
    return []


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=32)
def set_in(text: str, name: str) -> HoursSet:
    """The set of this name in a hours file's text; PlanError when there is none any more."""
    return hours_set(parse_document(text, str(FILE)), name)


@lru_cache(maxsize=32)
def bans_of(text: str | None) -> tuple[Ban, ...]:
    """The bans in the text that was taken over last; none before the first."""
    return () if text is None else bans_in(parse_document(text, str(BANS_FILE)))
