"""One rendered message for one recipient."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from config.bundle import Bundle
from config.templates import LINK, Templates
from ledger.recipients import Recipient
from waves.links import destination, link_code
from waves.message import Message
from waves.plan import Wave


@dataclass(frozen=True, slots=True)
class Around:
    """What a message carries beside its text."""

    public_url: str | None = None
    """Where our pages are; None: nowhere."""
    until: datetime | None = None
    """When its wave closes."""
    tracks: bool = True
    """Whether its links go by our own pages: those of a test have no touch to count for."""


def linker(urls: tuple[str, ...], token: str, public_url: str | None) -> Callable[[str], str]:
    """What `link` is in a template: our short address for each of these, or the address itself without one of ours."""

    def link(url: str) -> str:
        if public_url is None:
            return destination(url, token)
        return f"{public_url}/c/{link_code(token, urls.index(url))}"

    return link


NOWHERE = Around()


def render(
    bundle: Bundle,
    wave: Wave,
    templates: Templates,
    channel: str,
    variant: int,
    token: str,
    recipient: Recipient,
    around: Around = NOWHERE,
) -> Message:
    """The message in the recipient's language; SendRefused when the template cannot be filled."""
    message, page = wave.messages[variant], f"{around.public_url}/u/{token}" if around.public_url else None
    values: dict[str, object] = {
        **recipient.attributes,
        "name": recipient.name,
        "language": recipient.language,
        "campaign": bundle.plan.campaign,
        "title": bundle.plan.title,
        "wave": wave.wave,
        "token": token,
        "unsubscribe": page,
    }
    if urls := templates.links(message, channel):
        values[LINK] = linker(urls, token, around.public_url if around.tracks else None)
    return Message(
        token=token,
        channel=channel,
        address=recipient.address,
        name=recipient.name,
        language=recipient.language,
        fields=templates.render(message, channel, recipient.language, values),
        campaign=bundle.plan.campaign,
        wave=wave.wave,
        variant=variant,
        until=around.until,
        unsubscribe_url=page,
        owner=recipient.owner,
        branch=recipient.branch,
    )
