"""Merge the spool into the ledger: file by file, chunk by chunk, each report once however often this is cut off."""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime

from channels import spool
from channels.callbacks import CALLBACKS, Callback, is_storable
from channels.listeners import LISTENERS
from channels.own_pages import OWN, PAGES
from flows.reports import in_chunks, record_came
from flows.room import Room
from waves.errors import MultiwaveError
from waves.message import Came

UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)
"""What a translation of nonsense may end in besides its own errors."""


@dataclass(slots=True)
class Merged:
    """What one merge came to."""

    files: int = 0
    records: int = 0
    new: int = 0
    known: int = 0
    unknown_touch: int = 0
    aside: int = 0
    """Records that could not be read: kept in the spool's folder `aside`."""
    torn: int = 0
    """Last lines that their writer was killed in; nobody was told that they arrived."""


def merge_spool(room: Room, now: datetime, callbacks: Mapping[str, Callback] = CALLBACKS) -> Merged:
    """Record everything that lies in the spool and that no process is still writing; nothing to do costs one look.

    Any number of processes may merge at once. A file is deleted after its reports are committed, never before.
    """
    merged = Merged()
    for path in spool.waiting(room.settings.spool_folder):
        if room.stopping:
            break
        with spool.taken(path) as contents:
            if contents is None:
                continue
            with _uncollected():
                _merge(room, path.name, contents, callbacks, now, merged)
    return merged


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the collector of cycles, of which there are none here: it would look at each report again and again."""
    was = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was:
            gc.enable()


def _merge(
    room: Room, name: str, contents: spool.Contents, callbacks: Mapping[str, Callback], now: datetime, merged: Merged
) -> None:
    came: list[Came] = []
    lines, whys = list(contents.damaged), ["damaged on disk" for _ in contents.damaged]
    for line, record in contents.records:
        try:
            came += _read(room, record, callbacks)
        except MultiwaveError as error:
            lines.append(line)
            whys.append(f"{record.provider} {record.sender}: {error}")
        except UNREADABLE as error:
            lines.append(line)
            whys.append(f"{record.provider} {record.sender}: {type(error).__name__} while it was read")
    done = 0
    for chunk in in_chunks(came):
        recorded = record_came(room, chunk, now)
        merged.new += recorded.new
        merged.known += recorded.known
        merged.unknown_touch += recorded.unknown_touch
        done += len(chunk)
        room.tick(f"spool {name}", done, len(came))
    if lines:
        spool.set_aside(room.settings.spool_folder, name, lines, whys)
    merged.files += 1
    merged.records += len(contents.records)
    merged.aside += len(lines)
    merged.torn += contents.torn


def _read(room: Room, record: spool.Record, callbacks: Mapping[str, Callback]) -> Sequence[Came]:
    """The reports in a record as its provider's reader finds them, at the time it came; the door has verified it."""
    known = callbacks.get(record.provider)
    if record.provider == OWN:
        came: Sequence[Came] = PAGES[record.sender](record.body, record.at)
    else:
        sender, reader = room.senders.get(record.sender), known or LISTENERS.get(record.provider)
        if sender is None or reader is None or sender.provider != record.provider:
            raise MultiwaveError("no such sender any more; name it in config/senders.yaml again")
        came = reader.read(sender, record.headers, record.body, record.at)
    if not (known and known.large) and not is_storable(came):
        raise ValueError("a database would refuse it")
    return came
