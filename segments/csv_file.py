"""A CSV or TSV file of customers, plain or gzipped; what makes the whole file unfit is an InputError with its line."""

from __future__ import annotations

import csv
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from config.schema import CustomersSchema
from waves.errors import InputError

DELIMITERS = (",", ";", "\t")


@dataclass(frozen=True, slots=True)
class CsvFile:
    """A text file with a header; the place of a row is the line it begins on."""

    path: Path
    delimiter: str
    header: tuple[str, ...]

    @property
    def head(self) -> str:
        """Where a message about the header points."""
        return f"{self.path}:1"

    def keys(self, column: str) -> Iterator[str]:
        """The cells of one column, while every row is checked."""
        place = self.header.index(column)
        return (row[place] for _, row in self.rows())

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The rows under the header: the line each begins on, and its cells."""
        rows = read_rows(self.path, self.delimiter)
        next(rows)
        return rows


def open_csv(path: Path, schema: CustomersSchema) -> CsvFile:
    """The file with the delimiter that its name, the schema or its first line says."""
    delimiter = _delimiter(path, schema)
    _, first = next(read_rows(path, delimiter), (1, []))
    header = tuple(name.strip() for name in first)
    if not any(header):
        raise InputError(f"{path}:1: the file has no header; its first line names the columns")
    return CsvFile(path, delimiter, header)


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
