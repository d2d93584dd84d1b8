"""One rendered message for one recipient."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from config.bundle import Bundle
from config.templates import Templates
from ledger.recipients import Recipient
from waves.message import Message
from waves.plan import Wave


@dataclass(frozen=True, slots=True)
class Around:
    """What a message carries beside its text."""

    public_url: str | None = None
    """Where our pages are; None: nowhere."""
    until: datetime | None = None
    """When its wave closes."""


def render(
    bundle: Bundle,
    wave: Wave,
    templates: Templates,
    channel: str,
    variant: int,
    token: str,
    recipient: Recipient,
    around: Around,
) -> Message:
    """The message in the recipient's language; SendRefused when the template cannot be filled."""
    values = {
        **recipient.attributes,
        "name": recipient.name,
        "language": recipient.language,
        "campaign": bundle.plan.campaign,
        "title": bundle.plan.title,
        "wave": wave.wave,
        "token": token,
    }
    return Message(
        token=token,
        channel=channel,
        address=recipient.address,
        name=recipient.name,
        language=recipient.language,
        fields=templates.render(wave.messages[variant], channel, recipient.language, values),
        campaign=bundle.plan.campaign,
        wave=wave.wave,
        variant=variant,
        until=around.until,
        unsubscribe_url=f"{around.public_url}/u/{token}" if around.public_url else None,
        owner=recipient.owner,
        branch=recipient.branch,
    )
