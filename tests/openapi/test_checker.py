"""The checker lets through what the providers' documentation shows, and refuses what their descriptions miss."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.openapi.checker import Asked, NotAsDescribed, Said, check_answer, check_request

ACCOUNT, SERVICE, SID = "AC" + "0" * 32, "MG" + "1" * 32, "SM" + "2" * 32
MESSAGES = f"https://api.twilio.com/2010-04-01/Accounts/{ACCOUNT}/Messages.json"
BASIC, BEARER = {"Authorization": "Basic dTpw"}, {"Authorization": "Bearer SG.x"}
SMS = {"To": "+15125550100", "MessagingServiceSid": SERVICE, "Body": "hello"}
STORED: dict[str, Any] = {
    "sid": SID,
    "account_sid": ACCOUNT,
    "status": "accepted",
    "direction": "outbound-api",
    "date_created": "Thu, 24 Aug 2023 05:01:45 +0000",
    "uri": f"/2010-04-01/Accounts/{ACCOUNT}/Messages/{SID}.json",
    "error_code": None,
    "num_segments": "0",
}
MAIL: dict[str, Any] = {
    "personalizations": [{"to": [{"email": "anna@example.com"}], "custom_args": {"token": "t"}}],
    "from": {"email": "news@example.com"},
    "subject": "hello",
    "content": [{"type": "text/plain", "value": "hello"}],
}


def form(**fields: str) -> Asked:
    kept = {name: text for name, text in {**SMS, **fields}.items() if text}
    headers = {**BASIC, "Content-Type": "application/x-www-form-urlencoded"}
    return Asked("POST", MESSAGES, headers, urlencode(kept).encode())


def mail(**changes: Any) -> Asked:
    body = {name: value for name, value in {**MAIL, **changes}.items() if value is not None}
    headers = {**BEARER, "Content-Type": "application/json"}
    return Asked("POST", "http://127.0.0.1:9/v3/mail/send", headers, json.dumps(body).encode())


def to(email: str = "anna@example.com", **more: Any) -> dict[str, Any]:
    return {"to": [{"email": email}], **more}


ALLOWED = {
    "a message": form(),
    "a marketing message": form(MessageIntent="marketing", ValidityPeriod="36000"),
    "a status callback with a fragment": form(StatusCallback="https://x.example.com/cb?token=A#rc=3&rp=all"),
    "whatsapp": form(To="whatsapp:+15125550100"),
    "the list": Asked("GET", f"{MESSAGES}?To=%2B15125550100&PageSize=20", BASIC),
    "a mail": mail(),
    "a thousand": mail(personalizations=[to(custom_args={"token": "t"})] * 1000),
    "the bounces": Asked("GET", "https://api.sendgrid.com/v3/suppression/bounces", BEARER),
    "one global unsubscribe": Asked("GET", "https://api.sendgrid.com/v3/asm/suppressions/global/a@example.com", BEARER),
}

REFUSED = {
    "no sid of a service": form(MessagingServiceSid="MG12"),
    "no To": form(To=""),
    "a validity that is no number": form(ValidityPeriod="ten hours"),
    "a validity too long": form(ValidityPeriod="36001"),
    "no validity at all": form(ValidityPeriod="0"),
    "a field Twilio has not": form(Messag="x"),
    "an address that is none": form(StatusCallback="callbacks/twilio"),
    "a host with an underscore": form(StatusCallback="https://my_host.example.com/cb"),
    "no credentials": Asked("POST", MESSAGES, {"Content-Type": "application/x-www-form-urlencoded"}, b"To=1"),
    "another verb": Asked("PUT", MESSAGES, BASIC),
    "another path": Asked("GET", "https://api.twilio.com/2011-01-01/Nothing.json", BASIC),
    "a query Twilio has not": Asked("GET", f"{MESSAGES}?Too=1", BASIC),
    "another account": Asked("GET", MESSAGES.replace("AC0", "XX0"), BASIC),
    "1,001 personalizations": mail(personalizations=[to()] * 1001),
    "11 categories": mail(categories=[f"c{n}" for n in range(11)]),
    "a bad address": mail(personalizations=[to("anna")]),
    "no from": mail(**{"from": None}),
    "custom_args of the message": mail(custom_args={"token": "t"}),
    "a number in custom_args": mail(personalizations=[to(custom_args={"token": 7})]),
    "a name SendGrid has not": mail(personalisations=[]),
    "a name deep inside": mail(personalizations=[to(subjekt="x")]),
}


@pytest.mark.parametrize("asked", ALLOWED.values(), ids=ALLOWED)
def test_a_documented_request_passes(asked: Asked) -> None:
    check_request(asked)


@pytest.mark.parametrize("asked", REFUSED.values(), ids=REFUSED)
def test_a_request_that_a_provider_would_not_take_is_refused(asked: Asked) -> None:
    with pytest.raises(NotAsDescribed):
        check_request(asked)


def said(status: int, value: Any, kind: str = "application/json") -> Said:
    return Said(status, {"Content-Type": kind}, json.dumps(value).encode())


LISTED = Asked("GET", f"{MESSAGES}?PageSize=20", BASIC)
PAGE = {"messages": [STORED], "uri": "/2010-04-01/x?Page=0", "first_page_uri": "/2010-04-01/x", "next_page_uri": None}
ANSWERS = {
    "a message stored": (form(), said(201, STORED), True),
    "relative uris": (LISTED, said(200, PAGE), True),
    "an error left out of the description": (form(), said(429, {"code": 20429}), True),
    "an error that is no JSON": (form(), Said(503, {"Content-Type": "text/html"}, b"<html>"), True),
    "a mail taken": (mail(), Said(202, {"X-Message-Id": "x" * 22}), True),
    "a described error": (mail(), said(400, {"errors": [{"message": "m", "field": "from"}]}), True),
    "a success left out": (form(), said(200, STORED), False),
    "a status nobody knows": (form(), said(201, {**STORED, "status": "flying"}), False),
    "a sid that is none": (form(), said(201, {**STORED, "sid": "XX1"}), False),
    "a date of another kind": (form(), said(201, {**STORED, "date_created": "2026-01-01T00:00:00Z"}), False),
    "text for JSON": (form(), Said(201, {"Content-Type": "text/html"}, b"<html>"), False),
    "half a JSON": (form(), Said(201, {"Content-Type": "application/json"}, b'{"sid":'), False),
}


@pytest.mark.parametrize(("asked", "answer", "fine"), ANSWERS.values(), ids=ANSWERS)
def test_an_answer_is_checked_as_well(asked: Asked, answer: Said, fine: bool) -> None:
    if fine:
        check_answer(asked, answer)
    else:
        with pytest.raises(NotAsDescribed):
            check_answer(asked, answer)
