"""Messages for provider `sendgrid`, and the sender that takes them to its stand-in."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels.opening import Opening
from channels.registry import CAPABILITIES
from channels.sendgrid import Sendgrid
from tests.standins.sendgrid import KEY, KEY_ENV
from waves.message import Message, Receipt
from waves.senders import Sender

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
PUBLIC = "https://go.example.com"
OPTIONS = {"secret_env": KEY_ENV, "from_address": "news@example.com", "from_name": "Example Shop", "messages": 10}


@contextmanager
def opening_at(url: str) -> Iterator[Any]:
    """Makes senders whose SendGrid is there, and closes them in the end."""
    opened: list[Sendgrid] = []

    def make(public: str | None = PUBLIC, keys: dict[str, str] | None = None, **options: Any) -> Sendgrid:
        timing = {key: options.pop(key) for key in ("timeout", "concurrency") if key in options}
        given = {**OPTIONS, "base_url": url, **options}
        sender = Sender(sender="mail", channel="email", provider="sendgrid", options=given, **timing)
        known = {KEY_ENV: KEY} if keys is None else keys
        opened.append(Sendgrid(Opening(CAPABILITIES["email"], sender, Path(), public, known)))
        return opened[-1]

    yield make
    for one in opened:
        one.close()


def message(number: int, prefix: str = "mail", **more: Any) -> Message:
    token = f"{prefix}{number:04d}"
    fields = {"subject": f"For {token}", "body": f"Dear {token}, the renewal is due."}
    given = {
        "address": f"{token}@example.com",
        "name": "Ada",
        "fields": fields,
        "unsubscribe_url": f"{PUBLIC}/u/{token}",
    }
    return Message(
        **{"token": token, "channel": "email", "language": "en", "campaign": "camp", "wave": "w"} | given | more
    )


def messages(count: int, prefix: str = "mail", **more: Any) -> list[Message]:
    return [message(number, prefix, **more) for number in range(count)]


def text(subject: str = "Hello", body: str = "Hello") -> dict[str, str]:
    return {"subject": subject, "body": body}


def results(receipts: list[Receipt]) -> Counter[str]:
    return Counter(receipt.result for receipt in receipts)
