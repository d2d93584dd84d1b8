"""SendGrid's Signed Event Webhook: verified over the raw bytes, and each event translated once.

Retries go on for a day, and nobody documents whether they are signed anew: so a request may be a day old unless the
options say less. A recording sent in again changes nothing, since each event is kept once by its `sg_event_id`.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, cast

import orjson
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, SECP256R1, EllipticCurvePublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_der_public_key

from channels.http_answers import UnreadableAnswer, read_json
from channels.meanings import Meaning, events
from channels.sendgrid_mail import TOKEN_KEY
from channels.sendgrid_options import SendgridOptions
from waves.errors import SendRefused, WebhookRejected
from waves.message import Event
from waves.outcomes import Action, Outcome, Reason, Side
from waves.senders import Sender

STAMP, SIGNATURE = "X-Twilio-Email-Event-Webhook-Timestamp", "X-Twilio-Email-Event-Webhook-Signature"

EVENTS: dict[str, Meaning] = {
    "processed": Meaning(Outcome.ACCEPTED),
    "deferred": Meaning(Outcome.DEFERRED),
    "delivered": Meaning(Outcome.DELIVERED),
    "bounce": Meaning(Outcome.BOUNCED_HARD, Reason.ADDRESS_GONE, Action.DROP_ADDRESS),
    "blocked": Meaning(Outcome.BOUNCED_SOFT, Reason.BLOCKED, Action.NEXT_CHANNEL),
    "dropped": Meaning(Outcome.REJECTED, Reason.OTHER, Action.NEXT_CHANNEL),
    "open": Meaning(Outcome.READ),
    "click": Meaning(Outcome.CLICKED),
    "spamreport": Meaning(Side.COMPLAINED, None, Action.DROP_CONSENT),
    "unsubscribe": Meaning(Side.UNSUBSCRIBED, None, Action.DROP_CONSENT),
    "group_unsubscribe": Meaning(Side.UNSUBSCRIBED, None, Action.DROP_CONSENT),
    "group_resubscribe": Meaning(Side.RESUBSCRIBED),
}
MACHINE_OPEN: dict[bool, Meaning] = {True: Meaning(Outcome.DELIVERED), False: Meaning(Outcome.READ)}
"""`sg_machine_open` of an open: a mail program's privacy proxy, not a person."""
BOUNCE_TYPES: dict[str, Meaning] = {"bounce": EVENTS["bounce"], "blocked": EVENTS["blocked"]}
"""`type` of a bounce; its `status` may be missing."""
_GONE, _NEXT = Action.DROP_ADDRESS, Action.NEXT_CHANNEL
_OPTED_OUT = Meaning(Outcome.REJECTED, Reason.OPTED_OUT, Action.DROP_CONSENT, side=Side.UNSUBSCRIBED)
_COMPLAINED = Meaning(Outcome.REJECTED, Reason.PREVIOUS_COMPLAINT, Action.DROP_CONSENT, side=Side.COMPLAINED)
DROP_REASONS: dict[str, Meaning] = {
    "invalid": Meaning(Outcome.REJECTED, Reason.INVALID_ADDRESS, _GONE),
    "unsubscribed address": _OPTED_OUT,
    "bounced address": Meaning(Outcome.REJECTED, Reason.PREVIOUS_BOUNCE, _GONE),
    "bounce": Meaning(Outcome.REJECTED, Reason.PREVIOUS_BOUNCE, _GONE),
    "spam reporting address": _COMPLAINED,
    "spam content": Meaning(Outcome.REJECTED, Reason.CONTENT, _NEXT),
    "spam content (if spam checker app enabled)": Meaning(Outcome.REJECTED, Reason.CONTENT, _NEXT),
    "recipient list over package quota": Meaning(Outcome.REJECTED, Reason.ACCOUNT, Action.STOP_PROVIDER),
    "invalid smtpapi header": Meaning(Outcome.REJECTED, Reason.CONFIG, Action.BUG),
    "expired": Meaning(Outcome.REJECTED, Reason.UNREACHABLE, _NEXT),
    "blocked": Meaning(Outcome.REJECTED, Reason.BLOCKED, _NEXT),
}
"""`reason` of a dropped in lower case, else its `type`."""
UNKNOWN = Meaning(Side.UNKNOWN)
REFINED = frozenset({"open", "bounce", "dropped"})
"""Events of which another field says more."""
KEPT = ("event", "type", "status", "reason", "bounce_classification", "sg_machine_open", "sg_message_id")
"""What is kept of an event: no address, network, program or link of the person."""
MOST = 50_000
"""Events in one request."""
AHEAD_S = 300
"""How far a clock may be ahead of ours."""
LONGEST = 200
LOOKED_AT = 1000
"""Characters of a text: what is kept, and room for addresses."""
PRIVATE = re.compile(r"[^\s<>\"'(]*@[^\s<>\"')]*")
NUMBER = (int, float)
OLDEST = 1_000_000_000
"""Unix time before which no event can have been."""


def read_events(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Event]:
    """The events of one request, all or none; WebhookRejected says what is wrong and shows nothing of the body.

    What SendGrid adds one day is kept as `unknown`; an event of a mail that was not ours has no token.
    """
    said = _read(body)
    if not isinstance(said, list) or set(map(type, said)) - {dict}:
        raise WebhookRejected("the body is no list of events", 400)
    if len(said) > MOST:
        raise WebhookRejected(f"{len(said)} events in one request", 413)
    name, found, times = sender.sender, list[Event](), _Times(now)
    for item in said:
        get = item.get
        meaning, at, token, ident = _meaning(item), get("timestamp"), get(TOKEN_KEY), get("sg_event_id")
        if not isinstance(token, str) or not token.isprintable() or len(token) > LONGEST:
            token = ""
        if not isinstance(ident, str) or not ident.isprintable() or not 1 <= len(ident) <= LONGEST:
            ident = hashlib.sha256(json.dumps(item, sort_keys=True).encode()).hexdigest()[:40]
        when = times[at] if isinstance(at, NUMBER) else times.now
        if meaning.side is None and meaning.outcome is not None:
            found.append(Event(token, meaning.outcome, when, name, ident, meaning.reason, meaning.action, _raw(item)))
        else:
            found += events(meaning, token, when, name, ident, _raw(item))
    return found


def _read(body: bytes) -> object:
    """The JSON value; the slower reader has the last word on numbers of a hundred digits and halves of letters."""
    try:
        return cast(object, orjson.loads(body))
    except orjson.JSONDecodeError:
        pass
    try:
        return read_json(body)
    except UnreadableAnswer:
        raise WebhookRejected("the body is not JSON", 400) from None


class _Times(dict[object, datetime]):
    """Unix times as moments, each made once; what is none, or cannot be, is the moment the request came."""

    def __init__(self, now: datetime) -> None:
        super().__init__()
        self.now, self.latest = now, now.timestamp() + AHEAD_S  # a yes of tomorrow would outlast the no of today

    def __missing__(self, at: object) -> datetime:
        timed = isinstance(at, NUMBER) and OLDEST < at < self.latest
        self[at] = when = datetime.fromtimestamp(at, UTC) if timed and isinstance(at, NUMBER) else self.now
        return when


def verify(
    sender: Sender,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Nothing when SendGrid signed these very bytes, and lately; else WebhookRejected, or SendRefused without a key."""
    options = SendgridOptions.of(sender)
    text = options.webhook_key(environment)
    if text is None:
        raise SendRefused(
            f"sender {sender.sender} has no key to verify events with; "
            "write webhook_public_key, or set the variable that webhook_key_env names"
        )
    given = {name.lower(): value for name, value in headers.items()}
    stamp, signed = given.get(STAMP.lower(), ""), given.get(SIGNATURE.lower(), "")
    if not (stamp.isascii() and stamp.isdigit() and len(stamp) <= 12) or not signed:
        raise WebhookRejected(f"{STAMP} or {SIGNATURE} is missing; switch the signed event webhook on", 401)
    try:
        signature = base64.b64decode(signed.encode("ascii", "replace"), validate=True)
        _key(text).verify(signature, stamp.encode() + body, ECDSA(SHA256()))
    except (InvalidSignature, ValueError):
        raise WebhookRejected(f"{SIGNATURE} does not fit the body", 403) from None
    if not -AHEAD_S <= now.timestamp() - int(stamp) <= options.webhook_fresh.total_seconds():
        raise WebhookRejected(f"{STAMP} is too far from now; it may be a recording", 403)


@lru_cache(maxsize=16)
def _key(text: str) -> EllipticCurvePublicKey:
    """The public key, loaded once; SendRefused for what is none."""
    try:
        key = load_der_public_key(base64.b64decode(text, validate=True))
    except (ValueError, UnsupportedAlgorithm):
        key = None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP256R1):
        raise SendRefused("the verification key of the event webhook is none; copy it from SendGrid again")
    return key


def _meaning(item: dict[str, Any]) -> Meaning:
    name = item.get("event")
    if not isinstance(name, str):
        return UNKNOWN
    if name not in REFINED:
        return EVENTS.get(name, UNKNOWN)
    if name == "open":
        return MACHINE_OPEN[item.get("sg_machine_open") in (True, "true", "True")]
    if name == "bounce":
        return _by(BOUNCE_TYPES, item.get("type")) or EVENTS[name]
    return _by(DROP_REASONS, item.get("reason")) or _by(DROP_REASONS, item.get("type")) or EVENTS[name]


def _by(table: Mapping[str, Meaning], word: object) -> Meaning | None:
    return table.get(word.strip().lower()) if isinstance(word, str) else None


def _raw(item: dict[str, Any]) -> dict[str, object]:
    """What is worth keeping, short, any address in it taken out."""
    raw: dict[str, object] = {}
    for name in KEPT:
        if name not in item:
            continue
        value = item[name]
        if isinstance(value, str):
            raw[name] = (_impersonal(value) if "@" in value else value)[:LONGEST]
        elif isinstance(value, NUMBER):
            raw[name] = value
    if "url" in item:  # a scanner follows several links at once (flows.clicks); which one is nobody's business
        raw["link"] = _link(str(item["url"]))
    return raw


@lru_cache(maxsize=1024)
def _link(url: str) -> str:
    return hashlib.blake2s(url.encode("utf-8", "replace"), digest_size=6).hexdigest()


def _impersonal(text: str) -> str:
    """The beginning of a text without addresses; the end of it, where one may be cut in two, goes with them.

    A mail server that anybody may run wrote it, and to look for addresses takes the square of its longest word.
    """
    if len(text) > LOOKED_AT:
        text = text[:LOOKED_AT].rpartition(" ")[0]
    return PRIVATE.sub("(address)", text)
