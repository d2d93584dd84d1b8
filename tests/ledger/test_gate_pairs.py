"""Whoever is stopped by two gates at once is told the first in order, by a claim as by an enrolment."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

from sqlalchemy import insert, select, update

from ledger import tables as t
from tests.builders import DAY, HOUR, T0, Person, World, phone, plan_text, put
from tests.hours_rows import hours_yaml
from tests.steps import convert, hold_back, set_customer, suppress, touch_words, verdict_words
from waves.message import CHANNEL_CODES, AddressState, Consent
from waves.outcomes import Outcome, State

SMS = CHANNEL_CODES["sms"]
EARLY = "  - {wave: early, channels: [sms], message: hello, release: 1h, listen: 1h}\n"
LATE = "  - {wave: late, enter: not early.clicked, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
PLAN = plan_text(EARLY + LATE).replace("waves:\n", "limits: {contacts: 3, within: 7d}\nwaves:\n", 1)


def hold_out(world: World, key: str) -> None:
    with world.ledger.write() as connection:
        person = select(t.customer.c.id).where(t.customer.c.key == key).scalar_subquery()
        connection.execute(update(t.member).where(t.member.c.customer == person).values(arm=1))


def set_address(world: World, key: str, **values: object) -> None:
    with world.ledger.write() as connection:
        person = select(t.customer.c.id).where(t.customer.c.key == key).scalar_subquery()
        connection.execute(update(t.address).where(t.address.c.customer == person).values(values))


def share(world: World, key: str) -> None:
    """The customer `first` has this one's number as well."""
    set_address(world, key, shared=True)
    row = {"channel": SMS, "value": number_of(key), "consent": int(Consent.GRANTED), "shared": True}
    row |= {"state": int(AddressState.OK), "preference": 9}
    with world.ledger.write() as connection:
        first = connection.scalar(select(t.customer.c.id).where(t.customer.c.key == "first"))
        connection.execute(insert(t.address).values({**row, "customer": first}))


def move(world: World, key: str, to: str) -> None:
    with world.ledger.read() as connection:
        there = connection.scalar(select(t.customer.c.zone_set).where(t.customer.c.key == to))
    set_customer(world, key, {"zone_set": there})


def contact(world: World, key: str) -> None:
    """Another campaign has sent this customer as much as the limit allows."""
    sent = {"channel": SMS, "address": 1, "variant": 0, "state": int(State.SENT), "sent_at": T0}
    with world.ledger.write() as connection:
        person = connection.scalar(select(t.customer.c.id).where(t.customer.c.key == key))
        for wave in (998, 999):
            row = {**sent, "wave": wave, "customer": person, "not_before": T0, "not_after": T0 + HOUR}
            connection.execute(insert(t.touch).values(row))


def click(world: World, key: str) -> None:
    (earlier,) = [row.id for row in world.touches("early") if row.key == key]
    world.report(earlier, Outcome.CLICKED)


Happens = Callable[[World, str], object]
IN_ORDER: list[tuple[str, str, Happens]] = [
    ("converted", "a sale", convert),
    ("held_out", "held out", hold_out),
    ("suppressed", "erased", lambda world, key: set_customer(world, key, {"erased_at": T0})),
    ("suppressed", "a stop", suppress),
    ("open_case", "a case", lambda world, key: suppress(world, key, reason="open_case")),
    ("not_entered", "a click", click),
    ("no_address", "a dead number", lambda world, key: set_address(world, key, state=int(AddressState.DEAD))),
    ("no_consent", "a no", lambda world, key: set_address(world, key, consent=int(Consent.DENIED))),
    ("no_consent", "a stop here", lambda world, key: suppress(world, key, "sms")),
    ("no_consent", "a case here", lambda world, key: suppress(world, key, "sms", reason="open_case")),
    ("no_consent", "a stop of the number", lambda world, key: suppress(world, value=number_of(key))),
    ("shared_address", "shared", share),
    ("hours_unknown", "moved", lambda world, key: move(world, key, "nowhere")),
    ("no_legal_hour", "moved far", lambda world, key: move(world, key, "far away")),
    ("over_limit", "contacted", contact),
]
CASES: dict[str, tuple[str, tuple[Happens, ...]]] = {what: (gate, (happens,)) for gate, what, happens in IN_ORDER} | {
    f"{what}, {later}": (gate, (happens, also))
    for (gate, what, happens), (_, later, also) in combinations(IN_ORDER, 2)
    if (what, later) != ("moved", "moved far")
}
NUMBERS = {key: phone(10 + number) for number, key in enumerate(CASES)}


def number_of(key: str) -> str:
    return NUMBERS[key]


def began(world: World) -> None:
    """Everybody got the first wave, in time for the second."""
    nowhere = Person("nowhere", zones="", jurisdictions="")
    far = Person("far away", zones="America/Los_Angeles", jurisdictions="US")
    people = [Person(key, (("sms", number),)) for key, number in NUMBERS.items()]
    put(world.ledger, [Person("first", (("sms", phone(1)),)), nowhere, far, *people])
    by_day = '{mon_fri: ["08:00", "20:00"], sat: null, sun: null, holiday: null}'
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml(messages=by_day))
    world.start(PLAN)
    world.advance()


def happen(world: World) -> None:
    for key, (_, changes) in CASES.items():
        for change in changes:
            change(world, key)


def test_a_claim_gives_the_first_reason(world: World) -> None:
    began(world)
    hold_back(world, "early", now=T0 + DAY)
    hold_back(world, "late")
    happen(world)
    world.advance()
    found = touch_words(world, "late")
    assert {key: found[key][0][3] for key in CASES} == {key: gate for key, (gate, _) in CASES.items()}
    assert {found[key][0][1] for key in CASES} == {"withdrawn"}


def test_an_enrolment_gives_the_first_verdict(world: World) -> None:
    began(world)
    happen(world)
    world.advance(T0 + DAY)
    found = verdict_words(world, "late")
    assert {key: found[key] for key in CASES} == {key: gate for key, (gate, _) in CASES.items()}
