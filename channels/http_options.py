"""What provider `http` needs to know of a gateway, how requests are signed, and whether the gateway can be reached."""

from __future__ import annotations

import hmac
import re
import socket
import ssl
from collections.abc import Mapping
from urllib.parse import SplitResult, urlsplit

from pydantic import Field, field_validator

from config.addresses import check_url
from waves.errors import SendRefused
from waves.senders import Options

SHORTEST_SECRET = 16
SAMPLE_URL = "https://gateway.example.com/messages"
STAMP, SIGNATURE = "X-Multiwave-Timestamp", "X-Multiwave-Signature"


class HttpOptions(Options):
    """The key `http` of a sender in config/senders.yaml."""

    url: str
    status_url: str | None = None
    secret_env: str
    """The name of the environment variable that holds the secret; the secret itself is in no file."""
    messages: int = Field(default=100, ge=1, le=1000)

    @field_validator("url", "status_url")
    @classmethod
    def _safe(cls, url: str | None) -> str | None:
        if url is not None:
            check_url(
                url, "https://gateway.example.com/messages", "requests are signed with the secret of `secret_env`"
            )
        return url

    @field_validator("secret_env")
    @classmethod
    def _a_name(cls, name: str) -> str:
        if not re.fullmatch(r"[A-Z][A-Z0-9_]{0,99}", name):  # what stands there is not shown: it may be the secret
            raise ValueError("write the NAME of an environment variable, such as GATEWAY_SECRET; the secret goes in it")
        return name

    def secret(self, sender: str, environment: Mapping[str, str]) -> bytes:
        """The secret both sides sign with; SendRefused when its variable is not set or holds a short one."""
        value = environment.get(self.secret_env, "")
        if len(value) < SHORTEST_SECRET:
            wrong = "is shorter than 16 characters" if value else "is not set"
            raise SendRefused(f"{self.secret_env} {wrong}; put the secret of sender {sender} and its gateway in it")
        return value.encode()


def signature(secret: bytes, stamp: str, body: bytes) -> str:
    """`v1=` and the hex HMAC-SHA256 of the timestamp, a full stop and the body."""
    return "v1=" + hmac.digest(secret, stamp.encode("ascii", "replace") + b"." + body, "sha256").hex()


def sign(secret: bytes, body: bytes, unix_s: int) -> dict[str, str]:
    """The headers that prove who sent this body, and when."""
    stamp = str(unix_s)
    return {STAMP: stamp, SIGNATURE: signature(secret, stamp, body)}


def connect_once(url: str, timeout_s: float) -> str | None:
    """Why no connection (with TLS for https) to the host of this address comes about; None when one does."""
    parts: SplitResult = urlsplit(url)
    host, secure = parts.hostname or "", parts.scheme == "https"
    try:
        with socket.create_connection((host, parts.port or (443 if secure else 80)), timeout_s) as plain:
            if secure:
                with ssl.create_default_context().wrap_socket(plain, server_hostname=host):
                    pass
    except ssl.SSLError as error:
        return f"{host} fails the TLS handshake: {getattr(error, 'verify_message', '') or error.reason or 'broken off'}"
    except socket.gaierror:
        return f"there is no host {host}"
    except TimeoutError:
        return f"{host} does not answer within {timeout_s:g} s"
    except OSError as error:
        return f"{host} cannot be reached: {error.strerror or type(error).__name__}"
    return None
