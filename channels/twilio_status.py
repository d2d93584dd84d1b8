"""Twilio's callbacks: what became of a message, and what a person wrote to us; nothing unsigned is read.

A signature has no timestamp and stays valid: replays come to nothing because each report has one identity.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from datetime import datetime
from typing import Literal
from urllib.parse import parse_qsl, urlsplit

from twilio.request_validator import HMAC_SHA1, RequestValidator, get_signature_algorithm

from channels.meanings import events
from channels.twilio_codes import meaning_of_status
from channels.twilio_options import TwilioOptions
from waves.errors import WebhookRejected
from waves.message import Came, Event, Inbound
from waves.outcomes import Side
from waves.senders import Sender

SIGNATURE, SETTINGS, URL = "x-twilio-signature", "x-twilio-webhooks-signature-settings", "x-multiwave-url"
HEADERS = (SIGNATURE, SETTINGS)
MOST_FIELDS = 500
TO_US = frozenset({"receiving", "received"})
PERSONAL = re.compile(
    "To|From|Body|Media|Profile|WaId|Author|Channel|Address|Latitude|Longitude|Label|Button|List|Referral"
)
"""How the names of fields begin that say who somebody is or what was written: they are kept nowhere but in Inbound."""
WHATSAPP = "whatsapp:"
KEYWORDS: dict[str, Literal["stop", "start", "help"]] = {"STOP": "stop", "START": "start", "HELP": "help"}
UNFIT = (ValueError, TypeError, LookupError, AttributeError)
"""What the SDK's validator raises instead of saying no: a missing header, a body that is no form."""


def read_status(sender: Sender, headers: Mapping[str, str], body: bytes, now: datetime) -> list[Came]:
    """What one callback tells."""
    fields = {name: texts[-1] for name, texts in _form(body).items()}
    token = next((text for name, text in parse_qsl(urlsplit(_lower(headers)[URL]).query) if name == "token"), "")
    status = fields.get("MessageStatus") or fields.get("SmsStatus") or ""
    sid = fields.get("MessageSid") or fields.get("SmsSid") or ""
    if not re.fullmatch(r"[A-Z]{2}[0-9a-fA-F]{32}", sid):
        ident = hashlib.sha256(body).hexdigest()[:40]
        return [Event("", int(Side.UNKNOWN), now, sender.sender, ident, raw=_impersonal(fields))]
    if status.lower() in TO_US and "From" in fields:
        return [_inbound(sender, sid, fields, now)]
    code = fields.get("ErrorCode") or None
    ident = "/".join([sid, *(re.sub(r"[^A-Za-z0-9_-]", "", part)[:40] for part in (status, code or "") if part)])
    meaning = meaning_of_status(status, code)
    return [*events(meaning, token, now, sender.sender, ident, _impersonal(fields), sid)]


class Fields(dict[str, list[str]]):
    """A form as the SDK's validator wants it: every value of a name."""

    def getall(self, name: str) -> list[str]:
        """Every value of a name, as the validator asks for them; KeyError for an unknown one."""
        return self[name]


def verify(
    sender: Sender,
    headers: Mapping[str, str],
    body: bytes,
    now: datetime,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Nothing when Twilio signed this for the address it came to; else WebhookRejected (403)."""
    options, given = TwilioOptions.of(sender), _lower(headers)
    algorithm = get_signature_algorithm(given.get(SETTINGS))
    if algorithm.upper() == HMAC_SHA1:
        secret = options.auth_token(sender.sender, environment)
    elif options.webhook_key_env is not None:
        secret = options.webhook_key(sender.sender, environment)
    else:
        raise WebhookRejected("signed with a shared key; name its variable in webhook_key_env", 403)
    try:
        is_theirs = RequestValidator(secret).validate(given[URL], _form(body), given[SIGNATURE], algorithm)
    except UNFIT:
        is_theirs = False
    if not is_theirs:
        raise WebhookRejected(f"{SIGNATURE} does not fit what came, at the address in MULTIWAVE_PUBLIC_URL", 403)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


def _form(body: bytes) -> Fields:
    form = Fields()
    for name, text in parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS):
        form.setdefault(name, []).append(text)
    return form


def _inbound(sender: Sender, sid: str, fields: Mapping[str, str], now: datetime) -> Inbound:
    said_by = fields["From"]
    return Inbound(
        channel="whatsapp" if said_by.startswith(WHATSAPP) else sender.channel,
        address=said_by.removeprefix(WHATSAPP),
        text=fields.get("Body", ""),
        at=now,
        provider=sender.sender,
        provider_event_id=sid,
        keyword=KEYWORDS.get(fields.get("OptOutType", "").upper()),
        raw=_impersonal(fields),
    )


def _impersonal(fields: Mapping[str, str]) -> dict[str, object]:
    """The fields without whatever says who it was or what was written, under whatever name."""
    whose = [fields[name].removeprefix(WHATSAPP) for name in ("To", "From") if len(fields.get(name, "")) > 4]
    kept = {name: text for name, text in fields.items() if not PERSONAL.match(name)}
    return {name: text for name, text in kept.items() if not any(one in text for one in whose)}
