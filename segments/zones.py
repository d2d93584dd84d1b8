"""Where a customer may be: the candidate time zones and jurisdictions that the legal hours are looked up by."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import zipcodes

MAX_PHONE_ZONES = 3
"""A number with more zones (toll-free, many mobiles) says nothing of where its owner is."""
ZIP = re.compile(r"([0-9]{5})(?:-?[0-9]{4})?")
STATE = re.compile(r"[A-Z0-9]{1,3}")
STATE_CODES = """
AL AK AZ AR CA CO CT DE DC FL GA HI ID IL IN IA KS KY LA ME MD MA MI MN MS MO MT NE NV NH NJ NM NY NC ND OH OK OR PA RI
SC SD TN TX UT VT VA WA WV WI WY
AS GU MP PR VI FM MH PW
"""
US_STATES = frozenset(STATE_CODES.split())
"""States and the district, then territories and free associates; military post (AA, AE, AP) has ZIPs and no place."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a row says of the customer's address, as written; empty: not said."""

    zone: str = ""
    postal: str = ""
    country: str = ""
    state: str = ""


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """Sorted zones and jurisdictions joined by spaces (no zones: unknown), and the parts of the place left out."""

    zones: str
    jurisdictions: str
    left_out: tuple[tuple[str, str], ...] = ()


@lru_cache(maxsize=65_536)
def whereabouts(
    phones: tuple[tuple[str | None, tuple[str, ...]], ...], place: Place, default_country: str
) -> Whereabouts:
    """The candidates of a customer with these phones (region, zones) and this address.

    Every zone the person might be in counts. A phone without a zone, or with more than MAX_PHONE_ZONES, says nothing:
    then the address decides, and without an address the zones are unknown.
    """
    by_address, jurisdictions, left_out = _addressed(place, default_country)
    jurisdictions.update(region for region, _ in phones if region)
    telling = [zones for _, zones in phones if 0 < len(zones) <= MAX_PHONE_ZONES]
    found = set(by_address)
    if by_address or len(telling) == len(phones):
        found.update(canonical(zone) for zones in telling for zone in zones)
    return Whereabouts(" ".join(sorted(found)), " ".join(sorted(jurisdictions)), tuple(left_out))


def _addressed(place: Place, default_country: str) -> tuple[set[str], set[str], list[tuple[str, str]]]:
    zones: set[str] = set()
    places: set[str] = set()
    left_out: list[tuple[str, str]] = []
    country = country_code(place.country) if place.country else None
    if country:
        places.add(country)
    elif place.country:
        left_out.append(("country", "expected a country of ISO 3166, such as US"))
    where = country or default_country
    unsure = bool(place.country) and country is None
    if place.zone:
        known = _names().get(place.zone.lower())
        if known:
            zones.add(canonical(known))
        else:
            left_out.append(("zone", "expected an IANA time zone, such as America/Chicago"))
    state = place.state.upper()
    if where == "US" and place.postal and not unsure:
        found = _zip(place.postal)
        if found is None:
            left_out.append(("postal", "expected a ZIP code that exists"))
        else:
            places.update(("US", f"US-{found[1]}"))
            zones.update(found[0] or _us_state(found[1]))
    if state and not unsure:
        if (state in US_STATES) if where == "US" else STATE.fullmatch(state):
            places.update((where, f"{where}-{state}"))
        else:
            left_out.append(("state", "expected the code of a state, such as TX"))
            state = ""
    if not zones and state and where == "US" and not unsure:
        zones.update(_us_state(state))
    if not zones and country:
        zones.update(_country_zones().get(country, ()))
    return zones, places, left_out


def canonical(zone: str) -> str:
    """The name that the tz database's zone.tab uses: Asia/Kolkata for Asia/Calcutta."""
    listed, links = _listed_zones(), _links()
    return links[zone] if zone not in listed and links.get(zone) in listed else zone


def country_code(name: str) -> str | None:
    """The ISO 3166 code of a country given by its code or its English name, None when there is none."""
    return _countries().get(name.lower())


def _table(name: str) -> list[list[str]]:
    lines = resources.files("tzdata").joinpath("zoneinfo", name).read_text(encoding="utf-8").splitlines()
    return [line.split("\t") for line in lines if line and not line.startswith("#")]


@cache
def _names() -> dict[str, str]:
    """Zones by lower-case name; the bare abbreviations (EST) are left out, as they mean no place."""
    names = resources.files("tzdata").joinpath("zones").read_text(encoding="utf-8").split()
    return {name.lower(): name for name in names if "/" in name or name == "UTC"}


@cache
def _listed_zones() -> frozenset[str]:
    return frozenset(row[2] for row in _table("zone.tab"))


@cache
def _links() -> dict[str, str]:
    rows = (line.split() for (line, *_) in _table("tzdata.zi"))
    return {row[2]: row[1] for row in rows if row[0] == "L"}


@cache
def _countries() -> dict[str, str]:
    rows = _table("iso3166.tab")
    return {name.lower(): code for code, name in rows} | {code.lower(): code for code, _ in rows}


@cache
def _country_zones() -> dict[str, tuple[str, ...]]:
    zones: dict[str, list[str]] = defaultdict(list)
    for code, _, zone, *_ in _table("zone.tab"):
        zones[code].append(zone)
    return {code: tuple(found) for code, found in zones.items()}


def _zip(postal: str) -> tuple[tuple[str, ...], str] | None:
    written = ZIP.fullmatch(postal)
    return _zips().get(written[1]) if written else None


@cache
def _zips() -> dict[str, tuple[tuple[str, ...], str]]:
    """ZIP to its zone (none: unknown) and state; read state by state, as the whole list at once takes 90 MB."""
    known = _names()
    zones = {zone: (zone,) for zone in known.values()}
    found: dict[str, tuple[tuple[str, ...], str]] = {}
    for state in sorted(US_STATES):
        for row in zipcodes.filter_by(state=state):  # type: ignore[no-untyped-call]
            found[row["zip_code"]] = zones.get(row["timezone"], ()), state
    return found


@cache
def _us_state(state: str) -> frozenset[str]:
    return frozenset(zone for zones, of in _zips().values() if of == state for zone in zones)
