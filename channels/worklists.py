"""Worklists: what a person has to do, one CSV file per owner, made from the record of sending and made anew from it.

The record is the truth; a list may be deleted, and comes back. What somebody wrote into its last columns stays.
"""

from __future__ import annotations

import csv
import hashlib
import io
import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from channels.cells import guard, unguard
from channels.spool import replace
from channels.table_file import separator_of

Line = Mapping[str, object]
"""A line of the record of sending."""
StateOf = Callable[[Line], str]

HEADER = ("token", "state", "due", "name", "address", "language", "subject", "text", "campaign", "wave")
BY_HAND = ("result", "at", "by", "note")
"""Columns for the person who does it."""
OPEN = "open"
LONGEST_NAME = 60


def list_name(owner: str) -> str:
    """A file name that says whose list it is and can be nothing but a name in its folder; other owners, other names."""
    kept = "".join(one if one.isalnum() or one in "-_" else "_" for one in unicodedata.normalize("NFC", owner))
    kept = kept[:LONGEST_NAME]
    return kept if kept == owner else f"{kept}-{hashlib.sha256(owner.encode()).hexdigest()[:8]}"


def list_path(folder: Path, owner: str) -> Path:
    """An owner's worklist."""
    return folder / f"{list_name(owner)}.csv"


def add_to_worklists(folder: Path, lines: Iterable[Line]) -> None:
    """Put new tasks at the end of their owners' lists."""
    for owner, some in _by_owner(lines).items():
        path = list_path(folder, owner)
        new = not path.exists()
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(_csv([*([HEADER + BY_HAND] if new else []), *(_row(line, OPEN) for line in some)]))


def write_worklists(folder: Path, lines: Iterable[Line], state_of: StateOf) -> int:
    """Write every list anew from the record, each task with its state; lists without a task go. How many tasks.

    OSError when one could not be written, after all the others were.
    """
    owners, count, failed = _by_owner(lines), 0, list[OSError]()
    wanted = {list_path(folder, owner): some for owner, some in owners.items()}
    for path in set(folder.glob("*.csv")) - set(wanted):
        path.unlink(missing_ok=True)
    for path, some in wanted.items():
        try:
            written = _written_by_hand(path)
            rows = [_row(line, state_of(line), written.get(str(line["token"]), ())) for line in some]
            content = _csv([HEADER + BY_HAND, *rows])
            if not path.exists() or path.read_bytes() != content:
                replace(path, content)
            count += len(rows)
        except OSError as error:
            failed.append(error)
    if failed:
        raise failed[0]
    return count


def _by_owner(lines: Iterable[Line]) -> dict[str, list[Line]]:
    found: dict[str, list[Line]] = {}
    for line in lines:
        found.setdefault(str(line["owner"]), []).append(line)
    return found


def _row(line: Line, state: str, by_hand: Sequence[str] = ()) -> tuple[str, ...]:
    fields = line["fields"]
    assert isinstance(fields, Mapping)
    said = {
        **line,
        "state": state,
        "due": line["until"],
        "address": line["to"],
        "subject": fields.get("subject"),
        "text": " / ".join(part.strip() for part in str(fields.get("body", "")).splitlines() if part.strip()),
    }
    own = (*by_hand, "", "", "", "")[: len(BY_HAND)]
    return (*("" if said[name] is None else guard(_one_line(str(said[name]))) for name in HEADER), *map(guard, own))


def _one_line(text: str) -> str:
    """Without control characters: a list is one line a task for whatever program reads it."""
    return "".join(one if one.isprintable() else " " for one in text)


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\r\n").writerows(rows)
    return text.getvalue().encode("utf-8", "replace")


def _written_by_hand(path: Path) -> dict[str, list[str]]:
    """Token to what a person wrote into the list itself; of a list that nobody can read any more, nothing."""
    try:
        text = path.read_bytes().decode("utf-8-sig", "replace")
        separator = separator_of(text.partition("\n")[0])
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))
    except (FileNotFoundError, csv.Error):
        return {}
    return {
        unguard(row["token"]): [unguard(row.get(name) or "") for name in BY_HAND]
        for row in rows
        if row.get("token") and any(row.get(name) for name in BY_HAND)
    }
