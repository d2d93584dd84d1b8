"""What a provider is opened with."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from waves.message import Capabilities
from waves.senders import Sender


@dataclass(frozen=True, slots=True)
class Opening:
    """One channel's capabilities, the sender that carries it, and where things are."""

    capabilities: Capabilities
    sender: Sender
    folder: Path
    """Where providers on this machine write what they sent, a folder of the home."""
    public_url: str | None = None
    """Where `multiwave serve` is reached from outside, without a slash at its end; None: nowhere."""
    environment: Mapping[str, str] = field(default_factory=lambda: os.environ)
    """Where secrets are read from, by the names that the sender's options give."""
