"""What Hypothesis draws: people with shared and dead addresses, plans that touch every corner, reports."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from hypothesis import strategies as st

from config.bundle import Bundle
from tests.builders import FOUR_WAVES, HOUR, Person, World, phone, plan_text
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
PLANS = (MIXED, FOUR_WAVES, CALLS_FIRST)
MINUTE = HOUR / 60
TICKS = (0 * HOUR, MINUTE / 2, 3 * MINUTE, 20 * MINUTE, HOUR, 5 * HOUR, 30 * HOUR, 80 * HOUR)


@lru_cache(maxsize=64)
def checked(config: str, text: str) -> Bundle:
    """The bundle of a plan, checked once."""
    return _worlds[config].bundle(text)


_worlds: dict[str, World] = {}


def bundle_of(world: World, number: int, name: str, holdout: str) -> Bundle:
    """One of the plans under a name of its own."""
    _worlds[str(world.config)] = world
    return checked(str(world.config), plan_text(PLANS[number], name, holdout))


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
    made = replace(made, denied=frozenset(traits.denied), dead=frozenset(places[c] for c in traits.dead if c in places))
    return replace(made, consent=Consent.UNKNOWN) if traits.unknown else made


TRAITS = st.sampled_from([*KINDS, *KINDS[:2] * 4])
CROWDS = st.lists(TRAITS, min_size=5, max_size=15)
REPORTS = st.sampled_from([o for o in Outcome if o not in (Outcome.NO_ANSWER, Outcome.BUSY, Outcome.MACHINE)])
SIDES = st.sampled_from(list(Side))
ACTIONS = st.none() | st.sampled_from(list(Action))
REASONS = st.none() | st.sampled_from([Reason.CARRIER, Reason.OPTED_OUT, Reason.INVALID_ADDRESS])
