"""Take people out of the files that we wrote: the outbox and dial lists."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from filelock import FileLock

from channels.call_list.taking_out import take_out
from channels.spool import sync_folder

PERSONAL: Mapping[str, object] = {"to": "", "name": None, "language": None, "fields": {}, "owner": None}
Mine = Callable[[Mapping[str, object]], bool]
"""Whether a line of an outbox is one of the person's."""


def forget_in_outbox(folder: Path, mine: Mine) -> int:
    """Empty a person's lines in every channel's outbox and delete their mails; how many lines.

    A line keeps its token, for it is the record of sending, and its length, so that nobody loses their place.
    """
    gone = 0
    for path in sorted(folder.glob("*.jsonl")):
        with FileLock(folder / f".{path.stem}.lock", mode=0o600):
            tokens = [str(line["token"]) for line in _lines(path) if _tells(line) and mine(line)]
            if tokens:
                _rewrite(path, set(tokens))
        for token in tokens:
            (folder / "email" / f"{token}.eml").unlink(missing_ok=True)
        gone += len(tokens)
    return gone


def _lines(path: Path) -> Iterator[Mapping[str, object]]:
    with path.open("rb") as file:
        for line in file:
            if line.endswith(b"\n"):
                yield json.loads(line)


def _tells(line: Mapping[str, object]) -> bool:
    return any(line.get(name) for name in PERSONAL)


def _rewrite(path: Path, tokens: Collection[str]) -> None:
    hidden = path.with_name(f".{path.name}")
    handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as out, path.open("rb") as file:
        for line in file:
            out.write(_emptied(line, tokens) if line.endswith(b"\n") else line)
        out.flush()
        os.fsync(out.fileno())
    os.rename(hidden, path)
    sync_folder(path.parent)


def _emptied(line: bytes, tokens: Collection[str]) -> bytes:
    item = json.loads(line)
    if item["token"] not in tokens:
        return line
    text = json.dumps(
        item | {name: value for name, value in PERSONAL.items() if item.get(name)}, ensure_ascii=False
    ).encode()
    return text.ljust(len(line) - 1) + b"\n"


def forget_in_lists(folder: Path, tokens: Collection[str]) -> int:
    """Take entries out of the dial lists in a folder, whatever their format; how many."""
    return sum(take_out(path, tokens) for path in sorted(folder.glob("*"))) if tokens else 0
