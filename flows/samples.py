"""Messages shown or sent before a campaign starts: one for each wording and language, to be read by a person."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime

from config.bundle import Bundle
from flows.halting import refuse_halted
from flows.render import Around, render
from flows.room import Room
from flows.running import groups_of
from flows.starting import Forecast
from flows.units import SHOWN_TOKEN
from ledger.audit import record
from ledger.recipients import consenting, without_address
from ledger.suppressions import customer_id
from waves.errors import SendRefused
from waves.message import CHANNEL_CODES
from waves.plan import Wave
from waves.sms_units import IN_UNITS, foreign, sms_units
from waves.tokens import Kind, make_token


@dataclass(frozen=True, slots=True)
class Sample:
    """One rendered message of a plan."""

    wave: str
    channel: str
    language: str
    variant: int
    fields: Mapping[str, str]

    @property
    def units(self) -> int | None:
        """The segments that this text is billed as; None on a channel that has none."""
        return sms_units(self.fields["body"]) if self.channel in IN_UNITS else None

    @property
    def alphabet(self) -> str:
        """The alphabet that a text message of it goes out in."""
        return "UCS-2" if foreign(self.fields["body"]) else "GSM-7"


def wordings(bundle: Bundle) -> Iterator[tuple[Wave, str, int, str]]:
    """(wave, channel, variant, message name) of every message a plan may send."""
    for wave in bundle.plan.waves:
        for channel in wave.channel_names:
            for variant, message in wave.messages.items():
                if CHANNEL_CODES[channel] != CHANNEL_CODES["call_list"]:
                    yield wave, channel, variant, message


def samples(room: Room, bundle: Bundle, forecast: Forecast) -> list[Sample]:
    """Each wording in each language, filled with the values of an example customer of the dry run."""
    with room.ledger.read() as connection:
        readers = without_address(connection, forecast.readers, bundle.types)
    templates = bundle.open_templates()
    around = Around(room.settings.public_url)
    found: dict[tuple[str, str, int, str], Sample] = {}
    for wave, channel, variant, message in wordings(bundle):
        for reader in readers:
            filename = templates.choose(message, channel, reader.language)
            key = (wave.wave, channel, variant, filename)
            if key not in found:
                made = render(bundle, wave, templates, channel, variant, SHOWN_TOKEN, reader, around)
                found[key] = Sample(wave.wave, channel, reader.language or "-", variant, made.fields)
    return list(found.values())


def send_test(room: Room, bundle: Bundle, key: str, by: str, now: datetime) -> list[tuple[str, str, int, str]]:
    """Send every wording to one customer on the channels it consents to; (wave, channel, variant, result) of each.

    SendRefused when the customer is suppressed or consents to none of the plan's channels, or under a kill switch.
    """
    codes = sorted({code for wave in bundle.plan.waves for group in groups_of(wave) for code in group})
    with room.ledger.read() as connection:
        customer = customer_id(connection, key)
        places = consenting(connection, customer, codes, bundle.types, now)
    if not places:
        raise SendRefused(
            "this customer is suppressed or consents to no channel of the plan; choose a colleague's own record"
        )
    templates = bundle.open_templates()
    results = []
    for number, (wave, channel, variant, _) in enumerate(wordings(bundle)):
        recipient = places.get(CHANNEL_CODES[channel])
        if recipient is None:
            results.append((wave.wave, channel, variant, "no consented address"))
            continue
        token = make_token(room.token_key, Kind.TEST, customer << 12 | number)
        around = Around(room.settings.public_url, tracks=False)
        made = render(bundle, wave, templates, channel, variant, token, recipient, around)
        sender = refuse_halted(room, bundle.plan, wave.wave, channel, customer, now)
        (receipt,) = room.channel_of(sender).send([replace(made, campaign=f"test of {made.campaign}")], now)
        results.append((wave.wave, channel, variant, str(receipt)))
    with room.ledger.write() as connection:
        record(connection, now, by, "test-send", bundle.plan.campaign, after=f"customer {customer}")
    return results
