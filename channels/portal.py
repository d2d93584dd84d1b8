"""Provider `portal`: messages that wait in the site's or the app's inbox; nothing leaves, the ledger's row is it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.opening import Opening
from waves.message import BEGIN_WITHIN_S, Capabilities, Channel, Message, Receipt
from waves.outcomes import Action, Reason


class Portal:
    """The inbox: a message is there as soon as its touch is sent, and gone when its wave closes (flows.inbox)."""

    provider = "portal"
    chunk = 500

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """Accepted, whenever it can be shown."""
        return [self._receipt(message) for message in messages]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt]:
        """All of them: there is nowhere that a message could have been lost."""
        return {token: Receipt(token, "accepted") for token in tokens}

    def _receipt(self, message: Message) -> Receipt:
        if self.capabilities.lacks_a_part(message.fields):
            return Receipt(message.token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
        return Receipt(message.token, "accepted")


def open_portal(opening: Opening) -> Channel:
    """The inbox of a home."""
    return Portal(opening.capabilities)
