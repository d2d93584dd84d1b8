"""The hours rules as they read now: kept in the ledger, so that every worker obeys a change and its author is told."""

from __future__ import annotations

import hashlib
from datetime import datetime
from functools import lru_cache

from config.hours import FILE, hours_problems, hours_set
from config.yaml_lines import parse_document, read_text
from flows.room import Room
from ledger.audit import record
from ledger.store import read_meta, write_meta
from waves.errors import PlanError
from waves.hours import HoursSet

KEY = "hours"


def keep_hours(room: Room, now: datetime) -> None:
    """Take the home's hours file over when it changed; PlanError with each of its problems, and nothing is taken over.

    A home without that file says nothing: then the rules that each campaign was started with hold alone.
    """
    path = room.settings.home / "config" / FILE
    if not path.exists():
        return
    text = read_text(path)
    with room.ledger.read() as connection:
        kept = read_meta(connection, KEY)
    if text == kept:
        return
    problems = hours_problems(parse_document(text, str(path)))
    if problems:
        raise PlanError(problems)
    with room.ledger.write() as connection:
        write_meta(connection, KEY, text)
        record(connection, now, "advance", "hours changed", str(FILE), before=_digest(kept), after=_digest(text))


def _digest(text: str | None) -> str | None:
    return None if text is None else hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=32)
def set_in(text: str, name: str) -> HoursSet:
    """The set of this name in a hours file's text; PlanError when there is none any more."""
    return hours_set(parse_document(text, str(FILE)), name)
