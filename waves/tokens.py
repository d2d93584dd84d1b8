"""Opaque tokens that name a touch or a dial entry outside the ledger: 20 characters, unforgeable, no column."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from functools import lru_cache
from typing import Any

from waves.errors import TokenError

LENGTH = 20
KEY_VERSION = 0
BLOCK = hashlib.sha256().block_size
DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"  # base32, RFC 4648
PAIRS = [first + second for first in DIGITS for second in DIGITS]
PLACES = range(90, -1, -10)
READS = "0123456789ABCDEFGHIJKLMNOPQRSTUV"
AS_INT_READS = str.maketrans(f"{DIGITS}{DIGITS[:26].lower()}0189", f"{READS}{READS[:26]}!!!!")
PERIOD = timedelta(hours=6)
"""What the end of a customer's token is counted in, from SINCE: 16 bits of it last to 2070."""
SINCE = datetime(2026, 1, 1, tzinfo=UTC)


class Kind(IntEnum):
    """What the token's id counts."""

    TOUCH = 0
    DIAL_ENTRY = 1
    TEST = 2
    CUSTOMER = 3
    """A customer for a while: 32 bits of who, 16 of until when."""


KINDS = {kind << 2 | KEY_VERSION: kind for kind in Kind}


def _check(key: bytes, head: bytes) -> bytes:
    begun, outer = _begun(key)
    inner, whole = begun.copy(), outer.copy()
    inner.update(head)
    whole.update(inner.digest())
    check: bytes = whole.digest()[:6]
    return check


@lru_cache(maxsize=16)
def _begun(key: bytes) -> tuple[Any, Any]:
    """HMAC-SHA-256 (RFC 2104) after its key, inner and outer: what `hmac.digest` would work out for each token anew."""
    block = (key if len(key) <= BLOCK else hashlib.sha256(key).digest()).ljust(BLOCK, b"\0")
    return hashlib.sha256(bytes(byte ^ 0x36 for byte in block)), hashlib.sha256(bytes(byte ^ 0x5C for byte in block))


def make_token(key: bytes, kind: Kind, ident: int) -> str:
    """20 base32 characters: kind (2 bits) and key version (2), `ident` (48), keyed check (48)."""
    if not 0 <= ident < 1 << 48:
        raise TokenError(f"id {ident} does not fit a token (48 bits)")
    head = ((kind << 2) | KEY_VERSION) << 48 | ident
    bits = head << 48 | int.from_bytes(_check(key, head.to_bytes(7, "big")), "big")
    return "".join([PAIRS[bits >> place & 1023] for place in PLACES])


def _bytes(token: str) -> bytes:
    """Kind and version (1), id (6) and check (6); ValueError for what is no token."""
    text = token if len(token) == LENGTH else token.strip()
    if len(text) != LENGTH or not (text.isascii() and text.isalnum()):
        raise ValueError
    return int(text.translate(AS_INT_READS), 32).to_bytes(13, "big")


def read_token(key: bytes, token: str) -> tuple[Kind, int]:
    """The kind and id of a token made with `key`; TokenError for anything else, case and surrounding space forgiven."""
    try:
        raw = _bytes(token)
    except ValueError:
        raise TokenError("not a token: 20 letters and digits (A-Z, 2-7) are expected") from None
    if not hmac.compare_digest(raw[7:], _check(key, raw[:7])):
        raise TokenError("a token that this ledger did not make (was it copied whole?)")
    kind = KINDS.get(raw[0])
    if kind is None:
        raise TokenError("a token of a kind or key version that this release does not know")
    return kind, int.from_bytes(raw[1:7], "big")


def read_ids(key: bytes, kind: Kind, tokens: Iterable[str]) -> list[int | None]:
    """The id behind each token of this kind, None for any other text: `read_token` for thousands at once."""
    begun, outer = _begun(key)
    first, found, same = kind << 2 | KEY_VERSION, list[int | None](), hmac.compare_digest
    for token in tokens:
        try:
            raw = _bytes(token)
        except ValueError:
            found.append(None)
            continue
        inner, whole = begun.copy(), outer.copy()  # _check, without its calls
        inner.update(raw[:7])
        whole.update(inner.digest())
        ours = same(raw[7:], whole.digest()[:6]) and raw[0] == first
        found.append(int.from_bytes(raw[1:7], "big") if ours else None)
    return found


def make_customer_token(key: bytes, customer: int, until: datetime) -> str:
    """A token that names a customer until this moment, or up to six hours longer; TokenError when that is too far."""
    ends = -((SINCE - until) // PERIOD)
    if not 0 < customer < 1 << 32 or not 0 < ends < 1 << 16:
        raise TokenError("a customer's token ends between 2026 and 2070")
    return make_token(key, Kind.CUSTOMER, customer << 16 | ends)


def read_customer_token(key: bytes, token: str, now: datetime) -> int:
    """The customer that a token names; TokenError when it names none, or its time is over."""
    kind, ident = read_token(key, token)
    if kind is not Kind.CUSTOMER:
        raise TokenError("not a customer's token")
    if now >= SINCE + (ident & 0xFFFF) * PERIOD:
        raise TokenError("a customer's token whose time is over; make a new one")
    return ident >> 16


SEED = 1 << 47
"""The bit of a test's token that names a message to a seed."""
_FIRST = DIGITS[(Kind.TEST << 2 | KEY_VERSION) << 1 | 1]
SEED_BEGINS = frozenset((_FIRST, _FIRST.lower()))
"""What every such token begins with."""


def make_seed_token(key: bytes, ident: int) -> str:
    """The token of a message to a seed."""
    return make_token(key, Kind.TEST, SEED | ident)


def read_seed_token(key: bytes, token: str) -> int | None:
    """The message to a seed that a token names; None for every other token, most of them at one look."""
    if token[:1] not in SEED_BEGINS:
        return None
    try:
        kind, ident = read_token(key, token)
    except TokenError:
        return None
    return ident & ~SEED if kind is Kind.TEST and ident & SEED else None
