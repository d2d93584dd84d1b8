"""The record of sending of a provider on this machine: one JSON line a message, synced before it counts as sent.

A line cut off by a killed writer was never recorded; the next writer takes it away.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from channels.spool import sync_folder
from waves.errors import SendInDoubt


def write_all(handle: int, content: bytes) -> None:
    """All of it, or OSError."""
    if os.write(handle, content) != len(content):
        raise OSError("the disk took only a part")


def append(path: Path, lines: bytes) -> None:
    """All the lines, synced; or OSError and surely none of them; or SendInDoubt."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        end = _whole_lines(handle)
        if end == 0:
            sync_folder(path.parent)
        os.ftruncate(handle, end)
        try:
            write_all(handle, lines)
            os.fsync(handle)
        except OSError:
            _take_back(handle, end)
            raise
    finally:
        os.close(handle)


def _take_back(handle: int, end: int) -> None:
    try:
        os.ftruncate(handle, end)
        os.fsync(handle)
    except OSError as error:
        said = f"the record of sending failed in the middle of a chunk and after it: {error.strerror}"
        raise SendInDoubt(said) from error


def _whole_lines(handle: int) -> int:
    """Where the last whole line ends: the length of the file unless a writer was killed within a line."""
    end = os.lseek(handle, 0, os.SEEK_END)
    while end:
        start = max(0, end - 65536)
        cut = os.pread(handle, end - start, start).rfind(b"\n")
        if cut >= 0:
            return start + cut + 1
        end = start
    return 0


def read_record(path: Path, offset: int = 0) -> tuple[list[dict[str, object]], int]:
    """The messages recorded from byte `offset` on, and the next offset; a line not yet whole is left for later."""
    if not path.exists():
        return [], offset
    with path.open("rb") as file:
        file.seek(offset)
        content = file.read()
    whole = content[: content.rfind(b"\n") + 1]
    return [json.loads(line) for line in whole.split(b"\n") if line], offset + len(whole)
