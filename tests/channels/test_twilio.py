"""Provider `twilio` over its stand-in: what a request says, what each answer makes of a message, what is never done."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

import pytest

from channels.meanings import STOPPED_S
from channels.twilio import Twilio
from channels.twilio_codes import CODES
from tests.channels.twilio_desk import PUBLIC, messages, open_twilio, rows, twilio_sender
from tests.openapi.checker import Asked
from tests.standins.scripted import Standin
from tests.standins.twilio import ACCOUNT, NUMBER, SERVICE, TOKEN, TOKEN_ENV, Account, start_twilio
from waves.errors import SendInDoubt
from waves.message import AnsweredInPart, Doubtful, FindsByAddress, Message, Reachable, Receipt
from waves.outcomes import Action, Reason, word

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
Open = Callable[..., Twilio]


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[Standin, Account]]:
    started = start_twilio()
    yield started
    started[0].stop()


@pytest.fixture
def account(server: tuple[Standin, Account]) -> Iterator[Account]:
    """Well, empty, and every request and answer of a test checked against Twilio's own description."""
    standin, kept = server
    standin.fail()
    kept.messages.clear()
    yield kept
    standin.check()


@pytest.fixture
def standin(server: tuple[Standin, Account], account: Account) -> Standin:
    return server[0]


@pytest.fixture
def opened(standin: Standin) -> Iterator[Open]:
    made: list[Twilio] = []

    def make(public_url: str | None = PUBLIC, url: str = "", environment: Any = None, **more: Any) -> Twilio:
        made.append(open_twilio(twilio_sender(url or standin.url, **more), public_url, environment))
        return made[-1]

    yield make
    for twilio in made:
        twilio.close()


def results(receipts: list[Receipt]) -> Counter[str]:
    return Counter(receipt.result for receipt in receipts)


def form(asked: Asked) -> dict[str, str]:
    return dict(parse_qsl(asked.body.decode(), keep_blank_values=True))


def test_every_message_is_one_request_and_its_receipts_keep_the_order(
    standin: Standin, account: Account, opened: Open
) -> None:
    sent = messages("order", 40)
    receipts = opened().send(sent, NOW)
    assert [receipt.token for receipt in receipts] == [message.token for message in sent]
    assert results(receipts) == {"accepted": 40}
    assert {one["sid"] for one in account.messages} == {receipt.provider_ref for receipt in receipts}
    assert account.accepted() == {message.address: 1 for message in sent}
    assert standin.requests == 40


def test_what_a_request_says(standin: Standin, opened: Open) -> None:
    message = messages("says", 1, "Zoë & 5% = 退订?", until=NOW + timedelta(hours=2))[0]
    opened().send([message], NOW)
    asked = standin.exchanges[-1][0]
    callback = f"{PUBLIC}/callbacks/twilio/main_texts?token={message.token}#rc=3&rp=all&ct=2000&rt=5000"
    assert form(asked) == {
        "To": message.address,
        "Body": message.fields["body"],
        "MessagingServiceSid": SERVICE,
        "ValidityPeriod": "7200",
        "StatusCallback": callback,
    }
    assert len(callback) < 4000


@pytest.mark.parametrize(
    ("left", "said"),
    [(timedelta(days=2), "36000"), (timedelta(seconds=90.9), "90"), (timedelta(0), "1"), (timedelta(hours=-1), "1")],
)
def test_a_message_lives_no_longer_than_its_wave(standin: Standin, opened: Open, left: timedelta, said: str) -> None:
    opened().send(messages("until", 1, until=NOW + left), NOW)
    assert form(standin.exchanges[-1][0])["ValidityPeriod"] == said


def test_a_message_does_not_wait_at_twilio_until_the_night(standin: Standin, opened: Open) -> None:
    """Its queue is up to ten hours long, where a sender is fed faster than it may send."""
    (message,) = messages("night", 1, until=NOW + timedelta(days=2))
    opened().send([replace(message, hours_end=NOW + timedelta(seconds=90.9))], NOW)
    assert form(standin.exchanges[-1][0])["ValidityPeriod"] == "90"


def test_without_a_public_address_nothing_is_called_back(standin: Standin, opened: Open) -> None:
    opened(public_url=None).send(messages("alone", 1), NOW)
    assert set(form(standin.exchanges[-1][0])) == {"To", "Body", "MessagingServiceSid"}


@pytest.mark.parametrize(
    ("channel", "address", "to", "sender"),
    [
        ("sms", "+15125550111", "+15125550111", NUMBER),
        ("whatsapp", "+15125550111", "whatsapp:+15125550111", f"whatsapp:{NUMBER}"),
        ("whatsapp", "whatsapp:+15125550111", "whatsapp:+15125550111", f"whatsapp:{NUMBER}"),
    ],
)
def test_a_number_of_ours_carries_both_channels(
    standin: Standin, opened: Open, channel: str, address: str, to: str, sender: str
) -> None:
    message = messages("number", 1)[0]
    changed = type(message)(message.token, channel, address, None, None, message.fields, "camp", "wave")
    assert results(opened(channel=channel, FROM=NUMBER).send([changed], NOW)) == {"accepted": 1}
    asked = form(standin.exchanges[-1][0])
    assert (asked["To"], asked["From"], "MessagingServiceSid" in asked) == (to, sender, False)


TEMPLATE = "HX" + "e" * 32


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ('{"1": "Zoë \\"Q\\"", "2": "5 May"}', {"1": 'Zoë "Q"', "2": "5 May"}),
        ("", {}),
        ('{"1": "a name with " in it"}', None),
        ('["no", "names"]', None),
    ],
)
def test_a_template_at_twilio_goes_out_with_its_variables_or_not_at_all(
    standin: Standin, opened: Open, variables: str, said: dict[str, str] | None
) -> None:
    fields = {"body": "Hello", "content-sid": TEMPLATE, "content-variables": variables}
    message = Message("t" * 20, "whatsapp", "+15125550111", None, None, fields, "camp", "wave")
    (receipt,) = opened(channel="whatsapp", FROM=NUMBER).send([message], NOW)
    if said is None:
        assert receipt == Receipt("t" * 20, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
        assert standin.requests == 0
        return
    asked = form(standin.exchanges[-1][0])
    assert receipt.result == "accepted"
    assert (asked["ContentSid"], json.loads(asked["ContentVariables"]), "Body" in asked) == (TEMPLATE, said, False)


def test_an_api_key_goes_before_the_auth_token(standin: Standin, opened: Open) -> None:
    known = {TOKEN_ENV: "another", "KEY": TOKEN}
    key = {"API_KEY_SID": "SK" + "c" * 32, "API_KEY_ENV": "KEY"}
    assert results(opened(environment=known, **key).send(messages("key", 1), NOW)) == {"accepted": 1}
    assert f"/Accounts/{ACCOUNT}/" in standin.exchanges[-1][0].url


def test_a_wrong_auth_token_stops_the_provider_and_costs_no_message(opened: Open) -> None:
    receipts = opened(environment={TOKEN_ENV: "wrong"}, concurrency=1).send(messages("wrong", 3), NOW)
    assert receipts[0] == Receipt(receipts[0].token, "not_sent", None, Reason.ACCOUNT, Action.STOP_PROVIDER, STOPPED_S)
    assert {(r.result, r.reason) for r in receipts[1:]} == {("not_sent", Reason.PROVIDER)}


CLEAR_SAY = {"status": 400, "fault": "say"}
DOUBT = ("in_doubt", Reason.PROVIDER, Action.RECONCILE)
PROBLEM = {"type": "https://www.twilio.com/docs/errors/21211", "title": "Bad number", "status": 400, "code": 21211}
FAULTS: dict[str, tuple[dict[str, Any], tuple[Any, ...]]] = {
    "reset, nothing taken": ({"fault": "reset"}, DOUBT),
    "reset after taking it": ({"fault": "accept_then_reset"}, DOUBT),
    "silence, nothing taken": ({"fault": "hang"}, DOUBT),
    "silence after taking it": ({"fault": "accept_then_hang"}, DOUBT),
    "half an answer": ({"fault": "half"}, DOUBT),
    "an answer that is no JSON": ({"fault": "accept_then_say", "status": 201, "body": "<html>"}, DOUBT),
    "JSON that is no message": ({"fault": "accept_then_say", "status": 201, "body": []}, DOUBT),
    "a message without a sid": ({"fault": "accept_then_say", "status": 201, "body": {"status": "queued"}}, DOUBT),
    "nothing": ({"fault": "accept_then_say", "status": 201}, DOUBT),
    "a date of 2 February 30": (
        {"fault": "accept_then_say", "status": 201, "body": {"sid": "SM" + "0" * 32, "date_created": 7}},
        DOUBT,
    ),
    "500": ({"fault": "accept_then_say", "status": 500, "body": {"code": 20500, "status": 500}}, DOUBT),
    "503 after taking it": ({"fault": "accept_then_say", "status": 503, "headers": {"Retry-After": "1"}}, DOUBT),
    "502 of a proxy": ({"fault": "say", "status": 502, "headers": {"Content-Type": "text/html"}, "body": "<b>"}, DOUBT),
    "503 with a code of a bad address": ({"fault": "say", "status": 503, "body": {"code": 21211}}, DOUBT),
    "408 of a proxy": ({"fault": "say", "status": 408}, DOUBT),
    "a redirect": ({"fault": "say", "status": 307, "headers": {"Location": "/elsewhere"}}, DOUBT),
    "slow within the timeout": ({"fault": "slow", "seconds": 0.05}, ("accepted", None, Action.OK)),
    "a problem of RFC 9457": ({**CLEAR_SAY, "body": PROBLEM}, ("refused", Reason.INVALID_ADDRESS, Action.DROP_ADDRESS)),
    "a code nobody knows": ({**CLEAR_SAY, "body": {"code": 29999}}, ("refused", Reason.CONFIG, Action.BUG)),
    "400 that is no JSON": ({**CLEAR_SAY, "body": "bad"}, ("refused", Reason.CONFIG, Action.BUG)),
    "a code that is no number": ({**CLEAR_SAY, "body": {"code": "²"}}, ("refused", Reason.CONFIG, Action.BUG)),
    "404": ({"fault": "say", "status": 404, "body": {"code": 20404}}, ("refused", Reason.CONFIG, Action.BUG)),
    "401": ({"fault": "say", "status": 401}, ("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)),
    "403 of a firewall": (
        {"fault": "say", "status": 403, "body": "no"},
        ("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER),
    ),
    "429 that is no JSON": (
        {"fault": "say", "status": 429, "body": "slow"},
        ("not_sent", Reason.RATE_LIMITED, Action.RETRY),
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_request_and_one_kind_of_receipt(standin: Standin, opened: Open, fault: str) -> None:
    rule, said = FAULTS[fault]
    twilio = opened(timeout=timedelta(seconds=0.7 if "hang" in rule["fault"] else 20))
    assert results(twilio.send(messages("warm", 1), NOW)) == {
        "accepted": 1
    }  # so that the fault meets a kept connection
    standin.fail({**rule, "requests": [1]})
    receipt = twilio.send(messages("fault", 1), NOW)[0]
    assert (receipt.result, receipt.reason, receipt.action) == said
    assert standin.requests == 1  # never repeated
    assert results(twilio.send(messages("after", 1), NOW)) == {"accepted": 1}


def test_each_error_code_of_an_answer_has_its_receipt(standin: Standin, opened: Open) -> None:
    twilio, told = opened(concurrency=1), rows("answers")
    assert {int(row[0]) for row in told} == set(CODES)
    for code, result, reason, action, seconds in told:
        standin.fail(
            {"fault": "say", "status": 400, "body": {"code": int(code), "message": "x", "status": 400}, "from": 1}
        )
        receipt = twilio.send(messages("code", 1), NOW)[0]
        assert receipt.reason is not None
        got = [receipt.result, word(receipt.reason), word(receipt.action)]
        assert got == [result, reason, action], code
        assert receipt.retry_after_s == (None if seconds == "-" else float(seconds)), code


@pytest.mark.parametrize(("headers", "seconds"), [({"Retry-After": "7"}, 7.0), ({}, 1.0)])
def test_429_makes_the_rest_of_the_chunk_wait_as_long_as_twilio_says(
    standin: Standin, opened: Open, headers: dict[str, str], seconds: float
) -> None:
    twilio = opened(concurrency=1)
    standin.fail({"fault": "say", "status": 429, "body": {"code": 20429}, "headers": headers, "requests": [4]})
    receipts = twilio.send(messages("wait", 20), NOW)
    assert results(receipts) == {"accepted": 3, "not_sent": 17}
    waits = {(r.reason, r.retry_after_s) for r in receipts if r.result == "not_sent"}
    assert waits == {(Reason.RATE_LIMITED, seconds)}
    assert standin.requests == 4


def test_429_halves_what_is_in_the_air_and_it_comes_back_one_by_one(standin: Standin, opened: Open) -> None:
    twilio = opened(concurrency=8)
    standin.fail({"fault": "say", "status": 429, "requests": [1]})
    twilio.send(messages("half", 8), NOW)
    assert twilio._abreast == 4
    for _ in range(6):
        twilio.send(messages("back", 1), NOW)
    assert twilio._abreast == 8


@pytest.mark.parametrize(
    ("rule", "said"),
    [
        ({"fault": "accept_then_reset"}, {"in_doubt": 3, "not_sent": 17}),
        ({"fault": "say", "status": 400, "body": {"code": 21619}}, {"refused": 3, "not_sent": 17}),
        ({"fault": "say", "status": 400, "body": {"code": 30034}}, {"refused": 1, "not_sent": 19}),
        ({"fault": "say", "status": 400, "body": {"code": 21611}}, {"not_sent": 20}),
        ({"fault": "say", "status": 400, "body": {"code": 21211}}, {"refused": 20}),
        ({"fault": "say", "status": 400, "body": {"code": 21610}}, {"refused": 20}),
    ],
    ids=["broken", "wrong", "sender", "queue", "addresses", "opted out"],
)
def test_a_broken_provider_is_not_fed_on_and_bad_addresses_are_nobodys_fault(
    standin: Standin, opened: Open, rule: dict[str, Any], said: dict[str, int]
) -> None:
    standin.fail({**rule, "from": 1})
    assert results(opened(concurrency=1).send(messages("broken", 20), NOW)) == said


def test_what_could_not_be_begun_in_time_is_not_sent(standin: Standin, account: Account, opened: Open) -> None:
    receipts = opened().send(messages("late", 30), NOW, within_s=0)
    assert {(receipt.result, receipt.retry_after_s) for receipt in receipts} == {("not_sent", 0.0)}
    assert not account.messages
    assert standin.requests == 0


def test_a_half_surrogate_is_refused_alone(opened: Open) -> None:
    receipts = opened().send([*messages("torn", 1, "\ud83d"), *messages("text", 5)], NOW)
    assert results(receipts) == {"accepted": 5, "refused": 1}
    assert receipts[0] == Receipt(receipts[0].token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)


def test_a_connection_never_made_is_not_sent(opened: Open) -> None:
    twilio = opened(url="http://127.0.0.1:9")
    receipts = twilio.send(messages("nowhere", 25), NOW)
    assert {(r.result, r.reason, r.retry_after_s) for r in receipts} == {("not_sent", Reason.PROVIDER, 60.0)}
    assert isinstance(twilio, Reachable)
    assert twilio.reachable()
    assert opened().reachable() is None


def test_the_environments_edge_moves_no_request(monkeypatch: pytest.MonkeyPatch, opened: Open) -> None:
    for name in ("TWILIO_EDGE", "TWILIO_REGION", "TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN"):
        monkeypatch.setenv(name, "sydney")
    assert results(opened().send(messages("edge", 1), NOW)) == {"accepted": 1}


def doubtful(token: str, address: str = "+15125550000", begun: datetime = NOW, **more: Any) -> Doubtful:
    return Doubtful(token, address, begun, **more)


def test_what_was_cut_off_is_found_by_its_token_in_the_text(account: Account, opened: Open) -> None:
    twilio = opened()
    assert twilio.find(["any"]) is None
    assert isinstance(twilio, FindsByAddress)
    sent = messages("find", 3)
    for message in sent[:2]:
        body = f"Bye: https://camp.example.com/u/{message.token}"
        twilio.send([type(message)(message.token, "sms", message.address, None, None, {"body": body}, "c", "w")], NOW)
    found = twilio.find_messages([doubtful(m.token, m.address, NOW - timedelta(days=300)) for m in sent])
    assert found == {
        m.token: Receipt(m.token, "accepted", one["sid"]) for m, one in zip(sent[:2], account.messages, strict=True)
    }


WINDOW: dict[str, tuple[dict[str, Any], dict[str, Any], bool]] = {
    "made while it was sent": ({}, {}, True),
    "made by Twilio half a minute later": ({"seconds": 35}, {}, True),
    "made before": ({"seconds": -11}, {}, False),
    "made long after": ({"seconds": 60}, {}, False),
    "another's": ({}, {"known": True}, False),
    "one of two in doubt": ({}, {"alone": False}, False),
    "of another service": ({"service": "MG" + "d" * 32}, {}, False),
    "what the person wrote": ({"direction": "inbound"}, {}, False),
    "two of them": ({"twice": True}, {}, False),
}


@pytest.mark.parametrize("case", WINDOW)
def test_without_a_link_the_only_message_of_that_time_is_the_one(account: Account, opened: Open, case: str) -> None:
    made, asked, fits = WINDOW[case]
    account.clock = lambda: NOW + timedelta(seconds=made.get("seconds", 1))
    twilio = opened()
    for _ in range(2 if made.get("twice") else 1):
        twilio.send(messages("window", 1), NOW)
    account.messages[-1]["messaging_service_sid"] = made.get("service", SERVICE)
    account.messages[-1]["direction"] = made.get("direction", "outbound-api")
    sid = account.messages[-1]["sid"]
    refs = frozenset({sid}) if asked.get("known") else frozenset()
    one = doubtful("t" * 20, alone=asked.get("alone", True), known_refs=refs)
    assert twilio.find_messages([one]) == ({one.token: Receipt(one.token, "accepted", sid)} if fits else {})


def test_what_was_found_counts_though_one_address_could_not_be_looked_up(
    standin: Standin, account: Account, opened: Open
) -> None:
    twilio = opened(concurrency=1)
    sent = messages("part", 3)
    for message in sent:
        twilio.send([replace(message, fields={"body": message.token})], NOW)
    standin.sends, before = (lambda asked: True), standin.sends
    standin.fail({"fault": "say", "status": 429, "body": {"code": 20429}, "requests": [2]})
    try:
        with pytest.raises(AnsweredInPart, match="could not be read: HTTP 429") as error:
            twilio.find_messages([doubtful(m.token, m.address) for m in sent])
    finally:
        standin.sends = before
    assert set(error.value.found) == {sent[0].token, sent[2].token}


@pytest.mark.parametrize("status", [401, 404, 429, 503])
def test_a_list_that_cannot_be_read_leaves_all_in_doubt(standin: Standin, status: int) -> None:
    standin.sends, before = (lambda asked: True), standin.sends
    standin.fail({"fault": "say", "status": status, "body": "?", "from": 1})
    twilio = open_twilio(twilio_sender(standin.url))
    try:
        with pytest.raises(SendInDoubt, match="main_texts could not be read") as error:
            twilio.find_messages([doubtful("a")])
        assert "+1512" not in str(error.value)
    finally:
        standin.sends = before
        twilio.close()


def test_a_list_that_nobody_answers_leaves_all_in_doubt(opened: Open) -> None:
    with pytest.raises(SendInDoubt, match="NeverMade"):
        opened(url="http://127.0.0.1:9").find_messages([doubtful("a")])
