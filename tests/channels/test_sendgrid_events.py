"""SendGrid's events: what is believed, what each recorded payload means, and what is kept of it."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random
from typing import Any

import pytest
import yaml

from channels import sendgrid_events as reader
from channels.meanings import Meaning
from channels.sendgrid_events import SIGNATURE, STAMP, read_events, verify
from tests.standins.sendgrid_signature import PUBLIC_KEY, signed
from waves.errors import SendRefused, WebhookRejected
from waves.message import Event
from waves.outcomes import Action, Outcome, Reason, Side
from waves.senders import Sender

NOW = datetime(2026, 12, 1, 9, 0, 30, tzinfo=UTC)
PAYLOADS = {path.stem: path.read_bytes() for path in (Path(__file__).parents[1] / "payloads/sendgrid").glob("*.json")}
TABLES = yaml.safe_load((Path(__file__).parent / "sendgrid_tables.yaml").read_text("utf-8"))
DROP, CONSENT, NEXT = Action.DROP_ADDRESS, Action.DROP_CONSENT, Action.NEXT_CHANNEL

MEANT: dict[str, list[tuple[int, Reason | None, Action | None]]] = {
    "processed": [(Outcome.ACCEPTED, None, Action.OK)],
    "deferred": [(Outcome.DEFERRED, None, Action.OK)],
    "delivered": [(Outcome.DELIVERED, None, Action.OK)],
    "bounce": [(Outcome.BOUNCED_HARD, Reason.ADDRESS_GONE, DROP)],
    "bounce_without_status": [(Outcome.BOUNCED_HARD, Reason.ADDRESS_GONE, DROP)],
    "bounce_blocked": [(Outcome.BOUNCED_SOFT, Reason.BLOCKED, NEXT)],
    "blocked": [(Outcome.BOUNCED_SOFT, Reason.BLOCKED, NEXT)],
    "open": [(Outcome.READ, None, Action.OK)],
    "open_machine": [(Outcome.DELIVERED, None, Action.OK)],
    "open_old": [(Outcome.READ, None, Action.OK)],
    "click": [(Outcome.CLICKED, None, Action.OK)],
    "spamreport": [(Side.COMPLAINED, None, CONSENT)],
    "unsubscribe": [(Side.UNSUBSCRIBED, None, CONSENT)],
    "group_unsubscribe": [(Side.UNSUBSCRIBED, None, CONSENT)],
    "group_resubscribe": [(Side.RESUBSCRIBED, None, Action.OK)],
    "account_status_change": [(Side.UNKNOWN, None, Action.OK)],
    "dropped_invalid": [(Outcome.REJECTED, Reason.INVALID_ADDRESS, DROP)],
    "dropped_unsubscribed": [
        (Outcome.REJECTED, Reason.OPTED_OUT, CONSENT),
        (Side.UNSUBSCRIBED, Reason.OPTED_OUT, None),
    ],
    "dropped_bounced": [(Outcome.REJECTED, Reason.PREVIOUS_BOUNCE, DROP)],
    "dropped_bounce": [(Outcome.REJECTED, Reason.PREVIOUS_BOUNCE, DROP)],
    "dropped_spam_reporting": [
        (Outcome.REJECTED, Reason.PREVIOUS_COMPLAINT, CONSENT),
        (Side.COMPLAINED, Reason.PREVIOUS_COMPLAINT, None),
    ],
    "dropped_spam_content": [(Outcome.REJECTED, Reason.CONTENT, NEXT)],
    "dropped_spam": [(Outcome.REJECTED, Reason.CONTENT, NEXT)],
    "dropped_quota": [(Outcome.REJECTED, Reason.ACCOUNT, Action.STOP_PROVIDER)],
    "dropped_smtpapi": [(Outcome.REJECTED, Reason.CONFIG, Action.BUG)],
    "dropped_expired": [(Outcome.REJECTED, Reason.UNREACHABLE, NEXT)],
    "dropped_blocked": [(Outcome.REJECTED, Reason.BLOCKED, NEXT)],
    "dropped_unheard_of": [(Outcome.REJECTED, Reason.OTHER, NEXT)],
}


def sender(**options: Any) -> Sender:
    given = {"secret_env": "UNUSED", "from_address": "news@example.com", "webhook_public_key": PUBLIC_KEY, **options}
    return Sender(sender="mail", channel="email", provider="sendgrid", options=given)


SENDER = sender()


def read(
    body: bytes, headers: Mapping[str, str] | None = None, now: datetime = NOW, by: Sender = SENDER
) -> list[Event]:
    given = signed(body, NOW) if headers is None else headers
    verify(by, given, body, now, {})
    return read_events(by, given, body, now)


def test_every_payload_has_its_meaning_and_every_meaning_its_payload() -> None:
    assert set(PAYLOADS) == set(MEANT)
    said = {json.loads(body)[0]["event"] for body in PAYLOADS.values()}
    assert said >= set(reader.EVENTS)
    reasons = {str(json.loads(body)[0].get("reason", "")).lower() for body in PAYLOADS.values()}
    assert reasons >= set(reader.DROP_REASONS)


@pytest.mark.parametrize("name", MEANT)
def test_a_recorded_payload_is_read_and_keeps_nothing_of_the_person(name: str) -> None:
    found = read(PAYLOADS[name])
    assert [(event.outcome, event.reason, event.action) for event in found] == MEANT[name]
    (item,) = json.loads(PAYLOADS[name])
    assert {event.token for event in found} == {item.get("multiwave", "")}
    assert {event.at for event in found} == {datetime(2026, 12, 1, 9, tzinfo=UTC)}
    assert found[0].provider_event_id == item["sg_event_id"]
    kept = json.dumps([dict(event.raw) for event in found])
    assert not any(private in kept for private in ("ada", "192.0.2", "Mozilla", "www.example.com"))


def test_what_a_mail_server_says_at_length_is_cut_before_it_is_searched() -> None:
    item = json.loads(PAYLOADS["bounce"])[0]
    long = "550 for ada@example.com: " + "x" * 960 + " ada@example.com " + "y" * 500_000 + " @"
    for said, kept in (
        (long, "550 for (address) xxx"),
        ("z" * 500_000 + " @", ""),
        ("x" * 990 + " ada@example.com", "xxx"),
    ):
        (event,) = read(json.dumps([{**item, "reason": said}]).encode())
        assert str(event.raw["reason"]).startswith(kept)
        assert len(str(event.raw["reason"])) <= 200
        assert "ada" not in str(event.raw["reason"])


def test_which_link_was_followed_is_kept_as_a_digest() -> None:
    click = json.loads(PAYLOADS["click"])[0]
    other = {**click, "sg_event_id": "other", "url": "https://www.example.com/other"}
    first, second, third = (event.raw["link"] for event in read(json.dumps([click, other, click]).encode()))
    assert first == third != second


TABLED = {
    "sendgrid_event": reader.EVENTS,
    "sendgrid_bounce_type": reader.BOUNCE_TYPES,
    "sendgrid_drop_reason": reader.DROP_REASONS,
    "sendgrid_machine_open": {str(said).lower(): meaning for said, meaning in reader.MACHINE_OPEN.items()},
}


@pytest.mark.parametrize("name", TABLED)
def test_the_tables_are_those_of_the_outcomes(name: str) -> None:
    def words(meaning: Meaning) -> dict[str, str]:
        said = {"outcome": meaning.outcome, "reason": meaning.reason, "action": meaning.action, "side": meaning.side}
        return {key: word.name.lower() for key, word in said.items() if word is not None}

    wanted = {word: {k: v for k, v in entry.items() if k != "note"} for word, entry in TABLES[name].items()}
    assert {word: words(meaning) for word, meaning in TABLED[name].items()} == wanted


VECTOR_KEY = (
    "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpV"
    "KS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g=="
)
VECTOR = {
    STAMP: "1600112502",
    SIGNATURE: "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=",
}
VECTOR_BODY = (
    b'[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address",'
    b'"sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA",'
    b'"sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0",'
    b'"smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]\r\n'
)


def test_the_published_vector_is_believed_and_not_without_its_line_end() -> None:
    assert hashlib.sha256(VECTOR_BODY).hexdigest() == "ef3e4606385ea6adbc55fceb6117cf2784040cf145a010e5ef4afc2bc7c70452"
    then, by = datetime.fromtimestamp(1600112502, UTC), sender(webhook_public_key=VECTOR_KEY)
    (event,) = read(VECTOR_BODY, VECTOR, then, by)
    assert (event.outcome, event.reason) == (Outcome.REJECTED, Reason.PREVIOUS_BOUNCE)
    for other in (VECTOR_BODY.rstrip(), json.dumps(json.loads(VECTOR_BODY)).encode(), b" " + VECTOR_BODY):
        with pytest.raises(WebhookRejected, match="does not fit"):
            read(other, VECTOR, then, by)


BODY = PAYLOADS["delivered"]
GOOD = signed(BODY, NOW)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 401),
        ({STAMP: GOOD[STAMP]}, 401),
        ({SIGNATURE: GOOD[SIGNATURE]}, 401),
        ({**GOOD, STAMP: ""}, 401),
        ({**GOOD, STAMP: "-5"}, 401),
        ({**GOOD, STAMP: "\u0661\u0662"}, 401),
        ({**GOOD, STAMP: "9" * 5000}, 401),
        ({**GOOD, STAMP: str(int(GOOD[STAMP]) + 1)}, 403),
        ({**GOOD, SIGNATURE: "AAAA"}, 403),
        ({**GOOD, SIGNATURE: "not base64!"}, 403),
        ({**GOOD, SIGNATURE: "\u00e4"}, 403),
        ({**GOOD, SIGNATURE: base64.b64encode(b"0" * 70).decode()}, 403),
    ],
)
def test_what_is_not_signed_is_turned_away(headers: dict[str, str], status: int) -> None:
    with pytest.raises(WebhookRejected) as rejected:
        read(BODY, headers)
    assert rejected.value.status == status
    assert "@" not in str(rejected.value)


@pytest.mark.parametrize(
    ("options", "late", "fresh"),
    [
        ({}, timedelta(days=1, minutes=5), True),  # as long as SendGrid tries again
        ({}, timedelta(days=1, minutes=6), False),
        ({}, timedelta(minutes=-5), True),
        ({}, timedelta(minutes=-6), False),
        ({"webhook_fresh": "5m"}, timedelta(minutes=5), True),
        ({"webhook_fresh": "5m"}, timedelta(minutes=6), False),
    ],
)
def test_what_is_too_old_is_a_recording(options: dict[str, str], late: timedelta, fresh: bool) -> None:
    if fresh:
        assert read(BODY, now=NOW + late, by=sender(**options))
        return
    with pytest.raises(WebhookRejected, match="recording"):
        read(BODY, now=NOW + late, by=sender(**options))


@pytest.mark.parametrize("key", [None, base64.b64encode(b"x" * 91).decode()])
def test_without_a_key_nothing_is_believed(key: str | None) -> None:
    with pytest.raises(SendRefused, match="key"):
        read(BODY, by=sender(webhook_public_key=key))


def test_the_key_may_stand_in_the_environment() -> None:
    by = sender(webhook_public_key=None, webhook_key_env="EVENTS_KEY")
    verify(by, GOOD, BODY, NOW, {"EVENTS_KEY": PUBLIC_KEY})
    with pytest.raises(WebhookRejected):
        verify(by, GOOD, BODY + b" ", NOW, {"EVENTS_KEY": PUBLIC_KEY})


@pytest.mark.parametrize(
    "body", [b"", b"{}", b"null", b"[1]", b"[null]", b"[[]]", b"[NaN]", b"\xff\xfe", b"[" * 100_000, b'[{"a":1}']
)
def test_a_signed_body_of_another_kind_is_a_bad_request(body: bytes) -> None:
    with pytest.raises(WebhookRejected) as rejected:
        read(body)
    assert rejected.value.status == 400


@pytest.mark.parametrize(
    "change",
    [
        {"timestamp": None},
        {"timestamp": "1796115600"},
        {"timestamp": True},
        {"timestamp": 10**400},
        {"timestamp": -1},
        {"timestamp": 1796115600 + 10**6},
        {"timestamp": 1796115600 + 3 * 3600},
        {"multiwave": None},
        {"multiwave": "\x00"},
        {"multiwave": "x" * 5000},
        {"multiwave": ["x"]},
        {"sg_event_id": None},
        {"sg_event_id": ""},
        {"sg_event_id": "a\nb"},
        {"sg_event_id": {"a": 1}},
        {"event": None},
        {"event": ["open"]},
        {"event": "x" * 100_000},
        {"status": {"deep": ["x"]}},
        {"scope": "all"},
    ],
)
def test_a_strange_value_spoils_nothing(change: dict[str, Any]) -> None:
    item = {**json.loads(BODY)[0], **change}
    once, twice = read(json.dumps([item]).encode()), read(json.dumps([item]).encode())
    assert once == twice  # the same id each time, so that it is kept once
    (event,) = once
    assert event.token.isprintable()
    assert event.provider_event_id.isprintable()
    assert 0 < len(event.provider_event_id) <= 200
    assert abs(event.at - NOW) <= timedelta(days=1)
    assert "scope" not in event.raw


def test_ten_thousand_torn_bodies_are_events_or_a_bad_request() -> None:
    draw, whole = Random(5), b",".join(body.strip()[1:-1] for body in PAYLOADS.values())
    seen = {"read": 0, "rejected": 0}
    for _ in range(10_000):
        torn = bytearray(b"[" + whole[: draw.randrange(2500)] + b"]")
        for _ in range(draw.randrange(4)):
            torn[draw.randrange(len(torn))] = draw.randrange(256)
        try:
            read(bytes(torn))
            seen["read"] += 1
        except WebhookRejected:
            seen["rejected"] += 1
    assert all(seen.values())
