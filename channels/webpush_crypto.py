"""What a push is wrapped in: one aes128gcm record (RFC 8291, 8188) and the VAPID header that says who sends (RFC 8292).

Its own, not pywebpush: that takes 2.4 times as long a message (the bench has both); the tests use it as a cross-check.
"""

from __future__ import annotations

import hmac
import json
import os
from functools import lru_cache
from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from waves.subscriptions import unpadded

CURVE = ec.SECP256R1()
ECDH = ec.ECDH()
RECORD = 4096
MOST_PLAIN = 3993
"""Bytes: a record of 4,096 less its header (86), the tag (16) and the delimiter (1)."""
VAPID_FOR_S = 20 * 3600
"""How long a header may be used after it was made; RFC 8292 allows 24 h, and clocks differ."""
VAPID_KEPT_S = 12 * 3600
VAPID_HEAD = unpadded(b'{"typ":"JWT","alg":"ES256"}')


def encrypt(
    plain: bytes, p256dh: bytes, auth: bytes, key: ec.EllipticCurvePrivateKey | None = None, salt: bytes | None = None
) -> bytes:
    """The body of one push for a browser's key and secret; a new key pair and salt each time, given by tests alone.

    ValueError when the plaintext is too long for one record, or the browser's key is no point of P-256.
    """
    if len(plain) > MOST_PLAIN:
        raise ValueError(f"{len(plain)} bytes do not fit a record; {MOST_PLAIN} do")
    ours = ec.generate_private_key(CURVE) if key is None else key
    theirs = ec.EllipticCurvePublicKey.from_encoded_point(CURVE, p256dh)
    point = ours.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
    salt = os.urandom(16) if salt is None else salt
    # HKDF (RFC 5869) of one block each: extract is HMAC(salt, secret), expand is HMAC(that, info | 1).
    shared = hmac.digest(auth, ours.exchange(ECDH, theirs), "sha256")
    secret = hmac.digest(shared, b"WebPush: info\0" + p256dh + point + b"\1", "sha256")
    derived = hmac.digest(salt, secret, "sha256")
    content_key = hmac.digest(derived, b"Content-Encoding: aes128gcm\0\1", "sha256")[:16]
    nonce = hmac.digest(derived, b"Content-Encoding: nonce\0\1", "sha256")[:12]
    head = salt + RECORD.to_bytes(4, "big") + bytes([len(point)]) + point
    return head + AESGCM(content_key).encrypt(nonce, plain + b"\2", None)  # 2: the last record, and no padding


class Vapid:
    """Signs for one key pair and subject; the header of an origin is kept for half a day."""

    def __init__(self, key: ec.EllipticCurvePrivateKey, subject: str) -> None:
        self.subject = subject
        self.public = public_text(key)
        self._key = key
        self._headers: dict[str, tuple[float, str]] = {}

    def header(self, origin: str, now_s: float) -> str:
        """The value of Authorization for a push service, at a time in seconds since 1970."""
        made_at, header = self._headers.get(origin, (0.0, ""))
        if header and 0 <= now_s - made_at < VAPID_KEPT_S:
            return header
        claims = {"aud": origin, "exp": int(now_s) + VAPID_FOR_S, "sub": self.subject}
        signed = f"{VAPID_HEAD}.{unpadded(json.dumps(claims, separators=(',', ':')).encode())}"
        r, s = decode_dss_signature(self._key.sign(signed.encode(), ec.ECDSA(SHA256())))
        signature = unpadded(r.to_bytes(32, "big") + s.to_bytes(32, "big"))
        header = f"vapid t={signed}.{signature},k={self.public}"
        self._headers[origin] = (now_s, header)
        return header


def public_text(key: ec.EllipticCurvePrivateKey) -> str:
    """The public half as browsers want it (applicationServerKey): the point in base64url."""
    return unpadded(key.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint))


@lru_cache(maxsize=64)
def topic_of(campaign: str) -> str:
    """A name of the campaign of at most 32 base64url characters (RFC 8030, 5.4) that tells nobody which it is."""
    return unpadded(sha256(campaign.encode()).digest())[:32]
