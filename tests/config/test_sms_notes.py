"""What `check` says of text messages that are dear already: the characters, the segments, on their lines."""

from __future__ import annotations

import pytest

from config.sms_notes import sms_notes
from waves.errors import Problem

A = "a"
LINK = "https://www.example.com/{{ token }}"


def notes(text: str, file: str = "hello.sms.en.j2") -> list[tuple[int, str]]:
    found = sms_notes("templates", {file: text})
    assert {note.file for note in found} <= {f"templates/{file}"}
    return [(note.line, note.message) for note in found]


@pytest.mark.parametrize(
    "text",
    [
        "Hello {{ name }}, Grüße. STOP",
        A * 160,
        A * 160 + "{% if age %}" + A * 160 + "{% endif %}",  # who has no age gets one segment
        "Hi {{ name | default('зміст') }}",  # of a value, not of the text
        "Hello {{ name",  # `check` has said that it does not parse
        "{# not sent: ’ #}Hello",
    ],
)
def test_nothing_is_said_of_a_text_that_fits(text: str) -> None:
    assert notes(text) == []


GSM = "not in the GSM alphabet, so a segment holds 70 characters, not 160"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("Hello\nit’s time", [(2, f"’ (U+2019) is {GSM}; write ' for U+2019")]),
        (
            "“Now” – or never",
            [(1, f'“ (U+201C), ” (U+201D), – (U+2013) are {GSM}; write " for U+201C, " for U+201D, - for U+2013')],
        ),
        ("Hi\u00a0you", [(1, f"a blank (U+00A0) is {GSM}; write a space for U+00A0")]),
        (f"{{# a comment\n of two lines #}}\nПривіт {LINK}", [(3, None)]),
        ("Hello {% if age %}\n✓{% endif %}", [(2, f"✓ (U+2713) is {GSM}")]),
        (A * 161, [(1, "the fixed text alone takes 2 segments: 160 characters are one, and of several 153 each")]),
        ("ж" * 71, [(1, "the fixed text alone takes 2 segments: 70 characters are one"), (1, "ж (U+0436) is")]),
        ("абвгґд", [(1, "а (U+0430), б (U+0431), в (U+0432), г (U+0433), ґ (U+0491) and 1 others are")]),
    ],
)
def test_a_note_names_what_it_is_that_costs(text: str, said: list[tuple[int, str | None]]) -> None:
    found = notes(text)
    assert [line for line, _ in found] == [line for line, _ in said]
    for (_, message), (_, begins) in zip(found, said, strict=True):
        assert message.startswith(begins or "П (U+041F)")


def test_other_channels_are_not_counted() -> None:
    assert notes("Subject: Ж\n\n" + "ж" * 500, "hello.email.j2") == []


def test_notes_come_by_file_and_line() -> None:
    texts = {"b.sms.j2": "’", "a.sms.j2": "x\n’"}
    assert [str(note).partition(":")[0] for note in sms_notes("t", texts)] == ["t/a.sms.j2", "t/b.sms.j2"]
    assert isinstance(sms_notes("t", texts)[0], Problem)
