"""The status callback of a gateway behind provider `http`: signed JSON in, events out; nothing unsigned is read."""

from __future__ import annotations

import hmac
import os
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from channels.events_file import ACTIONS, OUTCOMES, REASONS, SCOPES
from channels.http_answers import UnreadableAnswer, read_json
from channels.http_options import SIGNATURE, STAMP, HttpOptions, signature
from waves.errors import WebhookRejected
from waves.message import Event
from waves.outcomes import Side
from waves.senders import Sender

FRESH = timedelta(minutes=5)
"""How far the timestamp of a callback may be from our clock; an older one may be somebody's recording."""
MOST = 10_000
"""Events in one callback."""
LONGEST = 200


def read_status(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
    """The events of one callback, all or none; WebhookRejected says what is wrong and shows nothing of the body.

    An outcome this release does not know is kept as `unknown`, so that one new word does not block the rest.
    """
    try:
        said = read_json(body)
    except UnreadableAnswer:
        raise WebhookRejected("the body is not JSON", 400) from None
    items = said.get("events") if isinstance(said, dict) else None
    if not isinstance(items, list):
        raise WebhookRejected('the body holds no list; write {"events": [...]}', 400)
    if len(items) > MOST:
        raise WebhookRejected(f"{len(items)} events in one callback; send at most {MOST}", 413)
    return [_event(sender, number, item, now) for number, item in enumerate(items)]


def verify(
    sender: Sender,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Nothing when the gateway signed these very bytes, and just now; else WebhookRejected."""
    secret = HttpOptions.of(sender).secret(sender.sender, environment)
    given = {name.lower(): value for name, value in headers.items()}
    stamp, signed = given.get(STAMP.lower(), ""), given.get(SIGNATURE.lower(), "")
    wanted = signature(secret, stamp, body)
    if not hmac.compare_digest(wanted.encode(), signed.encode("utf-8", "replace")):
        raise WebhookRejected(f"{SIGNATURE} does not fit the body; sign with the secret of sender and gateway")
    if not (stamp.isascii() and stamp.isdigit()) or abs(int(stamp[:12]) - now.timestamp()) > FRESH.total_seconds():
        raise WebhookRejected(f"{STAMP} is not within 5 minutes of now; set the gateway's clock")


def _event(sender: Sender, number: int, item: Any, now: datetime) -> Event:
    if not isinstance(item, dict):
        raise _wrong(number, "is no object")
    token, ident = (_text(number, item, key) for key in ("token", "provider_event_id"))
    outcome = OUTCOMES.get(_text(number, item, "outcome").lower(), int(Side.UNKNOWN))
    scope = item.get("scope")
    if scope is not None and scope not in SCOPES:
        raise _wrong(number, f"has an unknown scope; write {' or '.join(SCOPES)}")
    return Event(
        token,
        outcome,
        _moment(number, item, now),
        sender.sender,
        ident,
        _known(REASONS, item.get("reason")),
        _known(ACTIONS, item.get("action")),
        dict(item),
    )


def _text(number: int, item: dict[str, Any], key: str) -> str:
    value = item.get(key)
    if not isinstance(value, str) or not value.strip() or len(value) > LONGEST:
        raise _wrong(number, f"has no {key}, or one that is no text of 1 to {LONGEST} characters")
    return value.strip()


def _moment(number: int, item: dict[str, Any], now: datetime) -> datetime:
    """When it happened; what lies ahead happened now, by a clock that is wrong: it must not outlast what comes next."""
    try:
        at = datetime.fromisoformat(_text(number, item, "at"))
    except ValueError:
        raise _wrong(number, "has an `at` that is no time; write 2026-12-01T14:05:00+02:00") from None
    if at.tzinfo is None:
        raise _wrong(number, "has an `at` without a time zone; write 2026-12-01T14:05:00+02:00")
    return at if at - now <= FRESH else now


def _known(words: Mapping[str, Any], said: object) -> Any:
    return words.get(said.strip().lower()) if isinstance(said, str) else None


def _wrong(number: int, what: str) -> WebhookRejected:
    return WebhookRejected(f"event {number} of the callback {what}", 400)
