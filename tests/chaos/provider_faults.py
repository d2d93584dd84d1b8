"""The providers whose faults are played through the real engine: how each is started, reached, and what it meets.

A provider joins with an entry in PROVIDERS. Twelve touches go out one by one; the third request meets the fault.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Protocol

from tests.channels.twilio_desk import twilio_sender
from tests.standins.twilio import TOKEN, TOKEN_ENV, Account, start_twilio
from waves.senders import Breaker, Sender

PEOPLE, THIRD = 12, {"requests": [3]}
Said = Mapping[str, int]
Fault = tuple[dict[str, Any], Said]
"""What the stand-in is told, and the touches' `state reason` counted right after."""


class Running(Protocol):
    """A stand-in, as the matrix holds it."""

    @property
    def url(self) -> str: ...

    def fail(self, *rules: dict[str, Any]) -> None:
        """From now on these faults; none, to be well again."""

    def accepted(self) -> Counter[str]:
        """How often each address was taken for."""

    def check(self) -> object:
        """Whether requests and answers are what the provider's own description says, where it has one."""

    def stop(self) -> None: ...


@dataclass(frozen=True)
class Provider:
    """One line of the matrix's table."""

    channel: str
    start: Callable[[Callable[[], datetime]], Running]
    """Starts the stand-in; it asks the argument what time it is."""
    sender: Callable[..., Sender]
    """A sender of this address, one request at a time; more keys are the sender's."""
    environment: Mapping[str, str]
    faults: Mapping[str, Fault]


class RunningTwilio:
    """The stand-in of Twilio."""

    def __init__(self, clock: Callable[[], datetime]) -> None:
        self._standin, self._account = start_twilio(Account(clock=clock))
        self.url, self.fail, self.check = self._standin.url, self._standin.fail, self._standin.check
        self.accepted, self.stop = self._account.accepted, self._standin.stop


def calm_twilio(url: str, **more: Any) -> Sender:
    calm = {"concurrency": 1, "timeout": timedelta(seconds=20), "breaker": Breaker(of=100_000)}
    return twilio_sender(url, **{**calm, **more})


def _say(status: int, code: int | None = None, accepts: bool = False, **headers: str) -> dict[str, Any]:
    body = "" if code is None else {"code": code, "message": "x", "status": status}
    return {"fault": "accept_then_say" if accepts else "say", "status": status, "body": body, "headers": headers}


DOUBT: Said = {"sent": 11, "in_doubt provider": 1}
WAITS: Said = {"sent": 2, "queued rate_limited": 8, "queued": 2}
TWILIO: dict[str, Fault] = {
    "well": ({"fault": "none"}, {"sent": 12}),
    "reset, not taken": ({"fault": "reset"}, DOUBT),
    "reset, taken": ({"fault": "accept_then_reset"}, DOUBT),
    "silence, not taken": ({"fault": "hang"}, DOUBT),
    "silence, taken": ({"fault": "accept_then_hang"}, DOUBT),
    "half an answer": ({"fault": "half"}, DOUBT),
    "201 that is no JSON": ({"fault": "accept_then_say", "status": 201, "body": "<html>"}, DOUBT),
    "500": (_say(500, 20500), DOUBT),
    "503, taken": (_say(503, 20503, accepts=True, **{"Retry-After": "1"}), DOUBT),
    "a redirect": (_say(302, **{"Location": "/elsewhere"}), DOUBT),
    "dies, taken": ({"fault": "accept_then_die"}, {"sent": 2, "in_doubt provider": 1, "queued provider": 9}),
    "429": (_say(429, 20429, **{"Retry-After": "7"}), WAITS),
    "the queue is full": (_say(400, 21611), {"sent": 2, "queued queue_full": 8, "queued": 2}),
    "a bad number": (_say(400, 21211), {"sent": 11, "refused invalid_address": 1}),
    "said stop there": (_say(400, 21610), {"sent": 11, "refused opted_out": 1}),
    "our mistake": (_say(400, 21619), {"sent": 11, "refused config": 1}),
    "an unregistered number": (_say(400, 30034), {"sent": 2, "refused sender": 1, "queued provider": 7, "queued": 2}),
    "no such account": (_say(401, 20003), {"sent": 2, "queued account": 1, "queued provider": 7, "queued": 2}),
    "all resets": (
        {"fault": "accept_then_reset", "requests": [], "from": 1},
        {"in_doubt provider": 5, "queued provider": 7},
    ),
}

PROVIDERS: dict[str, Provider] = {
    "twilio": Provider("sms", RunningTwilio, calm_twilio, {TOKEN_ENV: TOKEN}, TWILIO),
}
