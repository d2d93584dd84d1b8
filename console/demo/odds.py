"""What the demo's customers are made of, as config/demo/people.yaml states it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import model_validator

from config.sentences import read_record
from config.world import Share, Split
from waves.plan import Record


class ConsentOdds(Record):
    """How many said yes and no; the rest was never asked."""

    granted: Share
    denied: Share

    @model_validator(mode="after")
    def _at_most_all(self) -> ConsentOdds:
        if self.granted + self.denied > 1:
            raise ValueError("granted and denied are more than 1 together")
        return self


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
    consent: dict[Literal["sms", "email", "web_push", "call_list"], ConsentOdds]


def load_odds(path: Path) -> CustomerOdds:
    """The odds in this file; PlanError with every problem by file and line."""
    return read_record(CustomerOdds, path, {"languages.*": "0.5", "has": "{phone: 0.9, email: 0.9, web_push: 0.5}"})
