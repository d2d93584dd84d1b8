"""What provider `twilio` needs to know: the account, its secrets by name, who a message comes from, how fast."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal
from urllib.parse import urlsplit

from pydantic import ConfigDict, Field, field_validator, model_validator

from waves.errors import SendRefused
from waves.senders import Options, is_loopback

SenderType = Literal[
    "long_code",
    "toll_free",
    "short_code",
    "alphanumeric",
    "10dlc_low_volume",
    "10dlc_0_49",
    "10dlc_50_74",
    "10dlc_75_100",
]
SEGMENTS_PER_S: dict[SenderType, float] = {
    "long_code": 1.0,
    "toll_free": 3.0,
    "short_code": 100.0,
    "alphanumeric": 10.0,
    "10dlc_low_volume": 3.75,
    "10dlc_0_49": 12.0,
    "10dlc_50_74": 120.0,
    "10dlc_75_100": 225.0,
}
"""What Twilio gives each type of sender where nothing else was agreed: https://help.twilio.com/articles/115002943027

10DLC goes by the trust score of its campaign.
"""
API = "https://api.twilio.com"
SID = r"[0-9a-fA-F]{32}"


class TwilioOptions(Options):
    """The key `twilio` of a sender in config/senders.yaml."""

    model_config = ConfigDict(populate_by_name=True)

    account_sid: str
    secret_env: str
    """The NAME of the environment variable with the account's auth token: it signs Twilio's callbacks."""
    api_key_sid: str | None = None
    api_key_env: str | None = None
    """The name of the variable with the API key's secret; without a key, requests go by the auth token."""
    webhook_key_env: str | None = None
    """The name of the variable with the shared key, where callbacks are signed with one (HMAC-SHA256)."""
    messaging_service_sid: str | None = None
    from_: str | None = Field(default=None, alias="from")
    """A number as E.164, a short code or an alphanumeric sender."""
    sender_type: SenderType | None = None
    deactivations: bool = False
    """Whether numbers of the United States that carriers took out of service are read daily: their addresses die."""
    base_url: str = API

    @field_validator("account_sid", "api_key_sid", "messaging_service_sid")
    @classmethod
    def _a_sid(cls, sid: str | None, info: object) -> str | None:
        prefix = {"account_sid": "AC", "api_key_sid": "SK"}.get(getattr(info, "field_name", ""), "MG")
        if sid is not None and not re.fullmatch(prefix + SID, sid):
            raise ValueError(f"write the sid that Twilio's console shows: {prefix} and 32 hexadecimal digits")
        return sid

    @field_validator("secret_env", "api_key_env", "webhook_key_env")
    @classmethod
    def _a_name(cls, name: str | None) -> str | None:
        if name is not None and not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):  # not shown: it may be the secret
            raise ValueError("write the NAME of an environment variable, such as TWILIO_AUTH_TOKEN; the secret goes in")
        return name

    @field_validator("from_")
    @classmethod
    def _a_sender(cls, sender: str | None) -> str | None:
        if sender is not None and not re.fullmatch(
            r"\+[1-9]\d{6,14}|\d{3,8}|(?=.*[A-Za-z])[A-Za-z0-9 +_&-]{1,11}", sender
        ):
            raise ValueError("write a number as +15125550100, a short code, or up to 11 letters and digits")
        return sender

    @field_validator("base_url")
    @classmethod
    def _twilio_or_here(cls, url: str) -> str:
        parts = urlsplit(url)
        host = parts.hostname or ""
        theirs = parts.scheme == "https" and (
            host == "api.twilio.com" or re.fullmatch(r"api(\.[a-z0-9-]+)+\.twilio\.com", host)
        )
        if not (theirs or (parts.scheme == "http" and is_loopback(host))) or parts.path.strip("/") or parts.query:
            raise ValueError(f"write {API}, one of its regions such as https://api.ie1.twilio.com, or leave it out")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _whole(self) -> TwilioOptions:
        if (self.messaging_service_sid is None) == (self.from_ is None):
            raise ValueError("write either messaging_service_sid or from: who the message comes from")
        if (self.api_key_sid is None) != (self.api_key_env is None):
            raise ValueError("api_key_sid and api_key_env go together")
        return self

    def auth_token(self, sender: str, environment: Mapping[str, str]) -> str:
        """The account's auth token; SendRefused when its variable is not set."""
        return _secret(self.secret_env, f"the auth token of sender {sender}'s account", environment)

    def webhook_key(self, sender: str, environment: Mapping[str, str]) -> str:
        """The key that callbacks are signed with by HMAC-SHA256; SendRefused when its variable is not set."""
        return _secret(self.webhook_key_env or "", f"the shared key of sender {sender}'s callbacks", environment)

    def credentials(self, sender: str, environment: Mapping[str, str]) -> tuple[str, str]:
        """User and password of a request: those of the API key, else of the account."""
        if self.api_key_sid is None or self.api_key_env is None:
            return self.account_sid, self.auth_token(sender, environment)
        return self.api_key_sid, _secret(self.api_key_env, f"the secret of sender {sender}'s API key", environment)

    def sender_defaults(self, channel: str) -> Mapping[str, object]:
        """Keys of a sender that need not be written: the rate that Twilio gives this type, in segments a second."""
        if self.sender_type is None or channel != "sms":
            return {}
        return {"rate": SEGMENTS_PER_S[self.sender_type], "per": "unit"}


def _secret(name: str, what: str, environment: Mapping[str, str]) -> str:
    value = environment.get(name, "").strip()
    if not value:
        raise SendRefused(f"{name} is not set; put {what} in it")
    return value
