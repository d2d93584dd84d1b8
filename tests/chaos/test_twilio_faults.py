"""What each fault of Twilio leaves behind: the state of every touch, through the real engine.

Twelve texts go out one by one; the third request meets the fault. Then Twilio is well again and the wave runs to its
end: whatever happened, nobody was taken twice, nobody is lost, what was provably not sent went out, and what was cut
off and taken was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.builders import make_world, phone, plan_text, put, reachable
from tests.channels.twilio_desk import twilio_sender
from tests.chaos.matrix import ONE_BY_ONE, Case, Said, each_fault, on_sqlite, wave
from tests.standins.scripted import Standin
from tests.standins.twilio import TOKEN, TOKEN_ENV, Account, start_twilio
from waves.outcomes import State

PEOPLE, THIRD = 12, {"requests": [3]}
DOUBT = {"sent": 11, "in_doubt provider": 1}
WAITS = {"sent": 2, "queued rate_limited": 8, "queued": 2}


def say(status: int, code: int | None = None, accepts: bool = False, **headers: str) -> dict[str, Any]:
    body = "" if code is None else {"code": code, "message": "x", "status": status}
    return {"fault": "accept_then_say" if accepts else "say", "status": status, "body": body, "headers": headers}


FAULTS: dict[str, tuple[dict[str, Any], Said]] = {
    "well": ({"fault": "none"}, {"sent": 12}),
    "reset, not taken": ({"fault": "reset"}, DOUBT),
    "reset, taken": ({"fault": "accept_then_reset"}, DOUBT),
    "silence, not taken": ({"fault": "hang"}, DOUBT),
    "silence, taken": ({"fault": "accept_then_hang"}, DOUBT),
    "half an answer": ({"fault": "half"}, DOUBT),
    "201 that is no JSON": ({"fault": "accept_then_say", "status": 201, "body": "<html>"}, DOUBT),
    "500": (say(500, 20500), DOUBT),
    "503, taken": (say(503, 20503, accepts=True, **{"Retry-After": "1"}), DOUBT),
    "a redirect": (say(302, **{"Location": "/elsewhere"}), DOUBT),
    "dies, taken": ({"fault": "accept_then_die"}, {"sent": 2, "in_doubt provider": 1, "queued provider": 9}),
    "429": (say(429, 20429, **{"Retry-After": "7"}), WAITS),
    "the queue is full": (say(400, 21611), {"sent": 2, "queued queue_full": 8, "queued": 2}),
    "a bad number": (say(400, 21211), {"sent": 11, "refused invalid_address": 1}),
    "said stop there": (say(400, 21610), {"sent": 11, "refused opted_out": 1}),
    "our mistake": (say(400, 21619), {"sent": 11, "refused config": 1}),
    "an unregistered number": (say(400, 30034), {"sent": 2, "refused sender": 1, "queued provider": 7, "queued": 2}),
    "no such account": (say(401, 20003), {"sent": 2, "queued account": 1, "queued provider": 7, "queued": 2}),
    "all resets": (
        {"fault": "accept_then_reset", "requests": [], "from": 1},
        {"in_doubt provider": 5, "queued provider": 7},
    ),
}
CUT_OFF = ("reset, not taken", "reset, taken", "503, taken", "all resets")


@dataclass(kw_only=True)
class Texting(Case):
    """A world whose text messages go to Twilio, which tells them apart by their numbers."""

    standin: Standin
    account: Account

    def accepted(self) -> Mapping[str, int]:
        return self.account.accepted()

    def who(self, *states: State) -> set[str]:
        keys = [row.key for row in self.world.touches("notice") if row.state in states]
        return {phone(int(key[1:])) for key in keys}

    def send_by(self, url: str, timeout_s: float = 20.0) -> None:
        self.world.send_by(twilio_sender(url, **ONE_BY_ONE, timeout=timedelta(seconds=timeout_s)))

    def meet(self, fault: str) -> None:
        """The first round, in which the fault happens; then Twilio is well, and the wave runs to its end."""
        rule, states = FAULTS[fault]
        self.send_by(self.standin.url, 1.0 if "hang" in rule["fault"] else 20.0)
        self.standin.fail({**THIRD, **rule})
        assert self.open() == states
        self.standin.fail()
        self.finish()
        assert self.standin.check()


Make = Callable[..., Texting]


@pytest.fixture
def make(tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Texting] = []

    def begin(in_doubt: str = "assume_sent", template: str | None = None) -> Texting:
        monkeypatch.setenv(TOKEN_ENV, TOKEN)
        world = make_world(tmp_path / "home", ledger_url)
        if template is not None:
            (world.config / "templates" / "hello.sms.j2").write_text(template)
        put(world.ledger, [reachable(n, ["sms"]) for n in range(PEOPLE)])
        world.start(plan_text(wave("sms")).replace("hours: house\n", f"hours: house\nin_doubt: {in_doubt}\n"))
        standin, account = start_twilio(Account(clock=lambda: world.now))
        made.append(Texting(world=world, people=PEOPLE, standin=standin, account=account))
        return made[-1]

    yield begin
    for case in made:
        case.world.hang_up()
        case.standin.stop()
        case.world.ledger.close()


@each_fault(FAULTS, "reset, taken", "429", "no such account")
def test_a_fault_leaves_these_states_and_nobody_twice(make: Make, fault: str) -> None:
    make().meet(fault)


@on_sqlite
@pytest.mark.parametrize("fault", CUT_OFF)
def test_a_plan_that_resends_what_it_does_not_find_sends_nothing_twice(make: Make, fault: str) -> None:
    case = make("resend")
    case.meet(fault)
    assert sum(case.accepted().values()) == PEOPLE


@on_sqlite
@pytest.mark.parametrize("fault", ["reset, taken", "500"])
def test_without_a_link_of_its_own_a_message_is_found_by_its_moment(make: Make, fault: str) -> None:
    case = make("resend", "Hello {{ name | default('') }}")
    case.meet(fault)
    assert sum(case.accepted().values()) == PEOPLE


@on_sqlite
def test_a_connection_never_made_leaves_all_queued(make: Make) -> None:
    case = make()
    case.send_by("http://127.0.0.1:9")
    assert case.open() == {"queued provider": PEOPLE}
    case.send_by(case.standin.url)
    case.finish()
    assert sum(case.accepted().values()) == PEOPLE
