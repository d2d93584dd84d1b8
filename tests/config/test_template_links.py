"""`link` and `unsubscribe` in templates: what check refuses and where, and what they become."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config.loading import check_plan
from config.templates import Templates
from waves.message import Capabilities

Edit = Callable[[str, str, str], None]
SMS = "templates/renewal_notice.sms.en.j2"
GOOD = '{{ link("https://shop.example.com/renew?t={token}") }}'
TAKES = f"{SMS}:2: link takes one constant text; write ..."
NONE = f"{SMS}:2: this is no https address to link to; write ..."
OWN = f"{SMS}:2: link is a word of its own; write ..."
CASES = [
    (GOOD, []),
    ('{% if vip %}{{ link("https://a.example.com") }}{% endif %}', []),
    ("{{ link(name) }}", [TAKES]),
    ('{{ link("https://a.example.com/" ~ name) }}', [TAKES]),
    ('{{ link("https://a.example.com", 1) }}', [TAKES]),
    ('{{ link(url="https://a.example.com") }}', [TAKES]),
    ("{{ link() }}", [TAKES]),
    ('{{ link("http://a.example.com") }}', [NONE]),
    ('{{ link("https://a.example.com/{name}") }}', [NONE]),
    ('{{ link("javascript:alert(1)") }}', [NONE]),
    ("{{ link }}", [OWN]),
    ('{% set link = "a" %}', [OWN]),
    ('{% for link in name %}{% endfor %}{{ "a" | upper }}', [OWN]),
    ("{{ unsubscribe }}", []),
    ("{{ unsubscribe }}\n{{ none }}", [f"{SMS}:3: it prints `none`, which no message can; write ..."]),
]


@pytest.mark.parametrize(("text", "expected"), CASES)
def test_check_reads_the_links_of_a_template(
    edit: Edit, check: Callable[[list[str]], None], text: str, expected: list[str]
) -> None:
    edit(SMS, "Hi {{ name }}\n", f"Hi {{{{ name }}}}\n{text}\n")
    check(expected)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [("Bye {{ unsubscribe }}", True), ("{% if unsubscribe %}Bye {{ unsubscribe }}{% endif %}", False), (GOOD, False)],
)
def test_a_page_without_an_address_is_said(
    edit: Edit, config_dir: Path, capabilities: dict[str, Capabilities], text: str, wrong: bool
) -> None:
    edit(SMS, "Hi {{ name }}\n", f"Hi {{{{ name }}}}\n{text}\n")
    found = check_plan(config_dir / "plans" / "autumn.yaml", config_dir, capabilities, has_pages=False)
    said = [str(problem).replace(f"{config_dir}/", "") for problem in found]
    wanted = "`unsubscribe` has no page to lead to; set MULTIWAVE_PUBLIC_URL, the address of `multiwave serve`"
    assert said == ([f"{SMS}:2: {wanted}"] if wrong else [])


def test_links_are_numbered_over_all_languages_of_a_message() -> None:
    texts = {
        "m.sms.en.j2": '{{ link("https://a.example.com") }} {{ link("https://b.example.com") }}',
        "m.sms.uk.j2": '{{ link("https://a.example.com/uk") }} {{ link("https://b.example.com") }}',
        "m.web_push.j2": 'Title: t\nUrl: {{ link("https://p.example.com") }}\n\nx {{ link("https://a.example.com") }}',
        "n.sms.j2": "none",
    }
    templates = Templates(texts)
    hosts = ("https://a.example.com", "https://b.example.com", "https://a.example.com/uk")
    assert templates.links("m", "sms") == hosts
    assert templates.links("m", "web_push") == ("https://p.example.com", "https://a.example.com")
    assert templates.links("n", "sms") == templates.links("m", "email") == ()
