"""A provider that accepts everything at once and keeps nothing: what is left is multiwave's own work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from channels.registry import CAPABILITIES
from waves.message import BEGIN_WITHIN_S, Message, Receipt


class NullChannel:
    """Takes every message of one channel."""

    provider = "null"
    chunk = 1_000

    def __init__(self, channel: str) -> None:
        self.capabilities = CAPABILITIES[channel]

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """Accept them all."""
        return [Receipt(message.token, "accepted") for message in messages]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """It cannot be asked."""
        return None
