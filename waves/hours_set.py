"""The rules of hours as their author wrote them: rows for places, who reviewed each, and the caps that the law sets."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from functools import lru_cache
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator

from waves.calendars import countries_of, country_of, known_jurisdictions
from waves.day_hours import Days
from waves.plan import Record

EVERYWHERE = "everywhere"


def _known_place(place: str) -> str:
    if place in known_jurisdictions():
        return place
    country = country_of(place)
    instead = ", ".join(sorted(one for one in known_jurisdictions() if country_of(one) == country))
    said = f"there is no jurisdiction {place} with a calendar of holidays"
    raise ValueError(f"{said}; write {f'one of {instead}' if instead else 'such as US, US-TX or GB'}")


def _row_place(place: str) -> str:
    if place == EVERYWHERE:
        return place
    if country_of(place) not in known_jurisdictions():
        raise ValueError(f"there is no jurisdiction {place}; write {EVERYWHERE}, or such as US, US-TX or GB")
    return _known_place(place)


def _parse_review(value: object) -> object:
    if isinstance(value, Mapping | Review | None):
        return value
    if value in ("no", False):
        return None
    raise ValueError("write {by: NAME, on: DATE}, or no as long as nobody has read every line of this row")


def _somebody(name: str) -> str:
    if not name.strip():
        raise ValueError("nobody is named; write the name of the person who read every line")
    return name


Place = Annotated[str, AfterValidator(_known_place)]
RowPlace = Annotated[str, AfterValidator(_row_place)]


class Review(Record):
    """Who read every line of a row, and when."""

    by: Annotated[str, AfterValidator(_somebody)] = Field(min_length=1, max_length=200)
    on: date


Reviewed = Annotated[Review | None, BeforeValidator(_parse_review)]
"""The review of a row; `no` as long as there was none."""


class Cap(Record):
    """At most `n` calls of one number (`phone`) or one customer (`person`) in any window of this length."""

    n: int = Field(ge=1, le=1000)
    per_hours: int | None = Field(default=None, ge=1, le=9000)
    per_days: int | None = Field(default=None, ge=1, le=3660)
    scope: str = Field(default="", max_length=200)
    key: Literal["phone", "person"]

    @model_validator(mode="after")
    def _one_length(self) -> Cap:
        if (self.per_hours is None) == (self.per_days is None):
            raise ValueError("a cap has one length; write per_hours: 24 or per_days: 30")
        return self

    @property
    def within(self) -> timedelta:
        """The length of the rolling window."""
        return timedelta(hours=self.per_hours or 0, days=self.per_days or 0)

    def __str__(self) -> str:
        length = f"{self.per_hours} hours" if self.per_hours else f"{self.per_days} days"
        return f"{self.n} in {length} to one {'number' if self.key == 'phone' else 'person'}"


class HoursRow(Record):
    """The hours of one jurisdiction, or of everywhere; one that nobody reviewed allows nothing."""

    place: RowPlace = Field(alias="for")
    messages: Days
    calls: Days
    holidays: Literal["local", "none"] | tuple[Place, ...] = "local"
    cap: Cap | None = None
    refusal_rest_days: int | None = Field(default=None, ge=1, le=3660)
    notes: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = ()
    source: str = Field(min_length=1, max_length=500)
    as_of: date
    confidence: Literal["high", "medium", "low"] | None = None
    reviewed: Reviewed


class HoursSet(Record):
    """A named set of rows: the one for everywhere binds every customer, and so does each of their jurisdictions'.

    With `elsewhere: closed` nobody is contacted who may be in a country without a row, and who is in no known part of a
    country is bound by the rows of all its parts.
    """

    title: str = Field(min_length=1, max_length=200)
    elsewhere: Literal["open", "closed"] = "open"
    rows: tuple[HoursRow, ...]

    @model_validator(mode="after")
    def _somewhere_to_fall_back(self) -> HoursSet:
        if all(row.place != EVERYWHERE for row in self.rows):
            raise ValueError(f"no row of this set is `for: {EVERYWHERE}`; write one, it binds every customer")
        return self

    def holds(self, row: HoursRow) -> bool:
        """Whether a row of the set says when people may be contacted; one that does not allows nothing."""
        return row.reviewed is not None


class AcceptingSet(HoursSet):
    """A set as a plan takes it: the unreviewed rows of these places bind by what they say, on the plan's account."""

    accepted: tuple[str, ...]

    def holds(self, row: HoursRow) -> bool:
        """Whether a row was reviewed, or is accepted as it is."""
        return row.reviewed is not None or row.place in self.accepted


def accepting(rules: HoursSet, places: Collection[str]) -> HoursSet:
    """The set with its unreviewed rows for these places accepted; the set itself where there is no such row."""
    found = tuple(sorted(row.place for row in rules.rows if row.reviewed is None and row.place in places))
    return AcceptingSet.model_construct(**dict(rules), accepted=found) if found else rules


def accepted_rows(rules: HoursSet) -> list[HoursRow]:
    """The rows that nobody reviewed and that bind all the same."""
    return [row for row in rules.rows if row.reviewed is None and rules.holds(row)]


def rules_id(rules: HoursSet) -> int:
    """The first 60 bits of the SHA-256 of what the set says; texts that say the same have the same."""
    canonical = json.dumps(rules.model_dump(mode="json", by_alias=True), sort_keys=True, ensure_ascii=False)
    return int(hashlib.sha256(canonical.encode()).hexdigest()[:15], 16)


def candidates(zones: Sequence[str], given: Sequence[str]) -> tuple[str, ...]:
    """Every jurisdiction the customer may be in: those given, their countries, and those of zones in none of these."""
    return _candidates(tuple(zones), tuple(given))


@lru_cache(maxsize=65_536)
def _candidates(zones: tuple[str, ...], given: tuple[str, ...]) -> tuple[str, ...]:
    countries = {country_of(place) for place in given}
    strays = [found for zone in zones if not (found := countries_of(zone)) & countries]
    return tuple(sorted(countries.union(given, *strays)))


def may_be_in(place: str, places: Collection[str]) -> bool:
    """Whether somebody of these candidates may be in a place: in a part of a country too when no part is known."""
    if place in places or not places:
        return True
    country = country_of(place)
    return place != country and country in places and not any(each.startswith(f"{country}-") for each in places)


def binding(rules: HoursSet, places: Collection[str]) -> list[HoursRow]:
    """The rows that bind a customer of these jurisdictions: all must allow a contact."""
    strict = rules.elsewhere == "closed"
    return [
        row
        for row in rules.rows
        if row.place == EVERYWHERE or row.place in places or (strict and may_be_in(row.place, places))
    ]


def without_a_row(rules: HoursSet, places: Collection[str]) -> list[str]:
    """The countries that the customer may be in and of which a set that is closed elsewhere says nothing."""
    if rules.elsewhere == "open":
        return []
    told = {country_of(row.place) for row in rules.rows}
    return sorted({country_of(place) for place in places} - told)
