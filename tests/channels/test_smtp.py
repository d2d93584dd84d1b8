"""Provider `smtp` against a real mail server: what each receipt says, one mail each, nothing repeated."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from channels.registry import CAPABILITIES
from channels.smtp import Smtp
from channels.smtp_reply import REPLIES, Reply, meaning_of
from channels.smtp_wire import SmtpWire
from tests.standins.smtp import (
    PASSWORD,
    SECRET_ENV,
    USER,
    Fault,
    MailServer,
    certificate,
    mail_server,
    smtp_sender,
)
from waves.message import Message, Receipt
from waves.outcomes import Action, Reason

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
LOGIN = {"user": USER, "secret_env": SECRET_ENV}
KNOWN = {SECRET_ENV: PASSWORD}


@pytest.fixture(scope="module")
def running() -> Iterator[MailServer]:
    with mail_server(largest=100_000) as made:
        yield made


@pytest.fixture
def server(running: MailServer) -> MailServer:
    running.well()
    return running


@pytest.fixture(scope="module")
def guarded() -> Iterator[MailServer]:
    with mail_server(login=True) as made:
        yield made


@pytest.fixture
def opened() -> Iterator[Any]:
    made: list[Smtp] = []

    def make(port: int, options: dict[str, object] | None = None, **more: Any) -> Smtp:
        timing = {"concurrency": 1, "timeout": timedelta(seconds=5)}
        made.append(Smtp(CAPABILITIES["email"], smtp_sender(port, options or {}, **{**timing, **more}), KNOWN))
        return made[-1]

    yield make
    for smtp in made:
        smtp.close()


def mails(count: int, prefix: str = "T", body: str = "Hello", **more: Any) -> list[Message]:
    fields = {"subject": "Your offer", "body": body}
    made = {"name": "Ada", "language": "en", "fields": fields, "campaign": "camp", "wave": "wave", **more}
    return [Message(f"{prefix}{i:04d}", "email", f"c{i}@example.com", **made) for i in range(count)]


def said(receipts: list[Receipt]) -> list[tuple[str, Reason | None, Action]]:
    return [(receipt.result, receipt.reason, receipt.action) for receipt in receipts]


def results(receipts: list[Receipt]) -> dict[str, int]:
    return dict(Counter(receipt.result for receipt in receipts))


@pytest.mark.parametrize("pipelines", [True, False])
@pytest.mark.parametrize("concurrency", [1, 8])
def test_each_message_is_one_mail_to_one_address(server, opened, pipelines, concurrency):
    server.pipelines = pipelines
    smtp, sent = opened(server.port, concurrency=concurrency), mails(40)
    for _ in range(2):
        server.taken.clear()
        receipts = smtp.send(sent, NOW)
        assert [receipt.token for receipt in receipts] == [message.token for message in sent]
        assert results(receipts) == {"accepted": 40}
        assert server.tokens() == {message.token: 1 for message in sent}
        assert sorted(to for to, _ in server.taken) == sorted(message.address for message in sent)
    assert server.opened <= concurrency  # they are kept from chunk to chunk


def test_pipelining_can_be_turned_off(server, opened):
    smtp = opened(server.port, {"pipelining": False})
    assert results(smtp.send(mails(3), NOW)) == {"accepted": 3}
    server.faults = {server.turns + 1: Fault("taken")}
    lost, following = smtp.send(mails(2, "S"), NOW)
    assert (lost.result, following.result) == ("in_doubt", "accepted")  # its envelope did not go out before


def test_threads_send_side_by_side(server, opened):
    smtp = opened(server.port, concurrency=3)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda n: smtp.send(mails(30, f"S{n}"), NOW), range(4)))
    assert [results(receipts) for receipts in found] == [{"accepted": 30}] * 4
    assert set(server.tokens().values()) == {1}
    assert len(server.tokens()) == 120


def test_a_mail_says_whom_it_is_from_and_how_to_leave(server, opened):
    url = "https://go.example.com/u/T0000"
    more = {"reply_to": "Desk <answers@example.com>", "bounces_to": "bounces@example.com"}
    smtp = opened(server.port, {**more, "unsubscribe_to": "leave@example.com"})
    body = "Grüße, Ada\n.a dot\n..two\n\nEnd"
    assert results(smtp.send(mails(1, body=body, unsubscribe_url=url), NOW)) == {"accepted": 1}
    (mail,) = server.mails()
    assert {name: mail[name] for name in ("From", "Reply-To", "To", "Subject", "Message-ID")} == {
        "From": "Example <news@example.com>",
        "Reply-To": "Desk <answers@example.com>",
        "To": "Ada <c0@example.com>",
        "Subject": "Your offer",
        "Message-ID": "<T0000@example.com>",
    }
    assert mail["List-Unsubscribe"] == f"<{url}>, <mailto:leave@example.com?subject=unsubscribe%20T0000>"
    assert mail["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
    assert mail.get_content().replace("\r\n", "\n") == f"{body}\n"


@pytest.mark.parametrize(
    "url", [None, "http://127.0.0.1:8000/u/T0000", "https://go.example.com/\r\nBcc: x@example.com"]
)
def test_one_click_is_offered_for_a_page_on_https_alone(server, opened, url):
    opened(server.port).send(mails(1, unsubscribe_url=url), NOW)
    (mail,) = server.mails()
    assert mail["List-Unsubscribe"] is None
    assert mail["List-Unsubscribe-Post"] is None
    assert mail["Bcc"] is None


INJECTED = "Ada\r\nBcc: victim@example.com\r\n\r\nowned"


def test_no_name_and_no_address_begins_a_header_or_a_command(server, opened):
    name, subject = mails(1, name=INJECTED), mails(1, "S", fields={"subject": INJECTED, "body": "x"})
    to = [Message("R0000", "email", "a@example.com>\r\nDATA\r\n", None, None, name[0].fields, "c", "w")]
    smuggled = mails(1, "M", body="x\r\n.\r\nMAIL FROM:<evil@example.com>\r\n\n.\n\r.\rend")
    receipts = opened(server.port).send([*name, *subject, *to, *smuggled], NOW)
    assert said(receipts) == [
        ("accepted", None, Action.OK),
        ("refused", Reason.CONTENT, Action.NEXT_CHANNEL),
        ("refused", Reason.INVALID_ADDRESS, Action.NEXT_CHANNEL),
        ("accepted", None, Action.OK),
    ]
    first, second = server.mails()
    assert (first["To"], first["Bcc"]) == ("c0@example.com", None)
    assert second["Message-ID"] == "<M0000@example.com>"
    assert server.turns == 2


def test_what_is_no_text_is_refused_alone(server, opened):
    receipts = opened(server.port).send([*mails(2), *mails(1, "torn", "\ud83d")], NOW)
    assert said(receipts)[2] == ("refused", Reason.CONTENT, Action.NEXT_CHANNEL)
    assert results(receipts) == {"accepted": 2, "refused": 1}


FAULTS: dict[str, tuple[Fault, tuple[str, Reason | None, Action], float | None]] = {
    "an unknown user": (
        Fault("rcpt", "550 5.1.1 no such user"),
        ("refused", Reason.ADDRESS_GONE, Action.DROP_ADDRESS),
        None,
    ),
    "the same without words": (Fault("rcpt", "550 no"), ("refused", Reason.ADDRESS_GONE, Action.DROP_ADDRESS), None),
    "the same, late": (Fault("end", "550 5.1.1 gone"), ("refused", Reason.ADDRESS_GONE, Action.DROP_ADDRESS), None),
    "a full mailbox": (Fault("rcpt", "552 5.2.2 full"), ("not_sent", Reason.UNREACHABLE, Action.RETRY), 86_400.0),
    "not now": (Fault("rcpt", "450 4.2.0 busy"), ("not_sent", Reason.UNREACHABLE, Action.RETRY), 900.0),
    "a text that a filter dislikes": (Fault("end", "550 no"), ("refused", Reason.OTHER, Action.NEXT_CHANNEL), None),
    "another refusal": (Fault("end", "550 5.6.0 odd"), ("refused", Reason.OTHER, Action.NEXT_CHANNEL), None),
    "too large": (Fault("end", "552 5.3.4 big"), ("refused", Reason.TOO_LARGE, Action.BUG), None),
    "cut at MAIL": (Fault("mail"), ("not_sent", Reason.PROVIDER, Action.RETRY), 60.0),
    "cut at RCPT": (Fault("rcpt"), ("not_sent", Reason.PROVIDER, Action.RETRY), 60.0),
    "cut at DATA": (Fault("data"), ("not_sent", Reason.PROVIDER, Action.RETRY), 60.0),
    "cut in the text": (Fault("text"), ("in_doubt", Reason.PROVIDER, Action.RECONCILE), None),
    "cut after the dot": (Fault("end"), ("in_doubt", Reason.PROVIDER, Action.RECONCILE), None),
    "taken and cut": (Fault("taken"), ("in_doubt", Reason.PROVIDER, Action.RECONCILE), None),
    "no SMTP": (Fault("taken", "what?"), ("in_doubt", Reason.PROVIDER, Action.RECONCILE), None),
    "no end of it": (Fault("taken", "354 and?"), ("in_doubt", Reason.PROVIDER, Action.RECONCILE), None),
    "nothing at RCPT": (Fault("rcpt", hangs=True), ("not_sent", Reason.PROVIDER, Action.RETRY), 60.0),
    "nothing after the dot": (Fault("taken", hangs=True), ("in_doubt", Reason.PROVIDER, Action.RECONCILE), None),
}


@pytest.mark.parametrize("pipelines", [True, False])
@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_is_one_mail_and_the_others_go_out(server, opened, fault, pipelines):
    rule, expected, wait = FAULTS[fault]
    server.faults, server.pipelines = {3: rule}, pipelines
    receipts = opened(server.port, timeout=timedelta(seconds=0.6 if rule.hangs else 5)).send(mails(6), NOW)
    assert said(receipts)[2] == expected
    assert receipts[2].retry_after_s == wait
    others = [receipt for receipt in receipts if receipt.token != "T0002"]
    if pipelines and expected[0] == "in_doubt":  # the envelope behind it was lost with it
        assert said(others)[2] == ("not_sent", Reason.PROVIDER, Action.RETRY)
        others.pop(2)
    assert results(others) == {"accepted": len(others)}
    assert set(server.tokens().values()) == {1}
    took = server.tokens()["T0002"]
    assert took == (rule.at == "taken")
    assert {receipt.token for receipt in others} == set(server.tokens()) - {"T0002"}


STOPS: dict[str, tuple[Fault, tuple[str, Reason | None, Action], tuple[Reason, float]]] = {
    "too fast": (
        Fault("rcpt", "451 4.7.1 slow down"),
        ("not_sent", Reason.RATE_LIMITED, Action.RETRY),
        (Reason.RATE_LIMITED, 900.0),
    ),
    "blocked": (
        Fault("end", "554 5.7.1 spam"),
        ("refused", Reason.BLOCKED, Action.PAUSE_SENDER),
        (Reason.PROVIDER, 60.0),
    ),
    "no right to send": (
        Fault("mail", "530 5.7.0 log in first"),
        ("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER),
        (Reason.ACCOUNT, 60.0),
    ),
    "the sender is unknown": (
        Fault("mail", "550 5.1.8 who are you"),
        ("not_sent", Reason.SENDER, Action.PAUSE_SENDER),
        (Reason.SENDER, 60.0),
    ),
}


@pytest.mark.parametrize("stop", STOPS)
def test_what_speaks_of_the_sender_makes_the_rest_wait(server, opened, stop):
    rule, expected, rest = STOPS[stop]
    server.faults, server.pipelines = {3: rule}, False
    receipts = opened(server.port).send(mails(6), NOW)
    assert said(receipts)[2] == expected
    assert [(r.result, r.reason, r.retry_after_s) for r in receipts[3:]] == [("not_sent", *rest)] * 3
    assert server.turns == 3


@pytest.mark.parametrize(("fault", "expected"), [(Fault("taken"), "in_doubt"), (Fault("rcpt"), "not_sent")])
def test_a_broken_server_loses_three_mails_of_a_chunk(server, opened, fault, expected):
    server.always, server.pipelines = fault, False
    receipts = opened(server.port).send(mails(50), NOW)
    assert [receipt.result for receipt in receipts[:3]] == [expected] * 3
    assert {said([r])[0] for r in receipts[3:]} == {("not_sent", Reason.PROVIDER, Action.RETRY)}
    assert server.turns == 3


def test_a_large_mail_cut_before_its_dot_left_us_is_not_sent(opened):
    with mail_server() as server:
        server.faults = {1: Fault("text")}
        (receipt,) = opened(server.port).send(mails(1, body="All of it.\n" * 2_000_000), NOW)
        assert said([receipt]) == [("not_sent", Reason.PROVIDER, Action.RETRY)]
        assert not server.taken


def test_a_mail_larger_than_the_server_takes_stays_here(server, opened):
    receipts = opened(server.port).send([*mails(1, "big", "a line\n" * 20_000), *mails(1)], NOW)
    assert said(receipts) == [("refused", Reason.TOO_LARGE, Action.BUG), ("accepted", None, Action.OK)]
    assert server.turns == 1


def test_nothing_is_begun_once_it_is_too_late(server, opened):
    smtp = opened(server.port)
    assert results(smtp.send(mails(1), NOW)) == {"accepted": 1}
    receipts = smtp.send(mails(5, "late"), NOW, within_s=0.0)
    assert {(r.result, r.reason, r.retry_after_s) for r in receipts} == {("not_sent", None, 0.0)}
    assert server.turns == 1


def test_a_text_whose_moment_passed_is_not_written(server, opened):
    server.always = Fault("rcpt", hangs=True)
    smtp = opened(server.port, timeout=timedelta(seconds=0.3))
    (lost,) = smtp.send(mails(1), NOW, within_s=0.2)
    assert (lost.result, lost.retry_after_s) == ("not_sent", 60.0)
    server.always = None
    receipts = smtp.send(mails(3, "short"), NOW, within_s=0.2)  # less than it took for an answer
    assert {(r.result, r.reason, r.retry_after_s) for r in receipts} == {("not_sent", None, 0.0)}
    assert results(smtp.send(mails(3, "long"), NOW)) == {"accepted": 3}
    assert set(server.tokens()) == {"long0000", "long0001", "long0002"}


@pytest.mark.parametrize("wrong", [{SECRET_ENV: "wrong"}, None])
def test_the_right_password_logs_in_and_a_wrong_one_costs_no_message(guarded, wrong):
    guarded.well()
    smtp = Smtp(CAPABILITIES["email"], smtp_sender(guarded.port, LOGIN, concurrency=8), wrong or KNOWN)
    receipts = smtp.send(mails(20), NOW)
    why = smtp.reachable()
    smtp.close()
    if wrong is None:
        assert (results(receipts), why) == ({"accepted": 20}, None)
        return
    assert set(said(receipts)) == {("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)}
    assert why == "127.0.0.1 refuses the login with 535"
    assert guarded.opened == 2  # one for the chunk, and one for `doctor`
    assert not guarded.taken


def test_a_server_that_wants_a_login_is_not_sent_to_without_one(guarded, opened):
    guarded.well()
    receipts = opened(guarded.port).send(mails(3), NOW)
    assert said(receipts)[0] == ("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)
    assert results(receipts) == {"not_sent": 3}


@pytest.mark.parametrize("tls", ["starttls", "tls"])
@pytest.mark.parametrize("trusted", [True, False])
def test_the_line_is_secured_or_nothing_is_sent(tmp_path: Path, monkeypatch, tls, trusted, opened):
    pem, context = certificate(tmp_path)
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(pem))
    with mail_server(tls=context, implicit=tls == "tls") as server:
        smtp = opened(server.port, {"tls": tls}, concurrency=4)
        receipts, why = smtp.send(mails(30), NOW), smtp.reachable()
        smtp.close()
        if trusted:
            assert (results(receipts), why) == ({"accepted": 30}, None)
        else:
            assert set(said(receipts)) == {("not_sent", Reason.PROVIDER, Action.RETRY)}
            assert why is not None
            assert "fails the TLS handshake" in why
        assert len(server.taken) == (30 if trusted else 0)


def test_a_server_without_tls_gets_nothing_where_tls_is_asked_for(server, opened):
    smtp = opened(server.port, {"tls": "starttls"})
    assert set(said(smtp.send(mails(3), NOW))) == {("not_sent", Reason.CONFIG, Action.STOP_PROVIDER)}
    assert "STARTTLS" in str(smtp.reachable())
    assert server.turns == 0


def test_a_connection_never_made_is_not_sent(opened):
    smtp = opened(9)
    assert {(r.result, r.reason, r.retry_after_s) for r in smtp.send(mails(5), NOW)} == {
        ("not_sent", Reason.PROVIDER, 60.0)
    }
    assert smtp.reachable() == "127.0.0.1 cannot be reached: Connection refused"
    assert smtp.find(["T0000"]) is None


def test_a_server_slow_to_greet_is_waited_for_and_its_connection_used(server, opened):
    server.greets_after_s = 0.5
    smtp = opened(server.port)
    receipts = smtp.send(mails(3), NOW, within_s=0.2)
    assert {(r.result, r.reason, r.retry_after_s) for r in receipts} == {("not_sent", None, 0.0)}
    assert results(smtp.send(mails(3), NOW, within_s=20.0)) == {"accepted": 3}
    assert server.opened == 1


def test_why_a_slow_connection_failed_is_heard_by_the_next_chunk(opened):
    with mail_server(login=True) as server:
        server.greets_after_s, server.refuses_login = 0.3, "535 5.7.8 no"
        smtp = opened(server.port, LOGIN)
        assert results(smtp.send(mails(2), NOW, within_s=0.1)) == {"not_sent": 2}
        receipts = smtp.send(mails(2), NOW, within_s=20.0)
        assert set(said(receipts)) == {("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)}
        assert server.opened == 1
        smtp.close()


def test_a_line_is_closed_while_it_connects(server):
    server.greets_after_s = 30.0
    smtp = Smtp(CAPABILITIES["email"], smtp_sender(server.port), KNOWN)
    assert results(smtp.send(mails(1), NOW, within_s=0.1)) == {"not_sent": 1}
    smtp.close()
    assert server.turns == 0


@pytest.mark.parametrize(
    ("said", "most"), [("1000", 1000), ("0", None), ("", None), ("07", 7), ("²", None), ("9" * 5000, None)]
)
def test_the_size_that_a_server_takes_is_a_number_or_not_known(said, most):
    assert SmtpWire({"size": said}).largest == most


def test_the_first_line_of_the_table_that_fits_counts():
    assert meaning_of(Reply.of(535, "5.7.8 Error")) == REPLIES[1][1]
    assert meaning_of(Reply.of(550, "5.7.1 blocked")).action is Action.PAUSE_SENDER
    assert meaning_of(Reply.of(354, "go on")) is None
    assert Reply.of(250, "2.0.0 Ok: queued") == Reply(250, "2.0.0")
    assert Reply.of(250, "20.0 degrees") == Reply(250, "")
