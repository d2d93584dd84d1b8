"""What provider `sendgrid` needs to know, and where its secrets are."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import timedelta
from typing import Literal

from pydantic import Field, field_validator

from channels.http_options import HttpOptions
from channels.mail_file import ADDRESS, CONTROL
from waves.errors import SendRefused
from waves.plan import Duration
from waves.senders import Options

API_KEY = re.compile(r"[A-Za-z0-9._-]{16,200}")
NAME_OF_VARIABLE = re.compile(r"[A-Z][A-Z0-9_]{0,99}")
PUBLIC_KEY = re.compile(r"[A-Za-z0-9+/=]{80,400}")


class SendgridOptions(Options):
    """The key `sendgrid` of a sender in config/senders.yaml."""

    secret_env: str
    """The name of the environment variable that holds the API key; the key itself is in no file."""
    from_address: str
    from_name: str | None = None
    reply_to: str | None = None
    unsubscribe_mailto: str | None = None
    """Where a mail program may send an unsubscription by e-mail, beside our page."""
    asm_group: int | None = Field(default=None, ge=1)
    """The unsubscribe group at SendGrid that these messages belong to."""
    messages: int = Field(default=100, ge=1, le=1000)
    """Recipients in one request, which is accepted or fails as a whole."""
    category: Literal["none", "campaign"] = "none"
    """What SendGrid's own statistics are counted by."""
    click_tracking: bool = False
    open_tracking: bool = False
    sandbox: bool = False
    """SendGrid checks the requests and sends nothing; so each message is refused."""
    reconcile: Literal["none", "activity", "logs"] = "none"
    """Where it is asked about messages that were cut off: each is an add-on of the account."""
    webhook_public_key: str | None = None
    """The verification key of the Signed Event Webhook: a public one."""
    webhook_key_env: str | None = None
    webhook_fresh: Duration = timedelta(days=1, minutes=5)
    """How old a signed event webhook may be; its retries go on for a day, maybe with the time of the first try."""
    share_stops: bool = True
    """Whether who unsubscribed here is put on SendGrid's list too: of `asm_group`, or the one of the whole account."""
    base_url: str = "https://api.sendgrid.com"

    @field_validator("secret_env", "webhook_key_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        if name is not None and not NAME_OF_VARIABLE.fullmatch(name):  # what stands there may be the secret
            raise ValueError("write the NAME of an environment variable, such as SENDGRID_API_KEY; the key goes in it")
        return name

    @field_validator("from_address", "reply_to", "unsubscribe_mailto")
    @classmethod
    def _an_address(cls, address: str | None) -> str | None:
        if address is not None and not ADDRESS.fullmatch(address):
            raise ValueError("this is no e-mail address; write one such as news@example.com, and the name apart")
        return address

    @field_validator("from_name")
    @classmethod
    def _one_line(cls, name: str | None) -> str | None:
        if name is not None and (CONTROL.search(name) or not name.strip()):
            raise ValueError("a name is one line of text; write what recipients read as the sender, or delete it")
        return name

    @field_validator("webhook_public_key")
    @classmethod
    def _a_key(cls, key: str | None) -> str | None:
        if key is not None and not PUBLIC_KEY.fullmatch(key):
            raise ValueError("this is no verification key; copy the one that SendGrid shows for the signed webhook")
        return key

    @field_validator("base_url")
    @classmethod
    def _safe(cls, url: str) -> str:
        HttpOptions.model_validate({"url": url, "secret_env": "UNUSED"})
        if not re.fullmatch(r"https?://[^/?]+", url):
            raise ValueError("write the host alone, such as https://api.eu.sendgrid.com")
        return url

    def api_key(self, sender: str, environment: Mapping[str, str]) -> str:
        """The API key; SendRefused when its variable is not set or holds what no key can be."""
        value = environment.get(self.secret_env, "").strip()
        if not API_KEY.fullmatch(value):
            wrong = "holds no API key" if value else "is not set"
            raise SendRefused(f"{self.secret_env} {wrong}; put the API key of sender {sender} in it: SG. and so on")
        return value

    def webhook_key(self, environment: Mapping[str, str]) -> str | None:
        """The verification key of the signed event webhook; None where none is given."""
        return self.webhook_public_key or (environment.get(self.webhook_key_env or "", "").strip() or None)
