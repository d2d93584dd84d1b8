"""A customers file as rows with exact line numbers; what makes the whole file unfit is an InputError with its line."""

from __future__ import annotations

import csv
import gzip
import zlib
from array import array
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TextIO

from config.nearest import write_instead
from config.schema import CustomersSchema
from waves.errors import InputError

DELIMITERS = (",", ";", "\t")
PARTS = 64
"""The hashes of the keys are compared part by part, so that never more than a part is sorted at once."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A file that was read once from end to end and found sound."""

    path: Path
    delimiter: str
    header: tuple[str, ...]
    ignored: tuple[str, ...]
    rows: int
    last: dict[str, int]
    """Of each key that comes more than once: the place (from 0) of its last row."""


def survey(path: Path, schema: CustomersSchema, declared: tuple[str, ...]) -> Sheet:
    """Read the whole file once; InputError for an absent column, a ragged row, another encoding, a broken archive."""
    delimiter = _delimiter(path, schema)
    rows = read_rows(path, delimiter)
    header = tuple(name.strip() for name in next(rows, (1, []))[1])
    _check_header(path, header, declared)
    place = header.index(schema.key)
    parts = [array("q") for _ in range(PARTS)]
    count = 0
    for _, row in rows:
        mark = hash(row[place].strip())
        parts[mark % PARTS].append(mark)
        count += 1
    last = _last_places(path, delimiter, place, _repeated(parts))
    ignored = tuple(name for name in header if name and name not in declared)
    return Sheet(path, delimiter, header, ignored, count, last)


def body(sheet: Sheet) -> Iterator[tuple[int, list[str]]]:
    """The rows under the header: the line each begins on, and its cells."""
    rows = read_rows(sheet.path, sheet.delimiter)
    next(rows)
    return rows


def read_rows(path: Path, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Every row that is not blank, the header first, with the line it begins on; all of one width."""
    width = 0
    with _opened(path) as stream:
        reader = csv.reader(_without_nul(path, stream), delimiter=delimiter, strict=True)
        line = 1
        try:
            for row in reader:
                if row:
                    width = width or len(row)
                    if len(row) != width:
                        raise InputError(_ragged(path, line, len(row), width))
                    yield line, row
                line = reader.line_num + 1
        except csv.Error as error:
            raise InputError(f"{path}:{line}: a quote is not closed or not doubled ({error}); mend the row") from error


def _ragged(path: Path, line: int, found: int, width: int) -> str:
    fields = "1 field" if found == 1 else f"{found} fields"
    return f"{path}:{line}: {fields} where the header has {width}; put text that holds the delimiter in quotes"


@contextmanager
def _opened(path: Path) -> Iterator[TextIO]:
    try:
        with _stream(path, "strict") as stream:
            yield stream
    except UnicodeDecodeError:
        line = _line_of_bad_bytes(path)
        raise InputError(f"{path}:{line}: not UTF-8 text; save the file as UTF-8") from None
    except FileNotFoundError:
        raise InputError(f"{path}: there is no such file") from None
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the archive is broken or cut off; pack it again with gzip") from error
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from error


def _stream(path: Path, errors: str) -> TextIO:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors=errors, newline="")
    return path.open(encoding="utf-8-sig", errors=errors, newline="")


def _line_of_bad_bytes(path: Path) -> int:
    with _stream(path, "surrogateescape") as stream:
        for line, text in enumerate(stream, 1):
            if any("\udc80" <= mark <= "\udcff" for mark in text):
                return line
    return 1


def _without_nul(path: Path, stream: TextIO) -> Iterator[str]:
    for line, text in enumerate(stream, 1):
        if "\0" in text:
            raise InputError(f"{path}:{line}: a NUL byte; save the file as UTF-8 text")
        yield text


def _delimiter(path: Path, schema: CustomersSchema) -> str:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if ".tsv" in suffixes[-2:]:
        return "\t"
    if "delimiter" in schema.model_fields_set:
        return schema.delimiter
    with _opened(path) as stream:
        first = stream.readline()
    return max(DELIMITERS, key=first.count)  # a tie, as in a file of one column, takes the comma


def _check_header(path: Path, header: tuple[str, ...], declared: tuple[str, ...]) -> None:
    if not any(header):
        raise InputError(f"{path}:1: the file has no header; its first line names the columns")
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(f"{path}:1: the header names {', '.join(twice)} twice; rename or delete one")
    absent = [name for name in declared if name not in header]
    if absent:
        free = [name for name in header if name and name not in declared]
        hints = [
            f"there is no column {name}; {write_instead(name, free or header)} in customers.yaml" for name in absent
        ]
        raise InputError("\n".join(f"{path}:1: {hint}" for hint in hints))


def _repeated(parts: list[array[int]]) -> frozenset[int]:
    """The hashes that come more than once."""
    found: set[int] = set()
    for part in parts:
        marks = sorted(part)
        found.update(mark for mark, after in pairwise(marks) if mark == after)
    return frozenset(found)


def _last_places(path: Path, delimiter: str, place: int, repeated: frozenset[int]) -> dict[str, int]:
    """A second reading for the keys themselves, as two of them may share a hash; none when no hash repeats."""
    if not repeated:
        return {}
    last: dict[str, int] = {}
    often: set[str] = set()
    for index, (_, row) in enumerate(read_rows(path, delimiter), -1):
        key = row[place].strip()
        if index >= 0 and key and hash(key) in repeated:
            if key in last:
                often.add(key)
            last[key] = index
    return {key: last[key] for key in often}
