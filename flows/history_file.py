"""Calls that another system made, in a CSV or Parquet file."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

from channels.findings import Findings, read_twice, shown
from channels.table_file import read_table
from ledger.past_calls import PastCall
from segments.addresses import phone
from segments.sources import PARQUET
from segments.values import Unfit
from waves.dispositions import Disposition

REQUIRED = ("customer", "number", "at", "disposition", "source", "source_id")
OPTIONAL = ("attempt", "agent")
DISPOSITIONS = {code.name.lower(): code for code in Disposition}
MOST_ATTEMPTS = 999


def read_history(path: Path, region: str, now: datetime) -> Iterator[PastCall]:
    """Every call, in file order, as it is asked for; InputError lists every problem, before the first row.

    Numbers without + are read as written in `region`. A call later than `now` is a problem.
    """
    return read_twice(path, partial(_calls, region, now))


def _calls(region: str, now: datetime, found: Findings) -> Iterator[PastCall]:
    parquet = found.path.suffix.lower() in PARQUET
    for line, cells in _parquet_rows(found) if parquet else read_table(found, REQUIRED, OPTIONAL):
        call = _call(found, line, cells, region, now)
        if call is not None:
            yield call


def _parquet_rows(found: Findings) -> Iterator[tuple[int, dict[str, str]]]:
    from segments.parquet_file import parquet_columns  # Arrow is 30 MB, which no other file needs

    file = parquet_columns(str(found.path), found.path, frozenset((*REQUIRED, *OPTIONAL)))
    for name in REQUIRED:
        if name not in file.header:
            found.add(1, f"column {name} is missing")
    found.stop_if_any()
    for place, cells in file.rows():
        yield place, {name: cell for name, cell in zip(file.header, cells, strict=True) if name in file.wanted}


def _call(found: Findings, line: int, cells: dict[str, str], region: str, now: datetime) -> PastCall | None:
    before = found.count
    customer, source, source_id = (found.filled(line, key, cells[key]) for key in ("customer", "source", "source_id"))
    word = found.word(line, "disposition", cells["disposition"], DISPOSITIONS)
    at = found.moment(line, "at", cells["at"])
    if at is not None and at > now:
        found.add(line, "at is in the future; history holds calls that were made")
    number = _number(found, line, cells["number"].strip(), region)
    attempt = cells.get("attempt", "").strip()
    if attempt and not (attempt.isascii() and attempt.isdigit() and 1 <= int(attempt[:4]) <= MOST_ATTEMPTS):
        found.add(line, f"attempt {shown(attempt)} is no count; write 1 for the first call, or leave it empty")
    if found.count > before or word is None or at is None:
        return None
    agent = cells.get("agent", "").strip() or None
    said = int(attempt) if attempt else None
    return PastCall(customer, number, at, DISPOSITIONS[word], source, source_id, said, agent)


def _number(found: Findings, line: int, cell: str, region: str) -> str:
    try:
        return phone(cell, region).value
    except Unfit as error:
        found.add(line, f"number: {error}" if cell else "number is empty")
        return ""
