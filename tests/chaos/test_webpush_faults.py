"""What each answer of a push service leaves behind: the state of every touch, through the real engine.

20 pushes go out one after the other; the second meets the fault. Then the service is well again and the wave runs to
its end: whatever happened, nobody was accepted twice, nobody is lost, and what was provably not sent went out once.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from channels.webpush import ANSWERS
from channels.webpush_keys import KEY_FILE, make_key
from ledger import tables as t
from ledger.engine_tables import kill_switch
from tests.builders import Person, make_world, plan_text, put
from tests.chaos.matrix import ONE_BY_ONE, Case, Said, each_fault, on_sqlite, patience, wave
from tests.standins.webpush import PushStandin, push_sender
from waves.message import AddressState
from waves.senders import Breaker

PEOPLE = 20
DOUBT = {"sent": 19, "in_doubt provider": 1}
LATER = {"sent": 1, "queued rate_limited": 19}


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


@dataclass(kw_only=True)
class Pushing(Case):
    """A world whose pushes go to a push service."""

    can_be_asked = False
    service: PushStandin

    def accepted(self) -> Mapping[str, int]:
        return self.service.accepted

    def send_by(self, **more: Any) -> None:
        """From now on by this sender, as after a restart: what rests is known to a program alone, by the real clock."""
        self.world.send_by(push_sender(**{**ONE_BY_ONE, **more}))

    def dead(self) -> int:
        """Addresses that are not written to any more."""
        with self.world.ledger.read() as connection:
            dead = select(t.address.c.id).where(t.address.c.state == int(AddressState.DEAD))
            return len(connection.execute(dead).all())

    def finish(self, expired: int = 0) -> None:
        self.service.fail()
        self.send_by()
        super().finish(expired)
        assert not self.service.wrong


@pytest.fixture(scope="module")
def standin() -> Iterator[PushStandin]:
    made = PushStandin()
    yield made
    made.stop()


def begun(home: Path, url: str, *services: PushStandin) -> Pushing:
    """A world whose people are, in turn, at each of these services."""
    world = make_world(home, url)
    make_key(home / KEY_FILE)
    endpoints = [services[n % len(services)].subscription(n).text for n in range(PEOPLE)]
    put(world.ledger, [Person(f"c{n}", (("web_push", endpoint),)) for n, endpoint in enumerate(endpoints)])
    world.start(plan_text(wave("web_push")))
    made = Pushing(world=world, people=PEOPLE, service=services[0])
    made.send_by()
    return made


@pytest.fixture
def case(tmp_path: Path, ledger_url: str, standin: PushStandin) -> Iterator[Pushing]:
    standin.well()
    made = begun(tmp_path / "home", ledger_url, standin)
    yield made
    made.world.close()


@each_fault(FAULTS, "accept then reset", "429 with Retry-After", "410", "401 of all", "it dies")
def test_a_fault_leaves_these_states_and_nobody_twice(case: Pushing, fault: str) -> None:
    rule, states = FAULTS[fault]
    case.send_by(timeout=patience(rule["fault"]))
    case.service.fail(rule if "from" in rule else {"requests": [2], **rule})
    assert case.open() == states
    assert case.dead() == sum(n for said, n in states.items() if said.endswith(("gone", "invalid_address")))
    if fault == "it dies":
        case.service.start()
    case.finish()


@on_sqlite
def test_no_service_at_all_leaves_all_queued(case: Pushing) -> None:
    case.service.die()
    assert case.open() == {"queued provider": PEOPLE}
    case.service.start()
    case.finish()
    assert sum(case.service.accepted.values()) == PEOPLE


def test_every_answer_of_the_table_is_met_by_a_fault() -> None:
    met = {rule.get("status", 201) for rule, _ in FAULTS.values()}
    assert set(ANSWERS) <= met


@on_sqlite
def test_a_key_that_a_push_service_refuses_pauses_the_sender(case: Pushing) -> None:
    case.service.fail({**status(401), "from": 1})
    case.open()
    with case.world.ledger.read() as connection:
        switch = connection.execute(select(kill_switch.c.scope, kill_switch.c.by, kill_switch.c.why)).one()
    assert switch == ("sender:browsers", "breaker", "its provider refuses it (config)")
    assert case.dead() == 0


@pytest.mark.parametrize(("fault", "waits"), [("429", "rate_limited"), ("unreachable", "provider")])
def test_one_push_service_is_not_held_against_the_others(
    tmp_path: Path, sqlite_url: str, standin: PushStandin, fault: str, waits: str
) -> None:
    standin.well()
    other = PushStandin()
    case = begun(tmp_path / "home", sqlite_url, standin, other)
    case.send_by(breaker=Breaker(of=10))
    if fault == "429":
        other.fail({**status(429, **{"Retry-After": "90"}), "from": 1})
    else:
        other.die()
    assert case.open() == {"sent": 10, f"queued {waits}": 10}
    with case.world.ledger.read() as connection:
        assert connection.execute(select(kill_switch.c.scope)).all() == []
    case.world.hang_up()
    other.stop()
    case.world.ledger.close()
