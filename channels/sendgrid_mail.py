"""One request to SendGrid: many recipients, each with a text of its own, none of whom can see another.

A request has one `content`. It is a tag that nobody can guess, and each personalization replaces it by its own text
(`substitutions`, 10,000 bytes a personalization). A longer text goes alone, as the content itself.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from channels.mail_file import ADDRESS, CONTROL, LONGEST_NAME
from channels.sendgrid_options import SendgridOptions
from waves.message import Message
from waves.outcomes import Action, Reason

TOKEN_KEY = "multiwave"
"""The custom argument that our token comes back in."""
SUBSTITUTIONS = 10_000
"""Bytes of tags and texts in one personalization; so a request of 1,000 stays well below the 30 MB of one."""
OFF = {"enable": False}

Refusal = tuple[Reason, Action]


@dataclass(slots=True)
class Part:
    """What goes into one request; with `whole`, one message whose text is the content itself."""

    messages: list[Message] = field(default_factory=list)
    whole: bool = False
    addresses: set[str] = field(default_factory=set)
    """In lower case: SendGrid refuses a request that names one twice."""

    def has_room(self, message: Message, most: int) -> bool:
        """Whether one more goes in; a request has one campaign."""
        return not self.messages or (len(self.messages) < most and self.messages[0].campaign == message.campaign)

    def add(self, message: Message) -> None:
        """One message more."""
        self.messages.append(message)
        self.addresses.add(message.address.lower())


class Mails:
    """The requests of one sender."""

    def __init__(self, options: SendgridOptions) -> None:
        self.options = options
        self.tag = f"-mw{secrets.token_hex(12)}-"
        self._shared = _shared(options)

    def refusal(self, message: Message) -> Refusal | None:
        """Why this message cannot be written; None when it can."""
        subject, body = message.fields.get("subject", ""), message.fields.get("body", "")
        if not ADDRESS.fullmatch(message.address):
            return Reason.INVALID_ADDRESS, Action.NEXT_CHANNEL
        if not subject.strip() or not body.strip() or CONTROL.search(subject):
            return Reason.CONTENT, Action.NEXT_CHANNEL
        if self.tag in body or self.tag in subject:
            return Reason.CONTENT, Action.NEXT_CHANNEL
        try:
            f"{subject}{body}{message.name}".encode()
        except UnicodeEncodeError:  # half a surrogate pair
            return Reason.CONTENT, Action.NEXT_CHANNEL
        return None

    def parts(self, messages: Sequence[Message]) -> Iterator[Part]:
        """The messages as requests, in order but for long ones, and for an address that comes again."""
        part, again = Part(), list[Message]()
        for message in messages:
            body = message.fields["body"]
            size = len(body) if body.isascii() else len(body.encode())
            if size + len(self.tag) > SUBSTITUTIONS:
                yield Part([message], True)
            elif message.address.lower() in part.addresses:
                again.append(message)
            else:
                if not part.has_room(message, self.options.messages):
                    yield part
                    part = Part()
                part.add(message)
        if part.messages:
            yield part
        if again:
            yield from self.parts(again)

    def body(self, part: Part) -> dict[str, Any]:
        """The request's body."""
        content = part.messages[0].fields["body"] if part.whole else self.tag
        said = {
            "personalizations": [self._personalization(message, part.whole) for message in part.messages],
            "content": [{"type": "text/plain", "value": content}],
            **self._shared,
        }
        if self.options.category == "campaign":
            said["categories"] = [part.messages[0].campaign[:255]]
        return said

    def _personalization(self, message: Message, whole: bool) -> dict[str, Any]:
        said: dict[str, Any] = {
            "to": [_to(message)],
            "subject": message.fields["subject"],
            "custom_args": {TOKEN_KEY: message.token},
        }
        if headers := self._headers(message):
            said["headers"] = headers
        if not whole:
            said["substitutions"] = {self.tag: message.fields["body"]}
        return said

    def _headers(self, message: Message) -> dict[str, str]:
        """List-Unsubscribe, and one-click where our page takes it (RFC 8058)."""
        ways, url = list[str](), message.unsubscribe_url
        if url is not None:
            ways.append(f"<{url}>")
        if self.options.unsubscribe_mailto is not None:
            ways.append(f"<mailto:{self.options.unsubscribe_mailto}?subject={quote(message.token)}>")
        if not ways:
            return {}
        one_click = {"List-Unsubscribe-Post": "List-Unsubscribe=One-Click"} if url is not None else {}
        return {"List-Unsubscribe": ", ".join(ways), **one_click}


def _to(message: Message) -> dict[str, str]:
    name = (message.name or "").strip()
    if not name or len(name) > LONGEST_NAME or CONTROL.search(name) or "=?" in name:
        return {"email": message.address}
    if ";" in name or "," in name:  # SendGrid refuses both in a name
        name = " ".join(name.replace(";", " ").replace(",", " ").split())
    return {"email": message.address, "name": name} if name else {"email": message.address}


def _shared(options: SendgridOptions) -> dict[str, Any]:
    """What all requests of a sender say alike. SendGrid's own unsubscribe link would replace our header."""
    said: dict[str, Any] = {
        "from": {"email": options.from_address} | ({"name": options.from_name} if options.from_name else {}),
        "tracking_settings": {
            "click_tracking": {"enable": options.click_tracking, "enable_text": options.click_tracking},
            "open_tracking": {"enable": options.open_tracking},
            "subscription_tracking": OFF,
            "ganalytics": OFF,
        },
    }
    if options.reply_to is not None:
        said["reply_to"] = {"email": options.reply_to}
    if options.asm_group is not None:
        said["asm"] = {"group_id": options.asm_group}
    if options.sandbox:
        said["mail_settings"] = {"sandbox_mode": {"enable": True}}
    return said
