"""Who may call us back: for each provider how its requests are verified and read, and the headers that takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from channels import http_status, sendgrid_events, twilio_status
from channels.http_options import SIGNATURE, STAMP
from waves.message import Came, Event, Inbound
from waves.senders import Sender

Reader = Callable[[Sender, Mapping[str, str], bytes, datetime], Sequence[Came]]
"""Sender, headers by lower-case name, body, when it came; WebhookRejected when it makes no sense."""
Verifier = Callable[[Sender, Mapping[str, str], bytes, datetime], None]
"""The same; WebhookRejected when it is not the sender's own, another MultiwaveError when we cannot tell."""


@dataclass(frozen=True, slots=True)
class Callback:
    """One provider's callbacks."""

    verify: Verifier
    """What lets a request in; it is not asked again of what was kept."""
    read: Reader
    headers: tuple[str, ...]
    """Lower-case names of what these look at; no other header is kept."""
    looks_at_url: bool = False
    """Whether they need the address as the provider called it: it is then among the headers as URL."""
    answer: tuple[int, str, bytes] = (202, "text/plain", b"")
    """Status, media type and body of the answer to what was kept."""
    large: bool = False
    """Whether a batch is so large that it is kept and answered first, and read afterwards.

    Whatever is let in so, `read` makes no report of it that a database would refuse.
    """
    longest: int = 1_000_000
    """Bytes of one request; a provider with more to say makes several."""


LONGEST_NAMES = 650
"""Characters of one report's names together."""


def is_storable(came: Iterable[Came]) -> bool:
    """Whether every report can be kept by its names.

    A database refuses control characters and halves of letters, and PostgreSQL's index names of more than 2,704 bytes.
    """
    names = [
        one.token + (one.ref or "") + one.provider + one.provider_event_id
        if isinstance(one, Event)
        else (one.address if isinstance(one, Inbound) else "") + one.provider + one.provider_event_id
        for one in came
    ]
    return "".join(names).isprintable() and max(map(len, names), default=0) <= LONGEST_NAMES


URL = "x-multiwave-url"
"""The header in which a record keeps the address that was called: that of MULTIWAVE_PUBLIC_URL, path and query."""


CALLBACKS: dict[str, Callback] = {
    "http": Callback(http_status.verify, http_status.read_status, (STAMP.lower(), SIGNATURE.lower())),
    "twilio": Callback(
        twilio_status.verify,
        twilio_status.read_status,
        twilio_status.HEADERS,
        looks_at_url=True,
        answer=(200, "text/xml", b"<Response/>"),
    ),
    "sendgrid": Callback(
        sendgrid_events.verify,
        sendgrid_events.read_events,
        (sendgrid_events.STAMP.lower(), sendgrid_events.SIGNATURE.lower()),
        large=True,
        longest=8_000_000,
    ),
}
"""Provider -> its callbacks, at /callbacks/PROVIDER/SENDER."""
