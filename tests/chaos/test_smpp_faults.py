"""The fault matrix of provider `smpp`: the state of every touch, through the real engine and a real SMSC.

Twelve texts go out one after the other; the third one meets the fault. Then the SMSC is well again and the wave runs
to its end: whatever happened, nobody was accepted twice, nobody is lost, and what was provably not sent went out once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.spool import Spool
from flows.room import Room
from ledger import health
from tests.builders import DAY, HOUR, T0, World, make_world, phone, plan_text, put, reachable
from tests.standins.smsc import PASSWORD, PASSWORD_ENV, Smsc, ear, smpp_sender, smsc
from waves.outcomes import Outcome, Reason, State, Verdict, word
from waves.senders import Breaker
from waves.tokens import Kind, make_token

WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
PEOPLE, MINUTE = 12, timedelta(minutes=1)
LONG = "{{ token }} " + "long " * 50
DOUBT = {"sent": 11, "in_doubt provider": 1}
CUT = {"sent": 2, "in_doubt provider": 1, "queued provider": 9}
THIRD: dict[str, Any] = {"at": [3]}
SILENT = frozenset({"hang", "accept_then_hang", "wrong_answer"})
"""Faults that are known by the time that passes."""

FAULTS: dict[str, tuple[dict[str, Any], dict[str, int]]] = {
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


@dataclass
class Case:
    """A world whose text messages go to an SMSC."""

    world: World
    centre: Smsc
    assumed: set[str] = field(default_factory=set)
    """Tokens that were in doubt after the first round."""

    def send(self, *names: str, silent: bool = False) -> None:
        """Open the wave, one text after the other, by the first of these senders that may."""
        calm = {"timeout": timedelta(seconds=0.7 if silent else 10), "breaker": Breaker(of=100_000)}
        senders = {
            name: smpp_sender(self.centre.port, name, {"window": 1, "system_id": name}, **calm)
            for name in names or ("smsc",)
        }
        room = self.world.room
        settings = room.settings.model_copy(update={"providers": {"sms": list(names)}}) if names else room.settings
        self.world.room = Room(settings, room.ledger, room.token_key, senders=senders)
        self.world.advance(T0)
        self.assumed = self.tokens(State.IN_DOUBT)

    def states(self) -> dict[str, int]:
        rows = self.world.touches("notice")
        words = [f"{word(State(r.state))} {word(Reason(r.reason)) if r.reason else ''}".strip() for r in rows]
        return dict(Counter(words))

    def tokens(self, *states: State) -> set[str]:
        key = self.world.room.token_key
        return {make_token(key, Kind.TOUCH, r.id) for r in self.world.touches("notice") if r.state in states}

    def accepted(self) -> Counter[str]:
        """Token to how often its text was begun: a long one counts by its first part."""
        parts = self.centre.all("accepted")
        first = [one for one in parts if one["udh"] is None or one["udh"][0].endswith("01")]
        return Counter(next(w for w in one["text"].split() if len(w) == 20) for one in first)

    def finish(self) -> None:
        """Well again, advance to the end, and look at the books."""
        self.centre.rules()
        for minute in (2, 4, 11, 13, 15, 30):
            self.world.advance(T0 + minute * MINUTE)
        self.world.advance(T0 + DAY + 3 * HOUR)
        accepted = self.accepted()
        assert set(accepted.values()) <= {1}
        assert self.tokens(State.SENT) <= set(accepted) <= self.tokens(State.SENT, State.IN_DOUBT)
        assert self.tokens(State.IN_DOUBT) == self.assumed  # an SMSC cannot be asked: `assume_sent`
        assert not self.tokens(State.QUEUED, State.CLAIMED, State.EXPIRED)
        with self.world.ledger.read() as connection:
            assert [(book.now, book.as_closed) for book in health.books(connection)] == [(True, True)]

    def close(self) -> None:
        for channel in self.world.room._channels.values():
            channel.close()  # type: ignore[attr-defined]
        self.centre.forget()
        self.world.ledger.close()


@pytest.fixture
def case(tmp_path: Path, sqlite_url: str, running: Smsc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    yield from made_case(tmp_path, sqlite_url, running, monkeypatch)


@pytest.fixture
def either_case(tmp_path: Path, ledger_url: str, running: Smsc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    """The same on each of the two databases."""
    yield from made_case(tmp_path, ledger_url, running, monkeypatch)


def made_case(tmp_path: Path, url: str, running: Smsc, monkeypatch: pytest.MonkeyPatch) -> Iterator[Case]:
    monkeypatch.setenv(PASSWORD_ENV, PASSWORD)
    made = Case(make_world(tmp_path / "home", url), running)
    put(made.world.ledger, [reachable(n, ["sms"]) for n in range(PEOPLE)])
    yield made
    made.close()


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_these_states_and_nobody_twice(case: Case, fault: str) -> None:
    rule, states = FAULTS[fault]
    case.world.start(plan_text(WAVE))
    case.centre.rules(rule)
    case.send(silent=rule.get("fault") in SILENT)
    assert case.states() == states
    case.finish()


def test_an_smsc_that_answers_nobody_is_left_alone(case: Case) -> None:
    case.world.start(plan_text(WAVE))
    case.centre.rules({"from": 1, "fault": "accept_then_hang"})
    case.send(silent=True)
    assert set(case.states()) <= {"in_doubt provider", "queued provider"}
    assert case.states()["in_doubt provider"] >= 3
    case.finish()


@pytest.mark.parametrize("fault", ["throttled", "dropped after accepting", "accepted and no answer"])
def test_a_long_text_that_is_cut_off_within_is_sent_once(case: Case, fault: str) -> None:
    (case.world.config / "templates" / "hello.sms.j2").write_text(LONG)
    case.world.start(plan_text(WAVE))
    case.centre.rules({**FAULTS[fault][0], "at": [4]})  # the second part of the second text
    case.send(silent="no answer" in fault)
    left = case.states()
    assert left["sent"] >= 2
    assert not case.assumed  # its first part was accepted: that is no doubt
    case.finish()
    assert sum(case.accepted().values()) == PEOPLE


def test_receipts_find_their_touches_though_they_come_before_the_answers(either_case: Case, tmp_path: Path) -> None:
    world, centre = either_case.world, either_case.centre
    world.start(plan_text(WAVE))
    folder = world.room.settings.spool_folder
    spool = Spool(folder)
    with ear(smpp_sender(centre.port), spool):
        centre.wait("bound", kind="receiver")
        centre.rules(
            {"receipt": "tlv", "stat": "ENROUTE", "early": True},
            {"receipt": "text", "stat": "DELIVRD"},
        )
        either_case.send()
        for _ in range(2 * PEOPLE):
            assert centre.wait("delivered")["status"] == 0
    spool.close()
    assert either_case.states() == {"sent": PEOPLE}
    world.advance(T0 + MINUTE)
    assert {row.outcome for row in world.touches("notice")} == {Outcome.DELIVERED}
    either_case.finish()


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
    case: Case, rule: dict[str, Any], by: dict[str, int]
) -> None:
    case.world.start(plan_text(WAVE))
    case.centre.rules(rule)
    case.send("main", "spare", silent=rule.get("fault") in SILENT)
    case.world.advance(T0 + timedelta(seconds=2))
    assert Counter(one["by"] for one in case.centre.all("accepted")) == by
    case.assumed = case.tokens(State.IN_DOUBT)
    case.finish()


def test_a_stop_that_a_person_sends_stops_every_later_text(case: Case) -> None:
    world, centre = case.world, case.centre
    world.start(plan_text(WAVE + WAVE.replace("notice", "again")))
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
