"""Messages to seeds: a wave's wordings as its customers get them, each to each seed of its channel, once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any

from channels.steady import steady
from config.bundle import Bundle
from flows.carriers import PATIENCE, carrier
from flows.halting import scopes_on
from flows.render import Around, render
from flows.room import Room
from flows.running import Running
from flows.sending import moment_of
from ledger import pace, seeds
from ledger.audit import record
from ledger.kill_switches import Switch, switches_on
from ledger.recipients import Recipient
from waves.errors import MultiwaveError, SendRefused
from waves.message import BEGIN_WITHIN_S, CHANNEL_CODES, CHANNEL_NAMES, Message, Receipt
from waves.outcomes import Action, Reason
from waves.plan import Wave
from waves.seeds import Seed
from waves.senders import Sender
from waves.tokens import make_seed_token

EXAMPLES: Mapping[str, object] = {
    "integer": 7,
    "number": 7.5,
    "text": "example",
    "boolean": True,
    "date": date(2026, 12, 1),
    "datetime": datetime(2026, 12, 1, 9, tzinfo=UTC),
}
"""A value of each type of attribute: no customer's own goes to a seed."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """A run of messages to seeds on one channel of a wave."""

    run: str
    bundle: Bundle
    wave: Wave
    channel: str
    until: datetime | None = None
    is_test: bool = False

    def wanted(self, found: Iterable[Seed]) -> dict[seeds.SeedMessage, Seed]:
        """Every wording for every seed of the channel."""
        name, code = self.bundle.plan.campaign, CHANNEL_CODES[self.channel]
        return {
            seeds.SeedMessage(self.run, name, self.wave.wave, seed.seed, code, variant): seed
            for seed in found
            if seed.channel == self.channel
            for variant in self.wave.messages
        }


def send_to_seeds(room: Room, running: Running, wave: Wave, channel: int, now: datetime) -> None:
    """Send a wave's wordings to the seeds hidden in it, those that were not sent yet; nothing under a switch."""
    row = running.row(wave.wave)
    delivery = Delivery(f"wave:{row.id}", running.bundle, wave, CHANNEL_NAMES[channel], row.closes)
    wanted = delivery.wanted(seed for seed in room.seeds if seed.is_in(running.name))
    if not wanted or room.is_over:
        return
    with room.ledger.read() as connection:
        left = set(seeds.unclaimed(connection, list(wanted), now))
    _deliver_all(room, delivery, {one: seed for one, seed in wanted.items() if one in left}, now)


def seeds_wait(room: Room, running: Running, wave: Wave, now: datetime) -> bool:
    """Whether a wave has seeds that it could not send to when it began, and that may go now."""
    if not room.seeds:
        return False
    with room.ledger.read() as connection:
        return seeds.any_waits(connection, f"wave:{running.row(wave.wave).id}", now)


def send_test_to_seeds(
    room: Room, bundle: Bundle, found: Sequence[Seed], run: str, by: str, now: datetime
) -> list[tuple[str, str, int, str, str]]:
    """Every wording to each seed of its channel; (wave, channel, variant, seed, result) of each.

    SendRefused under a kill switch, and when no seed is on a channel of the plan; then nothing was sent.
    """
    deliveries = [
        Delivery(f"test:{run}", bundle, wave, channel, is_test=True)
        for wave in bundle.plan.waves
        for channel in wave.channel_names
        if channel != "inbox"  # where nothing leaves, and a plan that is not started shows nothing
    ]
    wanted = [(one, messages) for one in deliveries if (messages := one.wanted(found))]
    if not wanted:
        raise SendRefused("no seed is on a channel that this plan sends on")
    for delivery, _ in wanted:
        _refuse_under_a_switch(room, delivery, now)
    told = []
    for delivery, messages in wanted:
        said = _deliver_all(room, delivery, messages, now)
        for one in messages:
            told.append((one.wave, delivery.channel, one.variant, one.seed, said.get(one, "no room at the sender now")))
    with room.ledger.write() as connection:
        record(connection, now, by, "test-send", bundle.plan.campaign, after=f"{len(found)} seeds")
    return told


def _refuse_under_a_switch(room: Room, delivery: Delivery, now: datetime) -> None:
    with room.ledger.read() as connection:
        stopping = _stopping(connection, delivery, carrier(room, delivery.channel, connection, now), now)
    if stopping is not None:
        raise SendRefused(f"{stopping}; nothing is sent while it is on")


def _stopping(connection: Any, delivery: Delivery, sender: Sender, now: datetime) -> Switch | None:
    within = scopes_on(delivery.bundle.plan.campaign, delivery.wave.wave, sender)
    return next((switch for switch in switches_on(connection, now) if switch.scope in within), None)


def _deliver_all(
    room: Room, delivery: Delivery, wanted: Mapping[seeds.SeedMessage, Seed], now: datetime
) -> dict[seeds.SeedMessage, str]:
    """Chunk after chunk as long as the sender has room; what became of those that could be claimed."""
    left, said = dict(wanted), dict[seeds.SeedMessage, str]()
    while left and not room.is_over and (part := _deliver(room, delivery, left, now)):
        said |= part
        left = {one: seed for one, seed in left.items() if one not in part}
    return said


def _deliver(
    room: Room, delivery: Delivery, wanted: Mapping[seeds.SeedMessage, Seed], now: datetime
) -> dict[seeds.SeedMessage, str]:
    """Take room at the sender, claim, send, settle, as for customers; what became of a chunk of them."""
    with room.ledger.read() as connection:
        sender = carrier(room, delivery.channel, connection, moment_of(room, now))
    channel = room.channel_of(sender)
    size = min(len(wanted), channel.chunk)
    with room.ledger.write() if sender.is_limited else room.ledger.read() as connection:
        grant = pace.Grant(size, now)
        if sender.is_watched:
            grant = pace.take(connection, sender, size, moment_of(room, now), PATIENCE, room.ledger.simulated)
    if not grant.messages:
        return {}
    room.wait(grant.waits_s)
    with room.ledger.write() as connection:
        begins_by, moment = steady() + BEGIN_WITHIN_S, moment_of(room, now)
        claimed, skipped = _claim(room, connection, delivery, sender, wanted, grant.messages, moment)
        pace.give_back(connection, sender, grant, grant.messages - len(claimed))
    made, receipts = _messages(room, delivery, claimed, wanted)
    try:
        left_s = begins_by - steady()
        said = channel.send(list(made.values()), moment, left_s) if made and left_s > 0 else []
        if not said:
            said = [Receipt(message.token, "not_sent", retry_after_s=0.0) for message in made.values()]
    except MultiwaveError:
        said = [Receipt(message.token, "in_doubt") for message in made.values()]
    receipts |= dict(zip(made, said, strict=True))
    with room.ledger.write() as connection:
        told = [(claimed[one], receipt) for one, receipt in receipts.items()]
        seeds.settle(connection, told, sender.sender, moment_of(room, now))
    return skipped | {one: str(receipt) for one, receipt in receipts.items()}


def _claim(
    room: Room,
    connection: Any,
    delivery: Delivery,
    sender: Sender,
    wanted: Mapping[seeds.SeedMessage, Seed],
    most: int,
    now: datetime,
) -> tuple[dict[seeds.SeedMessage, int], dict[seeds.SeedMessage, str]]:
    """Claim some, and say which are suppressed: none at all under a switch, or of a wave that is not open."""
    if room.stopping or _stopping(connection, delivery, sender, now) is not None:
        return {}, {}
    if not delivery.is_test and not seeds.is_sending(connection, int(delivery.run.partition(":")[2])):
        return {}, {}
    code = CHANNEL_CODES[delivery.channel]
    stopped = seeds.suppressed_addresses(connection, code, {seed.address for seed in wanted.values()}, now)
    free = [one for one, seed in wanted.items() if seed.address not in stopped]
    skipped = {one: "suppressed" for one, seed in wanted.items() if seed.address in stopped}
    return seeds.claim(connection, free[:most], now), skipped


def _messages(
    room: Room,
    delivery: Delivery,
    claimed: Mapping[seeds.SeedMessage, int],
    wanted: Mapping[seeds.SeedMessage, Seed],
) -> tuple[dict[seeds.SeedMessage, Message], dict[seeds.SeedMessage, Receipt]]:
    """The claimed messages, and the refusals of those that cannot be written."""
    made, refused = dict[seeds.SeedMessage, Message](), dict[seeds.SeedMessage, Receipt]()
    for one, ident in claimed.items():
        token = make_seed_token(room.token_key, ident)
        try:
            made[one] = written_for(room, delivery, wanted[one], one.variant, token)
        except SendRefused:
            refused[one] = Receipt(token, "refused", None, Reason.CONTENT, Action.NEXT_CHANNEL)
    return made, refused


def written_for(room: Room, delivery: Delivery, seed: Seed, variant: int, token: str) -> Message:
    """What a seed gets: the wording filled with examples; SendRefused when it cannot be written."""
    bundle = delivery.bundle
    values = {name: EXAMPLES[kind] for name, kind in bundle.types.items()}
    to = Recipient(seed.address, seed.seed, seed.language, values, seed.owner or seed.seed)
    around = Around(room.settings.public_url, delivery.until, tracks=not delivery.is_test)
    made = render(bundle, delivery.wave, bundle.open_templates(), delivery.channel, variant, token, to, around)
    return replace(made, campaign=f"test of {made.campaign}") if delivery.is_test else made
