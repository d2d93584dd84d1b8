"""Customers as rows of text, wherever they come from: a source that was read once from end to end and found sound."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from config.nearest import write_instead
from config.schema import CustomersSchema
from segments.delta import half_given, required_columns
from segments.rows import declared_columns
from waves.errors import InputError

PARTS = 64
"""The hashes of the keys are compared part by part, so that never more than a part is sorted at once."""


class Source(Protocol):
    """Rows of cells that can be read again and again, always the same; InputError when the whole of it is unfit."""

    @property
    def head(self) -> str:
        """Where a message about the header points."""

    @property
    def header(self) -> tuple[str, ...]:
        """The name of every column, in the order of the cells."""

    def keys(self, column: str) -> Iterator[str]:
        """The cells of one column, while every other cell of the source is checked as far as `rows` needs it."""

    def rows(self) -> Iterator[tuple[int, list[str]]]:
        """The place of each row for people to find it, and its cells; the columns never asked for may be empty."""


@dataclass(frozen=True, slots=True)
class Sheet:
    """A source that holds every column it must, and where its repeated keys are."""

    source: Source
    ignored: tuple[str, ...]
    rows: int
    last: dict[str, int]
    """Of each key that comes more than once: the place (from 0) of its last row."""


def survey(source: Source, schema: CustomersSchema, delta: bool = False) -> Sheet:
    """Read the source once; InputError for an absent or repeated column and for whatever its own format refuses."""
    check_header(source.head, source.header, schema, delta)
    key, declared = schema.key, declared_columns(schema)
    parts = [array("q") for _ in range(PARTS)]
    count = 0
    for cell in source.keys(key):
        mark = hash(cell.strip())
        parts[mark % PARTS].append(mark)
        count += 1
    last = _last_places(source, key, _repeated(parts))
    ignored = tuple(name for name in source.header if name and name not in declared)
    return Sheet(source, ignored, count, last)


def check_header(head: str, header: Sequence[str], schema: CustomersSchema, delta: bool) -> None:
    """InputError unless each column is named once and all are there that must be; `head` is where to look."""
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(f"{head}: the header names {', '.join(twice)} twice; rename or delete one")
    absent = [name for name in required_columns(schema, delta) if name not in header]
    if absent:
        declared = declared_columns(schema)
        free = [name for name in header if name and name not in declared]
        hints = [
            f"there is no column {name}; {write_instead(name, free or header)} in customers.yaml" for name in absent
        ]
        raise InputError("\n".join(f"{head}: {hint}" for hint in hints))
    for there, lacking in half_given(schema, header):
        raise InputError(
            f"{head}: a delta that has {there} needs {', '.join(lacking)} too, as they say one thing together; "
            f"add what is lacking or leave {there} out"
        )


def _repeated(parts: list[array[int]]) -> frozenset[int]:
    """The hashes that come more than once."""
    found: set[int] = set()
    for part in parts:
        marks = sorted(part)
        found.update(mark for mark, after in pairwise(marks) if mark == after)
    return frozenset(found)


def _last_places(source: Source, column: str, repeated: frozenset[int]) -> dict[str, int]:
    """A second reading for the keys themselves, as two of them may share a hash; none when no hash repeats."""
    if not repeated:
        return {}
    last: dict[str, int] = {}
    often: set[str] = set()
    for index, cell in enumerate(source.keys(column)):
        key = cell.strip()
        if key and hash(key) in repeated:
            if key in last:
                often.add(key)
            last[key] = index
    return {key: last[key] for key in often}
