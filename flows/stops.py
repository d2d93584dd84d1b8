"""Providers' suppression lists: read into the ledger once a day and before a wave opens, and told of our own.

It goes on page by page where it was cut off; a provider that does not answer is asked again later, and nothing that
is sent waits for it longer than a wave's opening may.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any

from channels.registry import STOP_KEEPERS
from flows.room import Room
from ledger import stops as rows
from ledger.store import read_meta, write_meta
from waves.errors import SendInDoubt, SendRefused
from waves.message import CHANNEL_CODES, KeepsStops, Stop
from waves.plan import Wave
from waves.seals import sealer
from waves.senders import Sender

DAILY, AGAIN = timedelta(days=1), timedelta(minutes=10)
"""How often lists are read, and how long a provider is left alone that did not answer."""
BEFORE_A_WAVE = timedelta(hours=1)
"""A wave opens on lists that are no older."""
TURN_S, OPENING_S = 3.0, 20.0
"""How long upkeep is at it in one turn, and how long a wave's opening waits for it."""
AT_ONCE = 500
RANGE = 100_000
"""Numbers of addresses looked at in one go."""


@dataclass
class Standing:
    """How far one sender's lists are read and told; kept as JSON in the ledger's meta, times as ISO 8601."""

    read: dict[str, str] = field(default_factory=dict)
    """List -> up to when it was read whole."""
    reading: dict[str, str] = field(default_factory=dict)
    """List -> up to when it is being read now."""
    page: dict[str, int] = field(default_factory=dict)
    """The page that comes next of such a list."""
    taken: int = 0
    """Entries that named an address of ours."""
    told_at: str | None = None
    """When the provider was told of everybody."""
    telling: int = 0
    """The number of the last address looked at on the way there."""
    told: int = 0
    failed_at: str | None = None
    why: str | None = None

    @property
    def oldest(self) -> datetime | None:
        """When the list that was read longest ago was read; None when one never was."""
        return min(map(datetime.fromisoformat, self.read.values()), default=None)


def keepers(room: Room, channels: Iterable[str] | None = None) -> Iterator[Sender]:
    """The senders (of these channels) whose providers have lists of their own."""
    for sender in room.senders.values():
        keeps = STOP_KEEPERS.get(sender.provider)
        if keeps is not None and keeps(sender) and (channels is None or sender.channel in channels):
            yield sender


def standing(connection: Any, sender: str) -> Standing:
    """What is remembered of a sender's lists."""
    kept = read_meta(connection, f"stops {sender}")
    return Standing(**json.loads(kept)) if kept else Standing()


def keep_stops(room: Room, now: datetime) -> None:
    """Read and tell what is due, for a few seconds at most; the rest is for the next turn."""
    for sender in keepers(room):
        with room.ledger.read() as connection:
            known = standing(connection, sender.sender)
        if _is_due(known, now, DAILY):
            _Keeping(room, sender, known, now, DAILY, TURN_S).go()


def before_wave(room: Room, wave: Wave, now: datetime) -> None:
    """Read what is older than an hour before somebody is enrolled; whatever comes of it, the wave opens."""
    for sender in keepers(room, wave.channel_names):
        with room.ledger.read() as connection:
            known = standing(connection, sender.sender)
        if _is_due(known, now, BEFORE_A_WAVE):
            _Keeping(room, sender, known, now, BEFORE_A_WAVE, OPENING_S).go()


def _is_due(known: Standing, now: datetime, age: timedelta) -> bool:
    if known.failed_at is not None and now - datetime.fromisoformat(known.failed_at) < AGAIN:
        return False
    oldest = known.oldest
    if known.reading or known.telling or oldest is None or known.told_at is None:
        return True
    return datetime.fromisoformat(known.told_at) < oldest or now - oldest >= age


@dataclass
class _Keeping:
    """One sender's lists in hand."""

    room: Room
    sender: Sender
    known: Standing
    now: datetime
    age: timedelta
    for_s: float
    ends: float = 0.0
    spellings: rows.Spellings | None = None

    @property
    def code(self) -> int:
        return CHANNEL_CODES[self.sender.channel]

    @property
    def is_over(self) -> bool:
        return self.room.stopping or time.monotonic() >= self.ends

    def go(self) -> None:
        """As far as the time allows; a provider that does not answer is told once, and remembered."""
        self.ends = time.monotonic() + self.for_s
        try:
            channel = self.room.channel_of(self.sender)
            if isinstance(channel, KeepsStops):
                for listed in channel.stop_lists:
                    self._read(channel, listed)
                self._tell(channel)
        except (SendInDoubt, SendRefused) as error:
            if self.known.failed_at is None:
                self.room.tell(f"the suppression lists of the sender {self.sender.sender} cannot be kept: {error}")
            self.known.failed_at, self.known.why = self.now.isoformat(), str(error)
            self._save()

    def _read(self, channel: KeepsStops, listed: str) -> None:
        known, last = self.known, self.known.read.get(listed)
        after = None if last is None else datetime.fromisoformat(last)
        if listed not in known.reading:
            if after is not None and self.now - after < self.age:
                return
            known.reading[listed] = self.now.isoformat()
        until = datetime.fromisoformat(known.reading[listed])
        more = True
        while more and not self.is_over:
            page = channel.stops(listed, after, until, known.page.get(listed, 0))
            self._take(list(page.stops), page.strangers)
            more = page.more
            known.page[listed] = known.page.get(listed, 0) + 1
            if not more:
                known.read[listed] = known.reading.pop(listed)
                del known.page[listed]
            self._save()

    def _take(self, stops: list[Stop], strangers: bool) -> None:
        ledger, seal = self.room.ledger, sealer(self.room.token_key)
        for start in range(0, len(stops), AT_ONCE):
            if self.spellings is None:
                with ledger.read() as connection:
                    self.spellings = rows.other_spellings(connection, self.code)
            part = stops[start : start + AT_ONCE]
            with ledger.write() as connection:
                self.known.taken += rows.take_stops(
                    connection,
                    rows.Source(self.code, self.sender.sender, strangers),
                    part,
                    self.spellings,
                    seal,
                    self.now,
                )

    def _tell(self, channel: KeepsStops) -> None:
        """Our own denials, address by address; after the lists, so that nobody is told what it told us."""
        known, name = self.known, self.sender.sender
        if self.known.reading or self.is_over:
            return
        with self.room.ledger.read() as connection:
            everywhere = rows.untold_everywhere(connection, self.code, name)
            last = rows.last_address(connection)
        if not self._add(channel, everywhere):
            last = 0
        while known.telling < last and not self.is_over:
            high = min(known.telling + RANGE, last)
            with self.room.ledger.read() as connection:
                found = rows.untold(connection, self.code, name, known.telling, high)
            self._add(channel, found)
            known.telling = high
            self._save()
        if known.telling >= last:
            known.told_at, known.telling = self.now.isoformat(), 0
            self._save(well=True)

    def _add(self, channel: KeepsStops, owners: list[rows.Owner]) -> bool:
        """Told, and then written down: cut off between the two, it is told again. False when it is not to be told."""
        for start in range(0, max(len(owners), 1), AT_ONCE):
            part = owners[start : start + AT_ONCE]
            if not channel.add_stops(sorted({owner.value for owner in part})):
                return False
            with self.room.ledger.write() as connection:
                rows.note_told(connection, self.sender.sender, [owner.id for owner in part], self.now)
            self.known.told += len(part)
        return True

    def _save(self, well: bool = False) -> None:
        if well:
            self.known.failed_at = self.known.why = None
        with self.room.ledger.write() as connection:
            write_meta(connection, f"stops {self.sender.sender}", json.dumps(asdict(self.known)))
