"""JSON records in a file, one a line, one straight after the other, or in one list, as logs and streams leave them."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any, TextIO

from channels.findings import Findings

AT_ONCE = 1 << 20
BETWEEN = " \t\r\n,[]"
GAP = re.compile(r"[ \t\r\n,\[\]]*")
LONGEST = 16 << 20
"""Characters in one record at most."""


def read_records(found: Findings) -> Iterator[tuple[int, dict[str, Any]]]:
    """The line that each record begins on, and the record; what is none ends the reading with InputError."""
    line = 1
    with found.opened(newline="") as file:
        for text, record in _records(file):
            if record is None:
                found.add(line + _lines_before(text), "no JSON record; contact records are expected")
                found.stop_if_any()
                return
            yield line + _lines_before(text), record
            line += text.count("\n")


def _lines_before(text: str) -> int:
    return text[: len(text) - len(text.lstrip(BETWEEN))].count("\n")


def _records(file: TextIO) -> Iterator[tuple[str, dict[str, Any] | None]]:
    """The text of each record, with what stands before it, and the record; None for what is none, and the end."""
    decoder, text, at = json.JSONDecoder(), "", 0
    while True:
        start = _after(text, at)
        try:
            record, end = decoder.raw_decode(text, start)
        except (ValueError, RecursionError):
            read = file.read(AT_ONCE) if len(text) - at < LONGEST else ""
            if not read:
                break
            text, at = text[at:] + read, 0
            continue
        yield text[at:end], record if isinstance(record, dict) else None
        at = end
    if text[at:].strip(BETWEEN):
        yield text[at:], None


def _after(text: str, at: int) -> int:
    match = GAP.match(text, at)
    return match.end() if match else at
