"""What passes between the engine and a channel: messages out, receipts back, events later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType
from typing import Any, Literal, NamedTuple, Protocol, Self, runtime_checkable

from waves.errors import SendInDoubt
from waves.outcomes import Action, Reason, word

BEGIN_WITHIN_S = 1.5
"""A claimed message that was not begun within this many seconds goes back: whoever said stop meanwhile is heard."""

CHANNEL_CODES: dict[str, int] = {
    "web_push": 1,
    "sms": 2,
    "email": 3,
    "call_list": 4,
    "visit": 5,
    "inbox": 6,
    "fax": 7,
    "im": 8,
    "whatsapp": 9,
}
"""Every channel word and the number the ledger stores; a channel's bit in an enrolment's mask is `1 << code`."""

CHANNEL_NAMES: dict[int, str] = {code: name for name, code in CHANNEL_CODES.items()}


class Consent(IntEnum):
    """A customer's standing answer for one address; only a granted one lets a message out."""

    UNKNOWN = 0
    GRANTED = 1
    DENIED = 2


class AddressState(IntEnum):
    """What is known of an address; dead absorbs, replaced means a later import names another one."""

    OK = 0
    SOFT = 1
    REPLACED = 2
    DEAD = 3


@dataclass(frozen=True, slots=True)
class Cap:
    """A law of a channel: at most so many contacts of one customer in any window of this length; `source` is whose."""

    contacts: int
    within: timedelta
    source: str


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a channel can carry; `check` reads it so that nothing is found out at send time."""

    channel: str
    kind: Literal["message", "call"]
    parts: tuple[str, ...]
    """Header fields a template of this channel may set, such as Subject; `body` is always there."""
    required_parts: tuple[str, ...] = ()
    address_kind: Literal["phone", "email", "push", "text"] = "text"
    caps: tuple[Cap, ...] = ()
    """What a plan's own limits may not be looser than."""

    def lacks_a_part(self, fields: Mapping[str, str]) -> bool:
        """Whether something that every message of the channel has came out empty."""
        return any(not fields.get(part, "").strip() for part in (*self.required_parts, "body"))


@dataclass(frozen=True, slots=True)
class Message:
    """One rendered message to one address."""

    token: str
    channel: str
    address: str
    name: str | None
    language: str | None
    fields: Mapping[str, str]
    """Template parts by lower-case name, `body` among them."""
    campaign: str
    wave: str
    variant: int = 0
    until: datetime | None = None
    """When its wave closes: what was not delivered by then is of no use."""
    unsubscribe_url: str | None = None
    """The page where this person unsubscribes; None where no public address is configured."""
    owner: str | None = None
    """The customer's account manager."""
    branch: str | None = None
    hours_end: datetime | None = None
    """When the permitted hours that its reader is in end; known where its provider keeps messages for hours."""

    @property
    def ends(self) -> datetime | None:
        """When its wave closes or its reader's hours end: what could not be delivered by then reaches nobody."""
        return min((end for end in (self.until, self.hours_end) if end is not None), default=None)


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the provider said of one message, at once."""

    token: str
    result: Literal["accepted", "refused", "not_sent", "in_doubt"]
    provider_ref: str | None = None
    reason: Reason | None = None
    action: Action = Action.OK
    retry_after_s: float | None = None
    refs: tuple[str, ...] = ()
    """The references that the provider's reports will name it by, where they do not name our token."""
    of_address: bool = False
    """Whether it speaks of the server behind this address alone: the sender's other messages need not wait for it."""

    def __str__(self) -> str:
        return f"{self.result}: {word(self.reason)}" if self.reason else self.result


NOTHING: Mapping[str, object] = MappingProxyType({})


class Event(NamedTuple):
    """One report about one touch; `outcome` is an Outcome's or a Side's number.

    A tuple, because providers send them by the ten thousand and it is made in a third of a frozen record's time.
    """

    token: str
    outcome: int
    at: datetime
    provider: str
    provider_event_id: str
    reason: Reason | None = None
    action: Action | None = None
    raw: Mapping[str, object] = NOTHING
    ref: str | None = None
    """The provider's own reference of the message, where its report has no token of ours (then `token` is empty)."""

    def as_json(self) -> dict[str, object]:
        """What JSON can hold of it; `of_json` makes it again."""
        return {
            "token": self.token,
            "outcome": self.outcome,
            "at": self.at.astimezone(UTC).isoformat(),
            "provider": self.provider,
            "id": self.provider_event_id,
            "reason": self.reason,
            "action": self.action,
            "raw": dict(self.raw),
            "ref": self.ref,
        }

    @classmethod
    def of_json(cls, said: Mapping[str, Any]) -> Self:
        """The report that `as_json` gave."""
        return cls(
            said["token"],
            said["outcome"],
            datetime.fromisoformat(said["at"]),
            said["provider"],
            said["id"],
            None if said["reason"] is None else Reason(said["reason"]),
            None if said["action"] is None else Action(said["action"]),
            said["raw"],
            said.get("ref"),
        )


@dataclass(frozen=True, slots=True)
class Inbound:
    """What a person wrote to us, on whatever channel; which touch it answers is found by the address."""

    channel: str
    address: str
    """The person's, as the ledger spells it (E.164, an e-mail address)."""
    text: str
    at: datetime
    provider: str
    """The sender it came by."""
    provider_event_id: str
    keyword: Literal["stop", "start", "help"] | None = None
    """What the provider itself took it for, where it says so."""
    raw: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Conversion:
    """One conversion told over HTTP, of a customer named by key or by the token of a message; one of them is None."""

    customer: str | None
    token: str | None
    goal: str
    at: datetime
    value: Decimal | None
    currency: str | None
    product: str | None
    reversed_at: datetime | None
    provider: str
    """Its source: the name of the key it came with."""
    provider_event_id: str
    """The source's own id of it."""


@dataclass(frozen=True, slots=True)
class PushChange:
    """What a browser said of its push subscription; which one is meant is told by its endpoint."""

    act: Literal["subscribe", "visit", "renew", "unsubscribe"]
    """A visit says again whose browser it is; the person was asked nothing."""
    endpoint: str
    """That of the subscription; in a renewal the one it had before."""
    at: datetime
    value: str | None = None
    """The subscription that holds from now on, as the ledger spells it; None when it ends."""
    customer: int | None = None
    """Whose it is, by a token that we signed; a renewal and an end say so by the endpoint."""
    provider: str = "browser"
    provider_event_id: str = ""


Came = Event | Inbound | Conversion | PushChange
"""What a provider or a page of ours can tell us."""


class Channel(Protocol):
    """A provider for one channel."""

    provider: str
    capabilities: Capabilities
    chunk: int
    """The most messages that one call of `send` should be given: what it can begin in about a second."""

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """Hand a chunk over; one receipt per message, in order. An exception means that all of it is in doubt.

        What was not begun `within_s` seconds after the call is not sent any more: its receipt is `not_sent`.
        """
        ...

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        """What the provider has of these tokens, `accepted` or `refused`; those it does not know are left out.

        None: it cannot be asked. SendInDoubt when it does not answer now, AnsweredInPart when it does for some alone.
        """
        ...


class AnsweredInPart(SendInDoubt):
    """A provider that was asked about several messages did not answer for all: `found` is what it has all the same."""

    def __init__(self, why: str, found: Mapping[str, Receipt]) -> None:
        super().__init__(why)
        self.found = found


@dataclass(frozen=True, slots=True)
class Doubtful:
    """A message in doubt, for a provider that is asked by address: it has no use for our tokens."""

    token: str
    address: str
    begun: datetime
    """When it was claimed: the request began within BEGIN_WITHIN_S of that, or never."""
    known_refs: frozenset[str] = frozenset()
    """References of other messages to that address: those are accounted for."""
    alone: bool = True
    """Whether no other message to that address is in doubt, or being sent."""


@runtime_checkable
class FindsByAddress(Protocol):
    """A provider that is asked about messages in doubt by whom they went to, instead of `find`."""

    def find_messages(self, doubtful: Sequence[Doubtful]) -> Mapping[str, Receipt] | None:
        """What the provider certainly has of them, `accepted` or `refused` by token; the others are left out.

        None: it cannot be asked. SendInDoubt and AnsweredInPart as in `find`.
        """
        ...


@dataclass(frozen=True, slots=True)
class Stop:
    """An address on a provider's list of those it does not send to; `outcome` says why, as an Event's does."""

    address: str
    outcome: int
    at: datetime


@dataclass(frozen=True, slots=True)
class StopPage:
    """A part of such a list, and whether another page follows."""

    stops: Sequence[Stop]
    more: bool
    strangers: bool = True
    """Whether an address that nobody has is worth keeping."""


@runtime_checkable
class KeepsStops(Protocol):
    """A provider with suppression lists of its own, which upkeep reads and tells of ours."""

    stop_lists: tuple[str, ...]
    """Their names, each read on its own."""

    def stops(self, listed: str, after: datetime | None, until: datetime, page: int) -> StopPage:
        """Page 0, 1, ... of what came onto the list from `after` (None: ever) to `until`.

        Pages of a list do not change between the calls. SendInDoubt when the provider does not answer now.
        """
        ...

    def add_stops(self, addresses: Sequence[str]) -> bool:
        """Tell the provider that these want nothing any more, again is harmless; False when it is not to be told.

        SendInDoubt when the provider does not answer now.
        """
        ...


@runtime_checkable
class Reachable(Protocol):
    """A provider over the network, which `doctor` can try without sending anything."""

    def reachable(self, timeout_s: float = 5.0) -> str | None:
        """Why no connection to the provider comes about; None when one does."""
        ...
