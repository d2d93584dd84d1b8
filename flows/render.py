"""One rendered message for one recipient."""

from __future__ import annotations

from config.bundle import Bundle
from config.templates import Templates
from ledger.recipients import Recipient
from waves.message import Message
from waves.plan import Wave


def render(
    bundle: Bundle, wave: Wave, templates: Templates, channel: str, variant: int, token: str, recipient: Recipient
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
    )
