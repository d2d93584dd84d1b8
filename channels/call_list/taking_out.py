"""Takes people out of lists and recalls that were written, whatever their format; the others stay as they were."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path

from channels.call_list.xlsx import UNREADABLE
from channels.cells import unguard
from channels.spool import replace
from waves.diallers import SIGNS
from waves.errors import InputError

WORD = re.compile(r"[A-Za-z0-9]{1,20}")


def take_out(path: Path, tokens: Collection[str]) -> int:
    """Take the entries with these tokens out of a file; how many. Files of other kinds are left alone.

    InputError for one that cannot be read: nobody knows who is in it.
    """
    if path.suffix not in KINDS:
        return 0
    try:
        left, gone = KINDS[path.suffix](path.read_bytes(), tokens)
    except (*UNREADABLE, csv.Error) as error:
        raise InputError(
            f"{path}: cannot be read, so nobody is taken out of it; delete it, then erase again"
        ) from error
    if gone:
        replace(path, left)
    return gone


def _from_table(content: bytes, tokens: Collection[str]) -> tuple[bytes, int]:
    text = content.decode()
    header = text.partition("\n")[0]
    separator = max(SIGNS.values(), key=header.count)
    rows = list(csv.reader(io.StringIO(text, newline=""), delimiter=separator))
    kept = [row for row in rows if not any(unguard(cell) in tokens for cell in row)]
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\r\n", delimiter=separator).writerows(kept)
    return out.getvalue().encode(), len(rows) - len(kept)


def _from_lines(content: bytes, tokens: Collection[str]) -> tuple[bytes, int]:
    """Lines that hold a token as a word, as VICIdial's list and its recall do."""
    lines = content.decode().splitlines(keepends=True)
    kept = [line for line in lines if not any(word in tokens for word in WORD.findall(line))]
    return "".join(kept).encode(), len(lines) - len(kept)


def _from_requests(content: bytes, tokens: Collection[str]) -> tuple[bytes, int]:
    before: list[list[dict[str, str]]] = [json.loads(line)["dialRequests"] for line in content.decode().splitlines()]
    after = [[request for request in body if request["clientToken"] not in tokens] for body in before]
    lines = [json.dumps({"dialRequests": body}, ensure_ascii=False) + "\n" for body in after if body]
    return "".join(lines).encode(), sum(map(len, before)) - sum(map(len, after))


def _from_workbook(content: bytes, tokens: Collection[str]) -> tuple[bytes, int]:
    """The rows are emptied where they stand: openpyxl moves no links and no choices with those below."""
    from openpyxl import load_workbook

    book, gone = load_workbook(io.BytesIO(content)), 0
    for row in book.worksheets[0].iter_rows():
        if any(unguard(str(cell.value)) in tokens for cell in row):
            gone += 1
            for cell in row:
                cell.value = cell.hyperlink = None
    out = io.BytesIO()
    book.save(out)
    return out.getvalue(), gone


KINDS: Mapping[str, Callable[[bytes, Collection[str]], tuple[bytes, int]]] = {
    ".csv": _from_table,
    ".txt": _from_lines,
    ".jsonl": _from_requests,
    ".xlsx": _from_workbook,
}
"""End of a file's name -> what takes entries out of such a file."""
