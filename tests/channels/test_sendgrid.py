"""Provider `sendgrid` against its stand-in: what each request holds, what each answer means, nothing sent twice."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

from channels.sendgrid import ANSWERS
from tests.channels.sendgrid_desk import NOW, PUBLIC, message, messages, results, text
from tests.standins.sendgrid import KEY, KEY_ENV
from waves.errors import SendRefused
from waves.outcomes import Action, Reason

BAD_ADDRESS = ("refused", Reason.INVALID_ADDRESS, Action.DROP_ADDRESS)


def test_everybody_gets_their_own_text_and_sees_nobody_else(sendgrid, open_it):
    sent = messages(95)
    receipts = open_it().send(sent, NOW)
    assert [(r.token, r.result) for r in receipts] == [(m.token, "accepted") for m in sent]
    assert len(sendgrid.requests) == 10
    assert {r.provider_ref for r in receipts} == {f"{n:022d}" for n in range(10)}  # X-Message-Id names the request
    assert sendgrid.accepted() == Counter(m.token for m in sent)
    got = {mail.token: (mail.to, mail.subject, mail.body) for mail in sendgrid.mails}
    assert got == {m.token: ({"email": m.address, "name": "Ada"}, m.fields["subject"], m.fields["body"]) for m in sent}
    assert all(len(one["to"]) == 1 for request in sendgrid.requests for one in request["personalizations"])


def test_a_mail_carries_its_way_out_and_nothing_of_the_person_beside_it(sendgrid, open_it):
    options = {"unsubscribe_mailto": "stop@example.com", "reply_to": "help@example.com", "asm_group": 7}
    open_it(**options, category="campaign").send([message(1)], NOW)
    (request,) = sendgrid.requests
    (person,) = request["personalizations"]
    assert person["headers"] == {
        "List-Unsubscribe": f"<{PUBLIC}/u/mail0001>, <mailto:stop@example.com?subject=mail0001>",
        "List-Unsubscribe-Post": "List-Unsubscribe=One-Click",
    }
    assert person["custom_args"] == {"multiwave": "mail0001"}
    assert request["categories"] == ["camp"]
    assert request["asm"] == {"group_id": 7}
    assert request["reply_to"] == {"email": "help@example.com"}
    assert request["from"] == {"email": "news@example.com", "name": "Example Shop"}
    tracked = request["tracking_settings"]
    assert [one["enable"] for one in tracked.values()] == [False] * 4
    assert "bypass" not in json.dumps(request)
    assert "custom_args" not in request


def test_without_a_page_there_is_no_one_click(sendgrid, open_it):
    open_it(public=None, unsubscribe_mailto="stop@example.com").send([message(1, unsubscribe_url=None)], NOW)
    headers = sendgrid.mails[0].headers
    assert headers == {"List-Unsubscribe": "<mailto:stop@example.com?subject=mail0001>"}


def test_a_long_text_goes_alone_and_whole(sendgrid, open_it):
    longest = "\u00e4" * 4985  # with the tag just within 10,000 bytes
    sent = [message(0), message(1, fields=text(body="x" * 10_000)), message(2, fields=text(body=longest))]
    assert results(open_it().send(sent, NOW)) == {"accepted": 3}
    assert [len(request["personalizations"]) for request in sendgrid.requests] in ([1, 2], [2, 1])
    assert {mail.token: mail.body for mail in sendgrid.mails} == {m.token: m.fields["body"] for m in sent}


def test_one_address_twice_is_two_requests(sendgrid, open_it):
    twice = [message(0), message(1, address="MAIL0000@example.com"), message(2)]
    assert results(open_it().send(twice, NOW)) == {"accepted": 3}
    assert len(sendgrid.requests) == 2


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"fields": text("Hello\r\nBcc: all@example.com")}, Reason.CONTENT),
        ({"fields": text("Hello\u2028Bcc: all@example.com")}, Reason.CONTENT),
        ({"fields": text(" ")}, Reason.CONTENT),
        ({"fields": text(body="\n")}, Reason.CONTENT),
        ({"fields": text(body="\ud83d")}, Reason.CONTENT),
        ({"fields": text(body="TAG")}, Reason.CONTENT),
        ({"fields": text("TAG")}, Reason.CONTENT),
        ({"address": "a@example.com\r\nBcc: b@example.com"}, Reason.INVALID_ADDRESS),
        ({"address": "a@example.com, b@example.com"}, Reason.INVALID_ADDRESS),
        ({"address": ""}, Reason.INVALID_ADDRESS),
    ],
)
def test_what_cannot_be_written_is_refused_alone(sendgrid, open_it, more, why):
    channel = open_it()
    if "fields" in more:
        more = {
            "fields": {key: part.replace("TAG", f"a {channel._mails.tag} b") for key, part in more["fields"].items()}
        }
    receipts = channel.send([message(0), message(1, **more), message(2)], NOW)
    assert [(r.result, r.reason) for r in receipts] == [("accepted", None), ("refused", why), ("accepted", None)]
    assert set(sendgrid.accepted()) == {"mail0000", "mail0002"}


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Lovelace, Ada; Countess", "Lovelace Ada Countess"),
        ("Ada\r\nBcc: all@example.com", None),
        ("=?utf-8?q?Ada?=", None),
        (";,", None),
        (None, None),
        ("Zo\u00eb \u9673", "Zo\u00eb \u9673"),
    ],
)
def test_a_name_is_one_name(sendgrid, open_it, name, shown):
    open_it().send([message(0, name=name)], NOW)
    assert sendgrid.mails[0].to.get("name") == shown


def test_whom_a_400_names_is_refused_and_the_others_go_out_once(sendgrid, open_it):
    sendgrid.bad = {"mail0002@example.com", "mail0007@example.com"}
    receipts = open_it().send(messages(10), NOW)
    assert results(receipts) == {"accepted": 8, "refused": 2}
    assert {(r.result, r.reason, r.action) for r in receipts if r.result == "refused"} == {BAD_ADDRESS}
    assert sendgrid.paths == ["/v3/mail/send"] * 2
    assert set(sendgrid.accepted().values()) == {1}


def test_a_400_that_names_everybody_costs_nobody_their_address(sendgrid, open_it):
    """So many are not wrong at once: it is the request that SendGrid does not like, or its own fault."""
    sendgrid.bad = {m.address for m in messages(10)}
    receipts = open_it(concurrency=1).send(messages(30), NOW)
    assert results(receipts) == {"refused": 10, "not_sent": 20}
    assert {(r.reason, r.action) for r in receipts[:10]} == {(Reason.CONFIG, Action.BUG)}
    assert len(sendgrid.paths) == 1


def test_a_400_that_names_nobody_is_looked_for_in_halves(sendgrid, open_it):
    sendgrid.silent = {"mail0005@example.com"}
    receipts = open_it().send(messages(10), NOW)
    assert results(receipts) == {"accepted": 9, "refused": 1}
    assert (receipts[5].reason, receipts[5].action) == (Reason.CONFIG, Action.BUG)
    assert set(sendgrid.accepted().values()) == {1}


def test_when_all_are_refused_one_by_one_the_rest_waits(sendgrid, open_it):
    sendgrid.silent = {m.address for m in messages(40)}
    said = results(open_it(concurrency=1).send(messages(40), NOW))
    assert said == {"refused": 3, "not_sent": 37}
    assert not sendgrid.mails


def test_a_400_about_all_of_them_is_one_request(sendgrid, open_it):
    body = {"errors": [{"message": "The from email does not contain a valid address.", "field": "from.email"}]}
    sendgrid.faults = {1: {"fault": "status", "status": 400, "body": body}}
    receipts = open_it(concurrency=1).send(messages(30), NOW)
    assert results(receipts) == {"refused": 10, "not_sent": 20}
    assert len(sendgrid.paths) == 1


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"fault": "accept_then_reset"}, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
        ({"fault": "reset_before_reading"}, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
        ({"fault": "accept_then_500"}, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
        ({"fault": "hang", "seconds": 2}, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
        ({"fault": "half_a_body"}, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
        *[
            ({"fault": "status", "status": status}, said)
            for status, said in [
                (302, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
                (307, ("not_sent", Reason.CONFIG, Action.STOP_PROVIDER)),
                (401, ("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)),
                (403, ("not_sent", Reason.ACCOUNT, Action.STOP_PROVIDER)),
                (404, ("refused", Reason.CONFIG, Action.BUG)),
                (408, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
                (413, ("refused", Reason.TOO_LARGE, Action.BUG)),
                (415, ("refused", Reason.CONFIG, Action.BUG)),
                (429, ("not_sent", Reason.RATE_LIMITED, Action.RETRY)),
                (500, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
                (503, ("in_doubt", Reason.PROVIDER, Action.RECONCILE)),
            ]
        ],
    ],
    ids=lambda value: "-".join(map(str, value.values())) if isinstance(value, dict) else "",
)
def test_an_answer_is_one_meaning_for_its_request(sendgrid, open_it, fault, said):
    sendgrid.faults = {2: fault}
    channel = open_it(concurrency=1, timeout=timedelta(seconds=0.5))
    channel.send([message(9)], NOW)  # so that the fault meets a connection that was kept
    receipts = channel.send(messages(10, "other"), NOW)
    assert {(r.result, r.reason, r.action) for r in receipts} == {said}
    assert len(sendgrid.paths) == 2  # never repeated
    assert set(sendgrid.accepted().values()) == {1}


def test_the_table_of_answers_is_that_of_the_outcomes():
    told = yaml.safe_load((Path(__file__).parent / "sendgrid_tables.yaml").read_text("utf-8"))["sendgrid_http"]
    words = {str(code): meaning for code, meaning in ANSWERS.items()}
    assert set(told) - set(words) == {"5xx", "other 4xx"}  # classes of codes, which the faults meet
    for code, entry in told.items():
        if code in words:
            meaning = words[code]
            assert meaning.outcome.name.lower() == entry["outcome"], code
            assert (meaning.reason.name.lower() if meaning.reason else None) == entry.get("reason"), code
            assert meaning.action.name.lower() == entry["action"], code


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ({"Retry-After": "7"}, 7.0),
        ({"X-RateLimit-Reset": str(int(NOW.timestamp()) + 42)}, 42.0),
        ({"X-RateLimit-Reset": "soon"}, 60.0),
        ({}, 60.0),
    ],
)
def test_a_limit_is_waited_for_as_long_as_it_says(sendgrid, open_it, headers, wait):
    sendgrid.faults = {2: {"fault": "status", "status": 429, "headers": headers}}
    receipts = open_it(concurrency=1).send(messages(40), NOW)
    assert results(receipts) == {"accepted": 10, "not_sent": 30}
    assert {r.retry_after_s for r in receipts if r.result == "not_sent"} == {wait}
    assert len(sendgrid.paths) == 2


def test_the_last_request_that_a_limit_allows_makes_the_rest_wait(sendgrid, open_it):
    limits = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(NOW.timestamp()) + 9)}
    sendgrid.faults = {1: {"fault": "status", "status": 202, "headers": limits}}
    receipts = open_it(concurrency=1).send(messages(20), NOW)
    assert results(receipts) == {"accepted": 10, "not_sent": 10}
    assert receipts[-1].retry_after_s == 9.0


def test_the_sandbox_sends_nothing_and_says_so(sendgrid, open_it):
    receipts = open_it(sandbox=True).send(messages(3), NOW)
    assert {(r.result, r.reason) for r in receipts} == {("refused", Reason.CONFIG)}
    assert not sendgrid.mails


def test_what_cannot_be_begun_in_time_goes_back(sendgrid, open_it):
    receipts = open_it().send(messages(30), NOW, within_s=0)
    assert {(r.result, r.retry_after_s) for r in receipts} == {("not_sent", 0.0)}
    assert not sendgrid.paths


@pytest.mark.parametrize("url", ["http://127.0.0.1:9", "https://sendgrid.invalid"])
def test_a_connection_never_made_is_not_sent(open_it, url):
    receipts = open_it(base_url=url).send(messages(25), NOW)
    assert {(r.result, r.reason, r.retry_after_s) for r in receipts} == {("not_sent", Reason.PROVIDER, 60.0)}
    assert open_it(base_url=url).reachable()


def test_a_broken_account_gets_three_requests_of_a_chunk(sendgrid, open_it):
    sendgrid.faults = {0: {"fault": "accept_then_500"}}
    assert results(open_it(concurrency=1).send(messages(100), NOW)) == {"in_doubt": 30, "not_sent": 70}


@pytest.mark.parametrize(
    ("options", "keys", "said"),
    [
        ({}, {}, f"{KEY_ENV} is not set"),
        ({}, {KEY_ENV: "SG.bad\r\nkey: with a header"}, "holds no API key"),
        ({"from_address": "x"}, None, "no e-mail address"),
        ({"from_address": "a@example.com\nBcc: b@example.com"}, None, "no e-mail address"),
        ({"secret_env": "SG.this-is-the-key-itself"}, None, "NAME of an environment variable"),
        ({"base_url": "http://api.example.com"}, None, "on this machine only"),
        ({"base_url": "https://api.example.com/v3"}, None, "the host alone"),
        ({"messages": 5000}, None, "less than or equal to 1000"),
        ({"public": None}, None, "MULTIWAVE_PUBLIC_URL"),
    ],
)
def test_a_sender_that_cannot_work_says_why_and_no_secret(open_it, options, keys, said):
    with pytest.raises(SendRefused, match=said) as refused:
        open_it(keys=keys, **options)
    assert "SG." not in str(refused.value).replace("SG. and so on", "")


def test_the_sdk_makes_no_connection_and_writes_no_log(sendgrid, open_it, caplog):
    caplog.set_level("DEBUG")
    open_it().send(messages(3), NOW)
    logged = " ".join(record.getMessage() for record in caplog.records)
    assert KEY not in logged
    assert "@example.com" not in logged


def test_a_request_has_one_campaign(sendgrid, open_it):
    sent = [replace(m, campaign="two") if n % 3 == 0 else m for n, m in enumerate(messages(9))]
    assert results(open_it(category="campaign").send(sent, NOW)) == {"accepted": 9}
    of = {m.token: m.campaign for m in sent}
    for request in sendgrid.requests:
        assert {of[one["custom_args"]["multiwave"]] for one in request["personalizations"]} == {*request["categories"]}
