"""What browsers say of their subscriptions, on both databases: whose it is, what they said, told twice or late."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from itertools import permutations
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, update

from config.schema import load_schema
from ledger import tables as t
from segments.customers import import_customers
from segments.subscriptions import keep_subscriptions, spelled
from tests.builders import DAY, HOUR, T0, Person, World, make_world, plan_text, put
from tests.steps import address_words, hold_back, suppress, touch_words
from waves.message import AddressState, PushChange
from waves.outcomes import Outcome, Side, Verdict
from waves.subscriptions import Subscription, from_unpadded

POINT = from_unpadded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4")
WAVE = "  - {wave: notice, channels: [web_push], message: hello, release: 2h, listen: 1d}\n"
PHONE, LAPTOP, NEW = (f"https://fcm.googleapis.com/fcm/send/{name}" for name in ("phone", "laptop", "new"))


def text(endpoint: str) -> str:
    return Subscription(endpoint, POINT, bytes(16)).text


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


@pytest.fixture
def ids(world: World) -> dict[str, int]:
    return put(world.ledger, [Person("ada"), Person("bob")])


def yes(customer: int, endpoint: str, at: datetime = T0) -> PushChange:
    return PushChange("subscribe", endpoint, at, text(endpoint), customer)


def visit(customer: int, endpoint: str, at: datetime = T0) -> PushChange:
    return PushChange("visit", endpoint, at, text(endpoint), customer)


def renewal(old: str, new: str, at: datetime = T0) -> PushChange:
    return PushChange("renew", old, at, text(new))


def end(endpoint: str, at: datetime = T0) -> PushChange:
    return PushChange("unsubscribe", endpoint, at)


def keep(world: World, *changes: PushChange) -> int:
    with world.ledger.write() as connection:
        return keep_subscriptions(connection, changes)


def rows(world: World) -> list[Any]:
    """(key, endpoint's last word, state, consent, source, preference) of everybody's subscriptions."""
    a = t.address.c
    with world.ledger.read() as connection:
        found = connection.execute(
            select(t.customer.c.key, a.value, a.state, a.consent, a.consent_source, a.preference)
            .join(t.customer, t.customer.c.id == a.customer)
            .order_by(a.id)
        ).all()
    return [
        (key, value.split('","')[0].rpartition("/")[2], AddressState(state).name.lower(), *more)
        for key, value, state, *more in found
    ]


GRANTED, DENIED = 1, 2


def test_a_subscription_is_an_address_with_a_yes(world: World, ids: dict[str, int]) -> None:
    assert keep(world, yes(ids["ada"], PHONE)) == 1
    assert rows(world) == [("ada", "phone", "ok", GRANTED, "push_page", 0)]
    assert keep(world, yes(ids["ada"], PHONE)) == 0
    assert keep(world, yes(999, PHONE)) == 0
    assert rows(world) == [("ada", "phone", "ok", GRANTED, "push_page", 0)]


def test_of_two_browsers_the_one_seen_last_is_asked(world: World, ids: dict[str, int]) -> None:
    keep(world, yes(ids["ada"], PHONE), yes(ids["ada"], LAPTOP, T0 + HOUR))
    assert [(row[1], row[5]) for row in rows(world)] == [("phone", 1), ("laptop", 0)]
    keep(world, yes(ids["ada"], PHONE, T0 + DAY))
    assert [(row[1], row[5]) for row in rows(world)] == [("phone", 0), ("laptop", 1)]


def test_a_browser_belongs_to_whoever_subscribed_in_it_last(world: World, ids: dict[str, int]) -> None:
    for browser, order in ((PHONE, (0, 1)), (LAPTOP, (1, 0))):
        said = [yes(ids["ada"], browser), yes(ids["bob"], browser, T0 + HOUR)]
        for n in order:
            keep(world, said[n])
    assert {row[:3] for row in rows(world) if row[2] == "ok"} == {("bob", "phone", "ok"), ("bob", "laptop", "ok")}
    keep(world, yes(ids["ada"], PHONE, T0 + DAY))
    assert {row[:3] for row in rows(world) if row[2] == "ok"} == {("ada", "phone", "ok"), ("bob", "laptop", "ok")}
    with world.ledger.read() as connection:
        assert not connection.scalars(select(t.address.c.id).where(t.address.c.shared)).all()


def test_the_latest_word_counts_in_whatever_order_it_comes(world: World, ids: dict[str, int]) -> None:
    orders = list(permutations(range(3)))
    for number, order in enumerate(orders):
        browser, at = f"{PHONE}{number}", T0 + 3 * HOUR
        said = [end(browser, at), yes(ids["ada"], browser, at + 2 * HOUR), end(browser, at + HOUR)]
        keep(world, yes(ids["ada"], browser), *[said[n] for n in order[:1]])
        for n in (*order[1:], *order):
            keep(world, said[n])
    assert [(row[2], row[3]) for row in rows(world)] == [("ok", GRANTED)] * len(orders)
    keep(world, end(f"{PHONE}0", T0 + 5 * HOUR))  # a no wins a tie
    assert rows(world)[0][3:5] == (DENIED, "event")


def test_an_end_in_one_browser_leaves_the_others(world: World, ids: dict[str, int]) -> None:
    keep(world, yes(ids["ada"], PHONE), yes(ids["ada"], LAPTOP), end(PHONE, T0 + HOUR))
    assert [(row[1], row[3]) for row in rows(world)] == [("phone", DENIED), ("laptop", GRANTED)]
    assert keep(world, end(NEW)) == 0


def started(world: World, ids: dict[str, int]) -> int:
    """Ada's touch of a wave that is enrolled and not sent."""
    keep(world, yes(ids["ada"], PHONE, T0 - HOUR))
    world.start(plan_text(WAVE))
    world.room.all_workers_gone = True
    hold_back(world, "notice")
    (touch,) = world.touches("notice")
    return int(touch.id)


def test_a_person_who_subscribes_after_a_stop_wants_to_hear_again(world: World, ids: dict[str, int]) -> None:
    touch = started(world, ids)
    world.report(touch, Side.UNSUBSCRIBED, T0 + HOUR)
    assert rows(world)[0][3:5] == (DENIED, "event")
    keep(world, yes(ids["ada"], PHONE, T0))  # said before, and heard after
    assert rows(world)[0][3:5] == (DENIED, "event")
    keep(world, yes(ids["ada"], PHONE, T0 + 2 * HOUR))
    assert rows(world)[0][3:5] == (GRANTED, "push_page")
    world.report(touch, Side.COMPLAINED, T0 + HOUR)  # of before, and late
    assert rows(world)[0][3:5] == (GRANTED, "push_page")
    world.report(touch, Side.UNSUBSCRIBED, T0 + 3 * HOUR)
    assert rows(world)[0][3:5] == (DENIED, "event")


def test_a_yes_in_another_browser_that_comes_late_does_not_outlive_a_no(world: World, ids: dict[str, int]) -> None:
    touch = started(world, ids)
    world.report(touch, Side.UNSUBSCRIBED, T0 + 2 * HOUR)
    keep(world, yes(ids["ada"], LAPTOP, T0 + HOUR))  # said before, and heard after
    assert [row[1:4] for row in rows(world)] == [("phone", "ok", DENIED), ("laptop", "ok", DENIED)]
    keep(world, yes(ids["ada"], NEW, T0 + 3 * HOUR))
    assert rows(world)[-1][1:4] == ("new", "ok", GRANTED)


def test_a_visit_is_no_new_yes(world: World, ids: dict[str, int]) -> None:
    touch = started(world, ids)
    keep(world, visit(ids["ada"], PHONE, T0 + 2 * HOUR))
    world.report(touch, Side.UNSUBSCRIBED, T0 + HOUR)  # said before the visit, and heard after
    assert rows(world)[0][3:5] == (DENIED, "event")
    keep(world, visit(ids["ada"], PHONE, T0 + DAY), visit(ids["ada"], NEW, T0 + DAY))
    assert [row[:5] for row in rows(world)] == [("ada", "phone", "ok", DENIED, "event")]


def test_a_visit_says_whose_browser_it_is(world: World, ids: dict[str, int]) -> None:
    keep(world, yes(ids["ada"], PHONE), yes(ids["bob"], LAPTOP), end(LAPTOP, T0 + HOUR))
    keep(world, visit(ids["ada"], NEW, T0 + DAY))
    assert [row[:4] + row[5:] for row in rows(world) if row[0] == "ada"] == [
        ("ada", "phone", "ok", GRANTED, 1),
        ("ada", "new", "ok", GRANTED, 0),
    ]
    keep(world, visit(ids["bob"], PHONE, T0 + 2 * DAY))  # they wanted no pushes, and ada's are not theirs
    assert [row[:3] for row in rows(world)] == [
        ("ada", "phone", "replaced"), ("bob", "laptop", "ok"), ("ada", "new", "ok"),
    ]  # fmt: skip
    keep(world, yes(ids["bob"], PHONE, T0 + 3 * DAY))
    assert rows(world)[-1][:4] == ("bob", "phone", "ok", GRANTED)


def test_a_renewal_takes_along_what_was_said_and_what_is_queued(world: World, ids: dict[str, int]) -> None:
    started(world, ids)
    for _ in range(2):
        keep(world, renewal(PHONE, NEW))
        assert rows(world) == [
            ("ada", "phone", "replaced", GRANTED, "push_page", 0),
            ("ada", "new", "ok", GRANTED, "push_page", 0),
        ]
    (touch,) = world.touches("notice")
    with world.ledger.read() as connection:
        value = connection.scalar(select(t.address.c.value).where(t.address.c.id == touch.address))
    assert value == text(NEW)


def test_a_renewal_to_the_endpoint_it_has_changes_nothing(world: World, ids: dict[str, int]) -> None:
    keep(world, yes(ids["ada"], PHONE))
    assert keep(world, renewal(PHONE, PHONE, T0 + HOUR)) == 0
    assert rows(world) == [("ada", "phone", "ok", GRANTED, "push_page", 0)]


def test_a_renewal_that_comes_late_takes_no_browser_from_who_has_it_since(world: World, ids: dict[str, int]) -> None:
    started(world, ids)
    keep(world, yes(ids["bob"], NEW, T0 + 2 * HOUR))
    keep(world, renewal(PHONE, NEW, T0 + HOUR))
    assert [row[:3] for row in rows(world)] == [("ada", "phone", "replaced"), ("bob", "new", "ok")]
    world.advance(T0)
    assert touch_words(world, "notice") == {"ada": [("web_push", "withdrawn", None, "no_address")]}


def test_a_renewal_brings_a_no_though_the_new_endpoint_is_known(world: World, ids: dict[str, int]) -> None:
    keep(world, yes(ids["ada"], PHONE), visit(ids["ada"], NEW, T0 + HOUR))
    keep(world, end(PHONE, T0 + 2 * HOUR), renewal(PHONE, NEW, T0 + 3 * HOUR))
    assert [row[1:4] for row in rows(world)] == [("phone", "replaced", DENIED), ("new", "ok", DENIED)]


def test_an_endpoint_that_comes_back_is_the_customers_again(world: World, ids: dict[str, int]) -> None:
    keep(world, yes(ids["ada"], PHONE), renewal(PHONE, NEW, T0 + HOUR), renewal(NEW, PHONE, T0 + 2 * HOUR))
    assert [row[1:4] for row in rows(world)] == [("phone", "ok", GRANTED), ("new", "replaced", GRANTED)]


def test_a_late_refusal_of_the_old_endpoint_leaves_the_new_one(world: World, ids: dict[str, int]) -> None:
    touch = started(world, ids)
    with world.ledger.write() as connection:
        connection.execute(update(t.touch).values(state=2))  # on its way to the old one
    keep(world, renewal(PHONE, NEW))
    world.report(touch, Outcome.BOUNCED_HARD)
    assert [row[1:3] for row in rows(world)] == [("phone", "dead"), ("new", "ok")]
    keep(world, renewal(PHONE, NEW))
    assert [row[1:3] for row in rows(world)] == [("phone", "dead"), ("new", "ok")]


def test_a_renewal_gives_no_consent_that_there_was_not(world: World, ids: dict[str, int]) -> None:
    ended, taken = f"{PHONE}-ended", f"{PHONE}-taken"
    keep(world, yes(ids["ada"], PHONE), yes(ids["ada"], ended), yes(ids["ada"], taken))
    keep(world, end(ended, T0 + HOUR), yes(ids["bob"], taken, T0 + HOUR))
    keep(world, *[renewal(old, f"{old}-new", T0 + DAY) for old in (PHONE, ended, taken)])
    assert [(row[0], row[1], row[3]) for row in rows(world) if row[1].endswith("-new")] == [
        ("ada", "phone-new", GRANTED),
        ("ada", "phone-ended-new", DENIED),
        ("bob", "phone-taken-new", GRANTED),
    ]
    assert keep(world, renewal("https://fcm.googleapis.com/nobody", NEW)) == 0


def test_a_push_that_waits_for_somebody_who_left_the_browser_is_withdrawn(world: World, ids: dict[str, int]) -> None:
    started(world, ids)
    keep(world, yes(ids["bob"], PHONE, T0))
    world.advance(T0)
    assert touch_words(world, "notice") == {"ada": [("web_push", "withdrawn", None, "no_address")]}
    assert world.outbox("web_push") == []


def test_a_dead_subscription_stays_dead_and_an_erased_customer_away(world: World, ids: dict[str, int]) -> None:
    touch = started(world, ids)
    world.report(touch, Outcome.BOUNCED_HARD)
    keep(world, yes(ids["ada"], PHONE, T0 + DAY))
    assert address_words(world, "web_push")[text(PHONE)][1] == "dead"
    with world.ledger.write() as connection:
        connection.execute(update(t.customer).where(t.customer.c.key == "bob").values(erased_at=T0))
    assert keep(world, yes(ids["bob"], LAPTOP)) == 0


def test_what_stands_against_an_address_stands_against_the_renewed_one(world: World, ids: dict[str, int]) -> None:
    keep(world, yes(ids["ada"], PHONE, T0 - DAY))
    with world.ledger.read() as connection:
        assert spelled(connection, PHONE, "US") == [text(PHONE)]
        assert spelled(connection, LAPTOP, "US") == [LAPTOP]
        assert spelled(connection, "+12015550123", "US") == ["+12015550123"]
    suppress(world, channel="web_push", value=text(PHONE))
    for _ in range(2):
        keep(world, renewal(PHONE, NEW))
    with world.ledger.read() as connection:
        stand = connection.execute(select(t.suppression.c.value, t.suppression.c.reason)).all()
    assert sorted(tuple(row) for row in stand) == sorted([(text(PHONE), "asked"), (text(NEW), "asked")])
    world.start(plan_text(WAVE))
    world.advance()
    assert world.verdicts("notice")["ada"] == Verdict.NO_CONSENT


FILE = "customer_id,full_name,lang,push,push_ok\nada,Ada,en,{push},{ok}\n"


@pytest.mark.parametrize(
    ("row", "stands"),
    [
        ({"push": "", "ok": ""}, ("ok", GRANTED)),
        ({"push": "", "ok": "yes"}, ("ok", GRANTED)),
        ({"push": "device-7", "ok": "yes"}, ("ok", GRANTED)),
        ({"push": "", "ok": "no"}, ("ok", DENIED)),
    ],
)
def test_no_file_takes_a_browser_away_but_a_no_is_heard(
    sqlite_url: str, tmp_path: Path, row: dict[str, str], stands: tuple[str, int]
) -> None:
    world = make_world(tmp_path / "home", sqlite_url)
    ada = put(world.ledger, [Person("ada")])["ada"]
    keep(world, yes(ada, PHONE))
    path = tmp_path / "customers.csv"
    path.write_text(FILE.format(**row))
    schema = load_schema(world.config)
    import_customers(world.ledger, schema, path, tmp_path / "rejects.csv", T0 + DAY, delta=True)
    assert [(one[2], one[3]) for one in rows(world) if one[1] == "phone"] == [stands]
    world.ledger.close()
