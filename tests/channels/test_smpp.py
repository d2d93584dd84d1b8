"""Provider `smpp` against a real SMSC with scripted faults: what it says of each message, and what it began."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.registry import CAPABILITIES
from channels.smpp import Smpp
from channels.smpp_codes import STATUS
from tests.builders import DAY, HOUR, T0, phone
from tests.channels.smpp_desk import ENVIRONMENT, PATIENT_S, SOON, Open, message, opening_at, results
from tests.standins.smsc import PASSWORD, Smsc, smpp_sender, smsc
from tests.standins.smtp import certificate
from waves.outcomes import Action, Reason

SILENT = frozenset({"hang", "accept_then_hang", "wrong_answer"})
"""Faults that are known by the time that passes."""


@pytest.fixture
def opened(centre: Smsc) -> Iterator[Open]:
    with opening_at(centre) as open_one:
        yield open_one


def test_a_message_goes_out_as_the_options_say(centre: Smsc, opened: Open) -> None:
    sender = opened({"service_type": "CMT", "system_type": "SMPP", "source": "Example"})
    (said,) = sender.send([message(7, "€ {§} ~", until=T0 + DAY)], T0, PATIENT_S)
    (one,) = centre.all("accepted")
    assert (one["to"], one["text"], one["coding"]) == (phone(7)[1:], "€ {§} ~ token7", 0)
    assert (one["source"], one["source_ton"], one["source_npi"], one["ton"], one["npi"]) == ("Example", 5, 0, 1, 1)
    assert (one["registered"], one["service_type"], one["esm_class"]) == (1, "CMT", 0)
    assert one["until"] == "2026-12-02T09:00:00.000Z"
    assert (said.result, said.provider_ref, said.refs) == ("accepted", one["id"], (one["id"],))
    bound = {"kind": "transmitter", "system_id": "tests", "password": PASSWORD, "system_type": "SMPP"}
    assert centre.all("bind") == [{"saw": "bind", **bound}]


@pytest.mark.parametrize(
    ("until", "hours_end", "said"),
    [
        (None, None, None),
        (T0 + DAY, T0 + HOUR, "2026-12-01T10:00:00.000Z"),
        (T0 + HOUR, T0 + DAY, "2026-12-01T10:00:00.000Z"),
        (None, T0 + HOUR, "2026-12-01T10:00:00.000Z"),
        (T0 + DAY, T0, "2026-12-01T09:00:10.000Z"),  # an SMSC refuses a time that is over by its own clock
    ],
)
def test_a_message_waits_at_the_smsc_to_the_end_of_its_wave_or_of_its_readers_day(
    centre: Smsc, opened: Open, until: Any, hours_end: Any, said: Any
) -> None:
    assert results(opened().send([message(1, until=until, hours_end=hours_end)], T0, PATIENT_S)) == ["accepted"]
    (one,) = centre.all("accepted")
    assert (one["until"] or None) == said


def test_the_session_is_kept_from_chunk_to_chunk_and_unbound(centre: Smsc, opened: Open) -> None:
    sender = opened()
    for chunk in range(3):
        said = sender.send([message(10 * chunk + n) for n in range(10)], T0, PATIENT_S)
        assert results(said) == ["accepted"] * 10
        assert [receipt.token for receipt in said] == [f"token{10 * chunk + n}" for n in range(10)]
    sender.close()
    assert len(centre.all("bind")) == len(centre.all("unbind")) == 1
    assert set(centre.accepted().values()) == {1}
    assert len(centre.accepted()) == 30
    assert results(sender.send([message(99)], T0, PATIENT_S)) == ["accepted"]


@pytest.mark.parametrize("status", [*sorted(set(STATUS) - {0}), 0x400])
def test_every_status_is_heeded(centre: Smsc, opened: Open, status: int) -> None:
    centre.rules({"fault": "status", "status": status})
    (said,) = opened().send([message()], T0, PATIENT_S)
    meant = STATUS.get(status)
    if meant is None:
        assert (said.result, said.reason, said.action) == ("refused", Reason.OTHER, Action.NEXT_CHANNEL)
    elif meant.retry_after_s is not None:
        assert (said.result, said.reason) == ("not_sent", meant.reason)
        assert (said.action, said.retry_after_s) == (Action.RETRY, meant.retry_after_s)
    else:
        result = "not_sent" if meant.action is Action.STOP_PROVIDER else "refused"
        assert (said.result, said.reason, said.action) == (result, meant.reason, meant.action)
    assert centre.all("accepted") == []


ONE_BY_ONE = {"window": 1}
FAULTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "throttled": (
        {"at": [2], "fault": "status", "status": 0x58},
        ["accepted", "not_sent rate_limited", "not_sent rate_limited", "not_sent rate_limited"],
    ),
    "queue full": (
        {"at": [2], "fault": "status", "status": 0x14},
        ["accepted", "not_sent queue_full", "not_sent queue_full", "not_sent queue_full"],
    ),
    "one bad number": (
        {"at": [2], "fault": "status", "status": 0x0B},
        ["accepted", "refused invalid_address", "accepted", "accepted"],
    ),
    "a source nobody registered": (
        {"at": [2], "fault": "status", "status": 0x0A},
        ["accepted", "refused sender", "not_sent provider", "not_sent provider"],
    ),
    "not bound any more": (
        {"at": [2], "fault": "status", "status": 0x04},
        ["accepted", "not_sent provider", "not_sent provider", "not_sent provider"],
    ),
    "dropped after accepting": (
        {"at": [2], "fault": "accept_then_drop"},
        ["accepted", "in_doubt provider", "not_sent provider", "not_sent provider"],
    ),
    "dropped before accepting": (
        {"at": [2], "fault": "drop"},
        ["accepted", "in_doubt provider", "not_sent provider", "not_sent provider"],
    ),
    "no answer": ({"at": [2], "fault": "hang"}, ["accepted", "in_doubt provider", "accepted", "accepted"]),
    "accepted, no answer": (
        {"at": [2], "fault": "accept_then_hang"},
        ["accepted", "in_doubt provider", "accepted", "accepted"],
    ),
    "no answer to any": (
        {"from": 1, "fault": "accept_then_hang"},
        ["in_doubt provider", "in_doubt provider", "in_doubt provider", "not_sent provider"],
    ),
    "slow": ({"at": [2], "fault": "slow", "ms": 30}, ["accepted"] * 4),
    "an id that is empty": ({"at": [2], "fault": "no_id"}, ["accepted"] * 4),
    "a nack": (
        {"at": [2], "fault": "nack", "status": 0x03},
        ["accepted", "refused config", "accepted", "accepted"],
    ),
    "a nack that says nothing": (
        {"at": [2], "fault": "nack", "status": 0},
        ["accepted", "in_doubt provider", "accepted", "accepted"],
    ),
    "no PDU at all": (
        {"at": [2], "fault": "garbage"},
        ["accepted", "in_doubt provider", "not_sent provider", "not_sent provider"],
    ),
    "half an answer": (
        {"at": [2], "fault": "half"},
        ["accepted", "in_doubt provider", "not_sent provider", "not_sent provider"],
    ),
    "an answer to something else": (
        {"at": [2], "fault": "wrong_answer"},
        ["accepted", "in_doubt provider", "accepted", "accepted"],
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_each_message_as_certain_as_it_is(centre: Smsc, opened: Open, fault: str) -> None:
    rule, said = FAULTS[fault]
    centre.rules(rule)
    silent = rule["fault"] in SILENT or rule.get("status") == 0
    sender = opened(ONE_BY_ONE, **(SOON if silent else {}))
    receipts = sender.send([message(n) for n in range(4)], T0, PATIENT_S)
    assert results(receipts) == said
    accepted = centre.accepted()
    assert set(accepted.values()) <= {1}
    assert {r.token for r in receipts if r.result == "accepted"} <= set(accepted)
    assert not {r.token for r in receipts if r.result in ("not_sent", "refused")} & set(accepted)
    centre.rules()
    assert results(sender.send([message(n) for n in range(10, 13)], T0, PATIENT_S)) == ["accepted"] * 3


def test_what_the_smsc_answers_while_it_unbinds_counts(centre: Smsc, opened: Open) -> None:
    centre.rules({"at": [2], "fault": "accept_then_unbind"})
    said = results(opened(ONE_BY_ONE).send([message(n) for n in range(4)], T0, PATIENT_S))
    assert said == ["accepted", "accepted", "not_sent provider", "not_sent provider"]


def test_the_window_bounds_what_has_no_answer(centre: Smsc, opened: Open) -> None:
    centre.rules({"from": 1, "fault": "slow", "ms": 5})
    assert results(opened({"window": 3}).send([message(n) for n in range(30)], T0, PATIENT_S)) == ["accepted"] * 30
    assert max(one["open"] for one in centre.all("submit")) == 3
    assert opened({"window": 50}, concurrency=8)._window == 8


def test_an_smsc_that_answers_nothing_is_not_fed_on(centre: Smsc, opened: Open) -> None:
    centre.rules({"from": 1, "fault": "hang"})
    said = results(
        opened({"window": 3}, timeout=timedelta(seconds=0.2)).send([message(n) for n in range(9)], T0, PATIENT_S)
    )
    begun = len(centre.all("submit"))
    assert 3 <= begun < 9  # some go on before the third in a row has given up
    assert said == ["in_doubt provider"] * begun + ["not_sent provider"] * (9 - begun)


def test_two_threads_share_one_session_and_its_window(centre: Smsc, opened: Open) -> None:
    sender, said = opened({"window": 2}), list[str]()
    chunks = [[message(50 * half + n) for n in range(50)] for half in range(2)]
    threads = [
        threading.Thread(target=lambda c=chunk: said.extend(results(sender.send(c, T0, PATIENT_S)))) for chunk in chunks
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert said == ["accepted"] * 100
    assert set(centre.accepted().values()) == {1}
    assert len(centre.all("bind")) == 1


def test_what_was_not_begun_in_time_waits_for_no_reason(centre: Smsc, opened: Open) -> None:
    sender = opened(ONE_BY_ONE)
    sender.send([message(0)], T0, PATIENT_S)
    said = sender.send([message(1)], T0, within_s=0.0)
    assert [(r.result, r.reason, r.retry_after_s) for r in said] == [("not_sent", None, 0.0)]
    centre.rules({"from": 1, "fault": "slow", "ms": 600})
    said = sender.send([message(n) for n in range(2, 5)], T0, within_s=0.5)
    assert results(said) == ["accepted", "not_sent", "not_sent"]
    assert said[1].retry_after_s == 0.0


BINDS = {
    0x0D: ("not_sent account", Action.STOP_PROVIDER),
    0x0E: ("not_sent account", Action.STOP_PROVIDER),
    0x0F: ("not_sent account", Action.STOP_PROVIDER),
    0x05: ("not_sent provider", Action.RETRY),
    0x58: ("not_sent rate_limited", Action.RETRY),
    0x400: ("not_sent provider", Action.RETRY),
}


@pytest.mark.parametrize("status", BINDS)
def test_a_refused_bind_sends_nothing_and_loses_nothing(centre: Smsc, opened: Open, status: int) -> None:
    said, action = BINDS[status]
    centre.rules({"bind": "transmitter", "status": status})
    receipts = opened().send([message(n) for n in range(3)], T0, PATIENT_S)
    assert results(receipts) == [said] * 3
    assert {receipt.action for receipt in receipts} == {action}
    assert centre.all("submit") == []


def test_a_bind_without_an_answer_was_never_made(centre: Smsc, opened: Open) -> None:
    centre.rules({"bind": "transmitter", "fault": "hang"})
    sender = opened(**SOON)
    assert results(sender.send([message()], T0, PATIENT_S)) == ["not_sent provider"]
    centre.rules()
    assert results(sender.send([message()], T0, PATIENT_S)) == ["accepted"]


def test_a_bind_that_takes_longer_than_a_claim_serves_the_next_one(centre: Smsc, opened: Open) -> None:
    centre.rules({"bind": "transmitter", "fault": "hang"})
    said = opened().send([message()], T0, within_s=0.05)
    assert [(r.result, r.reason, r.retry_after_s) for r in said] == [("not_sent", None, 0.0)]


def test_why_a_slow_bind_was_refused_is_heard_by_the_next_chunk(centre: Smsc, opened: Open) -> None:
    centre.rules({"bind": "transmitter", "status": 0x0E})
    sender = opened()
    assert results(sender.send([message(1)], T0, within_s=0.0)) == ["not_sent"]
    centre.wait("closed")  # the answer was read
    for binds in (1, 2):
        (said,) = sender.send([message(2)], T0, PATIENT_S)
        assert (said.result, said.reason, said.action) == ("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)
        assert len(centre.all("bind")) == binds


def test_no_smsc_there_is_not_sent(opened: Open, centre: Smsc) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as free:
        port = free.getsockname()[1]
    sender = opened({"port": port})
    assert results(sender.send([message(), message(1)], T0, PATIENT_S)) == ["not_sent provider"] * 2
    assert sender.reachable() == "127.0.0.1 cannot be reached: Connection refused"
    assert opened({"port": centre.port}).reachable() is None


@pytest.mark.parametrize("trusted", [True, False])
def test_over_tls_only_to_whom_a_known_authority_vouches_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, trusted: bool
) -> None:
    pem, _ = certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with smsc(pem, tmp_path / "key.pem") as secure:
        sender = Smpp(CAPABILITIES["sms"], smpp_sender(secure.port, options={"tls": True}), ENVIRONMENT)
        said = results(sender.send([message(n) for n in range(20)], T0, PATIENT_S))
        assert said == (["accepted"] if trusted else ["not_sent provider"]) * 20
        assert (sender.reachable() is None) is trusted
        sender.close()
        assert len(secure.all("bind")) == len(secure.all("unbind")) == trusted


def test_an_idle_session_is_kept_alive_and_a_dead_one_is_noticed(centre: Smsc, opened: Open) -> None:
    sender = opened({"keep_alive": "1s"})
    sender.send([message(0)], T0, PATIENT_S)
    centre.wait("enquire")
    assert centre.ask({"do": "ask"}) == 1
    centre.wait("alive")
    centre.ask({"do": "drop"})
    assert sender._session is not None
    sender._loop.run(sender._session.result().closed.wait())
    assert results(sender.send([message(1)], T0, PATIENT_S)) == ["accepted"]
    assert len(centre.all("bind")) == 2


def test_what_a_transmitter_has_no_use_for_is_turned_down(centre: Smsc, opened: Open) -> None:
    sender = opened()
    sender.send([message(0)], T0, PATIENT_S)
    centre.ask({"do": "odd"})
    said = [centre.wait("answer") for _ in range(3)]
    assert {(one["to"], one["command"], one["status"]) for one in said} == {
        ("data_sm", "generic_nack", 0x03),
        ("query_sm", "generic_nack", 0x03),
        ("deliver_sm", "deliver_sm_resp", 0x64),
    }
    assert results(sender.send([message(1)], T0, PATIENT_S)) == ["accepted"]


UNSENDABLE = {
    "no number": (message(to="ada@example.com"), Reason.INVALID_ADDRESS),
    "a number beyond all numbers": (message(to="+" + "1" * 21), Reason.INVALID_ADDRESS),
    "half a character": (message(text="\ud83d"), Reason.CONTENT),
    "more than 255 parts": (message(text="a" * 40_000), Reason.TOO_LARGE),
}


@pytest.mark.parametrize("name", UNSENDABLE)
def test_what_no_submit_can_carry_is_refused_alone(centre: Smsc, opened: Open, name: str) -> None:
    bad, reason = UNSENDABLE[name]
    said = opened().send([bad, message(5)], T0, PATIENT_S)
    assert [(r.result, r.reason) for r in said] == [("refused", reason), ("accepted", None)]
    assert list(centre.accepted()) == ["token5"]


def test_a_message_in_doubt_cannot_be_asked_for(opened: Open) -> None:
    assert opened().find(["token1"]) is None
