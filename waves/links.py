"""Short links of our own: a message's token and the number of the link in it, in one word of 21 or 22 characters."""

from __future__ import annotations

import re

from waves.errors import TokenError
from waves.tokens import DIGITS, LENGTH

MOST = len(DIGITS) ** 2
"""Links that one message may have, over all its languages."""
TOKEN = "{token}"
"""What stands in a destination for the token of the message."""
DESTINATION = re.compile(r"https://[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::\d{1,5})?(?:[/?#][!-~]*)?")
"""An https address in plain ASCII: no user, no password, nothing that another header could begin with."""


def link_code(token: str, number: int) -> str:
    """The word of link `number` (from 0) in the message with this token: one character more, or two from 32 on."""
    if not 0 <= number < MOST:
        raise TokenError(f"a message has at most {MOST} links")
    high, low = divmod(number, len(DIGITS))
    return token + (DIGITS[high - 1] if high else "") + DIGITS[low]


def read_link(code: str) -> tuple[str, int]:
    """Token and number of such a word, case forgiven; TokenError for anything else. The token is not verified yet."""
    text = code.strip().upper()
    rest = text[LENGTH:]
    if not 1 <= len(rest) <= 2 or any(digit not in DIGITS for digit in text):
        raise TokenError("not a link of ours: a token and one or two letters or digits are expected")
    number = DIGITS.index(rest[-1]) + (len(DIGITS) * (DIGITS.index(rest[0]) + 1) if len(rest) == 2 else 0)
    if number >= MOST:
        raise TokenError("not a link of ours: no message has so many")
    return text[:LENGTH], number


def destination(url: str, token: str) -> str:
    """Where a link leads: its constant address, with the message's token where that asks for it."""
    return url.replace(TOKEN, token)


def is_destination(url: str) -> bool:
    """Whether an address may be linked to: https, plain, braces only as {token} behind the host."""
    return len(url) <= 2000 and bool(DESTINATION.fullmatch(url)) and not set("{}") & set(url.replace(TOKEN, ""))
