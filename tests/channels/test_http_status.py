"""The status callback of provider `http`: what is believed and read, and what is turned away with which code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from channels.http_options import SIGNATURE, STAMP, sign
from channels.http_status import read_status, verify
from tests.chaos.rig import SECRET, SECRET_ENV, http_sender
from waves.errors import SendRefused, WebhookRejected
from waves.message import Event
from waves.outcomes import Action, Outcome, Reason, Side

NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
SENDER = http_sender("https://gateway.example.com")
EVENT = {"token": "abc", "outcome": "delivered", "at": "2026-12-01T10:59:58+02:00", "provider_event_id": "e1"}


def read(body: bytes, headers: Mapping[str, str] | None = None, now: datetime = NOW) -> list[Event]:
    signed = sign(SECRET.encode(), body, int(NOW.timestamp()))
    given = signed if headers is None else headers
    verify(SENDER, given, body, now, {SECRET_ENV: SECRET})
    return read_status(SENDER, given, body, now)


def body_of(*events: Any) -> bytes:
    return json.dumps({"events": events}).encode()


def test_events_are_read_with_the_senders_name_and_everything_as_it_came() -> None:
    failed = {**EVENT, "provider_event_id": "e2", "outcome": "failed", "reason": "carrier", "action": "next_channel"}
    stop = {**EVENT, "provider_event_id": "e3", "outcome": "unsubscribed", "scope": "channel"}
    at = NOW - timedelta(seconds=2)
    assert read(body_of(EVENT, failed, stop)) == [
        Event("abc", Outcome.DELIVERED, at, "gateway", "e1", raw=EVENT),
        Event("abc", Outcome.FAILED, at, "gateway", "e2", Reason.CARRIER, Action.NEXT_CHANNEL, failed),
        Event("abc", Side.UNSUBSCRIBED, at, "gateway", "e3", raw=stop),
    ]


def test_a_new_word_is_kept_as_unknown_and_the_others_are_read() -> None:
    events = read(body_of({**EVENT, "outcome": "teleported", "reason": "warp"}, EVENT))
    assert [(event.outcome, event.reason) for event in events] == [(Side.UNKNOWN, None), (Outcome.DELIVERED, None)]


@pytest.mark.parametrize(
    ("at", "happened"),
    [
        ("2026-12-01T09:05:00Z", NOW + timedelta(minutes=5)),
        ("2026-12-01T09:06:00Z", NOW),
        ("9999-12-31T23:00-12:00", NOW),
    ],
)
def test_nothing_happens_after_its_report(at: str, happened: datetime) -> None:
    (event,) = read(body_of({**EVENT, "outcome": "resubscribed", "at": at}))
    assert event.at == happened


def test_names_of_headers_are_read_in_any_case() -> None:
    body = body_of(EVENT)
    headers = {name.lower(): value for name, value in sign(SECRET.encode(), body, int(NOW.timestamp())).items()}
    assert len(read(body, headers)) == 1


@pytest.mark.parametrize("minutes", [-5, 5])
def test_five_minutes_apart_is_fresh_and_more_is_not(minutes: int) -> None:
    apart = timedelta(minutes=minutes)
    assert read(body_of(EVENT), now=NOW + apart)
    with pytest.raises(WebhookRejected, match="not within 5 minutes") as rejected:
        read(body_of(EVENT), now=NOW + apart * 1.01)
    assert rejected.value.status == 401


def changed(**headers: str) -> Mapping[str, str]:
    return {**sign(SECRET.encode(), body_of(EVENT), int(NOW.timestamp())), **headers}


BAD_SIGNATURES: dict[str, Mapping[str, str]] = {
    "none": {},
    "no timestamp": {SIGNATURE: changed()[SIGNATURE]},
    "no signature": {STAMP: changed()[STAMP]},
    "another timestamp": changed(**{STAMP: str(int(NOW.timestamp()) + 1)}),
    "another secret": sign(b"another secret of 16", body_of(EVENT), int(NOW.timestamp())),
    "of another body": sign(SECRET.encode(), b"{}", int(NOW.timestamp())),
    "not ASCII": changed(**{SIGNATURE: "v1=ä", STAMP: "²"}),
}


@pytest.mark.parametrize("case", BAD_SIGNATURES)
def test_what_is_not_signed_is_not_read(case: str) -> None:
    with pytest.raises(WebhookRejected, match="does not fit the body") as rejected:
        read(body_of(EVENT), BAD_SIGNATURES[case])
    assert rejected.value.status == 401


BAD_BODIES: dict[str, tuple[bytes, str]] = {
    "not JSON": (b"{", "not JSON"),
    "no number": (b'{"events": NaN}', "not JSON"),
    "deep": (b"[" * 100_000, "not JSON"),
    "a list": (b"[]", "holds no list"),
    "no events": (b"{}", "holds no list"),
    "no object": (body_of(EVENT, "secret"), "event 1 of the callback is no object"),
    "no token": (body_of({**EVENT, "token": ""}), "event 0 .* has no token"),
    "a token of another kind": (body_of({**EVENT, "token": 7}), "event 0 .* has no token"),
    "no id": (body_of({**EVENT, "provider_event_id": None}), "has no provider_event_id"),
    "a long id": (body_of({**EVENT, "provider_event_id": "x" * 201}), "has no provider_event_id"),
    "no zone": (body_of({**EVENT, "at": "2026-12-01T09:00"}), "without a time zone"),
    "no time": (body_of({**EVENT, "at": "lately"}), "is no time"),
    "no scope": (body_of({**EVENT, "scope": "world"}), "unknown scope; write channel or all"),
}


@pytest.mark.parametrize("case", BAD_BODIES)
def test_a_body_that_cannot_be_read_is_turned_away_whole(case: str) -> None:
    body, said = BAD_BODIES[case]
    with pytest.raises(WebhookRejected, match=said) as rejected:
        read(body)
    assert rejected.value.status == 400
    assert "secret" not in str(rejected.value)


def test_too_many_events_are_too_large() -> None:
    with pytest.raises(WebhookRejected, match="send at most") as rejected:
        read(body_of(*[EVENT] * 10_001))
    assert rejected.value.status == 413


def test_without_our_secret_nothing_is_let_in() -> None:
    with pytest.raises(SendRefused, match=f"{SECRET_ENV} is not set"):
        verify(SENDER, {}, b"{}", NOW, {})
