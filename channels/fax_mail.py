"""Provider `fax_mail`: faxes by a gateway that takes e-mails, `NUMBER@its.domain`, over SMTP; the text is the page.

What the gateway says later comes to it by e-mail; here a fax is known to be in its hands, and no more.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping

from channels.letters import Desk
from channels.smtp_carrier import SmtpCarrier
from channels.smtp_options import FaxOptions
from waves.message import Capabilities, Message
from waves.senders import Sender

NUMBER = re.compile(r"\+[1-9]\d{6,14}")


class FaxMail(SmtpCarrier):
    """An e-mail-to-fax gateway."""

    provider = "fax_mail"

    def __init__(self, capabilities: Capabilities, sender: Sender, environment: Mapping[str, str] = os.environ) -> None:
        self.options = FaxOptions.of(sender)
        desk = Desk(capabilities, self.options, self._addressed, leaves=False)
        super().__init__(capabilities, desk, sender, environment)

    def _addressed(self, message: Message) -> tuple[str | None, str]:
        """No name: gateways read the address alone. What is no E.164 number has no address."""
        return None, self.options.address(message.address) if NUMBER.fullmatch(message.address) else ""
