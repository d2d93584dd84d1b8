"""Whose requests are a machine's: what says so itself, and nothing else."""

from __future__ import annotations

import pytest

from channels.robots import robot

PHONE = "Mozilla/5.0 (Linux; Android 13; {}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Mobile Safari/537.36"


@pytest.mark.parametrize(
    ("method", "headers", "why"),
    [
        ("GET", {"user-agent": PHONE.format("Pixel 7")}, None),
        ("GET", {"user-agent": PHONE.format("CUBOT X50")}, None),
        ("GET", {"user-agent": "Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)"}, "agent"),
        ("GET", {"user-agent": PHONE.format("CUBOT X50") + " (compatible; AdsBot-Google-Mobile)"}, "agent"),
        ("GET", {"user-agent": "facebookexternalhit/1.1"}, "agent"),
        ("GET", {"user-agent": " "}, "agent"),
        ("GET", {}, "agent"),
        ("HEAD", {"user-agent": PHONE.format("Pixel 7")}, "head"),
        ("GET", {"user-agent": PHONE.format("Pixel 7"), "sec-purpose": "prefetch;prerender"}, "prefetch"),
        ("GET", {"user-agent": PHONE.format("Pixel 7"), "x-moz": "Prefetch"}, "prefetch"),
    ],
)
def test_a_machine_says_so_itself(method: str, headers: dict[str, str], why: str | None) -> None:
    assert robot(method, headers) == why
