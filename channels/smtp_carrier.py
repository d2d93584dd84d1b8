"""What providers that send by SMTP have in common: letters written, carried, and a receipt for each message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.letters import Desk, Letter
from channels.smtp_line import SmtpLine
from channels.smtp_opening import Opener
from channels.steady import steady
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.senders import Sender

EACH = 32
"""Letters that one connection begins in about a second, two round trips to a distant server each."""


class SmtpCarrier:
    """One sender's mail server; SendRefused when its password is not there.

    Its connections are kept from chunk to chunk and shared by all threads.
    """

    provider: str

    def __init__(self, capabilities: Capabilities, desk: Desk, sender: Sender, environment: Mapping[str, str]) -> None:
        self.capabilities = capabilities
        self.desk = desk
        self.chunk = max(100, EACH * sender.parallel)
        password = desk.options.secret(sender.sender, environment)
        self.line = SmtpLine(Opener(desk.options, password), sender.parallel, sender.timeout.total_seconds())

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """One receipt per message, in order; what was cut off after its final dot is in doubt."""
        begin_by, head = steady() + within_s, self.desk.head(now)
        made = [self.desk.letter(message, head) for message in messages]
        letters = [one for one in made if isinstance(one, Letter)]
        said = self.line.carry(letters, begin_by) if letters else {}
        return [one if isinstance(one, Receipt) else said[one.token] for one in made]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """None: SMTP has no question for it."""
        return None

    def reachable(self, timeout_s: float = 5.0) -> str | None:
        """Why no connection, secured and logged in, comes about; None when one does."""
        return self.line.reachable(timeout_s)

    def close(self) -> None:
        """Close the connections; the next `send` opens new ones."""
        self.line.close()
