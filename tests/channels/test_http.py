"""Provider `http` against a real gateway: what each receipt says, connections kept, nothing repeated."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

import pytest

from channels.http import Http
from channels.registry import CAPABILITIES
from tests.chaos.rig import SECRET, SECRET_ENV, Sink, http_sender, start_sink
from waves.errors import SendInDoubt, SendRefused
from waves.message import Message, Receipt
from waves.outcomes import Action, Reason

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
KNOWN = {SECRET_ENV: SECRET}


@pytest.fixture(scope="module")
def gateway(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sink]:
    sink = start_sink(tmp_path_factory.mktemp("sink") / "record")
    yield sink
    sink.stop()


@pytest.fixture
def sink(gateway: Sink) -> Sink:
    gateway.fail()
    return gateway


def messages(name: str, count: int, body: str = "Hello") -> list[Message]:
    return [
        Message(f"{name}{i:04d}", "sms", f"+1201555{i:04d}", "Ada", "en", {"body": body}, "camp", "wave")
        for i in range(count)
    ]


@pytest.fixture
def open_http() -> Iterator[Any]:
    opened: list[Http] = []

    def make(url: str, per_request: int = 10, **more: Any) -> Http:
        opened.append(Http(CAPABILITIES["sms"], http_sender(url, messages=per_request, **more), KNOWN))
        return opened[-1]

    yield make
    for http in opened:
        http.close()


def results(receipts: list[Receipt]) -> Counter[str]:
    return Counter(receipt.result for receipt in receipts)


def next_requests(sink: Sink, *which: int) -> list[int]:
    """The numbers of requests yet to come: 1 is the next one."""
    seen = int(sink.ask("/counts")["requests"])
    return [seen + n for n in which]


def test_every_message_is_accepted_once_and_its_receipts_keep_the_order(sink, open_http):
    sent = messages("order", 95)
    receipts = open_http(sink.url).send(sent, NOW)
    assert [receipt.token for receipt in receipts] == [message.token for message in sent]
    assert results(receipts) == {"accepted": 95}
    assert all(receipt.provider_ref for receipt in receipts)
    accepted = sink.accepted()
    assert all(accepted[message.token] == 1 for message in sent)


def test_threads_send_side_by_side_over_one_line(sink, open_http):
    http = open_http(sink.url, 7)
    with ThreadPoolExecutor(4) as threads:
        said = list(threads.map(lambda n: http.send(messages(f"thread{n}-", 50), NOW), range(4)))
    assert [results(receipts) for receipts in said] == [{"accepted": 50}] * 4


def test_the_status_query_finds_what_was_accepted_and_leaves_out_the_rest(sink, open_http):
    http = open_http(sink.url)
    http.send(messages("find", 700), NOW)
    tokens = [message.token for message in messages("find", 700)]
    found = http.find([*tokens, "never-sent"])
    assert found is not None
    assert set(found) == set(tokens)
    assert {receipt.result for receipt in found.values()} == {"accepted"}


def test_a_half_surrogate_is_refused_alone(sink, open_http):
    sent = [*messages("text", 5), *messages("torn", 1, "\ud83d")]
    receipts = open_http(sink.url).send(sent, NOW)
    assert results(receipts) == {"accepted": 5, "refused": 1}
    assert receipts[-1] == Receipt("torn0000", "refused", reason=Reason.CONTENT, action=Action.NEXT_CHANNEL)


def test_what_could_not_be_begun_in_time_is_not_sent(sink, open_http):
    receipts = open_http(sink.url).send(messages("late", 30), NOW, within_s=0)
    assert {(receipt.result, receipt.retry_after_s) for receipt in receipts} == {("not_sent", 0.0)}
    assert not any(sink.accepted()[message.token] for message in messages("late", 30))


AWKWARD = 'Zo\u00eb "Q" O\'Neil \\ </script>\n\t\x00\u2028 \U0001f4de {{ }}'


@pytest.mark.parametrize(("name", "language"), [(AWKWARD, "pt-br"), ("", ""), (None, None)])
def test_a_request_says_what_its_messages_say(open_http, sink, name, language):
    """The contract of the README, whatever is in a text: the product writes this JSON itself."""
    fields = {"body": AWKWARD, AWKWARD: "", "subject": "[1, 2]"}
    texts = {"token": "t1", "channel": "sms", "campaign": AWKWARD, "wave": "notice"}
    message = Message(**texts, address=AWKWARD, name=name, language=language, fields=fields, variant=2)
    ending = replace(message, until=NOW + timedelta(days=1), hours_end=NOW)
    part = texts | {"to": AWKWARD, "name": name, "language": language, "fields": fields, "variant": 2, "until": None}
    http = open_http(sink.url)
    said = {"sender": http.sender.sender, "messages": [part, part | {"until": NOW.isoformat()}]}
    assert json.loads(http._body([message, ending])) == said


class Asleep(Http):
    """A machine that sleeps between the last look at the clock and the socket."""

    def _body(self, part: list[Message]) -> bytes:
        body = super()._body(part)
        Event().wait(0.3)
        return body


def test_who_wakes_up_too_late_writes_no_body(sink):
    http = Asleep(CAPABILITIES["sms"], http_sender(sink.url, messages=10), KNOWN)
    assert results(http.send(messages("woke", 1), NOW)) == {"accepted": 1}  # and leaves a connection to go on with
    receipts = http.send(messages("slept", 10), NOW, within_s=0.2)
    http.close()
    assert {(receipt.result, receipt.retry_after_s) for receipt in receipts} == {("not_sent", 0.0)}
    assert not any(sink.accepted()[message.token] for message in messages("slept", 10))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"fault": "accept_then_reset"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "reset_before_reading"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "accept_then_500"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "half_a_body"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "wrong_json"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "long_answer"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "hang"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "hang_unread"}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "some_receipts"}, {("accepted", None), ("in_doubt", Reason.PROVIDER)}),
        ({"fault": "slow", "seconds": 0.2}, {("accepted", None)}),
        ({"fault": "refuse_each"}, {("refused", Reason.INVALID_ADDRESS)}),
        ({"fault": "status", "status": 503}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "status", "status": 408}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "status", "status": 302}, {("in_doubt", Reason.PROVIDER)}),
        ({"fault": "status", "status": 307}, {("not_sent", Reason.CONFIG)}),
        ({"fault": "status", "status": 401}, {("not_sent", Reason.ACCOUNT)}),
        ({"fault": "status", "status": 404}, {("not_sent", Reason.CONFIG)}),
        ({"fault": "status", "status": 422}, {("refused", Reason.CONFIG)}),
        ({"fault": "status", "status": 413}, {("refused", Reason.TOO_LARGE)}),
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_a_fault_is_one_request_and_one_kind_of_receipt(sink, open_http, fault, said):
    http = open_http(sink.url, timeout=timedelta(seconds=1))
    http.send(messages("warm", 1), NOW)  # so that the fault meets a connection that was kept, as most do
    requests = next_requests(sink, 1)
    sink.fail({**fault, "requests": requests})
    receipts = http.send(messages("fault", 10), NOW)
    assert {(receipt.result, receipt.reason) for receipt in receipts} == said
    assert next_requests(sink, 0) == requests  # never repeated
    assert results(http.send(messages("after", 10), NOW)) == {"accepted": 10}


@pytest.mark.parametrize("code", [429, 503])
def test_retry_after_makes_the_rest_of_the_chunk_wait(sink, open_http, code):
    http = open_http(sink.url, concurrency=1)
    seen = next_requests(sink, 2)
    sink.fail({"fault": "status", "status": code, "headers": {"Retry-After": "7"}, "requests": seen})
    receipts = http.send(messages("wait", 40), NOW)
    assert results(receipts) == {"accepted": 10, "not_sent": 30}
    assert {(r.reason, r.retry_after_s) for r in receipts if r.result == "not_sent"} == {(Reason.RATE_LIMITED, 7.0)}
    assert next_requests(sink, 0) == seen


def test_a_broken_gateway_gets_three_requests_of_a_chunk(sink, open_http):
    http = open_http(sink.url, concurrency=1)
    sink.fail({"fault": "accept_then_reset", "from": 1})
    assert results(http.send(messages("broken", 100), NOW)) == {"in_doubt": 30, "not_sent": 70}


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://gateway.invalid"])
def test_a_connection_never_made_is_not_sent(open_http, url):
    receipts = open_http(url).send(messages("nowhere", 25), NOW)
    assert {(r.result, r.reason, r.retry_after_s) for r in receipts} == {("not_sent", Reason.PROVIDER, 60.0)}
    assert open_http(url).reachable()


def test_a_failed_tls_handshake_is_not_sent(sink, open_http):
    http = open_http(sink.url.replace("http:", "https:"))
    receipts = http.send(messages("tls", 25), NOW)
    assert {(r.result, r.reason) for r in receipts} == {("not_sent", Reason.PROVIDER)}
    assert "TLS" in str(http.reachable())
    assert open_http(sink.url).reachable() is None


def test_a_gateway_that_does_not_answer_the_status_query_leaves_all_in_doubt(tmp_path, open_http):
    sink = start_sink(tmp_path / "record")
    sink.stop()
    with pytest.raises(SendInDoubt, match="gateway"):
        open_http(sink.url).find(["a"])


def test_a_wrong_secret_stops_the_sender_and_costs_no_message(sink):
    http = Http(CAPABILITIES["sms"], http_sender(sink.url), {SECRET_ENV: "another secret of 16"})
    receipts = http.send(messages("secret", 3), NOW)
    http.close()
    assert {(r.result, r.reason, r.action) for r in receipts} == {("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)}


@pytest.mark.parametrize(("environment", "said"), [({}, "is not set"), ({SECRET_ENV: "short"}, "shorter")])
def test_the_secret_must_be_there(environment, said):
    with pytest.raises(SendRefused, match=f"{SECRET_ENV} .*{said}") as refused:
        Http(CAPABILITIES["sms"], http_sender("http://127.0.0.1:9"), environment)
    assert "short;" not in str(refused.value)
