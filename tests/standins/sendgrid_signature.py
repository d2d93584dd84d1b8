"""Signs events as SendGrid does, with a key of the tests."""

from __future__ import annotations

import base64
from datetime import datetime

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from channels.sendgrid_events import SIGNATURE, STAMP

_KEY = ec.derive_private_key(20_261_201, ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).decode()


def signed(body: bytes, at: datetime) -> dict[str, str]:
    """The headers of a request with this body, sent at this moment."""
    stamp = str(int(at.timestamp()))
    return {STAMP: stamp, SIGNATURE: base64.b64encode(_KEY.sign(stamp.encode() + body, ec.ECDSA(SHA256()))).decode()}
