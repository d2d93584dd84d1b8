"""A dialler's file of results, from the file to the ledger, and out of it again when it was the wrong one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest
from pathlib import Path

from channels.call_list.formats import FORMATS
from channels.call_list.rows import DispositionRow, Results
from flows.reports import in_chunks, record_dispositions, rules_if_any, total
from flows.room import Room
from ledger.call_files import note_file
from ledger.call_undo import Undone, undo
from ledger.calls import CLOCKS_DIFFER
from ledger.events import Recorded
from waves.dispositions import Disposition


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's calls, and what a lead should know of how it was read."""

    file: int | None
    """Its number; None: it held no call."""
    before: datetime | None
    """When it was imported before."""
    recorded: Recorded
    notes: tuple[str, ...]


def import_results(
    room: Room, file: Path, dialler_name: str | None, by: str, now: datetime, again: bool = False
) -> Imported:
    """Record every call of a file, each once; InputError, and nothing stored, when anything in it is wrong.

    CampaignError for a file that was undone, unless `again`.
    """
    dialler = room.dialler(dialler_name)
    results = FORMATS[dialler.format].read(file, dialler)
    with file.open("rb") as stream:
        digest = file_digest(stream, "sha256").hexdigest()
    ahead = _Ahead(now)
    number: int | None = None
    before: datetime | None = None
    parts: list[Recorded] = []
    for chunk in in_chunks(ahead.watch(results)):
        if number is None:
            with room.ledger.write() as connection:
                number, before = note_file(connection, file.name, digest, dialler.dialler, by, now, again)
        parts.append(record_dispositions(room, chunk, room.ledger.now(), dialler.dialler, number))
    recorded = total(parts)
    told = {
        f"calls later than now{_zone(dialler.zone)}": ahead.count,
        f"calls from before their list was pulled{_zone(dialler.zone)}": recorded.early,
        "known already with another result, which counts until its file is undone": recorded.other,
        "promised for a time that had passed when they said so, so not promised": ahead.past,
        "agreed to be called back, and the file says no time, so not promised": ahead.untimed,
    }
    counted = [f"{what}: {count:,}" for what, count in told.items() if count]
    return Imported(number, before, recorded, (*results.notes, *counted, *recorded.notes))


def _zone(zone: str | None) -> str:
    return f" (is zone: {zone} right?)" if zone else " (is the zone of their times right?)"


def undo_file(room: Room, number: int, by: str, now: datetime) -> Undone:
    """Reverse every call that a file brought first; CampaignError for an unknown file, or one that is undone."""
    rules = rules_if_any(room)
    with room.ledger.write() as connection:
        return undo(connection, number, rules, by, now)


@dataclass(slots=True)
class _Ahead:
    """Counts the calls that nobody can have made yet, and the promises that nobody can keep."""

    now: datetime
    count: int = 0
    past: int = 0
    """Promises of a time before their own call."""
    untimed: int = 0
    """Promises of no time."""

    def watch(self, results: Results) -> Iterator[DispositionRow]:
        for row in results:
            self.count += row.at > self.now + CLOCKS_DIFFER
            self.past += row.callback_at is not None and row.callback_at <= row.at
            self.untimed += row.disposition is Disposition.CALLBACK_AGREED and row.callback_at is None
            yield row
