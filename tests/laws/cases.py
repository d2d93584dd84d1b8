"""What Hypothesis draws: people with shared and dead addresses, plans that touch every corner, reports."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

from hypothesis import strategies as st

from config.bundle import Bundle
from tests.builders import FOUR_WAVES, HOUR, Person, World, phone, plan_text
from tests.hours_rows import ALL_DAY, days, row
from waves.message import Consent
from waves.outcomes import Action, Outcome, Reason, Side

CHANNELS = ("web_push", "sms", "email", "call_list")
MIXED = """\
  - wave: first
    channels: [web_push, {first_of: [sms, email]}]
    variants: {a: {message: hello, weight: 30%}, b: {message: hello, weight: 70%}}
    release: 3h
    listen: 6h
    holdout: 20%
  - wave: second
    enter: not first.engaged and not converted
    channels: [{first_of: [email, sms, web_push]}]
    message: hello
    release: 2h
    listen: 1d
    wait: 1h
    holdout: {share: 30%, then: skip}
  - wave: third
    enter: first.missed or second.missed or second.in_doubt or second.verdict = 'wave_held_out'
    channels: [sms, email]
    message: hello
    release: 1h
    listen: 2h
"""
CALLS_FIRST = """\
  - {wave: call, channels: [call_list], rank: value, release: 1h, listen: 2d, holdout: 10%}
  - wave: after
    enter: call.disposition = 'callback_agreed' or call.missed or call.untried or call.unconfirmed
    channels: [{first_of: [sms, web_push]}, email]
    message: hello
    release: 4h
    listen: 4h
  - {wave: again, enter: not converted and not after.declined, channels: [call_list], rank: age, listen: 1d}
"""
RAMPED = """\
  - wave: first
    channels: [sms, {first_of: [email, web_push]}]
    message: hello
    ramp: {first: 40%, hold: 20m, alarm: {failed: 60%, opted_out: 50%}}
    release: 1d
    listen: 6h
  - wave: second
    enter: not converted
    channels: [{first_of: [web_push, sms]}, email]
    message: hello
    ramp: {first: 50%, hold: 20m}
    release: 8h
    listen: 8h
  - {wave: call, channels: [call_list], release: 1h, listen: 2d}
"""
HOLD = HOUR / 3
"""Of every ramp here."""
PLANS = (RAMPED, MIXED, FOUR_WAVES, CALLS_FIRST)
MINUTE = HOUR / 60
TICKS = (0 * HOUR, MINUTE / 2, 3 * MINUTE, 20 * MINUTE, HOUR, 5 * HOUR, 30 * HOUR, 80 * HOUR)
LIMITS = (None, (1, "2d"), (2, "7d"), (3, "5d"), (2, "7d"), (1, "1d"))

Hours = dict[str, list[dict[str, Any]]]
SHORT, SPLIT = ["07:30", "21:00"], [["04:00", "09:30"], ["12:00", "24:00"]]
HOURS: tuple[Hours, ...] = (
    {
        "house": [row(days(ALL_DAY), calls=days(ALL_DAY))],
        "day": [
            row(days(SHORT, sun=None), calls=days(["09:00", "18:00"], sat=None)),
            row(days(SPLIT), "US", calls=days(SPLIT)),
            row(days(ALL_DAY), "FR", calls=days(ALL_DAY), reviewed="no"),
        ],
    },
    {
        "house": [row(days(SPLIT, sat=None), calls=days(["10:00", "12:00"]))],
        "day": [row(days(["09:10", "17:00"]), calls=days(SPLIT)), row(days(None), "JP")],
    },
    {
        "house": [row(days(SHORT), calls=days(SHORT)), row(days(ALL_DAY), "GB", calls=days(SHORT), reviewed="no")],
        "day": [row(days(["00:00", "12:00"]), calls=days(ALL_DAY))],
    },
)
"""Files of hours, sets by name: the one that is read first, and two that come later."""
HOMES = (
    ("Europe/London", "GB"),
    ("America/New_York America/Los_Angeles", "US"),
    ("Asia/Tokyo", "JP"),
    ("", ""),
    ("Europe/Paris", ""),
    ("Europe/London Asia/Tokyo", "GB JP"),
)


def hours_text(number: int) -> str:
    """One of the files of hours, as YAML."""
    return json.dumps({name: {"title": "Drawn hours", "rows": rows} for name, rows in HOURS[number].items()})


@dataclass(frozen=True)
class Terms:
    """What a campaign is started with, beside its waves."""

    plan: int = 0
    holdout: str = "0%"
    limit: tuple[int, str] | None = None
    priority: int = 50
    hours: str = "house"
    in_doubt: str = "assume_sent"

    def text(self, name: str) -> str:
        """The plan under a name of its own."""
        count = f"limits: {{contacts: {self.limit[0]}, within: {self.limit[1]}}}\n" if self.limit else ""
        head = f"priority: {self.priority}\n{count}hours: {self.hours}\nin_doubt: {self.in_doubt}\n"
        return plan_text(PLANS[self.plan], name, self.holdout).replace("hours: house\n", head)


TERMS = st.builds(
    Terms,
    st.sampled_from(range(len(PLANS))),
    st.sampled_from(["0%", "30%"]),
    st.sampled_from(LIMITS),
    st.sampled_from([50, 50, 80, 20]),
    st.sampled_from(["house", "day"]),
    st.sampled_from(["assume_sent", "resend", "hold", "{sms: resend, email: hold}"]),
)


@lru_cache(maxsize=256)
def checked(config: str, text: str, hours: int) -> Bundle:
    """The bundle of a plan under the file of hours that lies in the configuration, checked once."""
    return _worlds[config].bundle(text)


_worlds: dict[str, World] = {}


def bundle_of(world: World, terms: Terms, name: str, hours: int) -> Bundle:
    """One of the plans under a name of its own."""
    _worlds[str(world.config)] = world
    return checked(str(world.config), terms.text(name), hours)


@dataclass(frozen=True)
class Traits:
    """What makes one customer differ from another; what is shared is also the customer's before."""

    channels: tuple[str, ...] = CHANNELS
    shares: tuple[str, ...] = ()
    denied: tuple[str, ...] = ()
    dead: tuple[str, ...] = ()
    age: int | None = 40
    value: float | None = 1.0
    household: str | None = None
    unknown: bool = False
    home: int = 0


KINDS = (
    Traits(),
    Traits(value=2.5),
    Traits(channels=("sms", "email", "call_list")),
    Traits(channels=("email",)),
    Traits(channels=()),
    Traits(age=50),  # has a second number for sms
    Traits(shares=("sms", "call_list")),
    Traits(shares=CHANNELS, age=20),
    Traits(shares=("email",), denied=("sms",)),
    Traits(denied=CHANNELS),
    Traits(dead=("sms", "web_push")),
    Traits(dead=("email",), value=None),
    Traits(unknown=True),
    Traits(household="h1"),
    Traits(household="h1", value=9.0, age=None),
    Traits(home=1),
    Traits(home=2),
    Traits(home=3),
    Traits(home=4),
    Traits(home=5, value=3.0),
)


def own(number: int, channel: str) -> str:
    """The address of customer `number` on a channel."""
    if channel in ("sms", "call_list"):
        return phone(number)
    return f"c{number}@example.com" if channel == "email" else f"https://push.example.com/{number}"


def person(number: int, traits: Traits) -> Person:
    """A customer with these traits, who shares with the customer before."""
    places = {c: own(max(0, number - 1) if c in traits.shares else number, c) for c in CHANNELS if c in traits.channels}
    second = [("sms", phone(500 + number))] if "sms" in places and traits.age == 50 else []
    made = Person(f"c{number}", (*places.items(), *second), traits.age, traits.value, "gold", traits.household)
    zones, jurisdictions = HOMES[traits.home]
    made = replace(made, zones=zones, jurisdictions=jurisdictions)
    made = replace(made, denied=frozenset(traits.denied), dead=frozenset(places[c] for c in traits.dead if c in places))
    return replace(made, consent=Consent.UNKNOWN) if traits.unknown else made


TRAITS = st.sampled_from([*KINDS, *KINDS[:2] * 4])
CROWDS = st.lists(TRAITS, min_size=5, max_size=15)
REPORTS = st.sampled_from([o for o in Outcome if o not in (Outcome.NO_ANSWER, Outcome.BUSY, Outcome.MACHINE)])
SIDES = st.sampled_from(list(Side))
ACTIONS = st.none() | st.sampled_from(list(Action))
REASONS = st.none() | st.sampled_from([Reason.CARRIER, Reason.OPTED_OUT, Reason.INVALID_ADDRESS])
