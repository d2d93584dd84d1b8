"""The JSON Schemas: those committed are those the records make, and they take what `check` takes, word for word."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator
from ruamel.yaml import YAML

from channels.registry import CAPABILITIES, OPTIONS
from config import PACKAGED
from config.editor import schema_texts, write_schemas
from waves.plan import Moment, parse_duration, parse_share

COMMITTED = PACKAGED / "schemas"
README = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
MODELINE = re.compile(r"# yaml-language-server: \$schema=(\S+)\n")


def validator(name: str) -> Draft7Validator:
    schema = json.loads((COMMITTED / f"{name}.schema.json").read_text(encoding="utf-8"))
    Draft7Validator.check_schema(schema)
    return Draft7Validator(schema, format_checker=Draft7Validator.FORMAT_CHECKER)


def as_an_editor_reads(text: str) -> Any:
    """YAML 1.2, where a date is text."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(each) for key, each in value.items()}
        if isinstance(value, list):
            return [plain(each) for each in value]
        return value.isoformat() if isinstance(value, date) else value

    return plain(YAML(typ="safe", pure=True).load(text))


def complaints(name: str, text: str) -> list[str]:
    return [".".join(map(str, found.absolute_path)) for found in validator(name).iter_errors(as_an_editor_reads(text))]


def test_the_committed_schemas_are_those_that_the_records_make(tmp_path: Path) -> None:
    made = schema_texts(CAPABILITIES, OPTIONS)
    committed = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.iterdir()}
    assert committed == made, "write them again: multiwave schemas --out config/schemas"
    written = write_schemas(tmp_path / "new", CAPABILITIES, OPTIONS)
    assert {path.name: path.read_text(encoding="utf-8") for path in written} == made


KEYED = ["plan", "segment", "customers", "hours", "bans", "abandonment", "senders", "seeds", "diallers", "dialling"]


@pytest.mark.parametrize("name", KEYED)
def test_every_key_is_explained_and_no_default_is_in_a_form_that_nobody_writes(name: str) -> None:
    schema = json.loads((COMMITTED / f"{name}.schema.json").read_text(encoding="utf-8"))
    forms = [each for record in schema.get("definitions", {}).values() for each in [record, *record.get("anyOf", [])]]
    keys = [(key, part) for each in [schema, *forms] for key, part in each.get("properties", {}).items()]
    assert [key for key, part in keys if not part["description"]] == []
    for key, part in keys:
        for value in [*part.get("examples", []), *([part["default"]] if "default" in part else [])]:
            assert Draft7Validator({**part, "definitions": schema.get("definitions", {})}).is_valid(value), key


EXAMPLES = [
    ("plan", sorted((PACKAGED / "plans").glob("*.yaml"))),
    ("segment", sorted((PACKAGED / "segments").glob("*.yaml"))),
    ("customers", [PACKAGED / "customers.yaml"]),
    ("hours", [PACKAGED / "rules" / "hours.yaml"]),
    ("bans", [PACKAGED / "rules" / "bans.yaml"]),
    ("abandonment", [PACKAGED / "rules" / "abandonment.yaml"]),
    ("dialling", [PACKAGED / "rules" / "dialling.yaml"]),
    ("senders", [PACKAGED / "senders.yaml"]),
    ("seeds", [PACKAGED / "seeds.yaml"]),
    ("diallers", [PACKAGED / "diallers.yaml"]),
]


@pytest.mark.parametrize(("name", "path"), [(name, path) for name, paths in EXAMPLES for path in paths])
def test_every_packaged_example_fits_its_schema_and_names_it(name: str, path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert complaints(name, text) == []
    named = MODELINE.match(text)
    assert named
    assert (path.parent / named[1]).resolve() == COMMITTED / f"{name}.schema.json"


DEMO = [
    ("plan", PACKAGED / "demo" / "plan.yaml"),
    ("customers", PACKAGED / "demo" / "customers.yaml"),
    ("hours", PACKAGED / "demo" / "rules" / "hours.yaml"),
    ("segment", PACKAGED / "demo" / "segments" / "deposit_prospects.yaml"),
]


@pytest.mark.parametrize(("name", "path"), DEMO, ids=[name for name, _ in DEMO])
def test_the_demo_fits_too(name: str, path: Path) -> None:
    assert complaints(name, path.read_text(encoding="utf-8")) == []


def test_the_plan_explained_in_the_readme_fits() -> None:
    assert complaints("plan", re.search(r"```yaml\n(campaign:.*?)```", README, re.DOTALL)[1]) == []  # type: ignore[index]


PLAN = (PACKAGED / "plans" / "renewal.yaml").read_text(encoding="utf-8")
SEGMENT = (PACKAGED / "segments" / "renewal_due.yaml").read_text(encoding="utf-8")
CUSTOMERS = (PACKAGED / "customers.yaml").read_text(encoding="utf-8")
HOURS = (PACKAGED / "rules" / "hours.yaml").read_text(encoding="utf-8")
SENDER = """\
gateway:
  channel: sms
  provider: http
  rate: 80/s
  timeout: 10s
  http: {url: https://gateway.example.com/messages, secret_env: GATEWAY_SECRET}
"""

DIALLER = """\
north:
  format: vicidial
  zone: America/New_York
  columns: {comments: extra.offer}
  wrap_ups: {SOLD: sale}
  limits: {rows: 500, columns: {comments: 100}}
  list_id: 998
"""

# schema, what is changed in the example, and where the editor draws its line; "" is the whole file
BAD: list[tuple[str, str, str, str, str]] = [
    ("plan", PLAN, "title: Autumn", "tilte: Autumn", ""),
    ("plan", PLAN, "segment: renewal_due", "segmnt: renewal_due", ""),
    ("plan", PLAN, "segment: renewal_due", "audience: {campaign: x, wave: y, who: some}", "audience"),
    ("plan", PLAN, "segment: ", "audience: {campaign: x, wave: y, who: got}\nsegment: ", ""),
    ("plan", PLAN, "holdout: 5%  ", "holdout: 0.05  ", "holdout"),
    ("plan", PLAN, "09:00 Europe/Kyiv", "09:00", "starts"),
    ("plan", PLAN, "dispositions: [sale]", "dispositions: [sold]", "goal.dispositions.0"),
    ("plan", PLAN, "contacts: 3", "contacts: three", "limits"),
    ("plan", PLAN, "priority: 50", "priority: 101", "priority"),
    ("plan", PLAN, "in_doubt: assume_sent", "in_doubt: resent", "in_doubt"),
    ("plan", PLAN, "in_doubt: assume_sent", "in_doubt: {smss: hold}", "in_doubt"),
    ("plan", PLAN, "[web_push, {first", "[web_psuh, {first", "waves.0.channels.0"),
    ("plan", PLAN, "{first_of: [sms, email]}]   #", "{first: [sms, email]}]   #", "waves.0.channels.1"),
    ("plan", PLAN, "hold: 2h", "hold: 2 hours", "waves.0.ramp"),
    ("plan", PLAN, "listen: 48h", "listen: 48", "waves.0.listen"),
    ("plan", PLAN, "handle_time: 180s", "handle_time: 180s, breaks: 3", "waves.1.capacity"),
    ("plan", PLAN, "    holdout: 5%", "    holdout: {share: 5%, then: stay}", "waves.1.holdout"),
    ("segment", SEGMENT, "where:", "were:", ""),
    ("segment", SEGMENT, "segment: renewal_due", "segment: Renewal due", "segment"),
    ("customers", CUSTOMERS, "value: number", "value: numeric", "columns.value"),
    ("customers", CUSTOMERS, "channels: [email]", "channels: [e-mail]", "addresses.1.channels.0"),
    ("customers", CUSTOMERS, "sms: {column: sms_ok, source: crm}", "smoke: {column: sms_ok, source: crm}", "consent"),
    ("customers", CUSTOMERS, "sms: {column: sms_ok, source: crm}", "sms: {column: sms_ok}", "consent.sms"),
    ("customers", CUSTOMERS, "region: US", "region: USA", "region"),
    ("hours", HOURS, 'messages: {mon_fri: ["09:00"', 'messages: {mon_fri: ["9 am"', "house.rows.0.messages.mon_fri"),
    ("hours", HOURS, "mon_fri:", "mon_fry:", "house.rows.0.messages"),
    ("hours", HOURS, "as_of: 2026-11-24", "as_of: last week", "house.rows.0.as_of"),
    (
        "hours",
        HOURS,
        "reviewed: {by: the multiwave team, on: 2026-11-24}",
        "reviewed: yes",
        "house.rows.0.reviewed",
    ),
    ("senders", SENDER, "channel: sms", "channel: smss", "gateway.channel"),
    ("senders", SENDER, "rate: 80/s", "rate: -80/s", "gateway.rate"),
    ("senders", SENDER, "rate: 80/s", "rates: 80/s", "gateway"),
    ("senders", SENDER, "secret_env:", "secret:", "gateway.http"),
    ("diallers", DIALLER, "zone:", "zones:", "north"),
    ("diallers", DIALLER, "sale}", "sold}", "north.wrap_ups.SOLD"),
    ("diallers", DIALLER, "rows: 500", "rows: many", "north.limits.rows"),
]


@pytest.mark.parametrize(("name", "text", "old", "new", "where"), BAD, ids=[f"{case[0]} {case[3]}" for case in BAD])
def test_a_bad_file_is_marked_where_it_is_bad(name: str, text: str, old: str, new: str, where: str) -> None:
    assert old in text
    assert where in complaints(name, text.replace(old, new, 1))


WORDS: list[tuple[str, str]] = [
    *[("Wave.listen", text) for text in ("90s", "2h", "1d 12h", " 2 H ", "1.5h", "2w", "", "2", "2 hours", "-2h", "h")],
    *[("Plan.holdout", text) for text in ("5%", "100 %", "12.5%", "0%", "101%", "5", "0.05", "-5%", "5%%")],
    *[
        ("Plan.starts", text)
        for text in ("2026-12-01 09:00 Europe/Kyiv", "2026-12-01T9:05Z", "2026-12-01 09:00 Etc/GMT+5", "2026-12-01", "")
    ],
]
PARSERS = {"Wave.listen": parse_duration, "Plan.holdout": parse_share, "Plan.starts": Moment.parse}


@pytest.mark.parametrize(("place", "text"), WORDS)
def test_an_editor_takes_the_lengths_shares_and_times_that_the_parser_takes(place: str, text: str) -> None:
    try:
        PARSERS[place](text)
        reads = True
    except ValueError:
        reads = False
    schema = json.loads((COMMITTED / "plan.schema.json").read_text(encoding="utf-8"))
    record, _, key = place.partition(".")
    owner = schema if record == "Plan" else schema["definitions"][record]
    assert Draft7Validator(owner["properties"][key]).is_valid(text) == reads
