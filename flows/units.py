"""How many units the messages of a plan take, as their carrier bills them: expected over a wave before it starts."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from config.bundle import Bundle
from flows.render import Around, render
from ledger.recipients import Recipient
from waves.errors import SendRefused
from waves.plan import Wave
from waves.sms_units import IN_UNITS, units_of

SHOWN_TOKEN = "TOKENOFTHISMESSAGE22"
READERS = 200
"""Members whose messages are written to tell how long they are."""


def expected_units(
    bundle: Bundle, wave: Wave, channel: str, readers: Sequence[Recipient], around: Around, touches: int
) -> Decimal:
    """The units of so many messages of a wave, from those that these readers would get, each wording by its weight.

    One a message where the channel has no units, or nobody's message can be written.
    """
    if channel not in IN_UNITS or not touches:
        return Decimal(touches)
    templates, weights = bundle.open_templates(), _weights(wave)
    total, weight = Decimal(0), Decimal(0)
    for reader in readers:
        for variant, share in weights.items():
            try:
                made = render(bundle, wave, templates, channel, variant, SHOWN_TOKEN, reader, around)
            except SendRefused:
                continue  # it is refused at sending, too, and costs nothing
            total += share * units_of(channel, made.fields["body"])
            weight += share
    return Decimal(touches) * total / weight if weight else Decimal(touches)


def _weights(wave: Wave) -> dict[int, Decimal]:
    if not wave.variants:
        return {0: Decimal(1)}
    return {number: Decimal(str(variant.weight)) for number, variant in enumerate(wave.variants.values(), 1)}
