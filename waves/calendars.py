"""Public holidays of a jurisdiction and the countries of a time zone, from the tables of `holidays` and `tzdata`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import date
from functools import cache, lru_cache
from importlib import resources
from importlib.metadata import version

import holidays

Jurisdiction = str
"""A country of ISO 3166 (`US`), or country and subdivision (`US-TX`)."""


@cache
def calendars() -> tuple[str, str]:
    """The releases of the tables: what was worked out by others may be wrong by now."""
    return version("holidays"), version("tzdata")


@cache
def known_jurisdictions() -> frozenset[Jurisdiction]:
    """Every country and subdivision that has a calendar of public holidays."""
    known = holidays.list_supported_countries(include_aliases=False)
    return frozenset(known) | {f"{country}-{part}" for country, parts in known.items() for part in parts}


def country_of(place: Jurisdiction) -> Jurisdiction:
    """`US` of `US-TX`."""
    return place.partition("-")[0]


def holidays_between(places: Sequence[Jurisdiction], first: date, last: date) -> Mapping[date, str] | None:
    """The public holidays of any of the places from first to last, both included, with their English names.

    Days off that stand for a holiday on a weekend count. None where a place has no calendar for those years.
    """
    found: dict[date, str] = {}
    for place in places:
        for year in range(first.year, last.year + 1):
            days = _calendar(place, year)
            if days is None:
                return None
            found |= {day: name for day, name in days if first <= day <= last and day not in found}
    return found


@lru_cache(maxsize=4096)
def _calendar(place: Jurisdiction, year: int) -> tuple[tuple[date, str], ...] | None:
    """A subdivision that the library does not tell apart has its country's calendar."""
    country, _, part = (place if place in known_jurisdictions() else country_of(place)).partition("-")
    if country not in known_jurisdictions():
        return None
    days = holidays.country_holidays(
        country, part or None, years=year, expand=False, observed=True, categories="public", language="en_US"
    )
    return tuple(sorted(days.items())) if days.start_year <= year <= days.end_year else None


def countries_of(zone: str) -> frozenset[Jurisdiction]:
    """The countries that keep this zone's time; empty for a name that means no place, such as UTC."""
    return _countries().get(zone, frozenset())


@cache
def _countries() -> Mapping[str, frozenset[Jurisdiction]]:
    found: dict[str, set[str]] = defaultdict(set)
    for table in ("zone1970.tab", "zone.tab"):
        for line in resources.files("tzdata").joinpath("zoneinfo", table).read_text(encoding="utf-8").splitlines():
            if line and not line.startswith("#"):
                codes, _, zone, *_ = line.split("\t")
                found[zone].update(codes.split(","))
    return {zone: frozenset(codes) for zone, codes in found.items()}
