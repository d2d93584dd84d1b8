"""The channels of this release, what each can carry, and the one table that says how to open a provider."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from datetime import timedelta
from pathlib import Path

from channels.call_list.formats import FORMATS
from channels.http_options import HttpOptions
from channels.opening import Opening
from channels.sendgrid_options import SendgridOptions
from channels.smpp_options import SmppOptions
from channels.smtp_options import FaxOptions, SmtpOptions
from channels.twilio_options import TwilioOptions
from channels.webpush_options import WebpushOptions
from waves.errors import SendRefused
from waves.message import Cap, Capabilities, Channel
from waves.plan import Record
from waves.senders import Sender

CALL_CAPS = (
    Cap(3, timedelta(days=1), "house rule for calls to one person"),
    Cap(7, timedelta(days=7), "house rule for calls to one person"),
)
"""Stricter than the laws that count calls: 3 in 24 hours in Florida, Maryland and Oklahoma (Fla. Stat. 501.616(6))."""

CAPABILITIES: dict[str, Capabilities] = {
    "web_push": Capabilities("web_push", "message", ("title", "url"), ("title",), "push"),
    "sms": Capabilities("sms", "message", (), (), "phone"),
    "email": Capabilities("email", "message", ("subject",), ("subject",), "email"),
    "whatsapp": Capabilities("whatsapp", "message", ("content-sid", "content-variables"), (), "phone"),
    "call_list": Capabilities("call_list", "call", (), (), "phone", CALL_CAPS),
    "visit": Capabilities("visit", "message", ("subject",), ("subject",), "text"),
    "inbox": Capabilities("inbox", "message", ("title", "url"), ("title",), "text"),
    "im": Capabilities("im", "message", (), (), "text"),
    "fax": Capabilities("fax", "message", ("subject",), (), "phone"),
}

Opener = Callable[[Opening], Channel]


# Each opener imports its provider: a command waits for the libraries of the providers that it uses.


def _outbox(opening: Opening) -> Channel:
    from channels.outbox import Outbox

    return Outbox(opening.capabilities, opening.folder)


def _http(opening: Opening) -> Channel:
    from channels.http import Http

    return Http(opening.capabilities, opening.sender, opening.environment)


def _smpp(opening: Opening) -> Channel:
    from channels.smpp import Smpp

    return Smpp(opening.capabilities, opening.sender, opening.environment)


def _smtp(opening: Opening) -> Channel:
    from channels.smtp import Smtp

    return Smtp(opening.capabilities, opening.sender, opening.environment)


def _fax_mail(opening: Opening) -> Channel:
    from channels.fax_mail import FaxMail

    return FaxMail(opening.capabilities, opening.sender, opening.environment)


def _webpush(opening: Opening) -> Channel:
    from channels.webpush import Webpush

    return Webpush(opening)


def _twilio(opening: Opening) -> Channel:
    from channels.twilio import Twilio

    return Twilio(opening)


def _sendgrid(opening: Opening) -> Channel:
    from channels.sendgrid import Sendgrid

    return Sendgrid(opening)


def _visit_tasks(opening: Opening) -> Channel:
    from channels.visit_tasks import open_visits

    return open_visits(opening)


def _im_tasks(opening: Opening) -> Channel:
    from channels.im_tasks import open_im

    return open_im(opening)


def _portal(opening: Opening) -> Channel:
    from channels.portal import open_portal

    return open_portal(opening)


PROVIDERS: dict[str, dict[str, Opener]] = {
    "web_push": {"outbox": _outbox, "http": _http, "webpush": _webpush},
    "sms": {"outbox": _outbox, "http": _http, "twilio": _twilio, "smpp": _smpp},
    "email": {"outbox": _outbox, "http": _http, "sendgrid": _sendgrid, "smtp": _smtp},
    "fax": {"outbox": _outbox, "http": _http, "fax_mail": _fax_mail},
    "whatsapp": {"outbox": _outbox, "http": _http, "twilio": _twilio},
    "visit": {"visit_tasks": _visit_tasks},
    "inbox": {"portal": _portal},
    "im": {"im_tasks": _im_tasks},
}
"""Message channel -> provider -> how to open it for a sender."""

OPTIONS: dict[str, type[Record]] = {
    "http": HttpOptions,
    "twilio": TwilioOptions,
    "smpp": SmppOptions,
    "sendgrid": SendgridOptions,
    "smtp": SmtpOptions,
    "fax_mail": FaxOptions,
    "webpush": WebpushOptions,
}
"""Provider -> what it needs to know, as the key named like it in config/senders.yaml; the others need nothing."""

SENDERS: dict[str, dict[str, type[Record] | None]] = {
    channel: {provider: OPTIONS.get(provider) for provider in providers} for channel, providers in PROVIDERS.items()
}
"""Channel -> provider -> its options, as config/senders.yaml may name them."""

STOP_KEEPERS: dict[str, Callable[[Sender], bool]] = {
    "sendgrid": lambda sender: True,
    "twilio": lambda sender: bool(sender.options.get("deactivations")) and sender.channel == "sms",
}
"""Provider with lists of its own (waves.message.KeepsStops) -> whether a sender of it has them read."""

QUEUES = frozenset({"http", "twilio", "smpp", "webpush"})
"""Providers that keep a message for hours, until its reader is there: it says when their permitted hours end."""

DEFAULT_PROVIDERS: dict[str, str] = {
    "web_push": "outbox",
    "sms": "outbox",
    "email": "outbox",
    "whatsapp": "outbox",
    "call_list": "generic_csv",
    "visit": "visit_tasks",
    "inbox": "portal",
    "im": "im_tasks",
    "fax": "outbox",
}
"""Channel -> provider where the settings name none."""


def _nearest(word: str, known: list[str]) -> str:
    near = difflib.get_close_matches(word, known, 1, 0.5)
    return f"did you mean {near[0]}?" if near else f"known: {', '.join(known)}"


def check_provider(channel: str, provider: str, senders: Iterable[str] = ()) -> None:
    """Nothing when this release has that provider for that channel; else SendRefused with the nearest name.

    `senders` are those that config/senders.yaml names for the channel: they may be meant as well.
    """
    if channel not in CAPABILITIES:
        raise SendRefused(f"no channel {channel!r} in this release; {_nearest(channel, list(CAPABILITIES))}")
    known = list(FORMATS) if CAPABILITIES[channel].kind == "call" else list(PROVIDERS[channel])
    if provider not in known:
        instead = _nearest(provider, [*senders, *known])
        raise SendRefused(f"no provider {provider!r} for channel {channel}; {instead}")


def open_channel(sender: Sender, folder: Path, public_url: str | None = None) -> Channel:
    """The provider, ready to send; `folder` is where the outbox keeps what it sent. SendRefused for an unknown name."""
    check_provider(sender.channel, sender.provider)
    if sender.channel not in PROVIDERS:
        raise SendRefused(f"channel {sender.channel} is not sent: its touches are pulled as a dial list")
    opening = Opening(CAPABILITIES[sender.channel], sender, folder, public_url)
    return PROVIDERS[sender.channel][sender.provider](opening)
