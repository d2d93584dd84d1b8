"""A provider that is asked about messages in doubt by address: what it is told of each, and WhatsApp to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
from sqlalchemy import update

from ledger import tables as t
from ledger.doubts import addressed, note_doubts
from tests.builders import CUSTOMERS_YAML, DAY, HOUR, T0, Person, World, make_world, plan_text, put, reachable
from tests.channels.twilio_desk import PUBLIC, twilio_sender
from tests.hours_rows import hours_yaml
from tests.standins.scripted import Standin
from tests.standins.twilio import NUMBER, TOKEN, TOKEN_ENV, Account, start_twilio
from waves.outcomes import State

TWO_WAVES = """\
  - {wave: first, channels: [sms], message: hello, release: 2h, listen: 1d}
  - {wave: second, channels: [sms], message: hello, release: 2h, listen: 1d}
"""
TEMPLATE = f"""\
Content-Sid: HX{"e" * 32}
Content-Variables: {{"1": {{{{ name | default('friend') | tojson }}}}, "2": {{{{ title | tojson }}}}}}

Hello {{{{ name | default('friend') }}}}, {{{{ title }}}}
"""
NINE_TO_NOON = '{mon_fri: ["09:00", "12:00"], sat: null, sun: null, holiday: inherit}'
WHATSAPP = "  - {wave: notice, channels: [whatsapp], message: hello, release: 2h, listen: 1d}\n"


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    put(made.ledger, [reachable(n, ["sms"]) for n in (1, 2)])
    yield made
    made.ledger.close()


def test_a_doubt_is_told_with_its_address_its_moment_and_what_else_went_there(world: World) -> None:
    world.start(plan_text(TWO_WAVES))
    world.advance(T0)
    world.advance(T0 + 2 * DAY)
    first, other = world.touches("first")
    second, _ = world.touches("second")
    with world.ledger.write() as connection:
        c = t.touch.c
        connection.execute(update(t.touch).where(c.id == first.id).values(provider_ref="SM1"))
        connection.execute(update(t.touch).where(c.id == other.id).values(provider_ref="SM2"))
        doubt = {"state": int(State.IN_DOUBT), "claimed_at": T0 + 2 * DAY, "provider_ref": None}
        connection.execute(update(t.touch).where(c.id == second.id).values(doubt))
        note_doubts(connection, [second.id], T0 + 2 * DAY)
    address = reachable(int(second.key[1:]), ["sms"]).addresses[0][1]
    told = (address, T0 + 2 * DAY, frozenset({"SM1" if first.key == second.key else "SM2"}), True)
    with world.ledger.read() as connection:
        assert addressed(connection, [second.id]) == {second.id: told}
    begun = {"claimed_at": T0 + 2 * DAY - HOUR, "sent_at": T0 + 2 * DAY - HOUR}
    sent_again = {"state": int(State.QUEUED), "claimed_at": None, "sent_at": begun["sent_at"]}
    unsure = [begun | {"state": int(state)} for state in (State.IN_DOUBT, State.CLAIMED)]
    for values in (*unsure, sent_again):  # of one that is being sent, or may have been, nobody knows the reference yet
        assert told_beside(world, first.wave, second.id, values) == {second.id: (*told[:3], False)}
    for values in unsure:
        long_ago = values | {"claimed_at": T0, "sent_at": T0}
        assert told_beside(world, first.wave, second.id, long_ago) == {second.id: told}, "that is another send's time"


def told_beside(world: World, wave: int, touch: int, values: dict[str, object]) -> dict[int, Any]:
    with world.ledger.write() as connection:
        connection.execute(update(t.touch).where(t.touch.c.wave == wave).values(values))
    with world.ledger.read() as connection:
        return addressed(connection, [touch])


@pytest.fixture
def twilio() -> Iterator[tuple[Standin, Account]]:
    started = start_twilio(Account(clock=lambda: T0))
    yield started
    started[0].check()
    started[0].stop()


def test_whatsapp_goes_out_by_the_same_account_and_what_was_cut_off_is_found(
    tmp_path: Path, sqlite_url: str, twilio: tuple[Standin, Account], monkeypatch: pytest.MonkeyPatch
) -> None:
    standin, account = twilio
    monkeypatch.setenv(TOKEN_ENV, TOKEN)
    world = make_world(tmp_path / "home", sqlite_url, public_url=PUBLIC)
    customers = CUSTOMERS_YAML.replace("consent:\n", "  - {column: wa, channels: [whatsapp]}\nconsent:\n")
    customers += "  whatsapp: {column: wa_ok, source: crm}\n"
    (world.config / "customers.yaml").write_text(customers)
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml(NINE_TO_NOON))
    (world.config / "templates" / "hello.whatsapp.j2").write_text(TEMPLATE)
    put(world.ledger, [Person(f"c{n}", (("whatsapp", f"+1202555012{n}"),)) for n in range(3)])
    sender = twilio_sender(standin.url, "whatsapp", FROM=NUMBER, concurrency=1)
    world.send_by(sender)
    world.start(plan_text(WHATSAPP))
    standin.fail({"fault": "accept_then_reset", "requests": [2]})
    world.advance(T0)
    assert sorted(touch.state for touch in world.touches("notice")) == [State.SENT, State.SENT, State.IN_DOUBT]
    world.advance(T0 + HOUR / 60)
    touches = world.touches("notice")
    assert {touch.state for touch in touches} == {State.SENT}
    assert {touch.provider_ref for touch in touches} == {message["sid"] for message in account.messages}
    lives = {dict(parse_qsl(asked.body.decode()))["ValidityPeriod"] for asked, _ in standin.exchanges if asked.body}
    assert lives == {str(3 * 3600)}, "a message waits in Twilio's queue beyond its reader's hours"
    assert account.accepted() == {f"whatsapp:+1202555012{n}": 1 for n in range(3)}
    world.close()
