"""The dial list formats of this release: what each can carry, and what writes and reads it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from channels.call_list import amazon_connect, five9, generic_csv, genesys, twilio_voice, vicidial, xlsx
from channels.call_list.rows import DialRow, RecallRow, Results, Written
from waves.diallers import Dialler, Layout

if TYPE_CHECKING:
    from channels.call_list.vicidial_api import VicidialApi


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


class OpensApi(Protocol):
    """Opens a dialler's program interface with the credentials in these variables; SendRefused."""

    def __call__(self, dialler: Dialler, environment: Mapping[str, str]) -> VicidialApi:
        """The interface, to be closed."""
        ...


def _vicidial_api(dialler: Dialler, environment: Mapping[str, str]) -> VicidialApi:
    from channels.call_list.vicidial_api import VicidialApi

    return VicidialApi(dialler, environment)


@dataclass(frozen=True, slots=True)
class Format:
    """One dial list format."""

    layout: Layout
    write: WritesList
    recall: WritesRecall
    read: ReadsResults
    api: OpensApi | None = None
    """Opens its program interface, where it has one that is driven here."""


FORMATS: Mapping[str, Format] = {
    "generic_csv": Format(
        generic_csv.LAYOUT, generic_csv.write_list, generic_csv.write_recall, generic_csv.read_dispositions
    ),
    "xlsx": Format(xlsx.LAYOUT, xlsx.write_list, xlsx.write_recall, xlsx.read_dispositions),
    "vicidial": Format(
        vicidial.LAYOUT, vicidial.write_list, vicidial.write_recall, vicidial.read_dispositions, _vicidial_api
    ),
    "genesys": Format(genesys.LAYOUT, genesys.write_list, genesys.write_recall, genesys.read_dispositions),
    "five9": Format(five9.LAYOUT, five9.write_list, five9.write_recall, five9.read_dispositions),
    "amazon_connect": Format(
        amazon_connect.LAYOUT, amazon_connect.write_list, amazon_connect.write_recall, amazon_connect.read_dispositions
    ),
    "amazon_connect_requests": Format(
        amazon_connect.REQUESTS,
        amazon_connect.write_requests,
        amazon_connect.write_recall,
        amazon_connect.read_dispositions,
    ),
    "twilio_voice": Format(
        twilio_voice.LAYOUT, twilio_voice.write_list, twilio_voice.write_recall, twilio_voice.read_dispositions
    ),
}
"""Format -> how it is written and read. `twilio_voice` is for people who click to call; nothing dials it by itself."""

LAYOUTS: Mapping[str, Layout] = {name: format.layout for name, format in FORMATS.items()}
