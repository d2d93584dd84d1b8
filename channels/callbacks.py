"""Who may call us back: for each provider how its requests are verified and read, and the headers that takes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from channels import http_status
from channels.http_options import SIGNATURE, STAMP
from waves.message import Event
from waves.senders import Sender

Reader = Callable[[Sender, Mapping[str, str], bytes, datetime], list[Event]]
"""Sender, headers by lower-case name, body, when it came; WebhookRejected when it is not the sender's own."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One provider's callbacks."""

    read: Reader
    headers: tuple[str, ...]
    """Lower-case names of what `read` looks at; no other header is kept."""


CALLBACKS: dict[str, Callback] = {
    "http": Callback(http_status.read_status, (STAMP.lower(), SIGNATURE.lower())),
}
"""Provider -> its callbacks, at /callbacks/PROVIDER/SENDER."""
