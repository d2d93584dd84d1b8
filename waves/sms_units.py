"""How many SMS segments a text takes, which is what providers bill and limit."""

from __future__ import annotations

BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The GSM 7 bit default alphabet: 3GPP TS 23.038, 6.2.1."""
EXTENDED = frozenset("\f^{}\\[~]|€")
"""Its extension table, 6.2.1.1: an escape and a character, 14 bits, never parted between segments."""
ALPHABET = BASIC | EXTENDED
SEPTETS, OF_SEVERAL = 160, 153
"""Septets in a single message, and beside a concatenation header of 6 octets: 3GPP TS 23.040, 9.2.3.24.1."""
WIDE, WIDE_OF_SEVERAL = 70, 67
"""The same of UTF-16 code units (UCS-2), for any text with another character."""
IN_UNITS = frozenset({"sms"})
"""Channels whose messages are billed by their segments; on the others a message is one unit, however long it is."""


def units_of(channel: str, text: str) -> int:
    """What a message with this text counts as on its channel."""
    return sms_units(text) if channel in IN_UNITS else 1


def sms_units(text: str) -> int:
    """The segments of a text, at least one. National language shift tables are not counted on: few providers use them.

    A character of two septets, or two code units, that does not fit a segment begins the next.
    """
    used = set(text)
    if used <= BASIC:
        return 1 if len(text) <= SEPTETS else -(-len(text) // OF_SEVERAL)
    if used <= ALPHABET:
        return _segments([2 if character in EXTENDED else 1 for character in text], SEPTETS, OF_SEVERAL)
    return _segments([2 if ord(character) > 0xFFFF else 1 for character in text], WIDE, WIDE_OF_SEVERAL)


def foreign(text: str) -> list[str]:
    """The characters that force the whole text into UCS-2, each once, as they come."""
    return [character for character in dict.fromkeys(text) if character not in ALPHABET]


def _segments(widths: list[int], single: int, several: int) -> int:
    if sum(widths) <= single:
        return 1
    segments, used = 1, 0
    for width in widths:
        if used + width > several:
            segments, used = segments + 1, 0
        used += width
    return segments
