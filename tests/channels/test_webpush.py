"""Provider webpush: what leaves for a push service, and what each of its answers leaves behind, through the engine.

20 pushes go out one after the other; the second meets the fault. Then the service is well again and the wave runs to
its end: whatever happened, nobody was accepted twice, nobody is lost, and what was provably not sent went out once.
"""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels.opening import Opening
from channels.registry import CAPABILITIES, open_channel
from channels.webpush import ANSWERS, LONGEST_JSON, LONGEST_TTL_S, Webpush
from channels.webpush_crypto import topic_of
from channels.webpush_keys import KEY_FILE, make_key
from config.settings import Settings
from flows.room import Room, read_token_key
from ledger import health
from ledger import tables as t
from ledger.engine_tables import kill_switch
from ledger.store import open_ledger
from tests.builders import DAY, HOUR, T0, Person, World, make_world, plan_text, put
from tests.standins.webpush import PushStandin
from waves.errors import SendRefused
from waves.message import AddressState, Message
from waves.outcomes import Action, Reason, State, word
from waves.senders import Breaker, Sender
from waves.tokens import Kind, make_token

WAVE = "  - {wave: notice, channels: [web_push], message: hello, release: 2h, listen: 1d}\n"
PEOPLE, MINUTE = 20, timedelta(minutes=1)
OPTIONS = {"subject": "mailto:ops@example.com", "loopback": True}
DOUBT = {"sent": 19, "in_doubt provider": 1}
LATER = {"sent": 1, "queued rate_limited": 19}

Said = dict[str, int]


def status(code: int, fault: str = "status", **headers: str) -> dict[str, Any]:
    return {"fault": fault, "status": code, "headers": headers}


FAULTS: dict[str, tuple[dict[str, Any], Said]] = {
    "well": ({"fault": "none"}, {"sent": 20}),
    "200": (status(200, "accept_then_status"), {"sent": 20}),
    "202": (status(202, "accept_then_status"), {"sent": 20}),
    "accept then reset": ({"fault": "accept_then_reset"}, DOUBT),
    "reset before reading": ({"fault": "reset_before_reading"}, DOUBT),
    "accept then 500": (status(500, "accept_then_status"), DOUBT),
    "502": (status(502), DOUBT),
    "503, even with Retry-After": (status(503, **{"Retry-After": "7"}), DOUBT),
    "408": (status(408), DOUBT),
    "hang after accepting": ({"fault": "hang"}, DOUBT),
    "half an answer": ({"fault": "half_an_answer"}, DOUBT),
    "429 with Retry-After": (status(429, **{"Retry-After": "7"}), LATER),
    "429 without": (status(429), LATER),
    "406 of WNS": (status(406, **{"Retry-After": "7"}), LATER),
    "404": (status(404), {"sent": 19, "refused address_gone": 1}),
    "410": (status(410), {"sent": 19, "refused address_gone": 1}),
    "400 of one": (status(400), {"sent": 19, "refused invalid_address": 1}),
    "401 of one": (status(401), {"sent": 19, "refused invalid_address": 1}),
    "403 of one": (status(403), {"sent": 19, "refused invalid_address": 1}),
    "413": (status(413), {"sent": 19, "refused too_large": 1}),
    "301": (status(301, Location="http://127.0.0.1:1/"), {"sent": 19, "refused config": 1}),
    "302": (status(302, Location="http://127.0.0.1:1/"), DOUBT),
    "307": (status(307, Location="http://127.0.0.1:1/"), {"sent": 19, "refused config": 1}),
    "308": (status(308, Location="http://127.0.0.1:1/"), {"sent": 19, "refused config": 1}),
    "400 of all": ({**status(400), "from": 1}, {"refused config": 3, "queued config": 17}),
    "401 of all": ({**status(401), "from": 1}, {"refused config": 3, "queued config": 17}),
    "all resets": ({"fault": "accept_then_reset", "from": 1}, {"in_doubt provider": 3, "queued provider": 17}),
    "it dies": ({"fault": "accept_then_die"}, {"sent": 1, "in_doubt provider": 1, "queued provider": 18}),
}


def sender(**more: Any) -> Sender:
    calm = {"concurrency": 1, "timeout": timedelta(seconds=0.7), "breaker": Breaker(of=100_000)}
    return Sender(sender="browsers", channel="web_push", provider="webpush", **{"options": OPTIONS, **calm, **more})


@dataclass
class Case:
    """A world whose pushes go to a push service."""

    world: World
    service: PushStandin
    assumed: set[str] = field(default_factory=set)

    def send_by(self, chosen: Sender) -> None:
        """From now on by this sender, as after a restart of the engine."""
        self.hang_up()
        room = self.world.room
        self.world.room = Room(room.settings, room.ledger, room.token_key, senders={chosen.sender: chosen})

    def hang_up(self) -> None:
        for channel in self.world.room._channels.values():
            channel.close()  # type: ignore[attr-defined]

    def states(self) -> Said:
        rows = self.world.touches("notice")
        words = [f"{word(State(r.state))} {word(Reason(r.reason)) if r.reason else ''}".strip() for r in rows]
        return dict(Counter(words))

    def tokens(self, *states: State) -> set[str]:
        key = self.world.room.token_key
        return {make_token(key, Kind.TOUCH, r.id) for r in self.world.touches("notice") if r.state in states}

    def dead(self) -> int:
        with self.world.ledger.read() as connection:
            dead = select(t.address.c.id).where(t.address.c.state == int(AddressState.DEAD))
            return len(connection.execute(dead).all())

    def finish(self) -> None:
        for minute in (2, 15):
            self.world.advance(T0 + minute * MINUTE)
        self.world.advance(T0 + DAY + 3 * HOUR)

    def check_the_books(self) -> None:
        accepted = self.service.accepted
        assert set(accepted.values()) <= {1}
        assert self.tokens(State.SENT) - set(accepted) <= self.assumed
        assert not self.tokens(State.QUEUED, State.CLAIMED, State.EXPIRED)
        assert set(accepted) <= self.tokens(State.SENT, State.IN_DOUBT)  # nobody can be asked about those
        assert len(self.world.touches("notice")) == PEOPLE
        with self.world.ledger.read() as connection:
            assert [(book.now, book.as_closed) for book in health.books(connection)] == [(True, True)]
        assert not self.service.wrong


@pytest.fixture(scope="module")
def standin() -> Iterator[PushStandin]:
    made = PushStandin()
    yield made
    made.stop()


@pytest.fixture
def service(standin: PushStandin) -> PushStandin:
    """The module's push service, well and without a memory."""
    standin.well()
    return standin


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory, standin: PushStandin) -> Path:
    """A home whose wave is about to open; each case has a copy."""
    home = tmp_path_factory.mktemp("ready") / "home"
    world = make_world(home)
    make_key(home / KEY_FILE)
    put(world.ledger, [Person(f"c{n}", (("web_push", standin.subscription(n).text),)) for n in range(PEOPLE)])
    world.start(plan_text(WAVE))
    world.ledger.close()
    return home


@pytest.fixture
def case(tmp_path: Path, ready: Path, service: PushStandin) -> Iterator[Case]:
    home = tmp_path / "home"
    shutil.copytree(ready, home)
    settings = Settings(home=home)
    room = Room(settings, open_ledger(settings.url), read_token_key(settings))
    made = Case(World(room, home / "config"), service)
    made.send_by(sender())
    yield made
    made.hang_up()
    made.world.ledger.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_these_states_and_nobody_twice(case: Case, fault: str, monkeypatch: pytest.MonkeyPatch) -> None:
    rule, states = FAULTS[fault]
    case.service.fail(rule if "from" in rule else {"requests": [2], **rule})
    case.world.advance(T0)
    assert case.states() == states
    assert case.dead() == sum(n for said, n in states.items() if said.endswith(("gone", "invalid_address")))
    case.assumed = case.tokens(State.IN_DOUBT)
    if fault == "it dies":
        case.service.start()
    case.service.fail()
    case.send_by(sender())  # what rests is known to a program alone; its clock is the real one, and the ledger's is not
    case.finish()
    case.check_the_books()


def test_no_service_at_all_leaves_all_queued(case: Case) -> None:
    case.service.die()
    case.world.advance(T0)
    assert case.states() == {"queued provider": PEOPLE}
    case.service.start()
    case.send_by(sender())
    case.finish()
    case.check_the_books()
    assert sum(case.service.accepted.values()) == PEOPLE


def test_every_answer_of_the_table_is_met_by_a_fault() -> None:
    met = {rule.get("status", 201) for rule, _ in FAULTS.values()}
    assert set(ANSWERS) <= met


def test_a_key_that_a_push_service_refuses_pauses_the_sender(case: Case) -> None:
    case.service.fail({**status(401), "from": 1})
    case.world.advance(T0)
    with case.world.ledger.read() as connection:
        switch = connection.execute(select(kill_switch.c.scope, kill_switch.c.by, kill_switch.c.why)).one()
    assert switch == ("sender:browsers", "breaker", "its provider refuses it (config)")
    assert case.dead() == 0


@pytest.mark.parametrize("fault", ["429", "unreachable"])
def test_one_push_service_is_not_held_against_the_others(
    tmp_path: Path, sqlite_url: str, service: PushStandin, fault: str
) -> None:
    other = PushStandin()
    world = make_world(tmp_path / "home", sqlite_url)
    case = Case(world, service)
    make_key(tmp_path / "home" / KEY_FILE)
    put(
        world.ledger,
        [Person(f"c{n}", (("web_push", (service, other)[n % 2].subscription(n).text),)) for n in range(10)],
    )
    world.start(plan_text(WAVE))
    case.send_by(sender(breaker=Breaker(of=10)))
    if fault == "429":
        other.fail({**status(429, **{"Retry-After": "90"}), "from": 1})
    else:
        other.die()
    world.advance(T0)
    assert case.states() == {"sent": 5, f"queued {'rate_limited' if fault == '429' else 'provider'}": 5}
    with world.ledger.read() as connection:
        assert connection.execute(select(kill_switch.c.scope)).all() == []
    case.hang_up()
    other.stop()
    world.ledger.close()


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Webpush]:
    make_key(tmp_path / KEY_FILE)
    made = Webpush(Opening(CAPABILITIES["web_push"], sender(), tmp_path / "outbox", "https://go.example.com"))
    yield made
    made.close()


def message(address: str, **more: Any) -> Message:
    fields = {"title": "Привіт", "body": "Your contract ends soon", "url": "https://www.example.com/renew"}
    given = {"until": T0 + DAY, **more}
    return Message("TOKEN", "web_push", address, "Ada", "uk", given.pop("fields", fields), "autumn", "notice", **given)


def test_what_the_service_worker_gets(channel: Webpush, service: PushStandin) -> None:
    (said,) = channel.send([message(service.subscription(1).text)], T0)
    assert said.result == "accepted"
    assert service.payloads == [
        {
            "title": "Привіт",
            "body": "Your contract ends soon",
            "token": "TOKEN",
            "tag": topic_of("autumn"),
            "url": "https://www.example.com/renew",
            "beacon": "https://go.example.com/push/beacon",
        }
    ]
    (request,) = service.requests
    assert request.headers["ttl"] == "86400"
    assert request.headers["topic"] == topic_of("autumn")
    assert request.path == "/push/1"


@pytest.mark.parametrize(
    ("until", "hours_end", "ttl"),
    [
        (None, None, LONGEST_TTL_S),
        (T0 + 90 * DAY, None, LONGEST_TTL_S),
        (T0 + HOUR, None, 3600),
        (T0 - HOUR, None, 0),
        (T0 + DAY, T0 + HOUR, 3600),
        (T0 + HOUR, T0 + DAY, 3600),
        (None, T0 + HOUR, 3600),
    ],
)
def test_a_push_is_kept_to_the_end_of_its_wave_or_of_its_readers_day(
    channel: Webpush, service: PushStandin, until: Any, hours_end: Any, ttl: int
) -> None:
    one = message(service.subscription(1).text, until=until, hours_end=hours_end)
    assert channel.send([one], T0)[0].result == "accepted"
    assert service.requests[-1].headers["ttl"] == str(ttl)


@pytest.mark.parametrize(
    ("address", "fields", "reason", "action"),
    [
        ("a device's token", None, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
        ("https://push.example.com/1", None, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
        ("internal", None, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
        (None, {"title": "x", "body": "я" * LONGEST_JSON}, Reason.TOO_LARGE, Action.NEXT_CHANNEL),
        (None, {"title": "x", "body": "\ud800"}, Reason.CONTENT, Action.NEXT_CHANNEL),
    ],
)
def test_what_cannot_be_sent_is_refused_before_a_byte_leaves(
    channel: Webpush, service: PushStandin, address: Any, fields: Any, reason: Reason, action: Action
) -> None:
    sound = service.subscription(1)
    internal = replace(sound, endpoint="https://169.254.169.254/latest").text
    to = internal if address == "internal" else address or sound.text
    more = {} if fields is None else {"fields": fields}
    (said,) = channel.send([message(to, **more)], T0)
    assert (said.result, said.reason, said.action) == ("refused", reason, action)
    assert service.requests == []


def test_what_was_not_begun_in_time_is_not_sent(channel: Webpush, service: PushStandin) -> None:
    said = channel.send([message(service.subscription(n).text) for n in range(3)], T0, within_s=-1.0)
    assert [(one.result, one.reason, one.retry_after_s) for one in said] == [("not_sent", None, 0.0)] * 3
    assert service.requests == []
    assert channel.find(["TOKEN"]) is None


def test_requests_in_the_air_are_bounded_and_connections_kept(tmp_path: Path, service: PushStandin) -> None:
    make_key(tmp_path / KEY_FILE)
    made = Webpush(Opening(CAPABILITIES["web_push"], sender(concurrency=4), tmp_path / "outbox"))
    said = made.send([message(service.subscription(n).text) for n in range(40)], T0)
    assert {one.result for one in said} == {"accepted"}
    assert len(service.lines) <= 4
    assert "beacon" not in service.payloads[0]
    made.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "subject"),
        ({"subject": "ops@example.com"}, "mailto"),
        ({"subject": "mailto:a@b.example\r\nX: y"}, "mailto"),
        ({"subject": "mailto:ops@example.com"}, "multiwave keys"),
        ({"subject": "mailto:ops@example.com", "key_env": "NOT_SET_HERE"}, "NOT_SET_HERE is not set"),
        ({"subject": "mailto:ops@example.com", "key_file": "../x"}, "key_file"),
    ],
)
def test_a_sender_without_its_options_or_key_is_told(tmp_path: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(SendRefused, match=said):
        open_channel(sender(options=options), tmp_path / "outbox")
