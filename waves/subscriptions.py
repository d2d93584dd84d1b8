"""A browser's push subscription, as the address of channel web_push spells it: compact JSON of endpoint and keys.

The endpoint is an address that a stranger's browser told us, and we POST to it: only the push services of the
browsers are taken, by name, so that nobody makes us call on an internal host (what their names resolve to is theirs).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from dataclasses import dataclass
from functools import lru_cache

from waves.errors import MultiwaveError

PUSH_HOSTS = frozenset({"fcm.googleapis.com", "updates.push.services.mozilla.com", "web.push.apple.com"})
PUSH_DOMAINS = (".notify.windows.com",)
"""Where the browsers' own push services are: Chrome and its kin, Firefox, Safari, Edge."""
LOOPBACK = frozenset({"127.0.0.1", "localhost", "[::1]"})
LONGEST = 2000
"""Characters of a subscription; PostgreSQL's index takes 2,704 bytes."""
POINT, AUTH = 65, 16
"""Bytes of an uncompressed point on P-256 and of the authentication secret (RFC 8291, 3.1 and 3.2)."""
ENDPOINT = re.compile(r"(https?)://([A-Za-z0-9.-]+|\[::1\])(?::([0-9]{1,5}))?(/[A-Za-z0-9._~!$&'()*+,;=:@%/?-]*)?")
HEAD = '{"endpoint":'

# P-256 (FIPS 186-4, D.1.2.3): y^2 = x^3 - 3x + B over the integers modulo P.
P = 2**256 - 2**224 + 2**192 + 2**96 - 1
B = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B


class BadSubscription(MultiwaveError):
    """What is no push subscription that could be sent to; the message shows nothing of it."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """An endpoint of a known push service, the browser's public key (65 bytes) and its secret (16 bytes)."""

    endpoint: str
    p256dh: bytes
    auth: bytes

    @property
    def text(self) -> str:
        """The address as the ledger spells it."""
        keys = f'"keys":{{"p256dh":"{unpadded(self.p256dh)}","auth":"{unpadded(self.auth)}"}}'
        return f"{HEAD}{json.dumps(self.endpoint)},{keys}}}"


def read_subscription(text: str, loopback: bool = False) -> Subscription:
    """The subscription in a JSON text as a browser makes it; BadSubscription says what is wrong.

    `loopback` allows push services on this machine, for tests.
    """
    if len(text) > 2 * LONGEST:
        raise BadSubscription("too long for a subscription")
    try:
        said = json.loads(text)
    except (ValueError, RecursionError):
        raise BadSubscription("not JSON") from None
    return subscription_of(said, loopback)


def subscription_of(said: object, loopback: bool = False) -> Subscription:
    """The subscription in what was read from JSON; what else a browser says, such as expirationTime, is let go."""
    keys = said.get("keys") if isinstance(said, dict) else None
    if not isinstance(said, dict) or not isinstance(keys, dict):
        raise BadSubscription('no subscription; {"endpoint": ..., "keys": {"p256dh": ..., "auth": ...}} is expected')
    endpoint = said.get("endpoint")
    if not isinstance(endpoint, str):
        raise BadSubscription("no endpoint")
    check_endpoint(endpoint, loopback)
    point, auth = (_bytes(keys.get(name), name) for name in ("p256dh", "auth"))
    if not is_on_curve(point):
        raise BadSubscription("p256dh is no point of P-256 in 65 bytes")
    if len(auth) != AUTH:
        raise BadSubscription("auth is not 16 bytes long")
    made = Subscription(endpoint, point, auth)
    if len(made.text) > LONGEST:
        raise BadSubscription("too long for a subscription")
    return made


def check_endpoint(endpoint: str, loopback: bool = False) -> None:
    """BadSubscription unless this is https, port 443, at a browser's push service (or loopback, where allowed)."""
    found = ENDPOINT.fullmatch(endpoint) if len(endpoint) <= LONGEST else None
    if found is None:
        raise BadSubscription("the endpoint is no address of a push service")
    if not _is_known(found[1], found[2].lower(), found[3], loopback):
        raise BadSubscription("the endpoint is at no push service of a browser")


@lru_cache(maxsize=256)
def _is_known(scheme: str, host: str, port: str | None, loopback: bool) -> bool:
    if loopback and host in LOOPBACK:
        return True
    named = host in PUSH_HOSTS or host.endswith(PUSH_DOMAINS)
    return scheme == "https" and named and port in (None, "443")


def origin_of(endpoint: str) -> str:
    """Scheme, host and port, as VAPID's `aud` wants them (RFC 8292, 2; RFC 6454, 6.1: no default port)."""
    found = ENDPOINT.fullmatch(endpoint)
    if found is None:
        raise BadSubscription("the endpoint is no address of a push service")
    scheme, host, port, _ = found.groups()
    default = "443" if scheme == "https" else "80"
    return f"{scheme}://{host.lower()}" + ("" if port in (None, default) else f":{port}")


def endpoint_in(address: str) -> str | None:
    """The endpoint of an address that is a subscription; None of any other."""
    try:
        return str(json.loads(address)["endpoint"]) if address.startswith(HEAD) else None
    except (ValueError, RecursionError):
        return None


def starts_with(endpoint: str) -> tuple[str, str]:
    """The least text of an address with this endpoint, and one above them all, compared byte by byte."""
    head = f"{HEAD}{json.dumps(endpoint)},"
    return head, head[:-1] + "-"


def is_on_curve(point: bytes) -> bool:
    """Whether these are 65 bytes of an uncompressed point on P-256; any other key gives the secret away."""
    if len(point) != POINT or point[0] != 4:
        return False
    x, y = int.from_bytes(point[1:33], "big"), int.from_bytes(point[33:], "big")
    return x < P and y < P and (y * y - (x * x - 3) * x - B) % P == 0


def unpadded(content: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def from_unpadded(text: str) -> bytes:
    """The bytes in base64url, padded or not; ValueError for anything else."""
    bare = text.rstrip("=")
    if not re.fullmatch(r"[A-Za-z0-9_-]*", bare):
        raise ValueError("not base64url")
    return base64.urlsafe_b64decode(bare + "=" * (-len(bare) % 4))


def _bytes(said: object, name: str) -> bytes:
    if not isinstance(said, str):
        raise BadSubscription(f"no {name}")
    try:
        return from_unpadded(said)
    except (ValueError, binascii.Error):
        raise BadSubscription(f"{name} is not base64url") from None
