"""The spool: what providers sent us, on disk before they are answered, until upkeep has merged it into the ledger.

One process writes one file at a time, FOLDER/<host>-<pid>-<ns>.spool, and holds a lock on it that dies with the
process: a file that can be locked is nobody's, and whoever locks it may merge it. A line is `crc32 json\\n`; records
that came at the same time share one write and one sync. A last line without its end was never acknowledged.
"""

from __future__ import annotations

import fcntl
import json
import os
import queue
import re
import socket
import threading
import time
import zlib
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import unquote_plus

import orjson

SUFFIX = ".spool"
ASIDE = "aside"
ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})")
LONGEST_FILE = 4_000_000
"""Bytes after which a file is let go for merging."""
HELD_S = 1.0
"""Seconds after which a file with records in it is let go, though it is short."""


@dataclass(frozen=True, slots=True)
class Record:
    """One request as it came, already verified: by which provider's rules, for which sender, when."""

    provider: str
    sender: str
    at: datetime
    headers: Mapping[str, str]
    body: bytes


@dataclass(slots=True)
class Contents:
    """What a file of the spool held."""

    records: list[tuple[bytes, Record]] = field(default_factory=list)
    """Each line, and the record in it."""
    damaged: list[bytes] = field(default_factory=list)
    """Lines that are whole and cannot be read."""
    torn: int = 0
    """1 when its writer was killed within a line, which nobody acknowledged."""


def to_line(record: Record) -> bytes:
    """The record as one line with its checksum."""
    text = json.dumps(
        {
            "provider": record.provider,
            "sender": record.sender,
            "at": record.at.astimezone(UTC).isoformat(),
            "headers": dict(record.headers),
            "body": record.body.decode("latin-1"),  # any bytes, and those of a JSON text stay readable
        }
    ).encode()
    return b"%08x %s\n" % (zlib.crc32(text), text)


def from_line(line: bytes) -> Record | None:
    """The record in a line without its end; None when the line is damaged."""
    check, _, text = line.partition(b" ")
    if check != b"%08x" % zlib.crc32(text):
        return None
    try:
        item = orjson.loads(text)
        at = datetime.fromisoformat(item["at"])
        return Record(item["provider"], item["sender"], at, item["headers"], item["body"].encode("latin-1"))
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


class Spool:
    """One process's end of the spool: `append` from any thread; a thread of its own writes and syncs."""

    def __init__(self, folder: Path, held_s: float = HELD_S) -> None:
        make_folder(folder)
        self._folder = folder
        self._held_s = held_s
        self._asked: queue.SimpleQueue[tuple[bytes, Future[None]] | None] = queue.SimpleQueue()
        self._file: _Open | None = None
        self._thread = threading.Thread(target=self._write, name="spool", daemon=True)
        self._thread.start()

    def append(self, record: Record) -> Future[None]:
        """Done when the record is on disk; OSError in it when surely nothing was kept, so that nobody acknowledges."""
        kept: Future[None] = Future()
        kept.set_running_or_notify_cancel()  # a caller that went away cannot take its record back
        self._asked.put((to_line(record), kept))
        return kept

    def close(self) -> None:
        """Write what was asked for so far, and let the file go."""
        self._asked.put(None)
        self._thread.join()

    def _write(self) -> None:
        while True:
            wait = None if self._file is None else max(0.0, self._file.since + self._held_s - time.monotonic())
            try:
                first = self._asked.get(timeout=wait)
            except queue.Empty:
                self._let_go()
                continue
            group = [] if first is None else [first]
            ends = first is None
            size = sum(len(line) for line, _ in group)
            while not ends and size < LONGEST_FILE and not self._asked.empty():
                more = self._asked.get()
                ends = more is None
                if more is not None:
                    group.append(more)
                    size += len(more[0])
            if group:
                self._keep(group)
            if ends:
                self._let_go()
                return

    def _keep(self, group: list[tuple[bytes, Future[None]]]) -> None:
        try:
            self._file = self._file or _Open.new(self._folder)
            self._file.write(b"".join(line for line, _ in group))
        except OSError as error:
            for _, kept in group:
                kept.set_exception(error)
            self._let_go()
            return
        for _, kept in group:
            kept.set_result(None)
        if self._file.length >= LONGEST_FILE or time.monotonic() - self._file.since >= self._held_s:
            self._let_go()

    def _let_go(self) -> None:
        if self._file is not None:
            os.close(self._file.handle)
            self._file = None


@dataclass(slots=True)
class _Open:
    """The file in hand, locked."""

    handle: int
    since: float
    length: int = 0

    @classmethod
    def new(cls, folder: Path) -> _Open:
        """A new file, locked before anybody can see it under its name."""
        name = f"{socket.gethostname()}-{os.getpid()}-{time.time_ns()}"
        hidden = folder / f".{name}"
        handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            os.rename(hidden, folder / f"{name}{SUFFIX}")
            sync_folder(folder)
        except BaseException:
            os.close(handle)
            raise
        return cls(handle, time.monotonic())

    def write(self, lines: bytes) -> None:
        """All the lines, synced; or OSError, and none of them counts."""
        try:
            if os.write(self.handle, lines) != len(lines):
                raise OSError("the disk took only a part")
            os.fsync(self.handle)
        except OSError:
            os.ftruncate(self.handle, self.length)
            raise
        self.length += len(lines)


def make_folder(folder: Path) -> None:
    """The spool's folder, its owner's alone."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)


def sync_folder(folder: Path) -> None:
    """Make the names in a folder last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def waiting(folder: Path) -> list[Path]:
    """Every file that is to be merged or still written, oldest first."""
    return sorted(folder.glob(f"*{SUFFIX}"), key=lambda path: path.name.rsplit("-", 1)[-1])


@contextmanager
def taken(path: Path) -> Iterator[Contents | None]:
    """The contents of a file that nobody else has, which is deleted at the end; None when somebody has it.

    An exception leaves the file where it is.
    """
    try:
        handle = os.open(path, os.O_RDONLY)
    except FileNotFoundError:
        yield None
        return
    try:
        if not _ours(handle, path):
            yield None
            return
        yield _read(handle)
        path.unlink()
    finally:
        os.close(handle)


def _ours(handle: int, path: Path) -> bool:
    """Lock the file; False when another has it, or merged it between our opening and our locking."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return os.path.samestat(os.fstat(handle), path.stat())
    except (BlockingIOError, FileNotFoundError):
        return False


def _read(handle: int) -> Contents:
    found = Contents()
    with os.fdopen(os.dup(handle), "rb") as file:
        for line in file:
            if not line.endswith(b"\n"):
                found.torn += 1
            elif (record := from_line(line[:-1])) is not None:
                found.records.append((line, record))
            else:
                found.damaged.append(line)
    return found


def set_aside(folder: Path, name: str, lines: list[bytes], whys: list[str]) -> None:
    """Keep lines that cannot be merged: FOLDER/aside/NAME as they came, and why in NAME.why; again is harmless.

    Moved back into the spool's folder, the file is merged like any other.
    """
    aside = folder / ASIDE
    make_folder(aside)
    for path, content in ((aside / f"{name}.why", "\n".join(whys).encode() + b"\n"), (aside / name, b"".join(lines))):
        replace(path, content)


def replace(path: Path, content: bytes) -> None:
    """The file with this content, whole or as it was before, its owner's alone."""
    hidden = path.with_name(f".{path.name}")
    handle = os.open(hidden, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(hidden, path)
    sync_folder(path.parent)


@dataclass(frozen=True, slots=True)
class Backlog:
    """What lies in the spool: files waiting, their bytes, the oldest one's time, and lines set aside."""

    files: int
    size: int
    oldest: datetime | None
    aside: int


def backlog(folder: Path) -> Backlog:
    """What lies in the spool now."""
    found = []
    for path in waiting(folder):
        try:
            found.append(path.stat())
        except FileNotFoundError:  # merged meanwhile
            continue
    oldest = min((one.st_mtime for one in found), default=None)
    lines = sum(path.read_bytes().count(b"\n") for path in (folder / ASIDE).glob(f"*{SUFFIX}"))
    since = None if oldest is None else datetime.fromtimestamp(oldest, UTC)
    return Backlog(len(found), sum(one.st_size for one in found), since, lines)


def forget(folder: Path, needles: list[str]) -> int:
    """Take lines that hold one of these texts, as a form or JSON spells it too, out of what was set aside; how many."""
    gone = 0
    wanted = [needle.casefold() for needle in needles if needle]
    for path in (folder / ASIDE).glob(f"*{SUFFIX}"):
        lines = path.read_bytes().splitlines(keepends=True)
        kept = [line for line in lines if not any(needle in text for text in _spellings(line) for needle in wanted)]
        if len(kept) < len(lines):
            replace(path, b"".join(kept))
            gone += len(lines) - len(kept)
    return gone


def drop_old(folder: Path, kept_for: timedelta) -> None:
    """Delete what was set aside so long ago and that nobody mended: it holds what people are named by."""
    for path in (folder / ASIDE).glob("*"):
        with suppress(FileNotFoundError):
            if time.time() - path.stat().st_mtime > kept_for.total_seconds():
                path.unlink()


def _spellings(line: bytes) -> Iterator[str]:
    """What a line says: as it stands, and its record's body as a form, or as JSON, would be read."""
    yield line.decode("latin-1").casefold()
    record = from_line(line.rstrip(b"\n"))
    if record is not None:
        body = record.body.decode("utf-8", "replace")
        yield body.casefold()
        yield unquote_plus(body).casefold()
        yield ESCAPED.sub(lambda found: chr(int(found[1], 16)), body).casefold()
        yield from (text.casefold() for text in record.headers.values())
