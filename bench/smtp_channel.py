"""A channel that sends by SMTP for the benchmarks alone: smtplib over one kept connection, one mail after the other."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime

from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt

SENDER = "campaigns@example.com"


def mail_of(message: Message) -> bytes:
    """The mail's bytes, as short as one can be: the tables compare senders, not libraries that build mails."""
    subject = message.fields.get("subject") or message.fields.get("title", "")
    who = f"From: {SENDER}\r\nTo: {address_of(message)}\r\nMessage-ID: <{message.token}@example.com>"
    return f"{who}\r\nSubject: {subject}\r\n\r\n{message.fields['body']}".encode()


def address_of(message: Message) -> str:
    """An address in the form that SMTP wants, whatever the made-up ledger has."""
    return f"{message.address.replace(' ', '-')}@example.com"


class Line:
    """One connection."""

    def __init__(self, port: int) -> None:
        self.line = smtplib.SMTP("127.0.0.1", port, local_hostname="bench.example.com")
        self.line.ehlo()

    def close(self) -> None:
        self.line.close()

    def carry(self, address: str, mail: bytes) -> None:
        self.line.sendmail(SENDER, [address], mail)


class SmtpChannel:
    """Every mail is taken or the benchmark fails."""

    provider = "smtp"
    chunk = 500

    def __init__(self, capabilities: Capabilities, port: int) -> None:
        self.capabilities = capabilities
        self.line = Line(port)

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message; what was not begun in time is not sent."""
        begin_by, receipts = time.monotonic() + within_s, list[Receipt]()
        for message in messages:
            if time.monotonic() >= begin_by:
                receipts.append(Receipt(message.token, "not_sent", retry_after_s=0.0))
                continue
            self.line.carry(address_of(message), mail_of(message))
            receipts.append(Receipt(message.token, "accepted"))
        return receipts

    def close(self) -> None:
        """End the connection."""
        self.line.close()

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        return None
