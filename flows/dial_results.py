"""A dialler's file of results, from the file to the ledger."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from channels.call_list.formats import FORMATS
from channels.call_list.rows import DispositionRow, Results
from flows.reports import in_chunks, record_dispositions, total
from flows.room import Room
from ledger.events import Recorded

CLOCKS_DIFFER = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Imported:
    """What became of a file's calls, and what a lead should know of how it was read."""

    recorded: Recorded
    notes: tuple[str, ...]


def import_results(room: Room, file: Path, dialler_name: str | None, now: datetime) -> Imported:
    """Record every call of a file, each once; InputError, and nothing stored, when anything in it is wrong."""
    dialler = room.dialler(dialler_name)
    results = FORMATS[dialler.format].read(file, dialler)
    ahead = _Ahead(now)
    chunks = in_chunks(ahead.watch(results))
    recorded = total(record_dispositions(room, chunk, room.ledger.now(), dialler.dialler) for chunk in chunks)
    if not ahead.count or dialler.zone is None:
        return Imported(recorded, results.notes)
    note = f"calls later than now (is zone: {dialler.zone} right?): {ahead.count:,}"
    return Imported(recorded, (*results.notes, note))


@dataclass(slots=True)
class _Ahead:
    """Counts the calls that nobody can have made yet."""

    now: datetime
    count: int = 0

    def watch(self, results: Results) -> Iterator[DispositionRow]:
        for row in results:
            self.count += row.at > self.now + CLOCKS_DIFFER
            yield row
