"""The VAPID key pair: made once for a home, read from a file of it or from the environment, never overwritten.

Every subscription is bound to the public half: with another key each customer has to subscribe again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from channels.webpush_crypto import CURVE
from waves.errors import SendRefused
from waves.subscriptions import from_unpadded

KEY_FILE = "webpush-key.pem"


def make_key(path: Path) -> bool:
    """Write a new key, readable by its owner alone; False, and nothing done, when there is one."""
    pem = ec.generate_private_key(CURVE).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        return False
    with os.fdopen(handle, "wb") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    return True


def read_key(path: Path) -> ec.EllipticCurvePrivateKey:
    """The key in a file; SendRefused when it is missing or no key of P-256."""
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise SendRefused(f"there is no key for web push at {path}; make one with: multiwave keys") from None
    return _key(content, str(path))


def key_in(environment: Mapping[str, str], name: str) -> ec.EllipticCurvePrivateKey:
    """The key in an environment variable, as PEM or as the 32 bytes in base64url that other programs make."""
    value = environment.get(name, "").strip()
    if not value:
        raise SendRefused(f"{name} is not set; put the text of {KEY_FILE} in it, the same on every machine")
    if value.startswith("-----"):
        return _key(value.replace("\\n", "\n").encode(), name)
    try:
        raw = from_unpadded(value)
        if len(raw) != 32:
            raise ValueError
        return ec.derive_private_key(int.from_bytes(raw, "big"), CURVE)
    except ValueError:
        raise SendRefused(f"{name} holds no private key of P-256; put the text of {KEY_FILE} in it") from None


def _key(pem: bytes, where: str) -> ec.EllipticCurvePrivateKey:
    try:
        key = load_pem_private_key(pem, None)
    except (ValueError, TypeError):
        key = None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise SendRefused(f"{where} holds no private key of P-256 in PEM; make one with: multiwave keys")
    return key
