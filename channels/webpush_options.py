"""What provider `webpush` needs to know: who sends, with which key, how urgently."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from cryptography.hazmat.primitives.asymmetric import ec
from pydantic import Field, field_validator

from channels.webpush_keys import KEY_FILE, key_in, read_key
from waves.senders import Options

SUBJECT = re.compile(r"mailto:[!#-;=?-Z^-~]+@[A-Za-z0-9.-]+|https://[A-Za-z0-9.-]+(/[!#-;=?-Z^-~]*)?")


class WebpushOptions(Options):
    """The key `webpush` of a sender in config/senders.yaml."""

    subject: str
    """Whom a push service may write to about us."""
    urgency: Literal["low", "normal"] = "normal"
    key_file: str = Field(default=KEY_FILE, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """A file of the home, as `multiwave keys` makes it."""
    key_env: str | None = Field(default=None, pattern=r"^[A-Z][A-Z0-9_]{0,99}$")
    """The name of the environment variable that holds the private key, instead of the file."""
    loopback: bool = False
    """Whether push services on this machine are taken as well, for tests."""

    @field_validator("subject")
    @classmethod
    def _reachable(cls, subject: str) -> str:
        if not SUBJECT.fullmatch(subject):
            raise ValueError("write where push services may reach you, such as mailto:ops@example.com or https://...")
        return subject

    def key(self, home: Path, environment: Mapping[str, str]) -> ec.EllipticCurvePrivateKey:
        """The private key; SendRefused when there is none."""
        return read_key(home / self.key_file) if self.key_env is None else key_in(environment, self.key_env)
