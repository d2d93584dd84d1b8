"""Reports in any order, any number of times: the outcome climbs, an unknown one is kept, consent acts at once."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import permutations
from typing import Any

import pytest
from sqlalchemy import select, update

from ledger import tables as t
from ledger.events import record_events, standing
from tests.builders import DAY, HOUR, T0, Person, World, phone, plan_text, put, reachable
from tests.steps import address_words, as_words, touch_of
from waves.message import CHANNEL_CODES, Consent, Event
from waves.outcomes import Action, Outcome, Reason, Side, State

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
O = Outcome  # noqa: E741

# reports of one touch -> its outcome, reason, state of its address
LADDER: dict[str, tuple[list[tuple[int, dict[str, Any]]], tuple[str, str | None, str]]] = {
    "delivered twice": ([(O.DELIVERED, {}), (O.DELIVERED, {})], ("delivered", None, "ok")),
    "clicked beats delivered": ([(O.DELIVERED, {}), (O.CLICKED, {}), (O.READ, {})], ("clicked", None, "ok")),
    "a late hard bounce beats delivered": (
        [(O.DELIVERED, {}), (O.BOUNCED_HARD, {"reason": Reason.ADDRESS_GONE})],
        ("bounced_hard", "address_gone", "dead"),
    ),
    "a click beats a hard bounce, the address stays dead": (
        [(O.BOUNCED_HARD, {"reason": Reason.ADDRESS_GONE}), (O.CLICKED, {})],
        ("clicked", None, "dead"),
    ),
    "delivered beats a soft bounce and its reason": (
        [(O.BOUNCED_SOFT, {"reason": Reason.UNREACHABLE}), (O.DELIVERED, {}), (O.ACCEPTED, {})],
        ("delivered", None, "soft"),
    ),
    "of two failures the one ranked higher tells why": (
        [(O.FAILED, {"reason": Reason.CARRIER}), (O.REJECTED, {"reason": Reason.FILTERED})],
        ("rejected", "filtered", "ok"),
    ),
    "of two alike the earlier tells why": (
        [(O.FAILED, {"reason": Reason.CARRIER, "after": 2}), (O.FAILED, {"reason": Reason.PROVIDER, "after": 1})],
        ("failed", "provider", "ok"),
    ),
    "a person's word has no rank": (
        [(O.DELIVERED, {}), (Side.UNSUBSCRIBED, {}), (Side.UNKNOWN, {})],
        ("delivered", None, "ok"),
    ),
}


def test_any_order_of_reports_ends_alike(world: World) -> None:
    orders = [(name, order) for name, (said, _) in LADDER.items() for order in permutations(said)]
    put(world.ledger, [reachable(number, ["sms"]) for number in range(len(orders))])
    world.start(plan_text(SMS))
    world.advance()
    touches = {row.key: row.id for row in world.touches("notice")}
    with world.ledger.write() as connection:
        for number, (_, order) in enumerate(orders):
            for outcome, more in order:
                at = T0 + timedelta(minutes=more.get("after", 0))
                ident = f"{number} {outcome} {more.get('reason')} {at}"
                event = Event("", int(outcome), at, "test", ident, reason=more.get("reason"))
                record_events(connection, [(event, touches[f"c{number}"])], T0)
    places = {key: state for key, state, _, _ in address_words(world, "sms").values()}
    found = {row.key: as_words(row) for row in world.touches("notice")}
    ends = [(name, (*found[f"c{n}"][2:], places[f"c{n}"])) for n, (name, _) in enumerate(orders)]
    assert ends == [(name, LADDER[name][1]) for name, _ in orders]


def test_reports_are_kept_once_and_unknown_ones_too(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(SMS))
    world.advance()
    touch = touch_of(world, "notice", "c1").id

    def event(ident: str, outcome: Outcome = O.READ, provider: str = "test") -> Event:
        return Event("", int(outcome), T0, provider, ident, raw={"said": "x"})

    file = [
        (event("a"), touch),
        (event("a"), touch),
        (event("b"), None),
        (event("c"), touch + 1000),
        (event("a", provider="other"), touch),
    ]
    with world.ledger.write() as connection:
        first = record_events(connection, file, T0)
        again = record_events(connection, file, T0 + HOUR)
        # The same report with other words in it is the same report.
        changed = record_events(connection, [(event("a", O.CLICKED), touch)], T0)
        nothing = record_events(connection, [], T0)
        kept = connection.execute(select(t.event).order_by(t.event.c.id)).all()
    assert [(r.new, r.known, r.unknown_touch) for r in (first, again, changed, nothing)] == [
        (4, 1, 2),
        (0, 5, 2),
        (0, 1, 0),
        (0, 0, 0),
    ]
    assert [(row.provider, row.provider_event_id, row.touch) for row in kept] == [
        ("test", "a", touch),
        ("test", "b", None),
        ("test", "c", None),
        ("other", "a", touch),
    ]
    assert {row.received_at for row in kept} == {T0}
    assert touch_of(world, "notice", "c1").outcome == O.READ


@pytest.mark.parametrize(
    ("outcome", "state"),
    [(O.ACCEPTED, State.SENT), (O.DELIVERED, State.SENT), (O.BOUNCED_HARD, State.SENT), (Side.COMPLAINED, State.SENT)],
)
def test_any_report_proves_that_the_provider_has_the_message(
    lite: World, outcome: Outcome | Side, state: State
) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS))
    lite.advance()
    touch = touch_of(lite, "notice", "c1").id
    with lite.ledger.write() as connection:
        doubt = {"state": int(State.IN_DOUBT), "reason": int(Reason.WORKER_LOST)}
        connection.execute(update(t.touch).where(t.touch.c.id == touch).values(**doubt))
    lite.report(touch, outcome)
    row = touch_of(lite, "notice", "c1")
    assert (row.state, row.reason) == (state, None)


@pytest.mark.parametrize(
    ("action", "state"), [(Action.DROP_ADDRESS, "dead"), (Action.NEXT_CHANNEL, "ok"), (Action.OK, "ok")]
)
def test_the_report_says_what_to_do_with_the_address(lite: World, action: Action, state: str) -> None:
    put(lite.ledger, [reachable(1)])
    lite.start(plan_text(SMS))
    lite.advance()
    lite.report(touch_of(lite, "notice", "c1").id, O.FAILED, action=action)
    assert address_words(lite, "sms")[phone(1)][1] == state


def at(hours: int) -> datetime:
    return T0 + hours * HOUR


NO, COMPLAINT, YES = Side.UNSUBSCRIBED, Side.COMPLAINED, Side.RESUBSCRIBED
IMPORTED = 10
"""Hour of the import that gave the consent a customer starts with."""

# consent imported at hour 10, reports with their hours -> consent
CONSENT: dict[str, tuple[Consent, list[tuple[Side, int]], str]] = {
    "a no after the import": (Consent.GRANTED, [(NO, 11)], "denied"),
    "a no before the import, still never taken back": (Consent.GRANTED, [(NO, 9)], "denied"),
    "a complaint is a no": (Consent.GRANTED, [(COMPLAINT, 11)], "denied"),
    "no, then yes": (Consent.GRANTED, [(NO, 11), (YES, 12)], "granted"),
    "yes, then no": (Consent.GRANTED, [(YES, 11), (NO, 12)], "denied"),
    "yes and no at once": (Consent.GRANTED, [(YES, 11), (NO, 11)], "denied"),
    "no, yes, no": (Consent.GRANTED, [(NO, 11), (YES, 12), (COMPLAINT, 13)], "denied"),
    "no before the import, yes after it": (Consent.GRANTED, [(NO, 9), (YES, 11)], "granted"),
    "yes before the import, then no": (Consent.GRANTED, [(YES, 8), (NO, 9)], "denied"),
    "no, then yes, both before the import": (Consent.GRANTED, [(NO, 8), (YES, 9)], "granted"),
    "yes after an imported no": (Consent.DENIED, [(YES, 11)], "granted"),
    "yes before an imported no": (Consent.DENIED, [(YES, 9)], "denied"),
    "yes at the time of an imported no": (Consent.DENIED, [(YES, 10)], "denied"),
    "yes after an imported no, then no": (Consent.DENIED, [(YES, 11), (NO, 12)], "denied"),
    "no before an imported no, yes between": (Consent.DENIED, [(NO, 7), (YES, 8)], "denied"),
    "yes where nothing was known": (Consent.UNKNOWN, [(YES, 11)], "granted"),
    "no where nothing was known": (Consent.UNKNOWN, [(NO, 11)], "denied"),
    "an unknown word": (Consent.GRANTED, [(Side.UNKNOWN, 11)], "granted"),
}


def test_consent_reports_in_any_order(world: World) -> None:
    """One by one, and all of a customer's in one file."""
    orders = 2 * [(name, order) for name, (_, said, _) in CONSENT.items() for order in permutations(said)]
    people = [Person(f"c{n}", (("sms", phone(n)), ("email", f"c{n}@example.com"))) for n in range(len(orders))]
    put(world.ledger, people, at(IMPORTED))
    world.start(plan_text(SMS))
    world.advance()
    touches = {row.key: row.id for row in world.touches("notice")}
    with world.ledger.write() as connection:
        for number, (name, _) in enumerate(orders):
            mine = (t.address.c.value == phone(number)) & (t.address.c.channel == CHANNEL_CODES["sms"])
            connection.execute(update(t.address).where(mine).values(consent=int(CONSENT[name][0])))
        for number, (_, order) in enumerate(orders):
            events = [
                (Event("", int(side), at(hour), "test", f"{number} {side} {hour}"), touches[f"c{number}"])
                for side, hour in order
            ]
            for part in [events] if number < len(orders) / 2 else [[event] for event in events]:
                record_events(connection, part, at(20))
    found = {key: consent for key, _, consent, _ in address_words(world, "sms").values()}
    assert [(name, found[f"c{n}"]) for n, (name, _) in enumerate(orders)] == [
        (name, CONSENT[name][2]) for name, _ in orders
    ]
    assert {consent for _, _, consent, _ in address_words(world, "email").values()} == {"granted"}


def test_a_no_covers_the_channel_and_everybody_who_has_the_number(world: World) -> None:
    """`c1` says no by SMS: the spare number and the flatmate's row go too, the flatmate's own number stays."""
    spare, own, other = phone(2), phone(3), phone(4)
    shared = ("sms", phone(1))
    put(
        world.ledger,
        [
            Person("c1", (shared, ("sms", spare), ("email", "c1@example.com"), ("call_list", phone(1)))),
            Person("c2", (shared, ("sms", own))),
            Person("c3", (("sms", other),)),
        ],
    )
    world.start(plan_text(SMS))
    world.advance()
    touch = touch_of(world, "notice", "c1").id
    world.report(touch, NO, T0 + HOUR)

    def granted() -> set[tuple[str, int, str]]:
        with world.ledger.read() as connection:
            a, c = t.address.c, t.customer.c
            query = select(c.key, a.channel, a.value).join(t.customer, c.id == a.customer)
            return set(connection.execute(query.where(a.consent == int(Consent.GRANTED))).tuples())

    sms, email, call = (CHANNEL_CODES[name] for name in ("sms", "email", "call_list"))
    kept = {("c1", email, "c1@example.com"), ("c1", call, phone(1)), ("c2", sms, own), ("c3", sms, other)}
    assert granted() == kept
    # A yes speaks for the customer who said it, not for the flatmate.
    world.report(touch, YES, T0 + DAY)
    assert granted() == kept | {("c1", sms, phone(1)), ("c1", sms, spare)}


def test_more_touches_than_one_statement_may_name(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(2)])
    world.start(plan_text(SMS))
    world.advance()
    with world.ledger.read() as connection:
        assert standing(connection, set(range(70_000))).known == {1, 2}


def test_reports_of_a_large_batch_are_kept_once_each(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(SMS))
    world.advance()
    touch = touch_of(world, "notice", "c1").id
    batch = [(Event("", int(O.READ), T0, "test", str(n % 1_203)), touch) for n in range(2_600)]
    with world.ledger.write() as connection:
        recorded = record_events(connection, batch, T0)
        kept = sorted(connection.scalars(select(t.event.c.provider_event_id)), key=int)
    assert (recorded.new, recorded.known) == (1_203, 1_397)
    assert kept == [str(n) for n in range(1_203)]
