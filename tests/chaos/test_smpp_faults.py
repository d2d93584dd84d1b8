"""The fault matrix of provider `smpp`: the state of every touch, through the real engine and a real SMSC.

Twelve texts go out one after the other; the third one meets the fault. Then the SMSC is well again and the wave runs
to its end: whatever happened, nobody was accepted twice, nobody is lost, and what was provably not sent went out once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.spool import Spool
from tests.builders import DAY, HOUR, T0, make_world, phone, plan_text, put, reachable
from tests.chaos.matrix import MINUTE, ONE_BY_ONE, PATIENT, Case, Said, each_fault, on_sqlite, patience, wave
from tests.standins.smsc import PASSWORD, PASSWORD_ENV, Smsc, ear, smpp_sender, smsc
from waves.outcomes import Outcome, Verdict

PEOPLE = 12
LONG = "{{ token }} " + "long " * 50
DOUBT = {"sent": 11, "in_doubt provider": 1}
CUT = {"sent": 2, "in_doubt provider": 1, "queued provider": 9}
THIRD: dict[str, Any] = {"at": [3]}

FAULTS: dict[str, tuple[dict[str, Any], Said]] = {
    "well": ({"at": []}, {"sent": 12}),
    "dropped after accepting": ({**THIRD, "fault": "accept_then_drop"}, CUT),
    "dropped before accepting": ({**THIRD, "fault": "drop"}, CUT),
    "accepted and no answer": ({**THIRD, "fault": "accept_then_hang"}, DOUBT),
    "no answer": ({**THIRD, "fault": "hang"}, DOUBT),
    "an answer to something else": ({**THIRD, "fault": "wrong_answer"}, DOUBT),
    "it unbinds": ({**THIRD, "fault": "accept_then_unbind"}, {"sent": 3, "queued provider": 9}),
    "throttled": ({**THIRD, "fault": "status", "status": 0x58}, {"sent": 2, "queued rate_limited": 10}),
    "queue full": ({**THIRD, "fault": "status", "status": 0x14}, {"sent": 2, "queued queue_full": 10}),
    "a bad number": ({**THIRD, "fault": "status", "status": 0x0B}, {"sent": 11, "refused invalid_address": 1}),
    "a system error": ({**THIRD, "fault": "status", "status": 0x08}, {"sent": 11, "queued provider": 1}),
    "a source nobody knows": (
        {**THIRD, "fault": "status", "status": 0x0A},
        {"sent": 2, "refused sender": 1, "queued provider": 9},
    ),
    "a status nobody knows": ({**THIRD, "fault": "status", "status": 0x4FF}, {"sent": 11, "refused other": 1}),
    "a refused bind": ({"bind": "transmitter", "status": 0x0E}, {"queued account": 12}),
    "a bind without an answer": ({"bind": "transmitter", "fault": "hang"}, {"queued provider": 12}),
}


@pytest.fixture(scope="module")
def running() -> Iterator[Smsc]:
    with smsc() as made:
        yield made


@dataclass(kw_only=True)
class Texting(Case):
    """A world whose text messages go to an SMSC."""

    can_be_asked = False
    centre: Smsc

    def send(self, *names: str, timeout: timedelta = PATIENT) -> Said:
        """Open the wave, one text after the other, by the first of these senders that may; the states."""
        senders = [
            smpp_sender(self.centre.port, name, {"window": 1, "system_id": name}, **ONE_BY_ONE, timeout=timeout)
            for name in names or ("smsc",)
        ]
        if names:
            room = self.world.room
            room.settings = room.settings.model_copy(update={"providers": {"sms": list(names)}})
        self.world.send_by(*senders)
        return self.open()

    def accepted(self) -> Counter[str]:
        """Token to how often its text was begun: a long one counts by its first part."""
        parts = self.centre.all("accepted")
        first = [one for one in parts if one["udh"] is None or one["udh"][0].endswith("01")]
        return Counter(next(w for w in one["text"].split() if len(w) == 20) for one in first)

    def finish(self, expired: int = 0) -> None:
        self.centre.rules()
        super().finish(expired)


@pytest.fixture
def case(tmp_path: Path, ledger_url: str, running: Smsc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Texting]:
    monkeypatch.setenv(PASSWORD_ENV, PASSWORD)
    world = make_world(tmp_path / "home", ledger_url)
    put(world.ledger, [reachable(n, ["sms"]) for n in range(PEOPLE)])
    yield Texting(world=world, people=PEOPLE, centre=running)
    world.hang_up()
    running.forget()
    world.ledger.close()


@each_fault(FAULTS, "dropped after accepting", "throttled", "a source nobody knows")
def test_a_fault_leaves_these_states_and_nobody_twice(case: Texting, fault: str) -> None:
    rule, states = FAULTS[fault]
    case.world.start(plan_text(wave("sms")))
    case.centre.rules(rule)
    assert case.send(timeout=patience(rule.get("fault"))) == states
    case.finish()


@on_sqlite
def test_an_smsc_that_answers_nobody_is_left_alone(case: Texting) -> None:
    case.world.start(plan_text(wave("sms")))
    case.centre.rules({"from": 1, "fault": "accept_then_hang"})
    left = case.send(timeout=timedelta(seconds=1))
    assert set(left) <= {"in_doubt provider", "queued provider"}
    assert left["in_doubt provider"] >= 3
    case.finish()


@on_sqlite
@pytest.mark.parametrize("fault", ["throttled", "dropped after accepting", "accepted and no answer"])
def test_a_long_text_that_is_cut_off_within_is_sent_once(case: Texting, fault: str) -> None:
    (case.world.config / "templates" / "hello.sms.j2").write_text(LONG)
    case.world.start(plan_text(wave("sms")))
    rule = {**FAULTS[fault][0], "at": [4]}  # the second part of the second text
    case.centre.rules(rule)
    assert case.send(timeout=patience(rule.get("fault")))["sent"] >= 2
    assert not case.assumed  # its first part was accepted: that is no doubt
    case.finish()
    assert sum(case.accepted().values()) == PEOPLE


def test_receipts_find_their_touches_though_they_come_before_the_answers(case: Texting, tmp_path: Path) -> None:
    world, centre = case.world, case.centre
    world.start(plan_text(wave("sms")))
    folder = world.room.settings.spool_folder
    spool = Spool(folder)
    with ear(smpp_sender(centre.port), spool):
        centre.wait("bound", kind="receiver")
        centre.rules(
            {"receipt": "tlv", "stat": "ENROUTE", "early": True},
            {"receipt": "text", "stat": "DELIVRD"},
        )
        assert case.send() == {"sent": PEOPLE}
        for _ in range(2 * PEOPLE):
            assert centre.wait("delivered")["status"] == 0
    spool.close()
    world.advance(T0 + MINUTE)
    assert {row.outcome for row in world.touches("notice")} == {Outcome.DELIVERED}
    case.finish()


@on_sqlite
@pytest.mark.parametrize(
    ("rule", "by"),
    [
        ({"bind": "transmitter", "system_id": "main", "status": 0x0E}, {"spare": 12}),
        ({"bind": "transmitter", "system_id": "main", "fault": "hang"}, {"spare": 12}),
        ({**THIRD, "fault": "accept_then_drop"}, {"main": 3, "spare": 9}),
        ({**THIRD, "fault": "drop"}, {"main": 2, "spare": 9}),
    ],
)
def test_a_second_smsc_takes_what_the_first_surely_did_not(
    case: Texting, rule: dict[str, Any], by: dict[str, int]
) -> None:
    case.world.start(plan_text(wave("sms")))
    case.centre.rules(rule)
    case.send("main", "spare", timeout=patience(rule.get("fault")))
    case.world.advance(T0 + timedelta(seconds=2))
    assert Counter(one["by"] for one in case.centre.all("accepted")) == by
    case.finish()


@on_sqlite
def test_a_stop_that_a_person_sends_stops_every_later_text(case: Texting) -> None:
    world, centre = case.world, case.centre
    world.start(plan_text(wave("sms") + wave("sms", "again")))
    case.send()
    spool = Spool(world.room.settings.spool_folder)
    with ear(smpp_sender(centre.port), spool):
        centre.wait("bound", kind="receiver")
        for text in (b"STOP", b"STOP"):  # an SMSC that missed our answer delivers again
            centre.deliver(source_addr=phone(3)[1:], source_addr_ton=1, short_message=text)
            assert centre.wait("delivered")["status"] == 0
    spool.close()
    centre.rules()
    world.advance(T0 + MINUTE)
    world.advance(T0 + DAY + 3 * HOUR)
    world.advance(T0 + DAY + 4 * HOUR)
    assert world.verdicts("again")["c3"] != Verdict.GO
    assert Counter(one["to"] for one in centre.all("accepted"))[phone(3)[1:]] == 1
    assert len(centre.all("accepted")) == 2 * PEOPLE - 1
