"""Texts to octets and back: what a phone shows is what was written, in exactly the parts that are billed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.smpp_text import (
    ALPHABET,
    ASCII,
    GSM,
    LATIN,
    UCS2,
    Part,
    TooLong,
    parts_of,
    payload_of,
    text_of,
    without_header,
)
from waves.sms_units import BASIC, EXTENDED, sms_units

TEXTS = {
    "plain": ("Hello", GSM, b"Hello"),
    "nothing": ("", GSM, b""),
    "at and euro": ("@ 5€", GSM, b"\x00 5\x1be"),
    "extension": ("[a]{b}\\~^|\f", GSM, b"\x1b<a\x1b>\x1b(b\x1b)\x1b/\x1b=\x1b\x14\x1b@\x1b\x0a"),
    "section sign": ("§1", GSM, b"\x5f1"),
    "Greek capitals": ("ΔΩ", GSM, b"\x10\x15"),
    "German": ("Grüße", GSM, b"Gr\x7e\x1ee"),
    "a backquote is not of the alphabet": ("`", UCS2, b"\x00`"),
    "Ukrainian": ("Так", UCS2, "Так".encode("utf-16-be")),
    "Chinese": ("中文", UCS2, b"\x4e\x2d\x65\x87"),
    "an emoji": ("😀", UCS2, b"\xd8\x3d\xde\x00"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_a_short_text_is_one_part_and_reads_back(name: str) -> None:
    text, coding, content = TEXTS[name]
    assert parts_of(text, "token") == [Part(coding, content)]
    assert payload_of(text) == Part(coding, content)
    assert text_of(content, coding) == text


def test_the_alphabet_is_the_one_that_units_are_counted_by() -> None:
    assert set(ALPHABET) - {"\x1b"} == BASIC
    assert all(parts_of(character, "t")[0].coding == GSM for character in BASIC | EXTENDED)


LENGTHS = {
    "160 plain": ("a" * 160, [160]),
    "161 plain": ("a" * 161, [153, 8]),
    "80 of two septets": ("€" * 80, [160]),
    "a pair at the edge is not parted": ("a" * 152 + "€" * 10, [152, 20]),
    "70 wide": ("中" * 70, [140]),
    "71 wide": ("中" * 71, [134, 8]),
    "an emoji at the edge is not parted": ("中" * 66 + "😀" * 3, [132, 12]),
}


@pytest.mark.parametrize("name", LENGTHS)
def test_a_long_text_is_parted_between_characters(name: str) -> None:
    text, lengths = LENGTHS[name]
    parts = parts_of(text, "token")
    several = len(parts) > 1
    pieces = [without_header(part.content) if part.with_header else (part.content, None) for part in parts]
    assert [len(content) for content, _ in pieces] == lengths
    assert "".join(text_of(content, parts[0].coding) for content, _ in pieces) == text
    assert all(part.with_header is several for part in parts)
    if several:
        numbers = {piece[0] for _, piece in pieces if piece}
        assert [piece[1:] for _, piece in pieces if piece] == [(len(parts), n + 1) for n in range(len(parts))]
        assert len(numbers) == 1


@given(st.text(st.characters(codec="utf-8"), max_size=400))
def test_every_text_is_sent_in_as_many_parts_as_are_billed_and_reads_back(text: str) -> None:
    parts = parts_of(text, "token")
    assert len(parts) == sms_units(text)
    assert all(len(part.content) <= (160 if part.coding == GSM else 140) for part in parts)
    whole = b"".join(without_header(part.content)[0] if part.with_header else part.content for part in parts)
    assert text_of(whole, parts[0].coding) == text


def test_what_no_message_can_carry_is_refused() -> None:
    with pytest.raises(UnicodeEncodeError):
        parts_of("half a pair \ud83d", "token")
    with pytest.raises(TooLong):
        parts_of("a" * (255 * 153 + 1), "token")
    with pytest.raises(TooLong):
        payload_of("中" * 32_001)


READ = {
    "ASCII": (b"STOP [1]", ASCII, "STOP [1]"),
    "Latin-1": (b"Gr\xfc\xdfe", LATIN, "Grüße"),
    "class 0, default alphabet": (b"\x00", 0xF0, "@"),
    "class 0, 8 bit": (b"\x01\x02", 0xF4, ""),
    "general group, UCS-2": (b"\x4e\x2d", 0x18, "中"),
    "general group, default alphabet": (b"\x00", 0x10, "@"),
    "binary": (b"\x01\x02", 4, ""),
    "an escape at the end": (b"a\x1b", GSM, "a"),
    "an escape before what it does not know": (b"\x1ba", GSM, "a"),
    "two escapes": (b"\x1b\x1ba", GSM, " a"),
    "an octet beyond the alphabet": (b"a\xff", GSM, "a\ufffd"),
    "half a UCS-2 character": (b"\x4e\x2d\x65", UCS2, "中\ufffd"),
}


@pytest.mark.parametrize("name", READ)
def test_what_came_is_read_by_its_coding(name: str) -> None:
    content, coding, text = READ[name]
    assert text_of(content, coding) == text


HEADERS = {
    "one octet of number": (b"\x05\x00\x03\x07\x03\x02Hi", (b"Hi", (7, 3, 2))),
    "two octets of number": (b"\x06\x08\x04\x01\x07\x03\x02Hi", (b"Hi", (263, 3, 2))),
    "another element first": (b"\x09\x24\x01\x01\x00\x03\x07\x02\x01\x00Hi", (b"Hi", (7, 2, 1))),
    "nothing of concatenation": (b"\x03\x24\x01\x01Hi", (b"Hi", None)),
    "longer than the message": (b"\x09\x00\x03", (b"\x09\x00\x03", None)),
    "nothing": (b"", (b"", None)),
}


@pytest.mark.parametrize("name", HEADERS)
def test_a_header_is_taken_off(name: str) -> None:
    content, found = HEADERS[name]
    assert without_header(content) == found
