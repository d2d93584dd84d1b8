"""A sender: what carries a channel's messages, and how much of it its provider allows."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, ValidationError, WithJsonSchema

from waves.errors import SendRefused
from waves.plan import NAME, Duration, Record, Share

SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SLOWEST, FASTEST = 1 / 86400, 100_000.0
"""What a rate may be, in messages a second; anything beyond is a slip of the pen."""
REQUESTS_EACH = 16
"""How many requests one batch has in the air at most; more of a sender's concurrency goes to further batches."""


def parse_rate(value: object) -> float:
    """`80/s`, `3000/m` or `5000/h` as messages a second; a bare number is refused because its unit would be a guess."""
    if isinstance(value, float) and SLOWEST <= value <= FASTEST:
        return value
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*/\s*([smhd])", str(value).strip())
    rate = float(match[1]) / SECONDS[match[2]] if match else 0.0
    if not SLOWEST <= rate <= FASTEST:
        raise ValueError(f"{value!r} is no rate; write one from 1/d to 100000/s, such as 80/s, 3000/m or 5000/h")
    return rate


WRITTEN = {"type": "string", "pattern": r"^\s*(\d+(\.\d+)?)\s*/\s*[smhd]\s*$"}
Rate = Annotated[float, BeforeValidator(parse_rate), WithJsonSchema(WRITTEN)]


class WarmUp(Record):
    """A new sender's daily cap: `first` messages on its first day (UTC), `grows` times as many each day after."""

    first: int = Field(ge=1, le=1_000_000_000)
    grows: float = Field(gt=1, le=10)


class Breaker(Record):
    """Pauses a sender by itself when more than `failures` of its last `of` attempts failed by its own fault."""

    failures: Share = 0.5
    of: int = Field(default=100, ge=10, le=100_000)
    pause: Duration = timedelta(minutes=10)


class Options(Record):
    """What a provider needs to know of a sender: the key named like it in config/senders.yaml."""

    @classmethod
    def of(cls, sender: Sender) -> Self:
        """The options of this sender; SendRefused, which shows nothing of them, when they are not complete."""
        try:
            return cls.model_validate(sender.options)
        except ValidationError as error:
            wrong = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
            raise SendRefused(f"sender {sender.sender} cannot use provider {sender.provider}: {wrong}") from None

    def sender_defaults(self, channel: str) -> Mapping[str, object]:
        """Keys of the sender, such as `rate` and `per`, that hold where its file names no `rate`."""
        return {}


class Sender(Record):
    """One way out for one channel, as `config/senders.yaml` names it."""

    sender: str = Field(pattern=NAME)
    channel: str
    provider: str
    rate: Rate | None = None
    per: Literal["message", "unit"] = "message"
    """What the rate counts: messages, or the SMS segments they are billed by."""
    concurrency: int = Field(default=REQUESTS_EACH, ge=1, le=10_000)
    """Requests in the air at once, over all workers."""
    daily_cap: int | None = Field(default=None, ge=1, le=1_000_000_000)
    """Messages a day (UTC), over all workers."""
    warm_up: WarmUp | None = None
    breaker: Breaker = Breaker()
    timeout: Duration = timedelta(seconds=10)
    """How long one request may take."""
    options: dict[str, Any] = Field(default_factory=dict)
    """What the provider itself needs to know, such as its address; the provider checks it."""

    @property
    def parallel(self) -> int:
        """Requests that one batch may have in the air."""
        return min(self.concurrency, REQUESTS_EACH)

    @property
    def slots(self) -> int | None:
        """Batches that may be in hand at once over all workers; None when that is nobody's concern."""
        return None if "concurrency" not in self.model_fields_set else max(1, self.concurrency // REQUESTS_EACH)

    @property
    def is_limited(self) -> bool:
        """Whether what it sends is counted: it has a rate or a cap."""
        return bool(self.rate or self.daily_cap or self.warm_up)

    @property
    def is_watched(self) -> bool:
        """Whether its room is asked for before each chunk: it has a limit, or a provider that may ask us to wait."""
        return self.provider != "outbox" or self.is_limited

    def cap_on(self, day: int) -> int | None:
        """Messages allowed on the `day`th day (from 0) since the first one; None when there is no cap."""
        warm = self.warm_up
        if warm is None:
            return self.daily_cap
        grown = warm.first * warm.grows ** min(day, 60)
        return int(min(grown, self.daily_cap)) if self.daily_cap else int(min(grown, 1e12))


def is_loopback(host: str) -> bool:
    """Whether a host is this machine by its own name or number."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
