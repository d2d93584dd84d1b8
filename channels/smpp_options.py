"""What provider `smpp` needs to know of an SMSC."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator, model_validator

from channels.smpp_pdu import text_field
from waves.errors import SendRefused
from waves.plan import Duration
from waves.senders import Options

PASSWORD_FIELD = 9
"""Octets of a bind's password with its NUL (SMPP 3.4, 4.1.1)."""


class SmppOptions(Options):
    """The key `smpp` of a sender in config/senders.yaml."""

    host: str = Field(pattern=r"^[A-Za-z0-9._:-]{1,253}$")
    port: int = Field(ge=1, le=65535)
    tls: bool = True
    """Off only on this machine or inside a tunnel of your own: the password and every text would be readable."""
    system_id: str
    password_env: str
    """The name of the environment variable that holds the password; the password itself is in no file."""
    system_type: str = ""
    source: str
    """What the message comes from: a number with its +, a short code, or up to 11 letters and digits."""
    source_ton: int | None = Field(default=None, ge=0, le=6)
    source_npi: int | None = Field(default=None, ge=0, le=18)
    to_ton: int = Field(default=1, ge=0, le=6)
    to_npi: int = Field(default=1, ge=0, le=18)
    service_type: str = ""
    window: int = Field(default=10, ge=1, le=1000)
    """Messages without an answer yet on the connection; the sender's `concurrency` bounds it."""
    long_texts: Literal["parts", "payload"] = "parts"
    """Whether we cut a long text into parts, or hand it over whole for the SMSC to cut."""
    receipt_ids: Literal["same", "hex_to_decimal"] = "same"
    """Whether receipts name a message as its answer did, or in decimal what the answer gave in hexadecimal."""
    unmarked_receipts: bool = False
    """Whether receipts say that they are some by their text alone: then whoever writes such a text to us forges one."""
    keep_alive: Duration = timedelta(seconds=30)
    """After so long a silence the SMSC is asked whether it is there."""
    receive: bool = True
    """Whether `multiwave serve` keeps a receiver bound for receipts and replies."""

    @field_validator("password_env")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):  # what stands there is not shown: it may be the password
            raise ValueError(
                "write the NAME of an environment variable, such as SMSC_PASSWORD; the password goes in it"
            )
        return name

    @field_validator("system_id", "system_type", "service_type")
    @classmethod
    def _fits(cls, text: str, info: object) -> str:
        most = {"system_id": 16, "system_type": 13, "service_type": 6}[info.field_name]  # type: ignore[attr-defined]
        _check_field(text, most)
        return text

    @field_validator("source")
    @classmethod
    def _an_address(cls, source: str) -> str:
        if not re.fullmatch(r"\+?[0-9]{1,20}|[A-Za-z0-9][A-Za-z0-9 ._&-]{0,10}", source):
            raise ValueError("write a number such as +15125550100, a short code, or up to 11 letters and digits")
        return source

    @field_validator("keep_alive")
    @classmethod
    def _some_time(cls, pause: timedelta) -> timedelta:
        if not timedelta(seconds=1) <= pause <= timedelta(hours=1):
            raise ValueError("write a time from 1s to 1h, such as 30s")
        return pause

    @model_validator(mode="after")
    def _private(self) -> SmppOptions:
        if not self.tls and not _is_private(self.host):
            raise ValueError(
                "without tls anybody on the way reads the password and the texts; write tls: true, "
                "or the address of your own end of a tunnel (localhost, 10.0.0.7)"
            )
        return self

    def password(self, sender: str, environment: Mapping[str, str]) -> str:
        """The password of the bind; SendRefused when its variable is not set or holds none that SMPP can carry."""
        value = environment.get(self.password_env, "")
        if not value:
            raise SendRefused(f"{self.password_env} is not set; put the SMSC's password of sender {sender} in it")
        try:
            text_field(value, PASSWORD_FIELD)
        except ValueError:
            wrong = "holds more than 8 characters, or others than ASCII, which SMPP 3.4 cannot carry"
            raise SendRefused(f"{self.password_env} {wrong}; ask the SMSC of sender {sender} for another") from None
        return value

    @property
    def source_kind(self) -> tuple[int, int]:
        """Type of number and numbering plan of the source: as written, else by its look."""
        look = (1, 1) if self.source.startswith("+") else (0, 1) if self.source.isdigit() else (5, 0)
        ton = look[0] if self.source_ton is None else self.source_ton
        return ton, look[1] if self.source_npi is None else self.source_npi


def _check_field(text: str, most: int) -> None:
    try:
        text_field(text, most)
    except ValueError:
        raise ValueError(f"write at most {most - 1} characters of ASCII") from None


def _is_private(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_private
    except ValueError:
        return host == "localhost"
