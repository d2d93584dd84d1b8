"""What a running engine holds: the ledger, the settings, the token key, the open channels."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from channels.registry import CAPABILITIES, DEFAULT_PROVIDERS, OPTIONS, SENDERS, check_provider, open_channel
from config.senders import load_senders
from config.settings import Settings
from ledger.store import Ledger, open_ledger
from waves.errors import LedgerError, SendRefused
from waves.message import Channel
from waves.senders import Sender

UNTIMED = timedelta(seconds=1)
"""What is given to a provider on this machine."""
Tick = Callable[[str, int, int], None]
"""Told of long work: what, how much is done, how much there is."""


def _silent(what: str, done: int, total: int) -> None:
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
    stopping: bool = False
    """Whether this process was asked to end: no further batch is begun."""
    senders: Mapping[str, Sender] = field(default_factory=dict)
    """What config/senders.yaml names; a channel's first one carries it unless the settings name another."""
    _channels: dict[str, Channel] = field(default_factory=dict)

    def sender(self, channel: str) -> Sender:
        """Who carries a channel: as the settings or config/senders.yaml say, else the default provider, unlimited."""
        own = [sender for sender in self.senders.values() if sender.channel == channel]
        named = self.settings.providers.get(channel)
        found = [sender for sender in own if named is None or sender.sender == named]
        if found:
            return found[0]
        provider = named or DEFAULT_PROVIDERS[channel]
        check_provider(channel, provider, [sender.sender for sender in own])
        if provider in OPTIONS:
            where = self.settings.home / "config" / "senders.yaml"
            raise SendRefused(f"provider {provider} for {channel} has no sender; write one in {where}")
        return Sender(sender=provider, channel=channel, provider=provider, timeout=UNTIMED)

    def channel(self, name: str) -> Channel:
        """The provider chosen for a channel, opened once."""
        if name not in self._channels:
            self._channels[name] = open_channel(self.sender(name), self.settings.home / "outbox")
        return self._channels[name]


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
        ) from None


def open_room(settings: Settings) -> Room:
    """Open the engine over the home's ledger; LedgerError when `init` has not made one, PlanError for bad senders."""
    senders = load_senders(settings.home / "config", CAPABILITIES, SENDERS, settings)
    ledger = open_ledger(settings.url)
    try:
        return Room(settings, ledger, read_token_key(settings), senders=senders)
    except LedgerError:
        ledger.close()
        raise
