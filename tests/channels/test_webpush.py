"""Provider webpush against a push service that decrypts: what leaves for it, and what is refused before that."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from channels.opening import Opening
from channels.registry import CAPABILITIES, open_channel
from channels.webpush import LONGEST_JSON, LONGEST_TTL_S, Webpush
from channels.webpush_crypto import topic_of
from channels.webpush_keys import KEY_FILE, make_key
from tests.builders import DAY, HOUR, T0
from tests.standins.webpush import PushStandin, push_sender
from waves.errors import SendRefused
from waves.message import Message
from waves.outcomes import Action, Reason


@pytest.fixture(scope="module")
def standin() -> Iterator[PushStandin]:
    made = PushStandin()
    yield made
    made.stop()


@pytest.fixture
def service(standin: PushStandin) -> PushStandin:
    """The module's push service, well and without a memory."""
    standin.well()
    return standin


@pytest.fixture
def channel(tmp_path: Path) -> Iterator[Webpush]:
    make_key(tmp_path / KEY_FILE)
    made = Webpush(Opening(CAPABILITIES["web_push"], push_sender(), tmp_path / "outbox", "https://go.example.com"))
    yield made
    made.close()


def message(address: str, **more: Any) -> Message:
    fields = {"title": "Привіт", "body": "Your contract ends soon", "url": "https://www.example.com/renew"}
    given = {"until": T0 + DAY, **more}
    return Message("TOKEN", "web_push", address, "Ada", "uk", given.pop("fields", fields), "autumn", "notice", **given)


def test_what_the_service_worker_gets(channel: Webpush, service: PushStandin) -> None:
    (said,) = channel.send([message(service.subscription(1).text)], T0)
    assert said.result == "accepted"
    assert service.payloads == [
        {
            "title": "Привіт",
            "body": "Your contract ends soon",
            "token": "TOKEN",
            "tag": topic_of("autumn"),
            "url": "https://www.example.com/renew",
            "beacon": "https://go.example.com/push/beacon",
        }
    ]
    (request,) = service.requests
    assert request.headers["ttl"] == "86400"
    assert request.headers["topic"] == topic_of("autumn")
    assert request.path == "/push/1"


@pytest.mark.parametrize(
    ("until", "hours_end", "ttl"),
    [
        (None, None, LONGEST_TTL_S),
        (T0 + 90 * DAY, None, LONGEST_TTL_S),
        (T0 + HOUR, None, 3600),
        (T0 - HOUR, None, 0),
        (T0 + DAY, T0 + HOUR, 3600),
        (T0 + HOUR, T0 + DAY, 3600),
        (None, T0 + HOUR, 3600),
    ],
)
def test_a_push_is_kept_to_the_end_of_its_wave_or_of_its_readers_day(
    channel: Webpush, service: PushStandin, until: Any, hours_end: Any, ttl: int
) -> None:
    one = message(service.subscription(1).text, until=until, hours_end=hours_end)
    assert channel.send([one], T0)[0].result == "accepted"
    assert service.requests[-1].headers["ttl"] == str(ttl)


@pytest.mark.parametrize(
    ("address", "fields", "reason", "action"),
    [
        ("a device's token", None, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
        ("https://push.example.com/1", None, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
        ("internal", None, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS),
        (None, {"title": "x", "body": "я" * LONGEST_JSON}, Reason.TOO_LARGE, Action.NEXT_CHANNEL),
        (None, {"title": "x", "body": "\ud800"}, Reason.CONTENT, Action.NEXT_CHANNEL),
    ],
)
def test_what_cannot_be_sent_is_refused_before_a_byte_leaves(
    channel: Webpush, service: PushStandin, address: Any, fields: Any, reason: Reason, action: Action
) -> None:
    sound = service.subscription(1)
    internal = replace(sound, endpoint="https://169.254.169.254/latest").text
    to = internal if address == "internal" else address or sound.text
    more = {} if fields is None else {"fields": fields}
    (said,) = channel.send([message(to, **more)], T0)
    assert (said.result, said.reason, said.action) == ("refused", reason, action)
    assert service.requests == []


def test_what_was_not_begun_in_time_is_not_sent(channel: Webpush, service: PushStandin) -> None:
    said = channel.send([message(service.subscription(n).text) for n in range(3)], T0, within_s=-1.0)
    assert [(one.result, one.reason, one.retry_after_s) for one in said] == [("not_sent", None, 0.0)] * 3
    assert service.requests == []
    assert channel.find(["TOKEN"]) is None


def test_requests_in_the_air_are_bounded_and_connections_kept(tmp_path: Path, service: PushStandin) -> None:
    make_key(tmp_path / KEY_FILE)
    made = Webpush(Opening(CAPABILITIES["web_push"], push_sender(concurrency=4), tmp_path / "outbox"))
    said = made.send([message(service.subscription(n).text) for n in range(40)], T0)
    assert {one.result for one in said} == {"accepted"}
    assert len(service.lines) <= 4
    assert "beacon" not in service.payloads[0]
    made.close()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "subject"),
        ({"subject": "ops@example.com"}, "mailto"),
        ({"subject": "mailto:a@b.example\r\nX: y"}, "mailto"),
        ({"subject": "mailto:ops@example.com"}, "multiwave keys"),
        ({"subject": "mailto:ops@example.com", "key_env": "NOT_SET_HERE"}, "NOT_SET_HERE is not set"),
        ({"subject": "mailto:ops@example.com", "key_file": "../x"}, "key_file"),
    ],
)
def test_a_sender_without_its_options_or_key_is_told(tmp_path: Path, options: dict[str, str], said: str) -> None:
    with pytest.raises(SendRefused, match=said):
        open_channel(push_sender(options=options), tmp_path / "outbox")
