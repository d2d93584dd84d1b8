"""The inbox of a site or an app: what a customer may see there now, and where its links lead."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from flows.halting import refuse_halted, scopes_on
from flows.render import Around, render
from flows.room import Room
from flows.running import load_running
from flows.seeding import Delivery, written_for
from ledger.kill_switches import switches_on
from ledger.recipients import recipients
from ledger.seeds import is_sending, seed_message
from ledger.task_states import Waiting, known_reports, waiting_in_inbox, waiting_touch
from waves.errors import SendRefused, TokenError
from waves.message import CHANNEL_CODES, Message
from waves.outcomes import Outcome, State
from waves.tokens import Kind, make_seed_token, make_token, read_seed_token, read_token

CHANNEL = "inbox"
PROVIDER = "portal"
BEACONS: Mapping[str, Outcome] = {
    "displayed": Outcome.DISPLAYED,
    "clicked": Outcome.CLICKED,
    "dismissed": Outcome.READ,
}
"""What a page may tell of a message, and what that means; a dismissed one is not shown again."""
MOST = 20
"""Messages shown at once."""


@dataclass(frozen=True, slots=True)
class Shown:
    """One message as a page shows it."""

    token: str
    campaign: str
    wave: str
    language: str | None
    title: str
    body: str
    link: str | None
    until: datetime


def beacon_ident(token: str, what: str) -> str:
    """What tells one report of an inbox from another: each thing happens once to a message."""
    return f"{token}/{what}"


def messages_for(room: Room, customer: int, now: datetime) -> list[Shown]:
    """The customer's messages, the newest first: of open waves, wanted still, under no switch, not dismissed."""
    with room.ledger.read() as connection:
        waiting = waiting_in_inbox(connection, customer, CHANNEL_CODES[CHANNEL], now)
        tokens = {make_token(room.token_key, Kind.TOUCH, one.touch): one for one in waiting}
        dismissed = known_reports(connection, PROVIDER, [beacon_ident(token, "dismissed") for token in tokens])
    left = [token for token in tokens if beacon_ident(token, "dismissed") not in dismissed][:MOST]
    made = [_shown(room, tokens[token], token, now) for token in left]
    return [one for one in made if one is not None]


def messages_for_seed(room: Room, ident: int, now: datetime) -> list[Shown]:
    """The message that a seed of the inbox got, as long as its wave shows it to customers."""
    with room.ledger.read() as connection:
        row = seed_message(connection, ident)
        if row is None or row.channel != CHANNEL_CODES[CHANNEL] or row.state != State.SENT:
            return []
        run, _, wave = row.run.partition(":")
        if run != "wave" or not is_sending(connection, int(wave)):
            return []
        switches = switches_on(connection, now)
    running = load_running(room.ledger, row.campaign)
    closes = running.row(row.wave).closes
    seed = next((one for one in room.seeds if (one.seed, one.channel) == (row.seed, CHANNEL)), None)
    within = scopes_on(row.campaign, row.wave, room.sender(CHANNEL))
    if seed is None or closes <= now or any(switch.scope in within for switch in switches):
        return []
    delivery = Delivery(row.run, running.bundle, running.plan.wave(row.wave), CHANNEL, closes)
    try:
        token = make_seed_token(room.token_key, ident)
        made = written_for(room, delivery, seed, row.variant, token)
    except SendRefused:
        return []
    return [_page(made, closes)]


def link_of(room: Room, token: str, now: datetime) -> str | None:
    """Where the link of a message that may be shown leads; None for every other."""
    ident = read_seed_token(room.token_key, token)
    if ident is not None:
        return next((one.link for one in messages_for_seed(room, ident, now)), None)
    try:
        kind, touch = read_token(room.token_key, token)
    except TokenError:
        return None
    if kind is not Kind.TOUCH:
        return None
    with room.ledger.read() as connection:
        one = waiting_touch(connection, touch, CHANNEL_CODES[CHANNEL], now)
    shown = _shown(room, one, token.strip().upper(), now) if one else None
    return shown.link if shown else None


def _shown(room: Room, one: Waiting, token: str, now: datetime) -> Shown | None:
    """The message as its campaign froze it, in the customer's language; None: it cannot be written, or is stopped."""
    running = load_running(room.ledger, one.campaign)
    wave, templates = running.plan.wave(one.wave), running.bundle.open_templates()
    named = templates.named(wave.messages[one.variant], CHANNEL)
    try:
        refuse_halted(room, running.plan, one.wave, CHANNEL, one.customer, now)
        with room.ledger.read() as connection:
            recipient = recipients(connection, [one.touch], running.bundle.types, named)[one.touch]
        around = Around(room.settings.public_url, one.closes)
        made = render(running.bundle, wave, templates, CHANNEL, one.variant, token, recipient, around)
    except SendRefused:
        return None
    return _page(made, one.closes)


def _page(made: Message, closes: datetime) -> Shown:
    link, title, body = _safe(made.fields.get("url", "")), made.fields["title"], made.fields["body"]
    return Shown(made.token, made.campaign, made.wave, made.language, title, body, link, closes)


def _safe(link: str) -> str | None:
    """The link, if it is an address of the web: what a customer's attribute made of it may be anything."""
    try:
        return link if urlsplit(link).scheme in ("https", "http") else None
    except ValueError:
        return None
