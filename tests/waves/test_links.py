"""Short links: one or two characters behind the token, nothing else is one; where they may lead."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from waves.errors import TokenError
from waves.links import MOST, destination, is_destination, link_code, read_link
from waves.tokens import LENGTH, Kind, make_token

TOKEN = make_token(b"k" * 16, Kind.TOUCH, 12345)


@given(st.integers(0, MOST - 1))
def test_a_link_is_read_back(number: int) -> None:
    code = link_code(TOKEN, number)
    assert len(code) == LENGTH + (1 if number < 32 else 2)
    assert read_link(code) == read_link(f" {code.lower()} ") == (TOKEN, number)


@pytest.mark.parametrize("code", ["", "A", TOKEN, f"{TOKEN}AAA", f"{TOKEN}1", f"{TOKEN}/", f"{TOKEN}é", f"{TOKEN}77"])
def test_nothing_else_is_a_link(code: str) -> None:
    with pytest.raises(TokenError):
        read_link(code)


@pytest.mark.parametrize("number", [-1, MOST])
def test_no_message_has_so_many(number: int) -> None:
    with pytest.raises(TokenError):
        link_code(TOKEN, number)


@pytest.mark.parametrize(
    ("url", "may"),
    [
        ("https://shop.example.com", True),
        ("https://shop.example.com/renew?a=1&t={token}#top", True),
        ("https://shop.example.com:8443/renew", True),
        ("http://shop.example.com/", False),
        ("//shop.example.com/", False),
        ("javascript:alert(1)", False),
        ("https://user:secret@shop.example.com/", False),
        ("https://{token}.example.com/", False),
        ("https://shop.example.com/{name}", False),
        ("https://shop.example.com/a b", False),
        ("https://shop.example.com/\r\nSet-Cookie: a=b", False),
        ("https://shop.example.com\\@evil.example.net/", False),
        ("https://shop.example.com@evil.example.net/", False),
        ("https://магазин.example.com/", False),
        ("https://shop.example.com/" + "a" * 2000, False),
    ],
)
def test_where_a_link_may_lead(url: str, may: bool) -> None:
    assert is_destination(url) is may


def test_a_destination_has_the_token_where_it_asks_for_it() -> None:
    assert destination("https://shop.example.com/?t={token}", TOKEN) == f"https://shop.example.com/?t={TOKEN}"
