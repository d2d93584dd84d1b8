"""Provider `fax_mail`: faxes by a gateway that takes e-mails, `NUMBER@its.domain`, over SMTP; the text is the page.

What the gateway says later comes to it by e-mail; here a fax is known to be in its hands, and no more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.letters import Desk
from channels.smtp_carrier import SmtpCarrier
from channels.smtp_options import FaxOptions
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.senders import Sender

NUMBER = re.compile(r"\+[1-9]\d{6,14}")


class FaxMail:
    """An e-mail-to-fax gateway; its connections are kept from chunk to chunk and shared by all threads."""

    provider = "fax_mail"

    def __init__(self, capabilities: Capabilities, sender: Sender, environment: Mapping[str, str] = os.environ) -> None:
        self.options = FaxOptions.of(sender)
        self.capabilities = capabilities
        desk = Desk(capabilities, self.options, self._addressed, leaves=False)
        self._carrier = SmtpCarrier(desk, sender, environment)
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

    def _addressed(self, message: Message) -> tuple[str | None, str]:
        """No name: gateways read the address alone. What is no E.164 number has no address."""
        return None, self.options.address(message.address) if NUMBER.fullmatch(message.address) else ""
