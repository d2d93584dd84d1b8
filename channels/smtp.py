"""Provider `smtp`: e-mail through a mail server of your own or of a mail house, one recipient a mail.

Its Message-ID is the token, so that replies and bounces name it. A mail server cannot be asked what it took.
"""

from __future__ import annotations

import os
from collections.abc import Mapping

from channels.letters import Desk
from channels.smtp_carrier import SmtpCarrier
from channels.smtp_options import SmtpOptions
from waves.message import Capabilities, Message
from waves.senders import Sender


class Smtp(SmtpCarrier):
    """A mail server for e-mails."""

    provider = "smtp"

    def __init__(self, capabilities: Capabilities, sender: Sender, environment: Mapping[str, str] = os.environ) -> None:
        desk = Desk(capabilities, SmtpOptions.of(sender), _addressed)
        super().__init__(capabilities, desk, sender, environment)


def _addressed(message: Message) -> tuple[str | None, str]:
    return message.name, message.address
