"""Which template speaks, what it makes of a customer, and what it refuses."""

from __future__ import annotations

import pytest

from config.templates import Templates, split_parts
from waves.errors import SendRefused

TEXTS = {
    "notice.sms.pt-br.j2": "br",
    "notice.sms.pt.j2": "pt",
    "notice.sms.en.j2": "en",
    "notice.sms.j2": "any",
    "notice.email.de.j2": "Subject: Hallo\n\nHallo",
    "notice.email.j2": "Subject: Hello {{ name | default('you') }}\n\nHi {{ name | default('you') }}\n",
    "other.sms.fr.j2": "fr",
}

LANGUAGES = [
    ("sms", "pt-br", "notice.sms.pt-br.j2"),
    ("sms", "PT_BR", "notice.sms.pt-br.j2"),
    ("sms", "pt-pt", "notice.sms.pt.j2"),
    ("sms", "uk", "notice.sms.en.j2"),
    ("sms", None, "notice.sms.en.j2"),
    ("sms", "", "notice.sms.en.j2"),
    ("email", "de-at", "notice.email.de.j2"),
    ("email", "en", "notice.email.j2"),
]


@pytest.mark.parametrize(("channel", "language", "expected"), LANGUAGES)
def test_exact_language_then_its_base_then_the_default_then_none(
    channel: str, language: str | None, expected: str
) -> None:
    assert Templates(TEXTS).choose("notice", channel, language) == expected


def test_the_default_language_is_a_setting() -> None:
    assert Templates(TEXTS, "pt-br").choose("notice", "sms", "uk") == "notice.sms.pt-br.j2"


def test_no_template_at_all_is_refused() -> None:
    with pytest.raises(SendRefused, match=r"no template other\.sms for this language"):
        Templates(TEXTS).choose("other", "sms", "uk")


def test_parts_come_by_lower_case_name() -> None:
    parts = Templates(TEXTS).render("notice", "email", "en", {"name": "Ada"})
    assert parts == {"subject": "Hello Ada", "body": "Hi Ada"}


PARTS = [
    ("Hi", [("body", "Hi", 1)]),
    ("Subject: a\nUrl: b\n\nHi\n", [("subject", "a", 1), ("url", "b", 2), ("body", "Hi\n", 4)]),
    ("Subject: a\r\n\r\nHi", [("subject", "a", 1), ("body", "Hi", 3)]),
    ("\ufeffSubject: a\n\nHi", [("subject", "a", 1), ("body", "Hi", 3)]),
    ("{# why #}\nSubject: a\n\nHi", [("subject", "a", 2), ("body", "Hi", 4)]),
    ("\nReminder: a\n\nHi", [("body", "\nReminder: a\n\nHi", 1)]),
    ("Reminder: a\nHi", [("body", "Reminder: a\nHi", 1)]),
    ("https://www.example.com\n\nHi", [("body", "https://www.example.com\n\nHi", 1)]),
]


@pytest.mark.parametrize(("text", "expected"), PARTS)
def test_the_header_ends_at_the_first_empty_line(text: str, expected: list[tuple[str, str, int]]) -> None:
    assert [(part.name, part.text, part.line) for part in split_parts(text)] == expected


def one(text: str, **values: object) -> str:
    return Templates({"m.sms.j2": text}).render("m", "sms", None, values)["body"]


RENDERED = [
    ("{{ name | default('you') }}", {"name": None}, "you"),
    ("{{ name | default('you') }}", {"name": ""}, "you"),
    ("{{ name | d('you') }}", {"name": "Ada"}, "Ada"),
    ("{{ count | default('none') }}", {"count": 0}, "0"),
    ("{% if name %}{{ name }}{% else %}friend{% endif %}", {"name": None}, "friend"),
    ("<b>{{ name }}</b>", {"name": "A & B"}, "<b>A & B</b>"),
    ("{{ name }}", {"name": "{{ token }}"}, "{{ token }}"),
]


@pytest.mark.parametrize(("text", "values", "expected"), RENDERED)
def test_a_missing_value_can_be_tested_and_given_a_default(text: str, values: dict[str, object], expected: str) -> None:
    assert one(text, **values) == expected


REFUSED = [
    ("Dear {{ name }}", {"name": None}, "prints a value that this customer does not have"),
    ("{{ nobody }}", {}, "UndefinedError"),
    ("{{ name.__class__.__mro__ }}", {"name": "Ada Secret"}, "SecurityError"),
    ("{{ name + 5 }}", {"name": "Ada Secret"}, "TypeError"),
    ("{{ 1 / count }}", {"count": 0}, "ZeroDivisionError"),
    ("{{ name.index('z') }}", {"name": "Ada Secret"}, "ValueError"),
    ("{{ name | shout }}", {"name": "Ada Secret"}, "does not parse"),
    ("{% if name == 'x' %}x{% endif %}", {"name": "Ada Secret"}, "the text came out empty"),
]


@pytest.mark.parametrize(("text", "values", "said"), REFUSED)
def test_what_cannot_be_rendered_is_refused_without_a_word_of_the_person(
    text: str, values: dict[str, object], said: str
) -> None:
    with pytest.raises(SendRefused, match=said) as caught:
        one(text, **values)
    assert "Secret" not in str(caught.value)


def test_a_name_cannot_start_a_header_of_its_own() -> None:
    texts = {"m.email.j2": "Subject: Hi {{ name }}\n\nx"}
    parts = Templates(texts).render("m", "email", "en", {"name": "Ada\r\nBcc: all@example.com"})
    assert parts["subject"] == "Hi Ada Bcc: all@example.com"


def test_variables_are_those_read_from_outside() -> None:
    texts = {"m.email.j2": "Subject: {{ a }}\n\n{% for x in b %}{{ x }}{{ range }}{% endfor %}{% set c = d %}{{ c }}"}
    assert Templates(texts).variables("m.email.j2") == {"a", "b", "d", "range"}


def test_a_part_is_written_once_for_a_wave_only_when_it_is_the_same_for_all() -> None:
    texts = {"m.email.j2": "Subject: {{ title }} of {{ wave }}\nReply-To: {{ name | title }}\n\n{{ campaign.upper() }}"}
    templates = Templates(texts)

    def shown(name: str, wave: str, campaign: str = "c") -> list[str]:
        values = {"title": "News", "campaign": campaign, "wave": wave, "name": name}
        return list(templates.render("m", "email", None, values).values())

    assert shown("ada", "one") == ["News of one", "Ada", "C"]
    assert shown("bob", "one") == ["News of one", "Bob", "C"]
    assert shown("bob", "two", "d") == ["News of two", "Bob", "D"]
    assert [key[1] for key in templates._written] == ["subject", "subject"]


def test_what_is_the_same_for_all_is_refused_when_it_is_missing_all_the_same() -> None:
    templates = Templates({"m.sms.j2": "{{ title }}"})
    for _ in range(2):
        with pytest.raises(SendRefused, match="prints a value"):
            templates.render("m", "sms", None, {"title": None})


def test_a_message_names_what_any_of_its_languages_reads() -> None:
    texts = {"m.sms.en.j2": "{{ a }}", "m.sms.de.j2": "{{ b }}", "m.sms.fr.j2": "{{", "m.email.j2": "{{ c }}"}
    assert Templates(texts).named("m", "sms") == {"a", "b"}
