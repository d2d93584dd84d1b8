"""Where the links of what was sent lead: read from the texts that the campaign was started with, and kept in memory."""

from __future__ import annotations

from functools import lru_cache

from config.bundle import Bundle
from flows.room import Room
from ledger.links import Place, frozen_bundle, place_of, seed_place
from waves.errors import TokenError
from waves.links import destination, is_destination
from waves.message import CHANNEL_CODES
from waves.tokens import Kind, read_seed_token, read_token

REMEMBERED = 20_000
"""Messages whose place is kept in memory: a few MB."""


class Links:
    """The links of a ledger's messages; LedgerError while it does not answer, unless the answer is known already."""

    def __init__(self, room: Room) -> None:
        self._room = room
        self._place = lru_cache(REMEMBERED)(self._look_up)
        self._urls = lru_cache(1_000)(self._read)

    def touch(self, token: str) -> int | None:
        """The touch a token names, below zero a message to a seed; None for a token of something else, or not ours."""
        seed = read_seed_token(self._room.token_key, token)
        if seed is not None:
            return -seed
        try:
            kind, ident = read_token(self._room.token_key, token)
        except TokenError:
            return None
        return ident if kind is Kind.TOUCH else None

    def place(self, touch: int) -> Place | None:
        """The message behind a touch; None when there is none."""
        try:
            return self._place(touch)
        except LookupError:  # not kept in memory, so that nobody can fill that with what does not exist
            return None

    def leads_to(self, touch: int, token: str, number: int) -> str | None:
        """The address of a message's nth link; None when it has none."""
        place = self.place(touch)
        urls = () if place is None else self._urls(place.campaign, place.wave, place.variant, place.channel)
        if number >= len(urls) or not is_destination(urls[number]):
            return None
        return destination(urls[number], token)

    def _look_up(self, touch: int) -> Place:
        with self._room.ledger.read() as connection:
            found = place_of(connection, touch) if touch >= 0 else seed_place(connection, -touch)
        if found is None:
            raise LookupError(touch)
        return found

    def _read(self, campaign: int, wave: str, variant: int, channel: str) -> tuple[str, ...]:
        with self._room.ledger.read() as connection:
            bundle = Bundle.from_json(frozen_bundle(connection, campaign))
        message = bundle.plan.wave(wave).messages.get(variant)
        if message is None or channel not in CHANNEL_CODES:
            return ()
        return bundle.open_templates().links(message, channel)
