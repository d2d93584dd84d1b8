"""Tokens: what was put in comes out, and nothing that was not made with the key."""

from __future__ import annotations

import base64
import hmac
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waves.errors import TokenError
from waves.tokens import LENGTH, Kind, make_token, read_ids, read_token

KEY = b"a key of a test and of nothing else"
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
IDS = st.integers(0, (1 << 48) - 1)
KINDS = st.sampled_from(Kind)


@given(KINDS, IDS)
def test_what_was_put_in_comes_out(kind: Kind, ident: int) -> None:
    token = make_token(KEY, kind, ident)
    assert re.fullmatch(r"[A-Z2-7]{20}", token)
    assert len(token) == LENGTH
    assert read_token(KEY, token) == read_token(KEY, f" {token.lower()}\r\n") == (kind, ident)


@given(KINDS, IDS, st.binary(min_size=1, max_size=200))
def test_the_check_is_an_hmac_of_the_rest(kind: Kind, ident: int, key: bytes) -> None:
    raw = base64.b32decode("AAAA" + make_token(key, kind, ident))[2:]  # 24 characters: 20 bits of nothing before it
    head, check = raw[-13:-6], raw[-6:]
    assert check == hmac.digest(key, head, "sha256")[:6]
    assert head == bytes([kind << 2]) + ident.to_bytes(6, "big")


@given(KINDS, st.lists(st.one_of(st.text(max_size=LENGTH + 1), st.tuples(KINDS, IDS))))
def test_many_are_read_as_one_is(kind: Kind, things: list[str | tuple[Kind, int]]) -> None:
    tokens = [thing if isinstance(thing, str) else make_token(KEY, *thing) for thing in things]
    wanted = [thing[1] if isinstance(thing, tuple) and thing[0] is kind else None for thing in things]
    assert read_ids(KEY, kind, tokens) == read_ids(KEY, kind, [f" {token.lower()}" for token in tokens]) == wanted


@given(KINDS, IDS, st.integers(0, LENGTH - 1), st.sampled_from(ALPHABET))
def test_one_changed_character_makes_no_token(kind: Kind, ident: int, place: int, letter: str) -> None:
    token = make_token(KEY, kind, ident)
    changed = token[:place] + letter + token[place + 1 :]
    if changed != token:
        with pytest.raises(TokenError):
            read_token(KEY, changed)


@given(KINDS, IDS, st.binary(min_size=1))
def test_another_key_makes_no_token(kind: Kind, ident: int, key: bytes) -> None:
    if key.rstrip(b"\0") != KEY:  # HMAC pads a short key with zeros
        with pytest.raises(TokenError, match="did not make"):
            read_token(key, make_token(KEY, kind, ident))


@given(st.lists(st.tuples(KINDS, IDS), unique=True, max_size=20))
def test_no_two_things_share_a_token(things: list[tuple[Kind, int]]) -> None:
    assert len({make_token(KEY, *thing) for thing in things}) == len(things)


@given(st.text())
def test_any_other_text_is_no_token(text: str) -> None:
    with pytest.raises(TokenError):
        read_token(KEY, text)


@pytest.mark.parametrize(
    "text", ["", "A" * 19, "A" * 21, "A" * 20, "0" * 20, "ABCDEFGHIJKLMNOPQRS=", "ß" * 10, "Ａ" * 20]
)
def test_almost_a_token(text: str) -> None:
    with pytest.raises(TokenError):
        read_token(KEY, text)


@pytest.mark.parametrize("ident", [-1, 1 << 48])
def test_an_id_too_big_is_refused(ident: int) -> None:
    with pytest.raises(TokenError, match="does not fit"):
        make_token(KEY, Kind.TOUCH, ident)


def test_tokens_stay_what_they_were() -> None:
    """Tokens are on paper and in other people's files: this one was made by the first release."""
    assert make_token(KEY, Kind.DIAL_ENTRY, 123_456_789) == "IAAAA5N42FMET4SG3CZV"
