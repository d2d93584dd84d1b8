"""The gates in their order: each beats the later ones, the furthest channel speaks, and a claim asks them again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import update

from ledger import tables as t
from tests.builders import DAY, T0, Person, World, phone, plan_text, put
from tests.steps import convert, hold_back, set_customer, suppress, touch_words, verdict_words
from waves.draw import Draw, bucket_of, threshold
from waves.message import Consent
from waves.outcomes import Outcome

HALF = threshold(0.5)
CAMPAIGN_LOTTERY = Draw.named("campaign", "test", "holdout")
WAVE_LOTTERY = Draw.named("wave", "test", "notice", "holdout")
WAVE = "  - {wave: notice, enter: age >= 18, channels: [sms], message: hello, release: 2h, listen: 1d, holdout: 50%}\n"


def key_drawn(name: str, by_campaign: bool, by_wave: bool) -> str:
    """A customer key that the two lotteries at 50 % draw, or not."""
    return next(
        key
        for key in (f"{name} {n}" for n in range(1000))
        if (CAMPAIGN_LOTTERY.ticket(bucket_of(key)) < HALF) == by_campaign
        and (WAVE_LOTTERY.ticket(bucket_of(key)) < HALF) == by_wave
    )


ORDER = [
    "converted",
    "held_out",
    "suppressed",
    "open_case",
    "not_entered",
    "no_address",
    "no_consent",
    "shared_address",
    "wave_held_out",
    "go",
]


def stopped_from(gate: str, number: int) -> Person:
    """Somebody whom this gate stops, and every later one as well."""
    at = ORDER.index(gate)
    place = () if at <= ORDER.index("no_address") else (("sms", phone(0)),)
    if at > ORDER.index("shared_address"):
        place = (("sms", phone(number)),)
    return Person(
        key_drawn(gate, at <= 1, at <= 8),
        place,
        age=7 if at <= 4 else 40,
        consent=Consent.UNKNOWN if at <= ORDER.index("no_consent") else Consent.GRANTED,
    )


def test_each_gate_beats_every_later_one(world: World) -> None:
    first = Person(key_drawn("first", False, False), (("sms", phone(0)),))
    people = {gate: stopped_from(gate, number) for number, gate in enumerate(ORDER, 1)}
    put(world.ledger, [first, *people.values()])
    world.start(plan_text(WAVE, holdout="50%"))
    for gate, person in people.items():
        at = ORDER.index(gate)
        if at <= 0:
            convert(world, person.key, T0)
        if at <= 2:
            suppress(world, person.key)
        if at <= 3:
            suppress(world, person.key, reason="open_case")
        if at <= 6:
            suppress(world, person.key, "sms")
    hold_back(world, "notice")
    found = verdict_words(world, "notice")
    assert {gate: found[person.key] for gate, person in people.items()} == {gate: gate for gate in ORDER}
    assert found[first.key] == "go"


TWO = "  - {wave: notice, channels: [sms, email], message: hello, release: 2h, listen: 1d}\n"
OWN, SPARE, TAKEN = "own@example.com", "spare@example.com", "taken@example.com"
LIVE = (("sms", phone(1)), ("email", OWN))

# addresses, channels denied, dead values -> verdict, channels that got a touch
CHANNELS: dict[str, tuple[tuple[tuple[str, str], ...], set[str], set[str], str, list[str]]] = {
    "both pass": (LIVE, set(), set(), "go", ["sms", "email"]),
    "one passes, the other has no address": (LIVE[:1], set(), set(), "go", ["sms"]),
    "one passes, the other is denied": (LIVE, {"sms"}, set(), "go", ["email"]),
    "nothing at all": ((), set(), set(), "no_address", []),
    "no address here, denied there": (LIVE[1:], {"email"}, set(), "no_consent", []),
    "dead here, denied there": (LIVE, {"email"}, {phone(1)}, "no_consent", []),
    "denied here, shared there": ((LIVE[0], ("email", TAKEN)), {"sms"}, set(), "shared_address", []),
    "dead and denied is no address": (LIVE, {"sms", "email"}, {phone(1), OWN}, "no_address", []),
    "a dead first address, a living second": ((("email", OWN), ("email", SPARE)), set(), {OWN}, "go", ["email"]),
    "a shared first address, an own second": ((("email", TAKEN), ("email", SPARE)), set(), set(), "go", ["email"]),
}


def test_the_furthest_gate_of_any_channel_is_the_verdict(world: World) -> None:
    """Every case is a customer of its own, with addresses made its own by its number; TAKEN belongs to the first."""
    people = [Person("first", (("email", TAKEN),))]
    for number, (name, (places, denied, dead, _, _)) in enumerate(CHANNELS.items()):
        own = {value: f"{number}{value}" for value in (OWN, SPARE)} | {phone(1): phone(number + 1)}
        addresses = tuple((channel, own.get(value, value)) for channel, value in places)
        gone = frozenset(own[value] for value in dead)
        people.append(Person(name, addresses, denied=frozenset(denied), dead=gone))
    put(world.ledger, people)
    world.start(plan_text(TWO))
    hold_back(world, "notice")
    found, touches = verdict_words(world, "notice"), touch_words(world, "notice")
    assert {name: (found[name], [touch[0] for touch in touches.get(name, [])]) for name in CHANNELS} == {
        name: (verdict, channels) for name, (_, _, _, verdict, channels) in CHANNELS.items()
    }


def erase(world: World, key: str) -> None:
    set_customer(world, key, {"erased_at": T0})


def deny(world: World, key: str) -> None:
    with world.ledger.write() as connection:
        person = t.customer.c.id == t.address.c.customer
        connection.execute(update(t.address).where(person, t.customer.c.key == key).values(consent=int(Consent.DENIED)))


def kill(world: World, key: str) -> None:
    with world.ledger.write() as connection:
        connection.execute(
            update(t.address).where(t.customer.c.id == t.address.c.customer, t.customer.c.key == key).values(state=3)
        )


def click(world: World, key: str) -> None:
    (earlier,) = [row.id for row in world.touches("early") if row.key == key]
    world.report(earlier, Outcome.CLICKED)


BETWEEN: dict[str, tuple[Callable[[World, str], object], str | None]] = {
    "nothing changed": (lambda world, key: None, None),
    "converted": (lambda world, key: convert(world, key), "converted"),
    "converted before the campaign": (lambda world, key: convert(world, key, T0 - DAY), None),
    "converted for another goal": (lambda world, key: convert(world, key, goal="opened_account"), None),
    "suppressed": (lambda world, key: suppress(world, key), "suppressed"),
    "suppressed until yesterday": (lambda world, key: suppress(world, key, until=T0 - DAY), None),
    "suppressed until tomorrow": (lambda world, key: suppress(world, key, until=T0 + 9 * DAY), "suppressed"),
    "erased": (erase, "suppressed"),
    "a case was opened": (lambda world, key: suppress(world, key, reason="open_case"), "open_case"),
    "a case on this channel": (lambda world, key: suppress(world, key, "sms", reason="open_case"), "no_consent"),
    "a case on another channel": (lambda world, key: suppress(world, key, "email", reason="open_case"), None),
    "suppressed and an open case": (
        lambda world, key: (suppress(world, key, reason="open_case"), suppress(world, key)),
        "suppressed",
    ),
    "suppressed on this channel": (lambda world, key: suppress(world, key, "sms"), "no_consent"),
    "suppressed on another channel": (lambda world, key: suppress(world, key, "email"), None),
    "its number is suppressed": (lambda world, key: suppress(world, value=number_of(key)), "no_consent"),
    "its number is suppressed here": (
        lambda world, key: suppress(world, None, "sms", value=number_of(key)),
        "no_consent",
    ),
    "its number is suppressed elsewhere": (
        lambda world, key: suppress(world, None, "email", value=number_of(key)),
        None,
    ),
    "consent withdrawn": (deny, "no_consent"),
    "the number died": (kill, "no_address"),
    "the number died and the channel is suppressed": (
        lambda world, key: (kill(world, key), suppress(world, key, "sms")),
        "no_address",
    ),
    "no longer enters": (click, "not_entered"),
}


def number_of(key: str) -> str:
    return phone(1 + list(BETWEEN).index(key))


def test_a_claim_asks_every_gate_again(world: World) -> None:
    put(world.ledger, [Person(key, (("sms", number_of(key)),)) for key in BETWEEN])
    early = "  - {wave: early, channels: [sms], message: hello, release: 1h, listen: 1h}\n"
    late = "  - {wave: late, enter: not early.clicked, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
    world.start(plan_text(early + late))
    world.advance()
    hold_back(world, "early", now=T0 + DAY)
    hold_back(world, "late")
    assert set(verdict_words(world, "late").values()) == {"go"}
    for key, (happens, _) in BETWEEN.items():
        happens(world, key)
    world.advance()
    expected = {key: "withdrawn" if why else "sent" for key, (_, why) in BETWEEN.items()}
    found = touch_words(world, "late")
    assert {key: found[key][0][1] for key in BETWEEN} == expected
    assert {key: found[key][0][3] for key in BETWEEN} == {key: why for key, (_, why) in BETWEEN.items()}


def test_what_a_claim_refuses_an_enrolment_refuses_too(world: World) -> None:
    """The same changes made before the wave opens give the verdict that the claim gave as its reason."""
    put(world.ledger, [Person(key, (("sms", number_of(key)),)) for key in BETWEEN])
    early = "  - {wave: early, channels: [sms], message: hello, release: 1h, listen: 1h}\n"
    late = "  - {wave: late, enter: not early.clicked, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
    world.start(plan_text(early + late))
    world.advance()
    for key, (happens, _) in BETWEEN.items():
        happens(world, key)
    world.advance(T0 + DAY)
    assert verdict_words(world, "late") == {key: why or "go" for key, (_, why) in BETWEEN.items()}


@pytest.mark.parametrize(
    ("first", "second"),
    [
        (replace(Person("a", (("sms", phone(1)),)), consent=Consent.DENIED), "go"),
        (replace(Person("a", (("sms", phone(1)),)), dead=frozenset({phone(1)})), "go"),
        (Person("a", (("sms", phone(1)),)), "shared_address"),
        (Person("a", (("email", "a@example.com"),)), "go"),
        (replace(Person("a", (("sms", phone(1)),)), age=None), "go"),
    ],
    ids=["denied there", "dead there", "living there", "not shared", "no member"],
)
def test_a_shared_number_goes_to_the_first_member_who_may_have_it(lite: World, first: Person, second: str) -> None:
    """`age >= 0` is the segment: somebody of no age is no member."""
    put(lite.ledger, [first, Person("b", (("sms", phone(1)),))])
    lite.start(plan_text("  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"))
    hold_back(lite, "notice")
    assert verdict_words(lite, "notice")["b"] == second
