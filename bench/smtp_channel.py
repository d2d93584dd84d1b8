"""A channel that sends by SMTP for the benchmarks alone, over pipelined connections that are kept."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from threading import Lock

from bench.smtp_line import SENDER, PipelinedLine
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt

TOGETHER = 64
"""Mails that are begun at once."""


def mail_of(message: Message) -> bytes:
    """The mail's bytes, as short as one can be: the tables compare senders, not libraries that build mails."""
    subject = message.fields.get("subject") or message.fields.get("title", "")
    who = f"From: {SENDER}\r\nTo: {address_of(message)}\r\nMessage-ID: <{message.token}@example.com>"
    return f"{who}\r\nSubject: {subject}\r\n\r\n{message.fields['body']}".encode()


def address_of(message: Message) -> str:
    """An address in the form that SMTP wants, whatever the made-up ledger has."""
    return f"{message.address.replace(' ', '-')}@example.com"


class SmtpChannel:
    """Every mail is taken or the benchmark fails."""

    provider = "smtp"
    chunk = 500

    def __init__(self, capabilities: Capabilities, port: int) -> None:
        self.capabilities = capabilities
        self.line, self.turn = PipelinedLine(port), Lock()

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message; what was not begun in time is not sent."""
        begin_by, receipts = time.monotonic() + within_s, list[Receipt]()
        for start in range(0, len(messages), TOGETHER):
            together = messages[start : start + TOGETHER]
            if time.monotonic() >= begin_by:
                receipts += [Receipt(message.token, "not_sent", retry_after_s=0.0) for message in together]
                continue
            mails = [(address_of(message), mail_of(message)) for message in together]
            with self.turn:
                self.line.carry(mails)
            receipts += [Receipt(message.token, "accepted") for message in together]
        return receipts

    def close(self) -> None:
        """End the connections."""
        self.line.close()

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        return None
