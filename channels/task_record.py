"""Tasks for people as a channel: each recorded durably, once per token, then put on its owner's worklist.

FOLDER/<channel>.jsonl, beside the outbox's, is the record of sending; the lists in LISTS are views of it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from channels.sent_lines import append, read_record
from channels.steady import steady
from channels.worklists import add_to_worklists, list_name
from waves.errors import SendRefused
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.outcomes import Action, Reason

RETRY_AFTER_S = 60.0
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
HEAD = b'{"token": "'
EVERYBODY = "everybody"
"""Whose list a task is on that has no owner."""
Refusal = Callable[[Message], Receipt | None]
CalendarFile = Callable[[Mapping[str, object]], bytes]


class TaskRecord:
    """One channel's tasks; `refusal` says which of them nobody can be given."""

    chunk = 500

    def __init__(
        self,
        provider: str,
        capabilities: Capabilities,
        folder: Path,
        lists: Path,
        refusal: Refusal,
        ics: CalendarFile | None = None,
    ) -> None:
        self.provider = provider
        self.capabilities = capabilities
        self.path = folder / f"{capabilities.channel}.jsonl"
        self.lists = lists
        self.refusal = refusal
        self.ics = ics
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            lists.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise SendRefused(f"cannot make the folder {lists}: {error.strerror}") from error
        self.lock = record_lock(self.path)

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order: accepted once it is on disk, whatever becomes of the lists after that."""
        begin_by = steady() + within_s
        receipts, wanted = [], dict[str, Mapping[str, object]]()
        for message in messages:
            line = _line(message, now)
            refused = self._incomplete(message) or self.refusal(message) or _unwritable(line)
            receipts.append(refused or Receipt(message.token, "accepted"))
            if refused is None:
                wanted[message.token] = line
        try:
            begun = not wanted or self._write(wanted, begin_by)
        except OSError:
            begun = False
        return receipts if begun else [r if r.result == "refused" else _later(r.token) for r in receipts]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt]:
        """The record of sending is the whole truth: what is not in it was never sent."""
        known = _tokens(self.path)
        return {token: Receipt(token, "accepted") for token in tokens if token in known}

    def _incomplete(self, message: Message) -> Receipt | None:
        if self.capabilities.lacks_a_part(message.fields):
            return Receipt(message.token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
        if not message.address.strip():
            return Receipt(message.token, "refused", None, Reason.INVALID_ADDRESS, Action.NEXT_CHANNEL)
        return None

    def _write(self, wanted: Mapping[str, Mapping[str, object]], begin_by: float) -> bool:
        """Record what is not there yet; False when others held the file until it was too late to begin."""
        with self.lock:
            known = _tokens(self.path)
            new = [line for token, line in wanted.items() if token not in known]
            if steady() > begin_by:
                return False
            if new:
                append(self.path, b"".join(map(_bytes, new)))
                with suppress(OSError):  # the lists are made anew from the record
                    add_to_worklists(self.lists, new)
                    if self.ics is not None:
                        write_calendar(self.lists, new, self.ics)
        return True


def record_lock(path: Path) -> FileLock:
    """The lock of a record of sending: held by whoever adds to it, forgets in it, or makes its lists anew."""
    return FileLock(path.parent / f".{path.stem}.lock", mode=0o600)


def calendar_path(lists: Path, line: Mapping[str, object]) -> Path:
    """The calendar file of a task: a folder per owner, as they import them together."""
    return lists / list_name(str(line["owner"])) / f"{line['token']}.ics"


def write_calendar(lists: Path, lines: Sequence[Mapping[str, object]], ics: CalendarFile) -> None:
    """A calendar file for each of these tasks, readable by its owner alone."""
    for line in lines:
        path = calendar_path(lists, line)
        path.parent.mkdir(mode=0o700, exist_ok=True)
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(ics(line))


def read_tasks(path: Path) -> list[dict[str, object]]:
    """The recorded tasks that still say what to do: those of people who were erased do not."""
    return [line for line in read_record(path)[0] if line.get("to")]


def _tokens(path: Path) -> set[str]:
    if not path.exists():
        return set()
    with path.open("rb") as file:
        return {line[len(HEAD) : line.index(b'"', len(HEAD))].decode() for line in file if line.endswith(b"\n")}


def _line(message: Message, now: datetime) -> Mapping[str, object]:
    return {
        "token": message.token,
        "channel": message.channel,
        "owner": message.owner or EVERYBODY,
        "to": message.address,
        "name": message.name,
        "language": message.language,
        "fields": dict(message.fields),
        "campaign": message.campaign,
        "wave": message.wave,
        "variant": message.variant,
        "until": message.until.astimezone(UTC).isoformat(timespec="seconds") if message.until else None,
        "at": now.astimezone(UTC).isoformat(),
    }


def _bytes(line: Mapping[str, object]) -> bytes:
    return json.dumps(line, ensure_ascii=False).encode() + b"\n"


def _unwritable(line: Mapping[str, object]) -> Receipt | None:
    token = str(line["token"])
    if not TOKEN.fullmatch(token):
        return Receipt(token, "refused", None, Reason.CONFIG, Action.NEXT_CHANNEL)
    try:
        _bytes(line)
    except UnicodeEncodeError:
        return Receipt(token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
    return None


def _later(token: str) -> Receipt:
    return Receipt(token, "not_sent", reason=Reason.PROVIDER, action=Action.RETRY, retry_after_s=RETRY_AFTER_S)
