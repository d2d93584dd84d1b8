"""Replies: which message they answer, whose consent they change, whose case they open; each once."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, select

from flows.erasing import erase_customer
from flows.inbound import AT_ONCE
from flows.reports import record_came
from ledger import cases
from ledger import tables as t
from ledger.channel_tables import reply
from ledger.events import Recorded
from ledger.replies import unknown_senders
from ledger.suppressions import unsuppress
from tests.builders import DAY, HOUR, T0, Person, World, make_world, phone, plan_text, put, reachable
from tests.steps import address_words, as_words, touch_of, verdict_words
from waves.errors import InputError
from waves.message import CHANNEL_CODES, Consent, Inbound
from waves.outcomes import State
from waves.replies import Keyword

SMS = CHANNEL_CODES["sms"]
STRANGER = "+15125550199"
WAVES = """\
  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}
  - {wave: again, channels: [sms], message: hello, release: 2h, listen: 1d}
"""
S = timedelta(seconds=1)


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    yield from started(make_world(tmp_path / "home", ledger_url))


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    yield from started(make_world(tmp_path / "home", sqlite_url))


def started(made: World) -> Iterator[World]:
    """c1 and c2 have numbers of their own; c3 shares c1's, and has a second one."""
    shared = Person("c3", (("sms", phone(1)), ("sms", phone(33))), denied=frozenset())
    put(made.ledger, [reachable(1, ("sms", "email")), reachable(2, ("sms",)), shared])
    made.start(plan_text(WAVES))
    made.advance(T0)
    made.now = T0 + HOUR
    yield made
    made.ledger.close()


def wrote(
    world: World, text: str, sender: str = phone(1), at: datetime | None = None, ident: str = "", **more: Any
) -> Recorded:
    at = at or world.now
    keyword: Keyword | None = more.pop("keyword", None)
    one = Inbound("sms", sender, text, at, more.pop("provider", "outbox"), ident or f"{text} {at}", keyword, **more)
    return record_came(world.room, [one], world.now)


def consents(world: World) -> dict[tuple[str, str], str]:
    a = t.address.c
    with world.ledger.read() as connection:
        rows = connection.execute(
            select(t.customer.c.key, a.value, a.consent).join(t.address, a.customer == t.customer.c.id)
            .where(a.channel == SMS)
        )  # fmt: skip
        return {(row.key, row.value): Consent(row.consent).name.lower() for row in rows}


def suppressions(world: World) -> list[tuple[Any, ...]]:
    s = t.suppression.c
    with world.ledger.read() as connection:
        query = select(s.customer, s.value, s.channel, s.reason, s.until).order_by(s.id)
        return [tuple(row) for row in connection.execute(query)]


def outcome(world: World, key: str = "c1", wave: str = "notice") -> str | None:
    return as_words(touch_of(world, wave, key))[2]


def open_cases(world: World) -> list[cases.Case]:
    with world.ledger.read() as connection:
        return list(cases.cases(connection, world.now))


def test_a_reply_reaches_its_message_once(world: World) -> None:
    assert wrote(world, "Thank you", ident="r1") == Recorded(1, 0, 0)
    assert wrote(world, "Thank you", ident="r1") == Recorded(0, 1, 0)
    assert (outcome(world), outcome(world, "c2"), open_cases(world), suppressions(world)) == ("replied", None, [], [])
    with world.ledger.read() as connection:
        raw = json.loads(connection.scalar(select(t.event.c.raw)) or "")
    assert raw == {"text": "Thank you", "from": phone(1)}


def test_a_flood_of_replies_is_recorded_in_parts_and_in_order(lite: World) -> None:
    commits = list[object]()
    event.listen(lite.ledger.engine, "commit", commits.append)
    came = [Inbound("sms", STRANGER, "ok", lite.now, "outbox", f"r{n:04}") for n in range(2 * AT_ONCE)]
    came.append(Inbound("sms", phone(2), "STOP", lite.now - S, "outbox", "stop"))
    came.insert(0, Inbound("sms", phone(2), "START", lite.now, "outbox", "start"))
    before = len(commits)
    assert record_came(lite.room, came, lite.now).new == len(came)
    assert len(commits) - before >= 3
    assert consents(lite)["c2", phone(2)] == "granted"


def test_a_machine_that_answers_is_no_reply(lite: World) -> None:
    wrote(lite, "Out of office until Monday, call me then?")
    wrote(lite, "Danke", phone(2), raw={"Auto-Submitted": "auto-replied"})
    assert (outcome(lite), outcome(lite, "c2"), open_cases(lite)) == ("auto_replied", "auto_replied", [])


def test_it_answers_the_latest_message_by_the_same_sender_within_thirty_days(lite: World) -> None:
    with lite.ledger.write() as connection:
        touch = touch_of(lite, "notice", "c2").id
        connection.execute(t.touch.update().where(t.touch.c.id == touch).values(provider="main"))
    lite.advance(T0 + DAY + 3 * HOUR)
    lite.advance(lite.now)
    lite.now += HOUR
    assert [row.key for row in lite.touches("again", state=2)] == ["c1", "c2", "c3"]
    wrote(lite, "Fine")
    wrote(lite, "Fine", phone(2), provider="main")
    assert [outcome(lite, key, wave) for key in ("c1", "c2") for wave in ("notice", "again")] == [
        None, "replied", "replied", None,
    ]  # fmt: skip
    lite.now += 31 * DAY
    assert wrote(lite, "Late", phone(2)) == Recorded(1, 0, 0)
    assert outcome(lite, "c2", "again") is None


def test_a_message_that_may_have_arrived_can_be_answered_and_stays_in_doubt(world: World) -> None:
    """A reply names no message, so it proves nothing; but nobody else's message has it."""
    with world.ledger.write() as connection:
        c = t.touch.c
        lost = t.touch.update().where(c.id == touch_of(world, "notice", "c1").id)
        connection.execute(lost.values(state=int(State.IN_DOUBT), provider=None))
    wrote(world, "Fine")
    assert as_words(touch_of(world, "notice", "c1"))[1:] == ("in_doubt", "replied", None)


def test_a_stop_denies_the_address_to_everybody_who_has_it(world: World) -> None:
    assert wrote(world, "STOP", provider="another") == Recorded(1, 0, 0)
    denied = {who for who, consent in consents(world).items() if consent == "denied"}
    assert denied == {("c1", phone(1)), ("c3", phone(1))}
    assert outcome(world) is None
    assert address_words(world, "email")["c1@example.com"][2] == "granted"
    world.advance(T0 + DAY + 3 * HOUR)
    words = verdict_words(world, "again")
    assert (words["c1"], words["c2"]) == ("no_consent", "go")


def test_a_stop_that_answers_no_message_is_for_every_number_of_the_person(world: World) -> None:
    put(world.ledger, [Person("c4", (("sms", phone(4)), ("sms", phone(44))), denied=frozenset())])
    wrote(world, "STOP", phone(4))
    assert [consents(world)["c4", phone(number)] for number in (4, 44)] == ["denied", "denied"]


@pytest.mark.parametrize("days", [0, 200])
def test_a_start_takes_back_the_persons_own_stop_and_nothing_else(lite: World, days: int) -> None:
    lite.now += days * DAY
    wrote(lite, "STOP")
    wrote(lite, "yes", at=lite.now + S)
    assert set(consents(lite).values()) == {"granted"}
    with lite.ledger.write() as connection:
        a = t.address.c
        connection.execute(t.address.update().where(a.value == phone(2)).values(consent=2, consent_source="crm"))
    wrote(lite, "START", phone(2))
    assert consents(lite)["c2", phone(2)] == "denied"


def test_yes_without_an_earlier_stop_is_a_reply(lite: World) -> None:
    wrote(lite, "Yes")
    assert (outcome(lite), set(consents(lite).values())) == ("replied", {"granted"})


def test_help_is_the_carriers_to_answer(lite: World) -> None:
    assert wrote(lite, "HELP?") == Recorded(1, 0, 0)
    assert (outcome(lite), open_cases(lite), set(consents(lite).values())) == (None, [], {"granted"})


def test_the_carriers_own_word_goes_first(lite: World) -> None:
    wrote(lite, "Bon, ça suffit", keyword="stop")
    assert consents(lite)["c1", phone(1)] == "denied"


@pytest.mark.parametrize("order", [("STOP", "START"), ("START", "STOP")])
def test_the_last_word_stands_in_whatever_order_they_come(world: World, order: tuple[str, str]) -> None:
    at = {"STOP": world.now, "START": world.now + 60 * S}
    for sender in (phone(1), STRANGER):
        for text in (*order, *order):
            wrote(world, text, sender, at[text])
    assert consents(world)["c1", phone(1)] == "granted"
    assert [row for row in suppressions(world) if row[-1] is None] == []


def test_a_stop_from_a_number_that_nobody_has_waits_for_whoever_gets_it(world: World) -> None:
    assert wrote(world, "стоп", STRANGER) == Recorded(1, 0, 1)
    assert suppressions(world) == [(None, STRANGER, SMS, "unsubscribed", None)]
    with world.ledger.read() as connection:
        assert unknown_senders(connection) == 1
    wrote(world, "стоп", STRANGER)
    assert len(suppressions(world)) == 1
    wrote(world, "start", STRANGER, world.now + S)
    assert suppressions(world)[0][-1] == world.now + S


def test_a_question_opens_one_case_until_it_is_answered(world: World) -> None:
    wrote(world, "How much is it?")
    wrote(world, "Please call me", at=world.now + S)
    (case,) = open_cases(world)
    assert (case.customer, case.asks, case.opened_by) == ("c1", ("question", "call me"), "reply")
    assert outcome(world) == "replied"
    with world.ledger.read() as connection:
        first, second = cases.asked(connection, case.id)
    assert (first.text, first.campaign, first.wave, second.asks) == ("How much is it?", "test", "notice", "call me")
    world.advance(T0 + DAY + 3 * HOUR)
    assert verdict_words(world, "again")["c1"] == "open_case"
    with world.ledger.write() as connection:
        assert cases.close_case(connection, case.id, "ada", world.now) == "c1"
    with world.ledger.write() as connection, pytest.raises(InputError, match="was closed"):
        cases.close_case(connection, case.id, "ada", world.now)
    assert open_cases(world) == []
    wrote(world, "And now?", at=world.now)
    (again,) = open_cases(world)
    assert (again.asks, again.id != case.id) == (("question",), True)


def test_lifting_the_suppression_closes_the_case(lite: World) -> None:
    wrote(lite, "Really?")
    (case,) = open_cases(lite)
    with lite.ledger.write() as connection:
        unsuppress(connection, touch_of(lite, "notice", "c1").customer, None, None, "ada", lite.now)
        closed = cases.find_case(connection, case.id, lite.now).closed_at
    assert (open_cases(lite), closed) == ([], lite.now)


def test_a_question_of_a_stranger_is_kept_and_nobody_is_held_up(lite: World) -> None:
    assert wrote(lite, "Who is this?", STRANGER) == Recorded(1, 0, 1)
    assert (open_cases(lite), suppressions(lite)) == ([], [])


def test_what_an_erased_person_wrote_is_gone(lite: World) -> None:
    wrote(lite, "My name is Ada?", phone(2))
    lite.now += 40 * DAY
    wrote(lite, "I am still Ada", phone(2))
    erase_customer(lite.room, "c2", "tester")
    wrote(lite, "And once more Ada", phone(2))
    with lite.ledger.read() as connection:
        assert set(connection.scalars(select(t.event.c.raw))) == {"{}"}
        assert connection.scalar(select(reply.c.suppression).where(reply.c.suppression.is_not(None))) is None
    assert open_cases(lite) == []


def test_an_erasure_leaves_what_somebody_else_wrote_from_the_number_they_shared(world: World) -> None:
    wrote(world, "How much is it?")  # c1, who was written to
    wrote(world, "And for my wife?", phone(33), at=world.now + S)  # c3's own
    erase_customer(world.room, "c3", "tester")
    with world.ledger.read() as connection:
        kept = connection.scalars(select(t.event.c.raw).order_by(t.event.c.id)).all()
    assert [json.loads(raw).get("text") for raw in kept] == ["How much is it?", None]


def test_a_broken_table_of_keywords_holds_nobodys_stop_up(lite: World) -> None:
    told: list[str] = []
    lite.room.tell = told.append
    (lite.config / "rules" / "keywords.yaml").write_text("en: {stop: [\n")
    wrote(lite, "STOP")
    assert consents(lite)["c1", phone(1)] == "denied"
    wrote(lite, "And another one")
    assert ["keywords cannot be read" in what for what in told] == [True], "people are told once, not at every reply"


def test_a_table_of_the_homes_own(lite: World) -> None:
    (lite.config / "rules" / "keywords.yaml").write_text("en: {stop: [halt]}\n")
    wrote(lite, "Halt")
    wrote(lite, "стоп", phone(2))
    assert (consents(lite)["c1", phone(1)], consents(lite)["c2", phone(2)]) == ("denied", "granted")
    wrote(lite, "Stop", phone(2))
    assert consents(lite)["c2", phone(2)] == "denied", "our own messages say: reply STOP"
