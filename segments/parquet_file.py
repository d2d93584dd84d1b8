"""A Parquet file of customers, read a slice at a time; a column of types that no cell can hold is an InputError."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
from pyarrow import types as kinds

from config.schema import CustomersSchema
from ledger.types import EPOCH, MICROSECOND
from segments.rows import declared_columns
from segments.spelling import spell
from waves.errors import InputError

SLICE = 10_000
"""Rows decoded at once: a file may be one row group, which would be all of it in memory."""
BUFFER = 1 << 16  # bytes read ahead of each column
CELLS = (
    kinds.is_null,
    kinds.is_boolean,
    kinds.is_integer,
    kinds.is_floating,
    kinds.is_decimal,
    kinds.is_date,
    kinds.is_timestamp,
    kinds.is_string,
    kinds.is_large_string,
    kinds.is_string_view,
    kinds.is_binary,
    kinds.is_large_binary,
)


@dataclass(frozen=True, slots=True)
class ParquetFile:
    """An open or a named file; the place of a row is its number, the first one being 1."""

    head: str
    header: tuple[str, ...]
    wanted: frozenset[str]
    where: Path | BinaryIO

    def keys(self, column: str) -> Iterator[str]:
        """The cells of one column, while every wanted one is decoded and compared with its checksums."""
        for batch in self._batches():
            for name in self.wanted:
                _check_text(self.head, name, batch.column(name))
            yield from texts(self.head, column, batch.column(column))

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """Number and cells of each row; the columns that are not wanted are not read, their cells are empty."""
        place = 0
        for batch in self._batches():
            columns = [
                texts(self.head, name, batch.column(name)) if name in self.wanted else repeat("")
                for name in self.header
            ]
            for cells in zip(*columns, strict=False):
                place += 1
                yield place, list(cells)

    def _batches(self) -> Iterator[Any]:
        with _opened(self.head, self.where) as file:
            yield from file.iter_batches(batch_size=SLICE, columns=sorted(self.wanted), use_threads=False)


def open_parquet(path: Path, schema: CustomersSchema) -> ParquetFile:
    """The file at `path`; InputError when it is no Parquet file, or a declared column holds lists or the like."""
    return parquet_of(str(path), path, schema)


def parquet_of(head: str, where: Path | BinaryIO, schema: CustomersSchema) -> ParquetFile:
    """A Parquet file by its path or its open stream; `head` is what messages call it."""
    return parquet_columns(head, where, frozenset(declared_columns(schema)))


def parquet_columns(head: str, where: Path | BinaryIO, named: frozenset[str]) -> ParquetFile:
    """A Parquet file of which these columns are read, those of them that are there."""
    with _opened(head, where) as file:
        fields = list(file.schema_arrow)
    for field in fields:
        plain = field.type.value_type if kinds.is_dictionary(field.type) else field.type
        if field.name in named and not any(fits(plain) for fits in CELLS):
            raise InputError(
                f"{head}: the column {field.name} holds {field.type}; store it as text, a number or a date"
            )
    header = tuple(field.name for field in fields)
    return ParquetFile(head, header, named.intersection(header), where)


def texts(head: str, name: str, column: Any) -> list[str]:
    """A column's cells as a customers file would have them."""
    if kinds.is_dictionary(column.type):
        column = column.dictionary_decode()
    kind = column.type
    if kinds.is_float16(kind) or kinds.is_float32(kind):
        # The shortest decimal that is this number in its own precision: 0.1, not 0.10000000149011612.
        column = column.cast(pa.float32()).cast(pa.string()).cast(pa.float64())
    try:
        if kinds.is_timestamp(kind) and kind.unit == "ns":
            return list(map(spell, _instants(column)))
        return list(map(spell, column.to_pylist()))
    except OverflowError:  # a year that no calendar of ours has: the cell is refused like any other that does not fit
        return [cell or "" for cell in column.cast(pa.string()).to_pylist()]
    except UnicodeDecodeError:
        raise _no_text(head, name) from None


def _instants(column: Any) -> Iterator[datetime | None]:
    """Nanoseconds as the microseconds that the ledger counts; Arrow would need pandas for it, and 80 MB."""
    zero = EPOCH if column.type.tz else EPOCH.replace(tzinfo=None)
    for value in column.view(pa.int64()).to_pylist():
        yield None if value is None else zero + value // 1000 * MICROSECOND


def _check_text(head: str, name: str, column: Any) -> None:
    """InputError when bytes in the column are no UTF-8 text, found without making a string of each."""
    try:
        if kinds.is_binary(column.type) or kinds.is_large_binary(column.type):
            column.cast(pa.large_string())
        column.validate(full=True)
    except pa.ArrowInvalid:
        raise _no_text(head, name) from None


def _no_text(head: str, name: str) -> InputError:
    return InputError(f"{head}: the column {name} holds bytes that are not UTF-8 text; store it as text")


@contextmanager
def _opened(head: str, where: Path | BinaryIO) -> Iterator[Any]:
    try:
        with pq.ParquetFile(where, pre_buffer=False, buffer_size=BUFFER, page_checksum_verification=True) as file:
            yield file
    except FileNotFoundError:
        raise InputError(f"{head}: there is no such file") from None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        # Arrow's own words may hold values of the file.
        raise InputError(f"{head}: no Parquet file, or a broken one ({type(error).__name__}); write it anew") from error
