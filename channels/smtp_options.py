"""What providers that send by SMTP need to know of the mail server, as keys of a sender in config/senders.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import parseaddr
from typing import Literal, Self

from pydantic import Field, field_validator, model_validator

from channels.mail_file import ADDRESS, is_sender
from waves.errors import SendRefused
from waves.senders import Options, is_loopback

HOST = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?|[0-9a-fA-F:]{2,45}")
PORTS = {"starttls": 587, "tls": 465, "none": 25}


class SmtpOptions(Options):
    """The key `smtp` of a sender in config/senders.yaml."""

    host: str
    port: int | None = Field(default=None, ge=1, le=65_535)
    """Else 587, or 465 with `tls: tls`, or 25 with `tls: none`."""
    tls: Literal["starttls", "tls", "none"] = "starttls"
    """How the line is secured; `none` for a server on this machine only."""
    user: str | None = None
    secret_env: str | None = None
    """The name of the environment variable that holds the user's password; the password itself is in no file."""
    mail_from: str
    """Whom the mails are from, as `Name <address>`."""
    bounces_to: str | None = None
    """The address that bounces go to; else the one of `mail_from`."""
    reply_to: str | None = None
    unsubscribe_to: str | None = None
    """An address to which people may write to be taken off; the token is in the subject."""
    pipelining: bool = True
    """Whether commands go out together where the server offers it (RFC 2920)."""

    @field_validator("host")
    @classmethod
    def _a_host(cls, host: str) -> str:
        if not HOST.fullmatch(host):
            raise ValueError("write the name of the mail server alone, such as smtp.example.com")
        return host

    @field_validator("secret_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):  # not shown: it may be the secret
            raise ValueError("write the NAME of an environment variable, such as SMTP_SECRET; the password goes in it")
        return name

    @field_validator("mail_from", "reply_to")
    @classmethod
    def _a_sender(cls, text: str | None) -> str | None:
        if text is not None and not is_sender(text):
            raise ValueError("write an address, or a name and an address: Example <news@example.com>")
        return text

    @field_validator("bounces_to", "unsubscribe_to")
    @classmethod
    def _an_address(cls, text: str | None) -> str | None:
        if text is not None and not ADDRESS.fullmatch(text):
            raise ValueError("write an address alone, such as bounces@example.com")
        return text

    @model_validator(mode="after")
    def _safe(self) -> Self:
        if (self.user is None) != (self.secret_env is None):
            raise ValueError("`user` and `secret_env` go together; write both, or neither")
        if self.tls == "none" and not is_loopback(self.host):
            raise ValueError("`tls: none` is for a mail server on this machine only; write starttls or tls")
        return self

    @property
    def envelope_from(self) -> str:
        """The address that bounces go to."""
        return self.bounces_to or parseaddr(self.mail_from)[1]

    @property
    def domain(self) -> str:
        """Of the sender's address: that of our Message-IDs."""
        return parseaddr(self.mail_from)[1].rpartition("@")[2]

    @property
    def at_port(self) -> int:
        """The port, given or usual."""
        return self.port or PORTS[self.tls]

    def secret(self, sender: str, environment: Mapping[str, str]) -> str | None:
        """The user's password, None without a user; SendRefused when its variable is not set."""
        if self.secret_env is None:
            return None
        value = environment.get(self.secret_env, "")
        if not value:
            raise SendRefused(f"{self.secret_env} is not set; put the password of sender {sender} in it")
        return value


class FaxOptions(SmtpOptions):
    """The key `fax_mail` of a sender in config/senders.yaml: the gateway's mail server, and how it is told a number."""

    to: str
    """The address of a number at the gateway, `{number}@fax.example.com`."""
    number: Literal["digits", "e164"] = "digits"
    """How the number is written there: 12025550123 or +12025550123."""

    @field_validator("to")
    @classmethod
    def _a_pattern(cls, text: str) -> str:
        if text.count("{number}") != 1 or not ADDRESS.fullmatch(text.replace("{number}", "+12025550123")):
            raise ValueError("write the address of a number at the gateway, such as {number}@fax.example.com")
        return text

    def address(self, phone: str) -> str:
        """The mail address of an E.164 number."""
        return self.to.replace("{number}", phone if self.number == "e164" else phone.lstrip("+"))
