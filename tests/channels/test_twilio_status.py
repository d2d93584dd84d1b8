"""Twilio's callbacks: whose signature is believed, and what each status, code and message to us becomes."""

from __future__ import annotations

import random
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from twilio.request_validator import HMAC_SHA256, RequestValidator

from channels.callbacks import CALLBACKS, URL
from channels.twilio_codes import CODES, STATUSES
from channels.twilio_status import SETTINGS, SIGNATURE, Fields, read_status, verify
from tests.channels.twilio_desk import PUBLIC, rows, signature, twilio_sender
from tests.standins.twilio import TOKEN, TOKEN_ENV
from waves.errors import SendRefused, WebhookRejected
from waves.message import Came, Event, Inbound
from waves.outcomes import Outcome, Side, word
from waves.senders import Sender

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
KNOWN = {TOKEN_ENV: TOKEN, "SHARED_KEY": "a shared key of the tests"}
TOUCH = "aaaabbbbccccddddeeee"
ADDRESS = f"{PUBLIC}/callbacks/twilio/main_texts?token={TOUCH}"
INBOUND = f"{PUBLIC}/callbacks/twilio/main_texts"
SENDER = twilio_sender(WEBHOOK_KEY_ENV="SHARED_KEY")
SID = "SM" + "0" * 32
BODY = urlencode({"MessageSid": SID, "MessageStatus": "delivered", "To": "+15125550111"})


def read(
    body: str, url: str = ADDRESS, headers: Mapping[str, str] | None = None, sender: Sender = SENDER
) -> list[Came]:
    signed = {SIGNATURE: signature(body, url)} if headers is None else headers
    headers = {URL: url, **signed}
    verify(sender, headers, body.encode(), NOW, KNOWN)
    return read_status(sender, headers, body.encode(), NOW)


def told(events: list[Came]) -> list[str]:
    """Outcome, reason, action and side as the recorded payloads have them."""
    first = events[0]
    assert isinstance(first, Event)
    outcome = word(Side(first.outcome) if first.outcome > 1000 else Outcome(first.outcome))
    side = [word(Side(one.outcome)) for one in events[1:] if isinstance(one, Event)]
    reason = word(first.reason) if first.reason is not None else "-"
    return [outcome, reason, word(first.action) if first.action is not None else "-", side[0] if side else "-"]


def test_every_status_and_every_code_of_our_tables_was_recorded() -> None:
    assert {row[0] for row in rows("statuses")} == set(STATUSES) - {"receiving", "received"}
    assert {int(row[0]) for row in rows("codes")} == set(CODES)


@pytest.mark.parametrize("row", rows("statuses"), ids=lambda row: row[0])
def test_a_status_becomes_an_outcome(row: list[str]) -> None:
    status, *expected, body = row
    events = read(body)
    assert told(events) == expected
    first = events[0]
    assert isinstance(first, Event)
    assert (first.token, first.at, first.provider) == (TOUCH, NOW, "main_texts")
    assert first.provider_event_id == f"{first.ref}/{status}"
    assert first.ref in body


def test_every_code_overrides_what_its_status_says() -> None:
    for code, status, *expected, body in rows("codes"):
        events = read(body)
        assert told(events) == expected, code
        assert events[0].provider_event_id.endswith(f"/{status}/{code}")
        assert events[0].raw["ErrorCode"] == code


def test_a_code_says_nothing_of_a_message_that_arrived() -> None:
    body = urlencode({"MessageSid": SID, "MessageStatus": "delivered", "ErrorCode": "30003"})
    assert told(read(body))[0] == "delivered"


def test_unknown_words_are_kept_as_unknown_or_by_their_status() -> None:
    assert told(read(urlencode({"MessageSid": SID, "MessageStatus": "teleported"}))) == ["unknown", "-", "ok", "-"]
    body = urlencode({"MessageSid": SID, "MessageStatus": "failed", "ErrorCode": "39999"})
    assert told(read(body)) == ["failed", "other", "next_channel", "-"]
    (event,) = read("Something=else")
    assert (event.token, event.outcome) == ("", Side.UNKNOWN)
    assert event.provider_event_id == read("Something=else")[0].provider_event_id


def test_what_is_kept_of_a_report_says_nothing_of_the_person() -> None:
    fields = {
        "MessageSid": SID,
        "MessageStatus": "delivered",
        "To": "+15125550111",
        "From": "+15125550100",
        "Body": "a secret",
        "ProfileName": "Ada",
        "FromCity": "AUSTIN",
        "ChannelStatusMessage": "no such user 15125550111",
        "SomethingNew": "kept",
        "Echo": "to +15125550111",
    }
    (event,) = read(urlencode(fields))
    assert event.raw == {"MessageSid": SID, "MessageStatus": "delivered", "SomethingNew": "kept"}


@pytest.mark.parametrize("row", rows("inbound"), ids=lambda row: row[2] or "nothing")
def test_what_a_person_writes_is_a_message_to_us(row: list[str]) -> None:
    channel, keyword, text, body = row
    (one,) = read(body, INBOUND)
    assert isinstance(one, Inbound)
    said = (one.channel, one.address, one.text, one.provider, one.at)
    assert said == (channel, "+15125550111", text, "main_texts", NOW)
    assert one.keyword == (None if keyword == "-" else keyword)
    assert one.provider_event_id in body
    assert not {"Body", "From", "To", "WaId", "ProfileName"} & set(one.raw)


def test_a_replay_has_the_same_identity_and_each_step_another() -> None:
    bodies = [row[-1] for row in rows("statuses")] + [row[-1] for row in rows("codes")]
    once = [event.provider_event_id for body in bodies for event in read(body)]
    assert len(set(once)) == len(once)
    assert once == [event.provider_event_id for body in bodies for event in read(body)]


VECTOR = {"CallSid": "CA1234567890ABCDE", "Caller": "+14158675309", "From": "+14158675309", "Digits": "1234"}
VECTOR["To"] = "+18005551212"
PUBLISHED: dict[str, tuple[str, dict[str, list[str]] | str, str]] = {
    "as it is": (
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        {name: [text] for name, text in VECTOR.items()},
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    "several values": (
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        {"Sid": ["CA123"], "SidAccount": ["AC123"], "Digits": ["5678", "1234", "1234"]},
        "IK+Dwps556ElfBT0I3Rgjkr1wJU=",
    ),
    "a body that is no form": (
        "https://mycompany.com/myapp.php?foo=1&bar=2"
        "&bodySHA256=0a1ff7634d9ab3b95db5c9a2dfe9416e41502b283a80c7cf19632632f96e6620",
        '{"property": "value", "boolean": true}',
        "a9nBmqA0ju/hNViExpshrM61xv4=",
    ),
}
for port, at, signed in (
    ("port 443", "https://mycompany.com:443", "kvajT1Ptam85bY51eRf/AJRuM3w="),
    ("http, port 80", "http://mycompany.com:80", "0ZXoZLH/DfblKGATFgpif+LLRf4="),
    ("http, port 1234", "http://mycompany.com:1234", "Zmvh+3yNM1Phv2jhDCwEM3q5ebU="),
):
    PUBLISHED[port] = (f"{at}/myapp.php?foo=1&bar=2", PUBLISHED["as it is"][1], signed)


@pytest.mark.parametrize("case", PUBLISHED)
def test_the_published_vectors_are_accepted_and_nothing_beside_them(case: str) -> None:
    url, given, wanted = PUBLISHED[case]
    params: Any = given if isinstance(given, str) else Fields(given)
    validator = RequestValidator(TOKEN)
    assert validator.validate(url, params, wanted)
    assert not validator.validate(url, params, wanted[:-2] + "A=")
    if isinstance(given, dict):
        body = urlencode([(name, text) for name, texts in given.items() for text in texts])
        (event,) = read(body, url, {SIGNATURE: wanted})  # through our own reader: none of them is a message's
        assert event.outcome == Side.UNKNOWN
        with pytest.raises(WebhookRejected):
            read(body + "&more=1", url, {SIGNATURE: wanted})


GOOD = signature(BODY, ADDRESS)
FORGED: dict[str, tuple[str, str, Mapping[str, str]]] = {
    "no signature": (BODY, ADDRESS, {}),
    "another body": (BODY.replace("delivered", "failed"), ADDRESS, {SIGNATURE: GOOD}),
    "one field more": (f"{BODY}&ErrorCode=", ADDRESS, {SIGNATURE: GOOD}),
    "another touch": (BODY, ADDRESS.replace("aaaa", "bbbb"), {SIGNATURE: GOOD}),
    "another host": (BODY, ADDRESS.replace("camp.", "evil."), {SIGNATURE: GOOD}),
    "http for https": (BODY, ADDRESS.replace("https", "http"), {SIGNATURE: GOOD}),
    "another account's token": (BODY, ADDRESS, {SIGNATURE: signature(BODY, ADDRESS, key="54321")}),
    "not ASCII": (BODY, ADDRESS, {SIGNATURE: "ä" * 28}),
    "no address": (BODY, "", {SIGNATURE: GOOD}),
    "a port that is none": (BODY, "https://camp.example.com:x/", {SIGNATURE: GOOD}),
    "the shared key's signature, unnamed": (
        BODY,
        ADDRESS,
        {SIGNATURE: signature(BODY, ADDRESS, algorithm=HMAC_SHA256)},
    ),
    "an algorithm nobody knows": (BODY, ADDRESS, {SIGNATURE: GOOD, SETTINGS: "key=k,algorithm=NONE"}),
    "too many fields": ("&".join(f"a{n}=1" for n in range(600)), ADDRESS, {SIGNATURE: GOOD}),
}


@pytest.mark.parametrize("case", FORGED)
def test_what_twilio_did_not_sign_is_403_and_shows_nothing(case: str) -> None:
    body, url, headers = FORGED[case]
    with pytest.raises(WebhookRejected) as rejected:
        verify(SENDER, {URL: url, **headers}, body.encode(), NOW, KNOWN)
    assert rejected.value.status == 403
    assert "555" not in str(rejected.value)


def test_without_an_address_or_with_a_body_that_is_no_text_nothing_is_let_in() -> None:
    for headers, body in (({SIGNATURE: GOOD}, BODY.encode()), ({URL: ADDRESS, SIGNATURE: GOOD}, b"\xff\xfe=1")):
        with pytest.raises(WebhookRejected) as rejected:
            verify(SENDER, headers, body, NOW, KNOWN)
        assert rejected.value.status == 403


def test_a_shared_key_signs_by_sha256_where_the_sender_names_one() -> None:
    signed = signature(BODY, ADDRESS, key=KNOWN["SHARED_KEY"], algorithm=HMAC_SHA256)
    headers = {SIGNATURE: signed, SETTINGS: "key=webhooks_sharedkey_1,algorithm=HMAC_SHA256"}
    assert told(read(BODY, headers=headers))[0] == "delivered"
    with pytest.raises(WebhookRejected, match="webhook_key_env") as rejected:
        read(BODY, headers=headers, sender=twilio_sender())
    assert rejected.value.status == 403


def test_fuzzed_bodies_change_nothing() -> None:
    dice = random.Random(5)
    for _ in range(2000):
        torn = bytearray(BODY.encode())
        for _ in range(dice.randrange(1, 6)):
            torn[dice.randrange(len(torn))] = dice.randrange(256)
        if torn != BODY.encode():
            with pytest.raises(WebhookRejected):
                verify(SENDER, {URL: ADDRESS, SIGNATURE: GOOD}, bytes(torn), NOW, KNOWN)


def test_without_our_token_nothing_is_let_in() -> None:
    with pytest.raises(SendRefused, match=f"{TOKEN_ENV} is not set"):
        verify(SENDER, {URL: ADDRESS, SIGNATURE: GOOD}, BODY.encode(), NOW, {})


def test_twilio_hears_that_nothing_is_to_be_sent() -> None:
    assert CALLBACKS["twilio"].answer == (200, "text/xml", b"<Response/>")
    assert CALLBACKS["twilio"].looks_at_url
