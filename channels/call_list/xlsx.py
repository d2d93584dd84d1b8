"""The generic dial list as an Excel workbook: out as one sheet, results back from the first sheet of a workbook.

Texts are stored as texts and guarded, so that no cell is a formula, here or in a CSV made of it. Times that a
spreadsheet holds have no zone: the connection's `zone` says which they are in. openpyxl is imported where it is used:
it takes longer to load than most commands take to run.
"""

from __future__ import annotations

import io
import re
import warnings
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, datetime, time
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from channels.call_list.fitting import Fitting, columns_of
from channels.call_list.generic_csv import HEADER, RECALLED, REQUIRED, read_row, recall_lines
from channels.call_list.reading import Reading, read_results
from channels.call_list.rows import DialRow, DispositionRow, RecallRow, Results, Written
from channels.call_list.table_out import replace_list
from channels.cells import cell, unguard
from channels.table_file import Form, Names, wanted_columns
from waves.diallers import ANSWERS, Dialler, Layout
from waves.errors import InputError

NUMBERS = frozenset({"rank", "score", "list", "attempts_total", "attempts_today", "attempts_left"})
"""Fields that a spreadsheet is to sort as numbers."""
LARGEST = 512 << 20
"""Bytes that a workbook may unfold to."""
NO_XML = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
"""Characters that no workbook can hold."""
UNREADABLE = (
    *(zipfile.BadZipFile, zlib.error, ParseError, EOFError, NotImplementedError),
    *(KeyError, ValueError, TypeError, IndexError, AttributeError, RuntimeError),
)
"""What openpyxl and zipfile raise at a file that is no workbook, or a broken or a locked one."""
LAYOUT = Layout(
    ending=".xlsx",
    recall_ending=".xlsx",
    columns={name: name for name in HEADER},
    phone_styles=("e164", "national", "digits"),
    max_rows=1_048_575,
    cell=32_767,
    results={name: name for name in ANSWERS},
)


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
    """A workbook with one sheet, one entry a row; SendRefused, and no file, for an entry that cannot be written."""
    fitting = Fitting(dialler, LAYOUT, columns_of(dialler, LAYOUT, extra))
    sorts = [name in NUMBERS for name in fitting.columns.values()]
    lines = (
        [float(text) if sort and text else text for text, sort in zip(fitting.line(row), sorts, strict=True)]
        for row in fitting.entries(rows)
    )
    replace_list(path, workbook_bytes([*map(cell, fitting.columns)], lines))
    return Written(fitting.count, tuple(fitting.shortened))


def write_recall(path: Path, rows: Iterable[RecallRow], dialler: Dialler) -> Written:
    """Who must not be dialled any more: a row of token, phone, reason for each of their numbers."""
    lines = recall_lines(rows, dialler, LAYOUT)
    replace_list(path, workbook_bytes(RECALLED, lines))
    return Written(len({line[0] for line in lines}))


def workbook_bytes(header: Sequence[str], lines: Iterable[Sequence[str | float]]) -> bytes:
    """A workbook with one sheet of texts and numbers."""
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("list")
    for line in (header, *lines):
        sheet.append([_stored(sheet, value) for value in line])
    content = io.BytesIO()
    book.save(content)
    return content.getvalue()


def _stored(sheet: Any, value: str | float) -> Any:
    if isinstance(value, float):
        return value
    from openpyxl.cell import WriteOnlyCell

    return stored_text(WriteOnlyCell(sheet), value)


def stored_text(stored: Any, value: str) -> Any:
    """The cell with a text that is a text, whatever it begins with."""
    stored.value = NO_XML.sub("\ufffd", value)
    stored.data_type = "s"  # openpyxl takes a text that begins with = for a formula
    if value and value[0] in "+0123456789":
        stored.number_format = "@"  # or a person who edits a phone makes a number of it
    return stored


def read_dispositions(path: Path, dialler: Dialler) -> Results:
    """Every call of the first sheet, in its order; further columns are left out. InputError lists every problem."""
    return read_results(path, dialler, LAYOUT, _rows)


def _rows(reading: Reading) -> Iterator[DispositionRow]:
    for line, cells in read_sheet(reading, REQUIRED, reading.names.get):
        row = read_row(reading, line, {name: unguard(value) for name, value in cells.items()})
        if row is not None:
            yield row


def read_sheet(reading: Reading, required: Sequence[str], called: Names) -> Iterator[tuple[int, dict[str, str]]]:
    """Row number and texts of each row that is not empty; InputError for what is no workbook or has not its columns."""
    found, form = reading.found, Form(columns=reading.columns)
    wanted: list[tuple[int, str]] | None = None
    for line, values in enumerate(_values(found.path), 1):
        cells = [_text(value) for value in values]
        if not any(cells):
            continue
        if wanted is None:
            wanted = wanted_columns(found, line, [text.strip().lower() for text in cells], required, called, form)
        else:
            yield line, {name: cells[i] if i < len(cells) else "" for i, name in wanted}
    if wanted is None:
        found.add(1, f"the sheet is empty; a header with {', '.join(required)} is expected")
        found.stop_if_any()


def _values(path: Path) -> list[tuple[object, ...]]:
    from openpyxl import load_workbook

    try:
        with zipfile.ZipFile(path) as packed:
            if sum(part.file_size for part in packed.infolist()) > LARGEST:
                raise InputError(f"{path}: unfolds to more than {LARGEST >> 20} MB; save the sheet as CSV")
        with warnings.catch_warnings():  # of parts of a workbook that openpyxl leaves out
            warnings.simplefilter("ignore")
            with path.open("rb") as file:
                sheet = load_workbook(file, read_only=True, data_only=True).worksheets[0]
                sheet.reset_dimensions()  # what a sheet claims to span can be a million times what it holds
                return list(sheet.iter_rows(values_only=True))
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror or 'no workbook'}") from error
    except UNREADABLE as error:
        raise InputError(f"{path}: no Excel workbook that can be read; save it as .xlsx, without a password") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)
