"""The odds of the demo's simulated world, as config/demo/world.yaml states them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, ValidationError, model_validator
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from waves.dispositions import EFFECTS, Disposition
from waves.errors import InputError
from waves.plan import Record

Share = Annotated[float, Field(ge=0, le=1)]
DISPOSITIONS = {code.name.lower(): code for code in Disposition}


def _adds_up(shares: dict[str, float]) -> dict[str, float]:
    if not math.isclose(sum(shares.values()), 1, abs_tol=1e-9):
        raise ValueError(f"the shares add up to {sum(shares.values()):g}; they must to 1")
    return shares


Split = Annotated[dict[str, Share], Field(min_length=1), AfterValidator(_adds_up)]


class ConsentOdds(Record):
    """How many said yes and no; the rest was never asked."""

    granted: Share
    denied: Share

    @model_validator(mode="after")
    def _at_most_all(self) -> ConsentOdds:
        if self.granted + self.denied > 1:
            raise ValueError("granted and denied are more than 1 together")
        return self


class ValueOdds(Record):
    """A log-normal amount."""

    median: float = Field(gt=0)
    spread: float = Field(ge=0, le=3)


class HasOdds(Record):
    """How many customers have each kind of address."""

    phone: Share
    email: Share
    web_push: Share


class CustomerOdds(Record):
    """What the customers are drawn from."""

    has: HasOdds
    household: Share
    languages: Split
    value: ValueOdds
    consent: dict[Literal["sms", "email", "web_push", "call_list"], ConsentOdds]


class ClickOdds(Record):
    """Clicks of those who see it, by whether the customer would say yes."""

    would: Share
    would_not: Share


class MessageOdds(Record):
    """What comes back of one message."""

    bounced_hard: Share
    bounced_soft: Share
    silent: Share
    seen: Share
    seen_as: Literal["displayed", "read"] | None = None
    clicked: ClickOdds
    replied: Share = 0.0
    unsubscribed: Share = 0.0
    complained: Share = 0.0

    @model_validator(mode="after")
    def _at_most_all(self) -> MessageOdds:
        if self.bounced_soft + self.silent > 1:
            raise ValueError("bounced_soft and silent are more than 1 together")
        return self


class CallOdds(Record):
    """What comes of one call."""

    invalid_number: Share
    wrong_number: Share
    attempt: Split
    would_not: Split

    @model_validator(mode="after")
    def _real_words(self) -> CallOdds:
        for word in self.attempt:
            if word != "right_party" and (word not in DISPOSITIONS or EFFECTS[DISPOSITIONS[word]].right_party):
                raise ValueError(f"attempt: {word} is neither right_party nor a disposition short of it")
        for word in self.would_not:
            if word not in DISPOSITIONS or not EFFECTS[DISPOSITIONS[word]].right_party or word == "sale":
                raise ValueError(f"would_not: {word} is no disposition of a right party that does not buy")
        return self


class ConversionOdds(Record):
    """Conversions of those whom nobody reached."""

    unprompted: Share
    currency: str = Field(pattern=r"^[A-Z]{3}$")


class Odds(Record):
    """The whole of world.yaml."""

    seed: int
    customers: CustomerOdds
    messages: dict[Literal["web_push", "sms", "email"], MessageOdds]
    calls: CallOdds
    conversions: ConversionOdds


def load_odds(path: Path) -> Odds:
    """The odds in this file; InputError with every problem."""
    try:
        content = YAML(typ="safe", pure=True).load(path.read_text("utf-8"))
        return Odds.model_validate(content)
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise InputError(f"{path}: cannot be read: {error}") from error
    except ValidationError as error:
        flaws = (f"{path}: {'.'.join(map(str, flaw['loc'])) or 'the file'}: {flaw['msg']}" for flaw in error.errors())
        raise InputError("\n".join(flaws)) from None
