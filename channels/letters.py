"""Messages as letters for an SMTP line: who gets which bytes, or why a message cannot be one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from email.utils import formataddr, parseaddr
from typing import NamedTuple

from channels.mail_file import ADDRESS, CONTROL, head_of, mail_bytes
from channels.smtp_options import SmtpOptions
from waves.message import Capabilities, Message, Receipt
from waves.outcomes import Action, Reason


class Letter(NamedTuple):
    """One mail to one address."""

    token: str
    to: str
    content: bytes


Addressed = Callable[[Message], tuple[str | None, str]]
"""A message's recipient: a name to be shown, or none, and the mail address."""


@dataclass(frozen=True, slots=True)
class Desk:
    """Writes the letters of one sender."""

    capabilities: Capabilities
    options: SmtpOptions
    addressed: Addressed
    leaves: bool = True
    """Whether a letter says how its reader unsubscribes (RFC 8058, RFC 2369)."""

    def head(self, now: datetime) -> str:
        """The headers that all letters of a chunk share."""
        head = head_of(self.options.mail_from, now)
        return f"{head}Reply-To: {formataddr(parseaddr(self.options.reply_to))}\r\n" if self.options.reply_to else head

    def letter(self, message: Message, head: str) -> Letter | Receipt:
        """The letter, or the receipt of a message that can be none."""
        headers = [text for part, text in message.fields.items() if part != "body"]
        if self.capabilities.lacks_a_part(message.fields) or any(map(CONTROL.search, headers)):
            return refused(message.token, Reason.CONTENT)
        name, address = self.addressed(message)
        if not ADDRESS.fullmatch(address):
            return refused(message.token, Reason.INVALID_ADDRESS)
        subject, body = message.fields.get("subject", ""), message.fields["body"]
        head = f"{head}{self._way_out(message)}" if self.leaves else head
        try:
            content = mail_bytes(head, self.options.domain, message.token, (name, address), subject, body)
        except UnicodeEncodeError:  # half a surrogate pair is no text
            return refused(message.token, Reason.CONTENT)
        return Letter(message.token, address, content)

    def _way_out(self, message: Message) -> str:
        """The headers by which a mail program unsubscribes; both must be signed by the server's DKIM."""
        url, to = message.unsubscribe_url or "", self.options.unsubscribe_to
        one_click = url.startswith("https://") and url.isascii() and not CONTROL.search(url) and ">" not in url
        ways = [f"<{url}>"] if one_click else []
        ways += [f"<mailto:{to}?subject=unsubscribe%20{message.token}>"] if to else []
        if not ways:
            return ""
        header = "List-Unsubscribe: {}\r\n".format(",\r\n ".join(ways))
        return f"{header}List-Unsubscribe-Post: List-Unsubscribe=One-Click\r\n" if one_click else header


def refused(token: str, reason: Reason) -> Receipt:
    """The receipt of a message that nobody could carry."""
    return Receipt(token, "refused", reason=reason, action=Action.NEXT_CHANNEL)
