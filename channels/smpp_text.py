"""A text to the octets of short messages, and back: the GSM alphabet (3GPP TS 23.038) or UCS-2, in one part or more.

The parts are those that waves.sms_units counts: a character of two septets or two code units is never parted.
"""

from __future__ import annotations

import zlib
from typing import NamedTuple

from waves.sms_units import OF_SEVERAL, SEPTETS, WIDE, WIDE_OF_SEVERAL

ALPHABET = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
"""The default alphabet (6.2.1) by its codes, one an octet: centres pack the septets themselves."""
ESCAPE = 0x1B
EXTENSION = dict(zip(b"\x0a\x14\x28\x29\x2f\x3c\x3d\x3e\x40\x65", "\f^{}\\[~]|€", strict=True))
"""What stands behind an escape (6.2.1.1)."""
SEPTETS_OF = {character: bytes((code,)) for code, character in enumerate(ALPHABET) if code != ESCAPE} | {
    character: bytes((ESCAPE, code)) for code, character in EXTENSION.items()
}
GSM, ASCII, LATIN, UCS2 = 0, 1, 3, 8
"""Data codings (SMPP 5.2.19)."""
MOST_PARTS = 255
LONGEST_PAYLOAD = 64_000


class TooLong(ValueError):
    """A text of more parts than a header can number."""


class Part(NamedTuple):
    """The content of one submit_sm."""

    coding: int
    content: bytes
    with_header: bool = False


def parts_of(text: str, token: str) -> list[Part]:
    """The text in as many parts as it takes, each with its header where there are several.

    UnicodeEncodeError for half a surrogate pair, TooLong beyond 255 parts. The parts of one text share a number made
    from its token: a phone puts together what comes from one sender under one number.
    """
    coding, characters = _written(text)
    single, several = (SEPTETS, OF_SEVERAL) if coding == GSM else (2 * WIDE, 2 * WIDE_OF_SEVERAL)
    whole = b"".join(characters)
    if len(whole) <= single:
        return [Part(coding, whole)]
    pieces, piece = list[bytes](), b""
    for character in characters:
        if len(piece) + len(character) > several:
            pieces.append(piece)
            piece = b""
        piece += character
    pieces.append(piece)
    if len(pieces) > MOST_PARTS:
        raise TooLong("more parts than a message may have")
    number = zlib.crc32(token.encode()) & 0xFF
    heads = [bytes((5, 0, 3, number, len(pieces), place + 1)) for place in range(len(pieces))]  # TS 23.040, 9.2.3.24.1
    return [Part(coding, head + content, True) for head, content in zip(heads, pieces, strict=True)]


def payload_of(text: str) -> Part:
    """The text as one part of any length, for message_payload; TooLong beyond what that takes."""
    coding, characters = _written(text)
    content = b"".join(characters)
    if len(content) > LONGEST_PAYLOAD:
        raise TooLong("longer than a message may be")
    return Part(coding, content)


def _written(text: str) -> tuple[int, list[bytes]]:
    """The coding, and the octets of each character."""
    try:
        return GSM, [SEPTETS_OF[character] for character in text]
    except KeyError:
        return UCS2, [character.encode("utf-16-be") for character in text]


def text_of(content: bytes, coding: int) -> str:
    """What a person wrote; octets that stand for nothing become U+FFFD, and binary content is no text at all."""
    if coding & 0xF0 == 0xF0:  # message class groups (TS 23.038, 4): bit 2 says 8-bit
        coding = 4 if coding & 0x04 else GSM
    elif 0x10 <= coding < 0x40:
        coding = {0: GSM, 1: 4, 2: UCS2}.get((coding >> 2) & 3, GSM)
    if coding == UCS2:
        return content.decode("utf-16-be", "replace")
    if coding in (ASCII, LATIN):
        return content.decode("latin-1")
    return _from_septets(content) if coding == GSM else ""


def _from_septets(content: bytes) -> str:
    text, escaped = list[str](), False
    for code in content:
        if code == ESCAPE and not escaped:
            escaped = True
            continue
        known = ALPHABET[code] if code < len(ALPHABET) else "\ufffd"
        # A code that the extension table does not have is shown as that of the default alphabet (6.2.1.1).
        text.append(EXTENSION.get(code, known) if escaped else known)
        escaped = False
    return "".join(text).replace("\x1b", " ")


def without_header(content: bytes) -> tuple[bytes, tuple[int, int, int] | None]:
    """The content behind its user data header, and (number, parts, place) where the header says it is one of several.

    A header that does not fit is left where it is.
    """
    if not content or content[0] >= len(content):
        return content, None
    header, at, found = content[1 : 1 + content[0]], 0, None
    while at + 2 <= len(header):
        kind, length = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + length]
        if kind == 0 and len(value) == 3:
            found = value[0], value[1], value[2]
        elif kind == 8 and len(value) == 4:
            found = value[0] << 8 | value[1], value[2], value[3]
        at += 2 + length
    return content[1 + content[0] :], found
