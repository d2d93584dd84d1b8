"""Emergency bans: nobody who may be in a place is contacted there from one moment to another, whatever the hours."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

from pydantic import Field, model_validator

from waves.hours_set import EVERYWHERE, RowPlace, may_be_in
from waves.plan import Record, When


class Ban(Record):
    """One ban: the place, from when until when, what it stops, why, and who ordered it."""

    place: RowPlace
    since: When = Field(alias="from")
    until: When
    stops: Literal["calls", "messages", "both"] = "both"
    why: str = Field(min_length=1, max_length=500)
    source: str = Field(min_length=1, max_length=500)

    @model_validator(mode="after")
    def _ends_after_it_begins(self) -> Ban:
        if self.until.at <= self.since.at:
            raise ValueError(f"the ban ends ({self.until}) before it begins ({self.since})")
        return self

    @property
    def acts(self) -> tuple[str, str, str, str]:
        """All that decides who is contacted when; its reasons do not."""
        return self.place, self.since.at.isoformat(), self.until.at.isoformat(), self.stops

    def __str__(self) -> str:
        what = {"both": "calls and messages"}.get(self.stops, self.stops)
        return f"{what} banned in {self.place} from {self.since} until {self.until}: {self.why} ({self.source})"


class Bans(Record):
    """The bans of a home; a list with none in it lifts all."""

    bans: tuple[Ban, ...]


def binding_bans(bans: Iterable[Ban], messages: bool, places: Collection[str]) -> list[Ban]:
    """The bans that may bind a customer of these jurisdictions, for messages or else for calls."""
    kinds = ("both", "messages" if messages else "calls")
    return [ban for ban in bans if ban.stops in kinds and (ban.place == EVERYWHERE or may_be_in(ban.place, places))]
