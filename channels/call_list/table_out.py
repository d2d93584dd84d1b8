"""A table of lines as a file: whole or not at all, readable by its owner alone."""

from __future__ import annotations

import csv
import io
import os
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path

from channels.call_list.fitting import Fitting, columns_of
from channels.call_list.rows import DialRow, Written
from channels.cells import cell
from waves.diallers import SIGNS, Dialler, Layout, filled
from waves.errors import SendRefused


def write_table(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler, layout: Layout) -> Written:
    """A CSV with a header, one entry a line; SendRefused, and no file, for an entry that cannot be written."""
    fitting = Fitting(dialler, layout, columns_of(dialler, layout, extra))
    lines = map(fitting.line, fitting.entries(rows))
    content = csv_bytes([*map(cell, fitting.columns)], lines, separator_of(dialler, layout))
    replace_list(path, content)
    return Written(fitting.count, tuple(fitting.shortened))


def column_of(dialler: Dialler, layout: Layout, name: str) -> str:
    """The column that holds a field in a connection's lists."""
    return next(column for column, field in filled(dialler, layout).items() if field == name)


def separator_of(dialler: Dialler, layout: Layout) -> str:
    """The sign between the cells of a connection's files."""
    return SIGNS[dialler.delimiter or layout.delimiters[0]]


def csv_bytes(header: Sequence[str], lines: Iterable[Sequence[str]], separator: str = ",") -> bytes:
    """A header and lines of guarded cells as UTF-8 text."""
    text = io.StringIO(newline="")
    out = csv.writer(text, lineterminator="\r\n", delimiter=separator)
    out.writerow(header)
    out.writerows(lines)
    return text.getvalue().encode("utf-8", "replace")


def replace_list(path: Path, content: bytes) -> None:
    """The file with this content, or as it was before; SendRefused when the disk refuses it."""
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
