"""Encryption and signature of a push: the vector of RFC 8291, and pywebpush's own libraries as the other side."""

from __future__ import annotations

import json
import os

import http_ece
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from py_vapid import Vapid02

from channels.webpush_crypto import CURVE, MOST_PLAIN, VAPID_FOR_S, VAPID_KEPT_S, Vapid, encrypt, public_text, topic_of
from channels.webpush_keys import KEY_FILE, key_in, make_key, read_key
from waves.errors import SendRefused
from waves.subscriptions import from_unpadded, is_on_curve, unpadded

PLAIN = b"When I grow up, I want to be a watermelon"
SENDER = "yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"
RECEIVER = "BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"
AUTH, SALT = "BTBZMqHH6r4Tts7J_aSIgg", "DGv6ra1nlYgDCS1FRnbzlw"
BODY = (
    "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
    "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
)
"""RFC 8291, section 5."""


def private(text: str) -> ec.EllipticCurvePrivateKey:
    return ec.derive_private_key(int.from_bytes(from_unpadded(text), "big"), CURVE)


def test_the_vector_of_rfc_8291() -> None:
    made = encrypt(PLAIN, from_unpadded(RECEIVER), from_unpadded(AUTH), private(SENDER), from_unpadded(SALT))
    assert len(made) == 144
    assert unpadded(made) == BODY


@pytest.mark.parametrize("plain", [b"", b"x", '{"title":"Привіт 你好"}'.encode(), os.urandom(MOST_PLAIN)])
def test_the_library_of_pywebpush_decrypts_what_we_encrypt(plain: bytes) -> None:
    browser, auth = ec.generate_private_key(CURVE), os.urandom(16)
    made = encrypt(plain, from_unpadded(public_text(browser)), auth)
    assert http_ece.decrypt(made, private_key=browser, auth_secret=auth, version="aes128gcm") == plain
    assert len(made) <= 4096


def test_a_new_key_and_salt_each_time() -> None:
    one, two = (encrypt(PLAIN, from_unpadded(RECEIVER), from_unpadded(AUTH)) for _ in range(2))
    assert one[:16] != two[:16]
    assert one[21:86] != two[21:86]


def test_what_fits_no_record_is_refused() -> None:
    with pytest.raises(ValueError, match="3993"):
        encrypt(b"x" * (MOST_PLAIN + 1), from_unpadded(RECEIVER), from_unpadded(AUTH))


@pytest.mark.parametrize(
    ("point", "is_one"),
    [
        (from_unpadded(RECEIVER), True),
        (from_unpadded(RECEIVER)[:-1] + b"\0", False),
        (from_unpadded(RECEIVER)[:64], False),
        (b"\2" + from_unpadded(RECEIVER)[1:], False),
        (b"\4" + bytes(64), False),
        (b"\4" + b"\xff" * 64, False),
    ],
)
def test_our_own_arithmetic_tells_a_point_of_the_curve_as_openssl_does(point: bytes, is_one: bool) -> None:
    assert is_on_curve(point) is is_one
    if not is_one:
        with pytest.raises(ValueError, match=r"."):
            ec.EllipticCurvePublicKey.from_encoded_point(CURVE, point[:1].replace(b"\2", b"\4") + point[1:] + b"\0")


def test_py_vapid_verifies_our_signature_and_we_make_it_anew_each_half_day() -> None:
    key = ec.generate_private_key(CURVE)
    vapid = Vapid(key, "mailto:ops@example.com")
    first = vapid.header("https://fcm.googleapis.com", 1_800_000_000.0)
    assert Vapid02.verify(first)
    claims = json.loads(from_unpadded(first.split(".")[1]))
    assert claims == {
        "aud": "https://fcm.googleapis.com",
        "exp": 1_800_000_000 + VAPID_FOR_S,
        "sub": "mailto:ops@example.com",
    }
    assert first.endswith(f",k={public_text(key)}")
    kept, renewed = (
        vapid.header("https://fcm.googleapis.com", 1_800_000_000 + s) for s in (VAPID_KEPT_S - 1, VAPID_KEPT_S)
    )
    assert kept is first
    assert renewed != first
    assert vapid.header("https://web.push.apple.com", 1_800_000_000.0) != first
    assert vapid.header("https://fcm.googleapis.com", 1_700_000_000.0) != first  # the clock was set back


def test_a_topic_is_what_a_push_service_takes_and_tells_nothing() -> None:
    topic = topic_of("autumn-renewal")
    assert len(topic) == 32
    assert from_unpadded(topic)
    assert topic != topic_of("autumn-renewal-2")


def test_the_key_file_is_its_owners_alone_and_is_never_overwritten(tmp_path) -> None:
    path = tmp_path / KEY_FILE
    assert make_key(path)
    before = path.read_bytes()
    assert not make_key(path)
    assert path.read_bytes() == before
    assert path.stat().st_mode & 0o777 == 0o600
    raw = unpadded(read_key(path).private_numbers().private_value.to_bytes(32, "big"))
    for value in (before.decode(), before.decode().replace("\n", "\\n"), raw):
        assert public_text(key_in({"KEY": value}, "KEY")) == public_text(read_key(path))


@pytest.mark.parametrize(("content", "said"), [(None, "multiwave keys"), (b"no key", "holds no private key")])
def test_a_key_that_is_missing_or_none_is_told(tmp_path, content, said) -> None:
    path = tmp_path / KEY_FILE
    if content:
        path.write_bytes(content)
    with pytest.raises(SendRefused, match=said):
        read_key(path)
    with pytest.raises(SendRefused, match="KEY"):
        key_in({"KEY": "short"} if content else {}, "KEY")
