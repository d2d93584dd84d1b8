"""Provider `smtp`: e-mail through a mail server of your own or of a mail house, one recipient a mail.

Its Message-ID is the token, so that replies and bounces name it. A mail server cannot be asked what it took.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.letters import Desk
from channels.smtp_carrier import SmtpCarrier
from channels.smtp_options import SmtpOptions
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.senders import Sender


class Smtp:
    """A mail server for e-mails; its connections are kept from chunk to chunk and shared by all threads."""

    provider = "smtp"

    def __init__(self, capabilities: Capabilities, sender: Sender, environment: Mapping[str, str] = os.environ) -> None:
        options = SmtpOptions.of(sender)
        self.capabilities = capabilities
        self._carrier = SmtpCarrier(Desk(capabilities, options, _addressed), sender, environment)
        self.chunk = self._carrier.chunk

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order; what was cut off after its final dot is in doubt."""
        return self._carrier.send(messages, now, within_s)

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """None: SMTP has no question for it."""
        return None

    def reachable(self, timeout_s: float = 5.0) -> str | None:
        """Why no connection, secured and logged in, comes about; None when one does."""
        return self._carrier.line.reachable(timeout_s)

    def close(self) -> None:
        """Close the connections; the next `send` opens new ones."""
        self._carrier.line.close()


def _addressed(message: Message) -> tuple[str | None, str]:
    return message.name, message.address
