"""The generic dial list: UTF-8 CSV out, CSV of dispositions back.

Phones are the one kind of text that begins with `+` and gets no apostrophe: a dialler needs it bare, and `+` with 6 to
15 digits, the only form written, is a plain number to every spreadsheet: no reference, no function, nothing to run. A
phone of any other form stops the list. (A spreadsheet that saves the file again drops the plus: load it as it is.)
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from channels.cells import PHONE, cell, unguard
from channels.findings import Findings, read_twice, shown
from channels.table_file import read_table
from waves.dispositions import Disposition
from waves.errors import SendRefused

HEADER = ("token", "phone", "name", "language", "rank", "tier", "score", "not_before", "valid_until", "team")
REQUIRED = ("token", "disposition", "at", "call_id")
OPTIONAL = ("number", "agent", "ring_s", "talk_s", "wrap_s")
DISPOSITIONS = {code.name.lower(): code for code in Disposition}
SECONDS = re.compile(r"[0-9]{1,6}(?:\.[0-9]{1,3})?")


@dataclass(frozen=True, slots=True)
class DialRow:
    """One entry of a dial list; `extra` holds the cells of the further columns by name."""

    token: str
    phone: str
    name: str | None
    language: str | None
    rank: int
    tier: str
    score: float | None
    not_before: datetime | None
    valid_until: datetime
    team: str
    extra: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class DispositionRow:
    """What a dialler says of one call; seconds are None when it does not say."""

    line: int
    token: str
    disposition: Disposition
    at: datetime
    call_id: str
    number: str | None
    agent: str | None
    ring_s: float | None
    talk_s: float | None
    wrap_s: float | None


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str] = ()) -> int:
    """Writes the list whole or not at all, readable by its owner alone, and says how many entries; else SendRefused."""
    if twice := sorted({name for name in extra if name in HEADER or extra.count(name) > 1}):
        raise SendRefused(f"column {', '.join(twice)} would come twice in the dial list; give it another name")
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n")
    out.writerow((*HEADER, *map(cell, extra)))
    count = 0
    for row in rows:
        if not PHONE.fullmatch(row.phone):
            raise SendRefused(f"the phone of dial entry {row.token} is not + and 6 to 15 digits; no list was written")
        start = _utc(row.not_before) if row.not_before else ""
        own = (cell(row.token), row.phone, *map(cell, (row.name, row.language, row.rank, row.tier, row.score)))
        out.writerow(
            (*own, start, _utc(row.valid_until), cell(row.team), *(cell(row.extra.get(name)) for name in extra))
        )
        count += 1
    _replace(path, text.getvalue().encode("utf-8", "replace"))
    return count


def _utc(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="seconds")


def _replace(path: Path, content: bytes) -> None:
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600 from the start
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            os.replace(name, path)
        except BaseException:
            os.unlink(name)
            raise
    except OSError as error:
        raise SendRefused(f"cannot write the dial list {path}: {error.strerror}") from error


def read_dispositions(path: Path) -> Iterator[DispositionRow]:
    """Every call, in file order, as it is asked for; further columns are left out. InputError lists every problem."""
    return read_twice(path, _rows)


def _rows(found: Findings) -> Iterator[DispositionRow]:
    for line, cells in read_table(found, REQUIRED, OPTIONAL):
        row = _row(found, line, {name: unguard(value) for name, value in cells.items()})
        if row is not None:
            yield row


def _row(found: Findings, line: int, cells: dict[str, str]) -> DispositionRow | None:
    before = found.count
    token, call_id = (found.filled(line, key, cells[key]) for key in ("token", "call_id"))
    word = found.word(line, "disposition", cells["disposition"], DISPOSITIONS)
    at = found.moment(line, "at", cells["at"])
    ring, talk, wrap = (_seconds(found, line, key, cells.get(key, "")) for key in ("ring_s", "talk_s", "wrap_s"))
    if found.count > before or word is None or at is None:
        return None
    number, agent = (cells.get(key, "").strip() or None for key in ("number", "agent"))
    return DispositionRow(line, token, DISPOSITIONS[word], at, call_id, number, agent, ring, talk, wrap)


def _seconds(found: Findings, line: int, what: str, value: str) -> float | None:
    text = value.strip()
    if text and not SECONDS.fullmatch(text):
        found.add(line, f"{what} {shown(text)} is no number of seconds; write 12 or 12.5")
        return None
    return float(text) if text else None
