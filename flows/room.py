"""What a running engine holds: the ledger, the settings, the token key, the open channels."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from channels.registry import DEFAULT_PROVIDERS, open_channel
from config.settings import Settings
from ledger.store import Ledger, open_ledger
from waves.errors import LedgerError
from waves.message import Channel

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
    _channels: dict[str, Channel] = field(default_factory=dict)

    def channel(self, name: str) -> Channel:
        """The provider chosen for a channel, opened once."""
        if name not in self._channels:
            provider = self.settings.providers.get(name, DEFAULT_PROVIDERS[name])
            self._channels[name] = open_channel(name, provider, self.settings.home / "outbox")
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
    """Open the engine over the home's ledger; LedgerError when `init` has not made one."""
    ledger = open_ledger(settings.url)
    try:
        return Room(settings, ledger, read_token_key(settings))
    except LedgerError:
        ledger.close()
        raise
