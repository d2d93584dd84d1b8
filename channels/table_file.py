"""CSV files that people and diallers send back: rows by column name with their line, every flaw collected."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Iterator, Sequence
from typing import Any

from channels.findings import Findings

SEPARATORS = ",;\t"


def separator_of(header: str) -> str:
    """What parts the cells of a table with this header: spreadsheets write what their country does."""
    return max(SEPARATORS, key=header.count)


def read_table(
    found: Findings, required: Sequence[str], optional: Sequence[str] = ()
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row that has all its cells; further columns are left out.

    The separator is the commonest of comma, semicolon and tab in the header. Empty lines are passed over. A header that
    cannot be used ends the reading with InputError; a bad row is one problem in `found`.
    """
    with found.opened(newline="") as file:
        header_line = next((line for line in file if line.strip()), "")
        if not header_line:
            found.add(1, f"the file is empty; a header with {', '.join(required)} is expected")
            found.stop_if_any()
        file.seek(0)
        rows = csv.reader(file, delimiter=separator_of(header_line), strict=True)
        yield from _rows(found, rows, required, optional)


def _rows(
    found: Findings, rows: Any, required: Sequence[str], optional: Sequence[str]
) -> Iterator[tuple[int, dict[str, str]]]:
    header: list[str] | None = None
    line = 0
    try:
        for cells in rows:
            first, line = line + 1, rows.line_num
            if not cells or (len(cells) == 1 and not cells[0].strip()):
                continue
            if header is None:
                header = [cell.strip().lower() for cell in cells]
                _check_header(found, first, header, required)
                wanted = [(i, name) for i, name in enumerate(header) if name in required or name in optional]
            elif len(cells) != len(header):
                found.add(first, f"{len(cells)} cells where the header has {len(header)}")
            else:
                yield first, {name: cells[i] for i, name in wanted}
    except csv.Error as error:
        found.add(line + 1, f"not readable as CSV: {error}")


def _check_header(found: Findings, line: int, header: Sequence[str], required: Sequence[str]) -> None:
    for name in required:
        if name not in header:
            near = difflib.get_close_matches(name, header, 1, 0.6)
            found.add(line, f"column {name} is missing" + (f"; did you mean it by {near[0]!r}?" if near else ""))
        elif header.count(name) > 1:
            found.add(line, f"column {name} comes twice")
    found.stop_if_any()
