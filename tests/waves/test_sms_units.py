"""SMS segments of texts, at the edges."""

from __future__ import annotations

import pytest

from waves.sms_units import sms_units

A, EURO, CYRILLIC, EMOJI = "a", "€", "ж", "😀"


@pytest.mark.parametrize(
    ("text", "units"),
    [
        ("", 1),
        (A * 160, 1),
        (A * 161, 2),
        (A * 306, 2),
        (A * 307, 3),
        (A * 459, 3),
        (A * 460, 4),
        (EURO * 80, 1),  # two septets each
        (EURO * 81, 2),
        (EURO * 152, 2),  # 76 a segment: none is parted
        (EURO * 153, 3),
        (A * 152 + EURO + A * 7, 2),
        (CYRILLIC * 70, 1),
        (CYRILLIC * 71, 2),
        (CYRILLIC * 134, 2),
        (CYRILLIC * 135, 3),
        (EMOJI * 35, 1),  # two code units each
        (EMOJI * 36, 2),
        (EMOJI * 66, 2),  # 33 a segment
        (EMOJI * 67, 3),
        (A * 69 + CYRILLIC, 1),
        (A * 70 + CYRILLIC, 2),
        ("ç" + A * 69, 1),  # of the national alphabets alone
        ("ç" + A * 70, 2),
        ("Grüße, señor Ångström @ 10 £ [a] {b}\r\n", 1),
    ],
)
def test_segments(text: str, units: int) -> None:
    assert sms_units(text) == units
