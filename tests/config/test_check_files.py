"""Broken files around a plan, and the lines that `check` prints for them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.loading import check_plan
from config.yaml_lines import parse_document
from waves.errors import PlanError
from waves.message import Capabilities

PUSH, SMS, EMAIL = (
    "templates/renewal_notice.web_push.en.j2",
    "templates/renewal_notice.sms.en.j2",
    "templates/renewal_notice.email.j2",
)
SEGMENT, HOURS, CUSTOMERS = "segments/renewal_due.yaml", "rules/hours.yaml", "customers.yaml"
PLAN = "plans/autumn.yaml"

CASES: dict[str, tuple[str, str | bytes, list[str]]] = {
    "unknown variable": (
        SMS,
        "Hi {{ name }}\n{{ plan_nam }}",
        [f"{SMS}:2: there is no variable plan_nam; write plan_name"],
    ),
    "unknown in a header": (PUSH, "Title: {{ tilte }}\n\nHi", [f"{PUSH}:1: there is no variable tilte; write title"]),
    "unknown in the body below a header": (
        EMAIL,
        "{# two\nlines #}\nSubject: Hi\n\nDear {{ name }},\n{% if vipp %}x{% endif %}",
        [f"{EMAIL}:6: there is no variable vipp; write vip"],
    ),
    "the key is not offered": (SMS, "{{ customer_id }}", [f"{SMS}:1: there is no variable customer_id; write ..."]),
    "no loops over jinja's own": (SMS, "{{ range(9) }}", [f"{SMS}:1: there is no variable range; write ..."]),
    "does not parse": (SMS, "Hi\n{% if name %}\nx", [f"{SMS}:...: the template does not parse: ..."]),
    "unknown filter": (
        SMS,
        "Hi\n{{ name | shout }}",
        [f"{SMS}:2: the template does not parse: No filter named 'shout'..."],
    ),
    "reads a file": (SMS, "{% include 'x' %}", [f"{SMS}:1: include reads another file; write the text here"]),
    "unknown attribute": (SMS, "Hi\n{{ contract_end.yeer }}", [f"{SMS}:2: the template cannot run: ...'yeer'"]),
    "out of the sandbox": (SMS, "{{ name.__class__ }}", [f"{SMS}:1: the template cannot run: ...unsafe."]),
    "number with word": (SMS, "{{ value + 'x' }}", [f"{SMS}:1: the template cannot run: ..."]),
    "no subject": (EMAIL, "Hello", [f"{EMAIL}:1: Subject is missing; ..."]),
    "no title": (PUSH, "Url: x\n\nHello", [f"{PUSH}:1: Title is missing; ..."]),
    "unknown header": (
        EMAIL,
        "Subject: x\nSubjekt: y\n\nHello",
        [f"{EMAIL}:2: Subjekt: is no header of email; write Subject ..."],
    ),
    "header on a channel without": (
        SMS,
        "Hello: you\n\nThere",
        [f"{SMS}:1: Hello: is no header of sms; delete it ..."],
    ),
    "header twice": (EMAIL, "Subject: x\nsubject: y\n\nHello", [f"{EMAIL}:2: Subject: is written twice; keep one"]),
    "empty header": (EMAIL, "Subject:\n\nHello", [f"{EMAIL}:1: Subject: is empty; ..."]),
    "no text": (EMAIL, "Subject: x\n\n", [f"{EMAIL}:1: there is no text; write it after the header and an empty line"]),
    "template in latin-1": (SMS, "Hi\nJos\xe9".encode("latin-1"), [f"{SMS}:2: not UTF-8 text (byte 0xe9); ..."]),
    "segment in latin-1": (SEGMENT, b"segment: \xe9", [f"{SEGMENT}:1: not UTF-8 text ..."]),
    "plan in utf-16": (
        PLAN,
        "campaign: x".encode("utf-16"),
        [f"{PLAN}:1: not UTF-8 text (byte 0xff); save the file as UTF-8"],
    ),
    "empty plan": (PLAN, "", [f"{PLAN}:1: the file is empty; write lines such as `key: value`"]),
    "plan is a list": (PLAN, "- a", [f"{PLAN}:1: the file is not made of keys; write lines such as `key: value`"]),
    "segment of another name": (
        SEGMENT,
        "segment: renewal\ntitle: x\nwhere: age > 1",
        [f"{SEGMENT}:1: the segment is called renewal in a file named renewal_due.yaml; write segment: renewal_due"],
    ),
    "segment rule": (
        SEGMENT,
        "segment: renewal_due\ntitle: x\nwhere: |\n  age > 1\n  and plan_name > 3",
        [f"{SEGMENT}:5: ...plan_name..."],
    ),
    "segment reads a wave": (
        SEGMENT,
        "segment: renewal_due\ntitle: x\nwhere: notice.engaged",
        [f"{SEGMENT}:3: ...notice..."],
    ),
    "segment shape": (
        SEGMENT,
        "segment: renewal_due\ntitel: x\nwhere:",
        [f"{SEGMENT}:2: there is no key `titel` here; write title", f"{SEGMENT}:3: `where` is empty; write where: ..."],
    ),
    "no such set of hours": (
        HOURS,
        "hose: 5",
        [
            f"{PLAN}:8: there is no set of hours house in rules/hours.yaml; write hose",
            f"{HOURS}:1: `hose` holds no hours; write title: and rows: in it",
        ],
    ),
    "schema": (
        CUSTOMERS,
        "key: id\ncolumns: {age: intger, value: number, plan_name: text, contract_end: date, vip: boolean}\n"
        "addresses: [{column: mobile, channels: [smss]}]\nconsent: {sms: {column: a, always: granted, source: b}}\n",
        [
            "customers.yaml:2: `age` is intger; write integer, number, text, boolean, date or datetime",
            "customers.yaml:3: `channels`: there is no channel smss; write sms",
            "customers.yaml:4: `sms`: write either `column: NAME` or `always: granted`",
        ],
    ),
    "reserved attribute": (
        CUSTOMERS,
        "key: id\naddresses: [{column: m, channels: [sms]}]\ncolumns:\n  and: text\n  ctid: text\n  Age: text\n",
        [
            "customers.yaml:4: `and`: ...",
            "customers.yaml:5: `ctid`: ctid is a word of multiwave's own; call the column customer_ctid",
            "customers.yaml:6: `Age`: 'Age' cannot name an attribute; ...",
        ],
    ),
    "foreign language code": (
        "templates/sorry.sms.english_us.j2",
        "Hi",
        ["templates/sorry.sms.english_us.j2:1: english_us is no language code; name the file such as sorry.sms.en.j2"],
    ),
    "foreign channel": (
        "templates/sorry.smss.en.j2",
        "Hi",
        ["templates/sorry.smss.en.j2:1: there is no channel smss, so nothing uses this file; write sms"],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_file_says_what_where_and_what_to_write(
    case: str, config_dir: Path, check: Callable[[list[str]], None]
) -> None:
    name, content, expected = CASES[case]
    (config_dir / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    check(expected)


ABSENT: dict[str, tuple[str, list[str]]] = {
    "template of a channel": (
        SMS,
        [
            f"{PLAN}:13: there is no template of renewal_notice for sms; write templates/renewal_notice.sms.en.j2",
            f"{PLAN}:30: there is no template of renewal_notice for sms; write templates/renewal_notice.sms.en.j2",
        ],
    ),
    "schema": (CUSTOMERS, ["customers.yaml:1: there is no such file; write it, or name another"]),
    "hours": (HOURS, ["rules/hours.yaml:1: there is no such file; write it, or name another"]),
    "segment": (SEGMENT, [f"{PLAN}:3: there is no segment renewal_due (segments/renewal_due.yaml); write everyone"]),
    "plan": (PLAN, [f"{PLAN}:1: there is no such file; write it, or name another"]),
}


@pytest.mark.parametrize("case", ABSENT)
def test_an_absent_file_is_named(case: str, config_dir: Path, check: Callable[[list[str]], None]) -> None:
    name, expected = ABSENT[case]
    (config_dir / name).unlink()
    check(expected)


def test_a_message_needs_words_for_customers_of_any_language(
    config_dir: Path, check: Callable[[list[str]], None]
) -> None:
    (config_dir / "templates/sorry.sms.en.j2").rename(config_dir / "templates/sorry.sms.uk.j2")
    said = "sorry has no template for sms in other languages; write templates/sorry.sms.en.j2 or sorry.sms.j2"
    check([f"{PLAN}:29: {said}"])


BROKEN_YAML = [
    ("a: 1\n\tb: 2\n", 2, "indent with spaces"),
    ("a: [1\nb: 2", 2, "a bracket is not closed"),
    ('a: "x\n', 1, "a quote is not closed"),
    ("a: b: c", 1, "quote text that holds a colon"),
    ("a:\n  b: 1\n c: 2", 3, "the indent does not fit"),
    ("a: 1\n---\nb: 1", 2, "one file holds one document"),
    ("a: &x 1\nb: *x", 2, "write it out in full"),
    ("a: &x {b: *x}", 1, "write it out in full"),
    ("a: !python/object:os.system 1", 1, "the tag !python/object:os.system is not read"),
    ("a: 1\nb:\n  c: 1\n  c: 2", 4, "`c` is written twice (first on line 3)"),
    ("? [a]\n: 1", 1, "a key is a list"),
    ("a: \x07", 1, "a control character"),
    ("[" * 5000, 1, "nested too deep"),
]


@pytest.mark.parametrize(("text", "line", "said"), BROKEN_YAML)
def test_broken_yaml_is_one_problem(text: str, line: int, said: str) -> None:
    with pytest.raises(PlanError) as caught:
        parse_document(text, "x.yaml")
    (problem,) = caught.value.problems
    assert problem.line == line
    assert said in problem.message


JUNK = st.sampled_from(
    ["", "~", "[]", "{}", "[[]]", "-", ": ", "'", "5", "x", "é", "\n", "\t", "{a: b}", "[null]", "0%"]
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(edits=st.lists(st.tuples(st.floats(0, 1), st.integers(0, 20), JUNK), min_size=1, max_size=3))
def test_no_damage_to_a_plan_ends_in_anything_but_problems(
    edits: list[tuple[float, int, str]], config_dir: Path, capabilities: dict[str, Capabilities]
) -> None:
    text = (config_dir / PLAN).read_text(encoding="utf-8")
    for where, length, junk in edits:
        at = int(where * len(text))
        text = text[:at] + junk + text[at + length :]
    damaged = config_dir / "plans" / "damaged.yaml"
    damaged.write_text(text, encoding="utf-8")
    lines = text.count("\n") + 1
    assert all(1 <= p.line <= lines for p in check_plan(damaged, config_dir, capabilities) if p.file == str(damaged))
