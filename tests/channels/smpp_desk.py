"""What the tests of provider `smpp` share: a sender of the tests' SMSC, messages, receipts in words."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from channels.registry import CAPABILITIES
from channels.smpp import Smpp
from tests.builders import phone
from tests.standins.smsc import PASSWORD, PASSWORD_ENV, Smsc, smpp_sender
from waves.message import Message, Receipt

ENVIRONMENT = {PASSWORD_ENV: PASSWORD}
SOON = {"timeout": timedelta(seconds=0.5)}
PATIENT_S = 60.0
"""A slow machine begins late."""
Open = Callable[..., Smpp]


@contextmanager
def opening_at(centre: Smsc) -> Iterator[Open]:
    """Opens senders of this SMSC, and closes them."""
    made: list[Smpp] = []

    def open_one(options: dict[str, Any] | None = None, **more: Any) -> Smpp:
        made.append(Smpp(CAPABILITIES["sms"], smpp_sender(centre.port, options=options, **more), ENVIRONMENT))
        return made[-1]

    yield open_one
    for one in made:
        one.close()


def message(number: int = 0, text: str = "Hello", **more: Any) -> Message:
    token = f"token{number}"
    fields = {"body": f"{text} {token}"}
    return Message(token, "sms", more.pop("to", phone(number)), None, None, fields, "c", "w", **more)


def results(receipts: list[Receipt]) -> list[str]:
    return [f"{r.result} {r.reason.name.lower() if r.reason else ''}".strip() for r in receipts]
