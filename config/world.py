"""The world a plan is rehearsed in: how likely customers are to answer, by channel, segment and hour of their day."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, model_validator

from config.schema import ChannelName
from waves.dispositions import EFFECTS, Disposition
from waves.plan import NAME, Capacity, Duration, Record, Wave

RIGHT_PARTY = "right_party"
DISPOSITIONS = {code.name.lower(): code for code in Disposition}
DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


def _percent(value: object) -> object:
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*%", str(value).strip())
    return float(match[1]) / 100 if match else value


def _adds_up(shares: dict[str, float]) -> dict[str, float]:
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-6):
        raise ValueError(f"the shares add up to {sum(shares.values()):.6g}; make them add up to 1")
    return shares


def _hours_of(hours: dict[str, float]) -> dict[str, float]:
    seen: set[int] = set()
    for span in hours:
        covered = span_of(span)
        if not covered or seen & covered:
            raise ValueError(f"{span!r} is no span of hours, or overlaps another; write 9 or 17-20, from 0 to 23")
        seen |= covered
    return hours


def span_of(span: str) -> set[int]:
    """The hours that `9` or `17-20` names, both ends among them; empty for anything else."""
    match = re.fullmatch(r"(\d{1,2})(?:-(\d{1,2}))?", span.strip())
    first, last = (int(match[1]), int(match[2] or match[1])) if match else (24, 24)
    return set(range(first, last + 1)) if first <= last < 24 else set()


Share = Annotated[float, BeforeValidator(_percent), Field(ge=0, le=1)]
Split = Annotated[dict[str, Share], Field(min_length=1), AfterValidator(_adds_up)]
Hours = Annotated[dict[str, Annotated[float, Field(ge=0, le=24)]], AfterValidator(_hours_of)]


@lru_cache(maxsize=256)
def _factors(hours: tuple[tuple[str, float], ...]) -> tuple[float, ...]:
    found = [1.0] * 24
    for span, factor in hours:
        for hour in span_of(span):
            found[hour] = factor
    return tuple(found)


def factors(hours: Mapping[str, float]) -> tuple[float, ...]:
    """What each of the 24 hours multiplies a share by; 1 where none is written."""
    return _factors(tuple(hours.items()))


class Segment(Record):
    """Customers who answer differently: by a rule over their columns, or by a file with one customer key a line."""

    where: str | None = Field(default=None, min_length=1)
    keys: str | None = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _one(self) -> Segment:
        if (self.where is None) == (self.keys is None):
            raise ValueError("write either `where: RULE` or `keys: FILE`")
        return self


class MessageOdds(Record):
    """What comes back of one message.

    `refused` at once, or else `bounced_hard` (a fact of the address, the same every time), or else `bounced_soft` or
    `silent`; the rest is delivered. Of the delivered `seen` see it; of those, some click, reply, unsubscribe, complain.
    """

    refused: Share = 0.0
    bounced_hard: Share = 0.0
    bounced_soft: Share = 0.0
    silent: Share = 0.0
    seen: Share = 1.0
    seen_as: Literal["displayed", "read"] | None = None
    clicked: Share = 0.0
    replied: Share = 0.0
    unsubscribed: Share = 0.0
    complained: Share = 0.0
    hours: Hours = Field(default_factory=dict)

    @model_validator(mode="after")
    def _at_most_all(self) -> MessageOdds:
        if self.bounced_soft + self.silent > 1:
            raise ValueError("bounced_soft and silent add up to more than 1")
        if self.refused + self.bounced_hard > 1:
            raise ValueError("refused and bounced_hard add up to more than 1")
        _not_above_one("seen", self.seen, self.hours)
        return self


def _not_above_one(what: str, share: float, hours: Mapping[str, float]) -> None:
    for span, factor in hours.items():
        if share * factor > 1 + 1e-9:
            raise ValueError(f"{what} is {share:g} and hour {span} makes it {share * factor:.3g}; a share is at most 1")


class MessageChange(Record):
    """What one segment does differently; what is not written stays."""

    refused: Share | None = None
    bounced_hard: Share | None = None
    bounced_soft: Share | None = None
    silent: Share | None = None
    seen: Share | None = None
    clicked: Share | None = None
    replied: Share | None = None
    unsubscribed: Share | None = None
    complained: Share | None = None
    hours: Hours | None = None


class ChannelOdds(MessageOdds):
    """The odds of one message channel, and of the segments that differ."""

    segments: dict[str, MessageChange] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _segments_fit(self) -> ChannelOdds:
        _changed(MessageOdds, self)
        return self


class CallOdds(Record):
    """What comes of one call: facts of the number, else who answers, and what the right party says."""

    invalid_number: Share = 0.0
    wrong_number: Share = 0.0
    answers: Split
    attempts: dict[Annotated[int, Field(ge=2, le=99)], Split] = Field(default_factory=dict)
    """`answers` from this attempt on, the customer's second call being 2."""
    says: Split
    hours: Hours = Field(default_factory=dict)
    """What the hour multiplies the share of `right_party` by; the other answers shrink or grow alike."""
    ring_s: float = Field(default=18.0, ge=0, le=600)
    talk_s: float = Field(default=120.0, ge=0, le=7200)
    wrap_s: float = Field(default=35.0, ge=0, le=3600)

    @model_validator(mode="after")
    def _real_words(self) -> CallOdds:
        if self.invalid_number + self.wrong_number > 1:
            raise ValueError("invalid_number and wrong_number add up to more than 1")
        for split in (self.answers, *self.attempts.values()):
            for word in split:
                if word != RIGHT_PARTY and (word not in DISPOSITIONS or EFFECTS[DISPOSITIONS[word]].right_party):
                    raise ValueError(f"answers: {word} is neither {RIGHT_PARTY} nor a disposition short of it")
            _not_above_one(RIGHT_PARTY, split.get(RIGHT_PARTY, 0.0), self.hours)
        for word in self.says:
            if word not in DISPOSITIONS or not EFFECTS[DISPOSITIONS[word]].right_party:
                raise ValueError(f"says: {word} is no disposition of a right party")
        return self


class CallChange(Record):
    """What one segment does differently on the phone."""

    invalid_number: Share | None = None
    wrong_number: Share | None = None
    answers: Split | None = None
    says: Split | None = None
    hours: Hours | None = None


class Calls(CallOdds):
    """The odds of calls, and of the segments that differ."""

    segments: dict[str, CallChange] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _segments_fit(self) -> Calls:
        _changed(CallOdds, self)
        return self


class ValueOdds(Record):
    """What one conversion is worth: a log-normal amount."""

    median: float = Field(gt=0)
    spread: float = Field(ge=0, le=3)
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class ConversionOdds(Record):
    """Who meets the goal by itself: of the engaged (clicked or replied), of calls that end in a sale, of all others.

    A sale on the phone meets a goal that names it anyway; `after_sale` is for goals that wait for an event.
    """

    engaged: Share = 0.0
    after_sale: Share = 0.0
    unprompted: Share = 0.0
    """Of every member, held out or not, within the goal's window."""
    value: ValueOdds | None = None


class ConversionChange(Record):
    """What one segment does differently."""

    engaged: Share | None = None
    after_sale: Share | None = None
    unprompted: Share | None = None


class Conversions(ConversionOdds):
    """The odds of conversions, and of the segments that differ."""

    segments: dict[str, ConversionChange] = Field(default_factory=dict)


class Agents(Record):
    """When the call teams work; how many they are says the plan's `capacity`, or `capacity` here where it says none."""

    starts: int = Field(default=9, ge=0, le=23)
    """The hour a shift begins, in the zone of the plan's `starts`."""
    days: tuple[Day, ...] = Field(default=DAYS[:5], min_length=1)
    capacity: Capacity | None = None


class Delays(Record):
    """Half of the reports come within these times, the others later: each delay is exponential with this median."""

    delivered: Duration = Field(default="20s", validate_default=True)
    seen: Duration = Field(default="90m", validate_default=True)
    answered: Duration = Field(default="3m", validate_default=True)
    converted: Duration = Field(default="2h", validate_default=True)


class World(Record):
    """The whole of a world file."""

    seed: int = 1
    segments: dict[Annotated[str, Field(pattern=NAME)], Segment] = Field(default_factory=dict)
    channels: dict[ChannelName, ChannelOdds] = Field(default_factory=dict)
    calls: Calls | None = None
    conversions: Conversions = Conversions()
    agents: Agents = Agents()
    delays: Delays = Delays()

    @model_validator(mode="after")
    def _says_something(self) -> World:
        if not self.channels and self.calls is None:
            raise ValueError("the world is empty; write `channels:` (or `calls:`) with what comes back of a message")
        return self


def capacity_of(wave: Wave, world: World) -> Capacity:
    """What the teams can do in a shift: as the plan says, else as the world does; LookupError when neither does."""
    capacity = wave.capacity or world.agents.capacity
    if capacity is None:
        raise LookupError(f"neither the plan's wave {wave.wave} nor the world says how many agents call")
    return capacity


def changed_by(odds: Any, names: tuple[str, ...]) -> Any:
    """The odds of a customer who is in these segments: the first of them that the odds speak of changes them."""
    change = next((odds.segments[name] for name in names if name in odds.segments), None)
    if change is None:
        return odds
    return odds.model_copy(update={key: value for key, value in change if value is not None})


def _changed(kind: type[BaseModel], odds: Any) -> None:
    for name in odds.segments:
        shares = changed_by(odds, (name,)).model_dump(exclude={"segments"})
        try:
            kind.model_validate(shares)
        except ValidationError as error:
            said = error.errors()[0]["msg"].removeprefix("Value error, ")
            raise ValueError(f"segment {name}: {said}") from None
