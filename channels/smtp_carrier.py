"""What providers that send by SMTP have in common: letters written, carried, and a receipt for each message."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.letters import Desk, Letter
from channels.smtp_line import SmtpLine
from channels.smtp_opening import Opener
from channels.steady import steady
from waves.message import Message, Receipt
from waves.senders import Sender

EACH = 32
"""Letters that one connection begins in about a second, two round trips to a distant server each."""


class SmtpCarrier:
    """The line of one sender; SendRefused when its password is not there."""

    def __init__(self, desk: Desk, sender: Sender, environment: Mapping[str, str]) -> None:
        self.desk = desk
        self.chunk = max(100, EACH * sender.parallel)
        password = desk.options.secret(sender.sender, environment)
        self.line = SmtpLine(Opener(desk.options, password), sender.parallel, sender.timeout.total_seconds())

    def send(self, messages: Sequence[Message], now: datetime, within_s: float) -> list[Receipt]:
        """One receipt per message, in order."""
        begin_by, head = steady() + within_s, self.desk.head(now)
        made = [self.desk.letter(message, head) for message in messages]
        letters = [one for one in made if isinstance(one, Letter)]
        said = self.line.carry(letters, begin_by) if letters else {}
        return [one if isinstance(one, Receipt) else said[one.token] for one in made]
