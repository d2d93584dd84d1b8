"""The dial list formats of this release: what each can carry, and what writes and reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from channels.call_list import generic_csv
from channels.call_list.rows import DialRow, RecallRow, Results, Written
from waves.diallers import Dialler, Layout


class WritesList(Protocol):
    """Writes a list whole or not at all; SendRefused."""

    def __call__(self, path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
        """The list in this file."""
        ...


class WritesRecall(Protocol):
    """Writes who must not be dialled any more, in the dialler's own layout; SendRefused."""

    def __call__(self, path: Path, rows: Iterable[RecallRow], dialler: Dialler) -> Written:
        """The recall in this file."""
        ...


class ReadsResults(Protocol):
    """Reads a dialler's results; InputError with every problem, and no call, when anything is wrong."""

    def __call__(self, path: Path, dialler: Dialler) -> Results:
        """The calls of this file."""
        ...


@dataclass(frozen=True, slots=True)
class Format:
    """One dial list format."""

    layout: Layout
    write: WritesList
    recall: WritesRecall
    read: ReadsResults


FORMATS: Mapping[str, Format] = {
    "generic_csv": Format(
        generic_csv.LAYOUT, generic_csv.write_list, generic_csv.write_recall, generic_csv.read_dispositions
    ),
}
"""Format -> how it is written and read. `twilio_voice` is for people who click to call; nothing dials it by itself."""

LAYOUTS: Mapping[str, Layout] = {name: format.layout for name, format in FORMATS.items()}
