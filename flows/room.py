"""What a running engine holds: the ledger, the settings, the token key, the open channels."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets
import threading
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

from channels.call_list.formats import LAYOUTS
from channels.call_list.generic_csv import PLAIN
from channels.registry import CAPABILITIES, DEFAULT_PROVIDERS, OPTIONS, SENDERS, check_provider, open_channel
from config.diallers import load_diallers
from config.dialling import load_dialling
from config.nearest import write_instead
from config.seeds import load_seeds
from config.senders import load_senders
from config.settings import Settings
from ledger.store import Ledger, keep_meta, open_ledger, read_meta
from waves.diallers import Dialler
from waves.errors import InputError, LedgerError, PlanError, SendRefused
from waves.message import Channel
from waves.recycling import DialRules
from waves.seeds import Seed
from waves.senders import Sender

T = TypeVar("T")
UNTIMED = timedelta(seconds=1)
"""What is given to a provider on this machine."""
Tick = Callable[[str, int, int], None]
"""Told of long work: what, how much is done, how much there is."""


KEY_DIGEST = "token_key"
"""The meta row that the key's digest is in."""
ALL_THE_SAME = (
    "; MULTIWAVE_TOKEN_KEY must be the same on every machine of a ledger: "
    "the text of token.key in the home where `multiwave init` made it"
)


def _silent(what: str, done: int, total: int) -> None:
    return None


def _untold(what: str) -> None:
    return None


@dataclass
class Room:
    """An engine's open ledger, settings and channels."""

    settings: Settings
    ledger: Ledger
    token_key: bytes
    tick: Tick = _silent
    all_workers_gone: bool = False
    """Whether this process holds the engine's lock file, so that a claim it finds was left by a dead one."""
    instance: str = ""
    """What tells this program from those that others started, once it is among the workers."""
    spread: bool = False
    """Whether waves are flow runs of their own, on any machine, instead of calls in this process."""
    stopping: bool = False
    """Whether this process was asked to end: no further chunk is begun."""
    turn_ends: float | None = None
    """When `advance` lets go of what takes long and asks anew what is due (time.monotonic); None: when it is done."""
    tell: Callable[[str], None] = _untold
    """Told what a person should hear of at once."""
    senders: Mapping[str, Sender] = field(default_factory=dict)
    """What config/senders.yaml names; a channel's first one carries it unless the settings name others."""
    diallers: Mapping[str, Dialler] = field(default_factory=dict)
    """What config/diallers.yaml names."""
    seeds: tuple[Seed, ...] = ()
    """Whom every wave's message goes to besides its customers (config/seeds.yaml)."""
    shut: dict[str, str] = field(default_factory=dict)
    """Sender -> why its provider cannot be opened in this process, as without its secret."""
    _told: set[str] = field(default_factory=set)
    _channels: dict[str, Channel] = field(default_factory=dict)
    _opening: threading.Lock = field(default_factory=threading.Lock)

    @property
    def is_over(self) -> bool:
        """Whether no further chunk is begun: it was asked to end, or its turn is over."""
        return self.stopping or (self.turn_ends is not None and time.monotonic() >= self.turn_ends)

    def wait(self, seconds: float) -> None:
        """Sleep, but no longer than until this process is asked to end."""
        ends = time.monotonic() + seconds
        while not self.stopping and (left := ends - time.monotonic()) > 0:
            time.sleep(min(left, 0.1))

    def tell_once(self, what: str) -> None:
        """Tell it, unless this process did before."""
        if what not in self._told:
            self._told.add(what)
            self.tell(what)

    def senders_of(self, channel: str) -> tuple[Sender, ...]:
        """Who carries a channel, first and then fallback: as the settings or config/senders.yaml say, else the default.

        A provider that needs no sender of its own is unlimited.
        """
        named = self.settings.providers.get(channel)
        own = {name: sender for name, sender in self.senders.items() if sender.channel == channel}
        if named is None and own:
            return tuple(own.values())[:1]
        return tuple(
            own.get(name) or self._plain(channel, name, own) for name in named or (DEFAULT_PROVIDERS[channel],)
        )

    def _plain(self, channel: str, provider: str, own: Collection[str]) -> Sender:
        check_provider(channel, provider, own)
        if provider in OPTIONS:
            where = self.settings.home / "config" / "senders.yaml"
            raise SendRefused(f"provider {provider} for {channel} has no sender; write one in {where}")
        return Sender(sender=provider, channel=channel, provider=provider, timeout=UNTIMED)

    def sender(self, channel: str) -> Sender:
        """Who carries a channel first."""
        return self.senders_of(channel)[0]

    def dialler(self, name: str | None) -> Dialler:
        """The connection of this name, without one the generic CSV; InputError with the nearest there is."""
        if name is None or name == PLAIN.dialler:
            return self.diallers.get(PLAIN.dialler, PLAIN)
        if name not in self.diallers:
            where = self.settings.home / "config" / "diallers.yaml"
            instead = write_instead(name, [*self.diallers, PLAIN.dialler])
            raise InputError(f"there is no dialler {name!r} in {where}; {instead}")
        return self.diallers[name]

    def dial_rules(self) -> DialRules:
        """How often and how soon somebody is dialled again, as the file reads now; PlanError with its problems."""
        return load_dialling(self.settings.home / "config")

    def channel(self, name: str) -> Channel:
        """The provider of a channel's first sender."""
        return self.channel_of(self.sender(name))

    def channel_of(self, sender: Sender) -> Channel:
        """The provider of a sender, opened once, whichever lane asks first."""
        first = sender == self.sender(sender.channel)
        key = sender.channel if first else f"{sender.channel}/{sender.sender}"
        with self._opening:
            if key not in self._channels:
                self._channels[key] = self.open_sender(sender)
            return self._channels[key]

    def open_sender(self, sender: Sender) -> Channel:
        """A sender's provider, opened anew."""
        return open_channel(sender, self.settings.home / "outbox", self.settings.public_url)


def key_file(home: Path) -> Path:
    """Where a home keeps the key its tokens are signed with."""
    return home / "token.key"


def make_token_key(home: Path) -> None:
    """Write a new random key, readable by its owner alone; an existing one is kept."""
    path = key_file(home)
    if not path.exists():
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "w") as file:
            file.write(secrets.token_hex(32) + "\n")


def read_token_key(settings: Settings) -> bytes:
    """The key from the settings or the home; LedgerError when there is none."""
    if settings.token_key is not None:
        return settings.token_key.get_secret_value().encode()
    try:
        return key_file(settings.home).read_text(encoding="ascii").strip().encode()
    except FileNotFoundError:
        raise LedgerError(
            f"there is no token.key in {settings.home}; make a home with: multiwave init --home {settings.home}"
            f"{ALL_THE_SAME if settings.database_url else ''}"
        ) from None


def check_token_key(ledger: Ledger, key: bytes) -> None:
    """Let the ledger know its tokens' key by a digest; LedgerError when it knows another one."""
    digest = hmac.new(key, b"the key of this ledger's tokens", hashlib.sha256).hexdigest()[:16]
    with ledger.read() as connection:
        known = read_meta(connection, KEY_DIGEST)
    if known is None:
        with ledger.write() as connection:
            known = keep_meta(connection, KEY_DIGEST, digest)
    if known != digest:
        raise LedgerError(
            "the key that signs tokens is not the one this ledger was made with, so that no reply would find its "
            f"message{ALL_THE_SAME}"
        )


def own_key(settings: Settings, ledger: Ledger) -> None:
    """Give a home its key: a new one for a new ledger; LedgerError when the ledger has another home's."""
    with ledger.read() as connection:
        known = read_meta(connection, KEY_DIGEST)
    if settings.token_key is None and not key_file(settings.home).exists():
        if known is not None:
            raise LedgerError(f"this ledger is there already, and {settings.home} has no key of it{ALL_THE_SAME}")
        make_token_key(settings.home)
    check_token_key(ledger, read_token_key(settings))


def _loaded(load: Callable[[], T], without: T, to_stop: bool) -> T:
    try:
        return load()
    except PlanError:
        if not to_stop:
            raise
        return without


def open_room(settings: Settings, to_stop: bool = False) -> Room:
    """Open the engine over the home's ledger; LedgerError when `init` has not made one, or with another key.

    PlanError for bad senders, diallers or seeds; `to_stop` does without what has a slip, which must hold no brake.
    """
    folder = settings.home / "config"
    senders = _loaded(lambda: load_senders(folder, CAPABILITIES, SENDERS, settings), dict[str, Sender](), to_stop)
    diallers = _loaded(lambda: load_diallers(folder, LAYOUTS), dict[str, Dialler](), to_stop)
    seeds = _loaded(lambda: load_seeds(folder, CAPABILITIES), tuple[Seed, ...](), to_stop)
    ledger = open_ledger(settings.url)
    try:
        key = read_token_key(settings)
        check_token_key(ledger, key)
        return Room(settings, ledger, key, senders=senders, diallers=diallers, seeds=seeds)
    except LedgerError:
        ledger.close()
        raise
