"""What a message costs of the processor, channel by channel: the provider's adapter against the bare client in one run.

Both sides send the same messages from one process, on one core, to a sink in another, sixteen at once. CPU seconds
count (`time.process_time`), not the clock. The adapter's side is everything from Message to Receipt; the bare side is
handed what it sends ready made. `bar` is how many times the bare client's processor time ours may take.
"""

from __future__ import annotations

import gc
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from bench import bare_clients
from bench.provider_sink import ACCOUNT
from bench.sinks import ABREAST, pinned, sink_of
from channels.mail_file import head_of, mail_bytes
from channels.opening import Opening
from channels.registry import CAPABILITIES, PROVIDERS
from channels.webpush_keys import KEY_FILE, make_key
from waves.message import Channel, Message
from waves.senders import Sender
from waves.subscriptions import Subscription

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ROUNDS = 3
"""Each side's best counts; the sides take turns."""
PATIENT_S = 600.0
TEXT = "Hello Ada, your Fibre 300 ends on 10.12.2026. Renew: https://go.example.com/r/{} Reply STOP to opt out."
LETTER = (
    "Good day Ada,\n\n"
    + "your contract ends soon, and we have a better one for you. " * 6
    + "\n\nhttps://go.example.com/r/{}\n"
)
FROM = "Example <news@example.com>"
SECRETS = {"TWILIO": "12345", "SENDGRID": "SG.bench-key-of-nobody"}


@dataclass(frozen=True)
class Way:
    """One channel's measurement: how many messages, what ours is opened with, and what the bare client does."""

    name: str
    channel: str
    provider: str
    sink: str
    messages: int
    options: Callable[[int], dict[str, Any]]
    bare: Callable[[int, Sequence[Message]], float] | None = None
    """CPU seconds of the bare client; None where the bar is a time."""
    bar: float = 1.6
    """Times the bare client's time, or microseconds a message where there is none."""


def run(scale: float) -> list[dict[str, Any]]:
    """A row for each way: messages per CPU second, against the bare client's (or the bar's, where that is a time)."""
    return [measured(way, max(50, round(way.messages * scale))) for way in WAYS]


def measured(way: Way, count: int, rounds: int = ROUNDS) -> dict[str, Any]:
    """The row of one way."""
    ours, bare = [], []
    with pinned(), sink_of(way.sink) as port, TemporaryDirectory(prefix="multiwave-bench-") as home:
        messages = list(_messages(way, count, port))
        channel = _opened(way, port, Path(home))
        _sent(channel, messages[: 2 * ABREAST])
        gc.collect()
        gc.freeze()  # the messages of a real chunk are few: the collector need not go through all of these
        for _ in range(rounds):
            ours.append(_sent(channel, messages))
            bare.append(way.bare(port, messages) if way.bare else count * way.bar / 1e6)
        gc.unfreeze()
        channel.close()  # type: ignore[attr-defined]
    mine, theirs = (1e6 * min(times) / count for times in (ours, bare))
    against = f"bare client {theirs:.1f}: {mine / theirs:.2f} times it" if way.bare else "no client beside it"
    kept = mine <= theirs * (way.bar if way.bare else 1)
    bar = f"at most {way.bar:g}{' times' if way.bare else ' us'}: {'kept' if kept else 'NOT KEPT'}"
    print(f"{way.name}: {mine:.1f} us of CPU a message, {against}; {bar}", file=sys.stderr)
    return {"what": way.name, "database": "none", "n": count, "rate": 1e6 / mine, "limit_rate": 1e6 / theirs}


def _opened(way: Way, port: int, home: Path) -> Channel:
    make_key(home / KEY_FILE)
    options = {"concurrency": ABREAST, "timeout": timedelta(seconds=30), "options": way.options(port)}
    sender = Sender(sender="bench", channel=way.channel, provider=way.provider, **options)
    opening = Opening(CAPABILITIES[way.channel], sender, home / "outbox", "https://go.example.com", SECRETS)
    return PROVIDERS[way.channel][way.provider](opening)


def _sent(channel: Channel, messages: Sequence[Message]) -> float:
    """CPU seconds, all threads of this process counted; RuntimeError unless everything is taken."""
    began = time.process_time()
    for start in range(0, len(messages), channel.chunk):
        receipts = channel.send(messages[start : start + channel.chunk], NOW, PATIENT_S)
        if any(receipt.result != "accepted" for receipt in receipts):
            raise RuntimeError(f"not all was taken: {next(r for r in receipts if r.result != 'accepted')}")
    return time.process_time() - began


def _messages(way: Way, count: int, port: int) -> Iterator[Message]:
    addresses = _addresses(way.channel, count, port)
    for number, address in enumerate(addresses):
        token = f"BENCH{number:015d}"
        body = (LETTER if way.channel == "email" else TEXT).format(token)
        fields = {"body": body, "subject": "Your contract ends soon", "title": "Your contract ends soon"}
        page = f"https://go.example.com/u/{token}"
        until = NOW + timedelta(days=1)
        yield Message(token, way.channel, address, "Ada", "en", fields, "bench", "notice", 0, until, page)


def _addresses(channel: str, count: int, port: int) -> Iterator[str]:
    if channel == "web_push":
        keys = [bare_clients.browser_key() for _ in range(min(count, 500))]
        for number in range(count):
            endpoint = f"http://127.0.0.1:{port}/push/{number:020d}"
            yield Subscription(endpoint, keys[number % len(keys)][0], bytes(16)).text
        return
    for number in range(count):
        yield (
            f"customer-{number}@example.com"
            if channel == "email"
            else f"+1{201 + number // 100 % 700}55501{number % 100:02d}"
        )


def _bare_mail(port: int, messages: Sequence[Message]) -> float:
    head = head_of(FROM, NOW)
    mails = [
        (
            m.address,
            mail_bytes(head, "example.com", m.token, (m.name, m.address), m.fields["subject"], m.fields["body"]),
        )
        for m in messages
    ]
    return bare_clients.by_aiosmtplib(port, mails)


def _bare_text(port: int, messages: Sequence[Message]) -> float:
    callback = "https://go.example.com/callbacks/twilio/bench?token="
    forms = [
        {"To": m.address, "From": "+15125550100", "Body": m.fields["body"], "StatusCallback": callback + m.token}
        for m in messages
    ]
    return bare_clients.by_aiohttp(port, forms)


def _bare_push(port: int, messages: Sequence[Message]) -> float:
    keys = [bare_clients.browser_key()[0] for _ in range(500)]
    return bare_clients.by_encryption(
        port, [(m.fields["body"].encode(), keys[i % 500]) for i, m in enumerate(messages)]
    )


def _smtp(port: int) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": port, "tls": "none", "mail_from": FROM}


def _twilio(port: int) -> dict[str, Any]:
    place = {"account_sid": ACCOUNT, "secret_env": "TWILIO", "base_url": f"http://127.0.0.1:{port}"}
    return {**place, "from": "+15125550100"}


def _sendgrid(port: int) -> dict[str, Any]:
    return {"secret_env": "SENDGRID", "from_address": "news@example.com", "base_url": f"http://127.0.0.1:{port}"}


def _webpush(port: int) -> dict[str, Any]:
    return {"subject": "mailto:ops@example.com", "loopback": True}


WAYS = (
    Way("email, smtp", "email", "smtp", "smtp_sink", 20_000, _smtp, _bare_mail, 1.0),
    Way("sms, twilio", "sms", "twilio", "provider_sink", 10_000, _twilio, _bare_text, 1.6),
    Way("email, sendgrid", "email", "sendgrid", "provider_sink", 100_000, _sendgrid, None, 10.0),
    Way("web_push, webpush", "web_push", "webpush", "provider_sink", 10_000, _webpush, _bare_push, 1.6),
)
"""One line a channel; a provider that is new is one more."""
