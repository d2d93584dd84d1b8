"""CSV files that people and diallers send back: rows by column name with their line, every flaw collected."""

from __future__ import annotations

import csv
import difflib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from channels.findings import Findings

SEPARATORS = ",;\t"
Names = Callable[[str], str | None]
"""The lower-case name of a column in the file -> what it is called here; None leaves it out."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a table is written."""

    separator: str | None = None
    """None: the commonest of comma, semicolon and tab in the header."""
    quoted: bool = True
    """Whether a quote holds a cell together; else it is a character like others."""
    ragged: bool = False
    """Whether a row may end after the last cell that is read here."""
    hint: str = ""
    """How to get a column that is missing."""
    columns: Mapping[str, str] = field(default_factory=dict)
    """What a column is called here -> in the file, where that is another name."""


WRITTEN = Form()


def separator_of(header: str) -> str:
    """What parts the cells of a table with this header: spreadsheets write what their country does."""
    return max(SEPARATORS, key=header.count)


def read_table(
    found: Findings,
    required: Sequence[str],
    optional: Sequence[str] = (),
    names: Names | None = None,
    form: Form = WRITTEN,
) -> Iterator[tuple[int, dict[str, str]]]:
    """Line number and cells of each row that has all its cells; further columns are left out.

    `names` says what the columns are called here, in the place of `optional`. Empty lines are passed over. A header
    that cannot be used ends the reading with InputError; a bad row is one problem in `found`.
    """
    called = names or {name: name for name in (*required, *optional)}.get
    with found.opened(newline="") as file:
        header_line = next((line for line in file if line.strip()), "")
        if not header_line:
            found.add(1, f"the file is empty; a header with {', '.join(required)} is expected")
            found.stop_if_any()
        file.seek(0)
        separator = form.separator or separator_of(header_line)
        rows = csv.reader(
            file, delimiter=separator, strict=True, quoting=csv.QUOTE_MINIMAL if form.quoted else csv.QUOTE_NONE
        )
        yield from _rows(found, rows, required, called, form)


def _rows(
    found: Findings, rows: Any, required: Sequence[str], called: Names, form: Form
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
                wanted = wanted_columns(found, first, header, required, called, form)
            elif len(cells) != len(header) and not (form.ragged and wanted[-1][0] < len(cells) < len(header)):
                found.add(first, f"{len(cells)} cells where the header has {len(header)}")
            else:
                yield first, {name: cells[i] if i < len(cells) else "" for i, name in wanted}
    except csv.Error as error:
        found.add(line + 1, f"not readable as CSV: {error}")


def wanted_columns(
    found: Findings, line: int, header: Sequence[str], required: Sequence[str], called: Names, form: Form = WRITTEN
) -> list[tuple[int, str]]:
    """Place and name here of each column that is read; InputError when one is missing or comes twice."""
    wanted = [(i, name) for i, column in enumerate(header) if (name := called(column)) is not None]
    there = [name for _, name in wanted]
    for name in required:
        if name not in there:
            column = form.columns.get(name, name)
            near = difflib.get_close_matches(column.lower(), header, 1, 0.6)
            found.add(line, f"column {column} is missing{f'; did you mean it by {near[0]!r}?' if near else form.hint}")
    for name in dict.fromkeys(there):
        if there.count(name) > 1:
            found.add(line, f"column {name} comes twice")
    found.stop_if_any()
    return wanted
