"""What the tests of provider `twilio` share: a sender of the stand-in, messages, the rows of the recorded payloads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from twilio.request_validator import RequestValidator

from channels.opening import Opening
from channels.registry import CAPABILITIES
from channels.twilio import Twilio
from channels.twilio_status import Fields
from tests.standins.twilio import ACCOUNT, SERVICE, TOKEN, TOKEN_ENV
from waves.message import Message
from waves.senders import Sender

PAYLOADS = Path(__file__).parents[1] / "payloads" / "twilio"
PUBLIC = "https://camp.example.com"


def rows(name: str) -> list[list[str]]:
    """The rows of a file of recorded payloads, its heading left out."""
    return [line.split("\t") for line in (PAYLOADS / f"{name}.tsv").read_text("utf-8").splitlines()[1:]]


def twilio_sender(url: str = "http://127.0.0.1:9", channel: str = "sms", **more: Any) -> Sender:
    """A sender of the stand-in's account; keys in capitals of `more` are options."""
    options: dict[str, Any] = {"account_sid": ACCOUNT, "secret_env": TOKEN_ENV, "base_url": url}
    own = {key.lower(): more.pop(key) for key in list(more) if key.isupper()}
    options |= {"messaging_service_sid": SERVICE} if "from" not in own else {}
    return Sender(sender="main_texts", channel=channel, provider="twilio", options={**options, **own}, **more)


def open_twilio(
    sender: Sender, public_url: str | None = PUBLIC, environment: Mapping[str, str] | None = None
) -> Twilio:
    known = {TOKEN_ENV: TOKEN} if environment is None else environment
    return Twilio(Opening(CAPABILITIES[sender.channel], sender, Path("."), public_url, known))


def messages(name: str, count: int, body: str = "Hello", first: int = 0, **more: Any) -> list[Message]:
    return [
        Message(
            f"{name}{i:0{20 - len(name)}d}",
            "sms",
            f"+1512555{first + i:04d}",
            "Ada",
            "en",
            {"body": body},
            "camp",
            "wave",
            **more,
        )
        for i in range(count)
    ]


def signature(body: str, url: str, key: str = TOKEN, algorithm: str | None = None) -> str:
    form = Fields()
    for name, text in parse_qsl(body, keep_blank_values=True):
        form.setdefault(name, []).append(text)
    return str(RequestValidator(key).compute_signature(url, form, algorithm))
