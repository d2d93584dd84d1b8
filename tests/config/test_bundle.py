"""A bundle is whole, keeps its meaning through JSON, and its digest changes with every byte."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from config.bundle import Bundle
from config.loading import load_plan
from waves.errors import PlanError
from waves.message import Capabilities

Load = Callable[[], Bundle]


@pytest.fixture
def load(config_dir: Path, capabilities: dict[str, Capabilities]) -> Load:
    return lambda: load_plan(config_dir / "plans" / "autumn.yaml", config_dir, capabilities)


def test_a_bundle_comes_back_from_json_as_it_went(load: Load) -> None:
    bundle = load()
    again = Bundle.from_json(bundle.to_json())
    assert again == bundle
    assert again.digest == bundle.digest
    assert again.to_json() == bundle.to_json()


def test_a_bundle_needs_no_file_any_more(load: Load, config_dir: Path) -> None:
    text = load().to_json()
    for path in config_dir.rglob("*.*"):
        path.unlink()
    bundle = Bundle.from_json(text)
    assert bundle.enter_rule("follow_up") is not None
    assert bundle.open_templates().render("sorry", "sms", "uk", {"name": "Ada"}) == {"body": "Sorry Ada"}


def test_only_templates_of_the_plan_on_its_channels_are_in(load: Load) -> None:
    assert set(load().templates) == {
        "renewal_notice.web_push.en.j2",
        "renewal_notice.sms.en.j2",
        "renewal_notice.email.j2",
        "sorry.sms.en.j2",
        "sorry.email.en.j2",
    }


def test_rules_are_read_with_the_waves_before_them(load: Load) -> None:
    bundle = load()
    ring, rank = bundle.enter_rule("ring"), bundle.rank_rule("ring")
    assert ring is not None
    assert ring.waves == {"notice"}
    assert rank is not None
    assert rank.columns == {"value"}
    assert bundle.enter_rule("notice") is None
    assert bundle.rank_rule("notice") is None
    assert bundle.segment_rule().columns == {"age", "plan_name"}
    assert bundle.member_columns == {"value"}


CHANGES = [
    ("plans/autumn.yaml", "title: Autumn", "title: Autumm", True),
    ("plans/autumn.yaml", "campaign: autumn\n", "campaign: autumn\n# a comment\n", True),
    ("segments/renewal_due.yaml", "age > 18", "age > 19", True),
    ("templates/sorry.sms.en.j2", "Sorry", "sorry", True),
    ("templates/sorry.sms.en.j2", "\n", "\r\n", True),
    ("rules/hours.yaml", "title: Nobody has read this", "title: Nobody reads this", True),
    ("customers.yaml", "age: integer", "age: number", True),
    ("customers.yaml", "name: full_name", "name: name", False),
    ("templates/unused.sms.en.j2", "nobody", "no_one", False),
    ("segments/everyone.yaml", "age > 0", "age > 1", False),
]


@pytest.mark.parametrize(("name", "old", "new", "changes"), CHANGES)
def test_the_digest_changes_with_what_the_campaign_rests_on(
    name: str, old: str, new: str, changes: bool, load: Load, edit: Callable[[str, str, str], None], config_dir: Path
) -> None:
    before = load().digest
    if new == "\r\n":
        (config_dir / name).write_bytes((config_dir / name).read_bytes().replace(b"\n", b"\r\n"))
    else:
        edit(name, old, new)
    assert (load().digest != before) == changes


def test_a_new_language_changes_the_digest(load: Load, config_dir: Path) -> None:
    before = load().digest
    (config_dir / "templates/sorry.sms.uk.j2").write_text("Ой", encoding="utf-8")
    assert load().digest != before


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(choice=st.integers(0, 100), where=st.integers(0, 10_000), character=st.characters(codec="utf-8"))
def test_any_changed_character_of_any_text_changes_the_digest(
    choice: int, where: int, character: str, load: Load
) -> None:
    bundle = load()
    texts: dict[str, Any] = {"plan_text": bundle.plan_text, "segment_text": bundle.segment_text}
    texts |= {"hours_text": bundle.hours_text, **bundle.templates}
    name = sorted(texts)[choice % len(texts)]
    at = where % len(texts[name])
    changed = texts[name][:at] + character + texts[name][at + 1 :]
    if name in bundle.templates:
        other = replace(bundle, templates={**bundle.templates, name: changed})
    else:
        other = replace(bundle, **{name: changed})
    assert (other.digest == bundle.digest) == (changed == texts[name])


def test_load_plan_raises_every_problem(load: Load, edit: Callable[[str, str, str], None]) -> None:
    edit("plans/autumn.yaml", "segment: renewal_due", "segment: nobody_here")
    edit("templates/sorry.sms.en.j2", "name", "nmae")
    with pytest.raises(PlanError) as caught:
        load()
    assert [Path(problem.file).name for problem in caught.value.problems] == ["autumn.yaml", "sorry.sms.en.j2"]
