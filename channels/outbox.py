"""Provider `outbox`: sends into files that a person can open, one JSON line per message and an .eml file per e-mail.

FOLDER/<channel>.jsonl is the record of sending: one write and one sync per chunk, under a lock, so that lines of
several workers never mix (channels.sent_lines).
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from email.utils import parseaddr
from pathlib import Path

from filelock import FileLock

from channels.mail_file import ADDRESS, CONTROL, head_of, is_sender, mail_bytes
from channels.sent_lines import append, read_record, write_all
from channels.steady import steady
from waves.errors import SendRefused
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.outcomes import Action, Reason

SENDER = "multiwave <no-reply@example.com>"
TOKEN = re.compile(r"[A-Za-z0-9_-]{1,64}")
RETRY_AFTER_S = 60.0
read_outbox = read_record


class Outbox:
    """One channel's outbox in `folder`, which it makes readable by its owner alone."""

    provider = "outbox"
    chunk = 500

    def __init__(self, capabilities: Capabilities, folder: Path, sender: str = SENDER) -> None:
        if not is_sender(sender):
            raise SendRefused(f"the sender of e-mails must be an address or `Name <address>`: {sender!r}")
        self.capabilities = capabilities
        self.sender = sender
        self.path = folder / f"{capabilities.channel}.jsonl"
        self.mails = folder / "email"
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            if capabilities.channel == "email":
                self.mails.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise SendRefused(f"cannot make the outbox folder {folder}: {error.strerror}") from error
        self.lock = FileLock(folder / f".{capabilities.channel}.lock", mode=0o600)

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order: what cannot be carried is refused alone, a full disk means not sent."""
        begin_by = steady() + within_s
        receipts, lines, mails = [], [], []
        head = head_of(self.sender, now) if self.capabilities.channel == "email" else ""
        for message in messages:
            refusal = self._refusal(message)
            try:
                line = _line(message, now)
                mail = self._mail(message, head) if head and refusal is None else b""
            except UnicodeEncodeError:
                refusal = refusal or _refused(message, Reason.CONTENT)
            receipts.append(refusal or Receipt(message.token, "accepted"))
            if refusal is None:
                lines.append(line)
                mails.append((message.token, mail))
        try:
            begun = self._write(mails if head else [], b"".join(lines), begin_by)
        except OSError:
            begun = False
        return receipts if begun else [r if r.result == "refused" else _later(r.token) for r in receipts]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt]:
        """The record of sending is the whole truth: what is not in it was never sent."""
        wanted = set(tokens)
        recorded = (str(line["token"]) for line in read_outbox(self.path)[0])
        return {token: Receipt(token, "accepted") for token in recorded if token in wanted}

    def _refusal(self, message: Message) -> Receipt | None:
        fields = message.fields
        if not TOKEN.fullmatch(message.token):
            return _refused(message, Reason.CONFIG)
        if self.capabilities.lacks_a_part(fields):
            return _refused(message, Reason.CONTENT)
        if any(CONTROL.search(text) for part, text in fields.items() if part != "body"):
            return _refused(message, Reason.CONTENT)
        if not message.address or CONTROL.search(message.address):
            return _refused(message, Reason.INVALID_ADDRESS)
        if self.capabilities.channel == "email" and not ADDRESS.fullmatch(message.address):
            return _refused(message, Reason.INVALID_ADDRESS)
        return None

    def _mail(self, message: Message, head: str) -> bytes:
        to = (message.name, message.address)
        domain = parseaddr(self.sender)[1].rpartition("@")[2]
        return mail_bytes(head, domain, message.token, to, message.fields["subject"], message.fields["body"])

    def _write(self, mails: list[tuple[str, bytes]], lines: bytes, begin_by: float) -> bool:
        """Record the lines; False when others held the file for so long that it is too late to begin."""
        for token, mail in mails:
            handle = os.open(f"{self.mails}/{token}.eml", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            try:
                write_all(handle, mail)
            finally:
                os.close(handle)
        if lines:
            with self.lock:
                if steady() > begin_by:
                    return False
                append(self.path, lines)
        return True


def _refused(message: Message, reason: Reason) -> Receipt:
    return Receipt(message.token, "refused", reason=reason, action=Action.NEXT_CHANNEL)


def _later(token: str) -> Receipt:
    return Receipt(token, "not_sent", reason=Reason.PROVIDER, action=Action.RETRY, retry_after_s=RETRY_AFTER_S)


def _line(message: Message, now: datetime) -> bytes:
    record = {
        "token": message.token,
        "channel": message.channel,
        "to": message.address,
        "name": message.name,
        "language": message.language,
        "fields": dict(message.fields),
        "campaign": message.campaign,
        "wave": message.wave,
        "variant": message.variant,
        "at": now.astimezone(UTC).isoformat(),
    }
    return (json.dumps(record, ensure_ascii=False) + "\n").encode()
