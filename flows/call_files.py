"""Files of call results: import one, and undo the wrong one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from channels.call_list.formats import FORMATS
from flows.reports import in_chunks, record_dispositions, rules_if_any, total
from flows.room import Room
from ledger import call_undo
from ledger.call_files import note_file
from ledger.call_undo import Undone
from ledger.events import Recorded


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file: its number (None: it held no call), and when it was imported before."""

    file: int | None
    before: datetime | None
    recorded: Recorded
    notes: tuple[str, ...]


def import_results(room: Room, path: Path, dialler: str | None, by: str, again: bool = False) -> Imported:
    """Record the calls of a file, each once; CampaignError for one that was undone, unless `again`.

    InputError with every problem of the file.
    """
    of = room.dialler(dialler)
    with path.open("rb") as file:
        digest = file_digest(file, "sha256").hexdigest()
    results = FORMATS[of.format].read(path, of)
    number: int | None = None
    before: datetime | None = None
    parts: list[Recorded] = []
    for chunk in in_chunks(results.rows):
        now = room.ledger.now()
        if number is None:
            with room.ledger.write() as connection:
                number, before = note_file(connection, path.name, digest, of.dialler, by, now, again)
        parts.append(record_dispositions(room, chunk, now, of.dialler, number))
    return Imported(number, before, total(parts), results.notes)


def undo_file(room: Room, number: int, by: str, now: datetime) -> Undone:
    """Reverse every call that a file brought first; CampaignError for an unknown file, or one that is undone."""
    rules = rules_if_any(room)
    with room.ledger.write() as connection:
        return call_undo.undo(connection, number, rules, by, now)
