"""A plan given back: every line the author's own but those that must change, and each clone a plan that checks."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from config.bundle import Bundle
from config.cloning import again, correction, frozen_files, remainder
from config.loading import check_plan, load_plan
from config.plan_edits import PlanEdits, value_of
from waves.errors import CampaignError
from waves.message import Capabilities

NOW = datetime(2026, 12, 3, 10, 30, 20, tzinfo=UTC)
Load = Callable[[], Bundle]
Check = Callable[[str], list[str]]


@pytest.fixture
def load(config_dir: Path, capabilities: dict[str, Capabilities]) -> Load:
    return lambda: load_plan(config_dir / "plans" / "autumn.yaml", config_dir, capabilities)


@pytest.fixture
def problems(config_dir: Path, capabilities: dict[str, Capabilities]) -> Check:
    """What `check` says of a text."""

    def run(text: str) -> list[str]:
        path = config_dir / "plans" / "clone.yaml"
        path.write_text(text, encoding="utf-8")
        return [f"{found.line}: {found.message}" for found in check_plan(path, config_dir, capabilities)]

    return run


def changed(before: str, after: str) -> list[str]:
    """The lines that went and came, in order."""
    return [line for line in difflib.ndiff(before.splitlines(), after.splitlines()) if line[0] in "-+"]


def test_last_seasons_plan_asks_for_its_name_and_its_start(load: Load, problems: Check) -> None:
    bundle = load()
    text = again(bundle, None, None)
    assert changed(bundle.plan_text, text) == [
        "- campaign: autumn",
        "+ campaign: # was autumn; a name is used once",
        "- starts: 2026-12-01 09:00 Europe/Kyiv",
        "+ starts: # was 2026-12-01 09:00 Europe/Kyiv; write when this one starts",
    ]
    assert [line.partition(";")[0] for line in problems(text)] == ["1: `campaign` is empty", "4: `starts` is empty"]


def test_with_a_name_and_a_start_it_checks_clean(load: Load, problems: Check) -> None:
    bundle = load()
    text = again(bundle, "winter", "2027-12-01 09:00 Europe/Kyiv")
    assert changed(bundle.plan_text, text) == [
        "- campaign: autumn",
        "+ campaign: winter",
        "- starts: 2026-12-01 09:00 Europe/Kyiv",
        "+ starts: 2027-12-01 09:00 Europe/Kyiv",
    ]
    assert problems(text) == []


def test_the_remainder_is_the_wave_and_the_later_ones_without_a_second_lottery(load: Load, problems: Check) -> None:
    bundle = load()
    text = remainder(bundle, "ring", "rest", None, only=False)
    gone = bundle.plan_text[bundle.plan_text.index("  - wave: notice") : bundle.plan_text.index("  - wave: ring")]
    assert changed(bundle.plan_text.replace(gone, ""), text) == [
        "- campaign: autumn",
        "+ campaign: rest",
        "- segment: renewal_due",
        "+ audience: {campaign: autumn, wave: ring, who: not_got}",
        "- holdout: 5%",
        "-     enter: not converted and (notice.engaged or notice.missed)",
    ]
    assert problems(text) == []


def test_one_wave_alone_and_another_start(load: Load, problems: Check) -> None:
    text = remainder(load(), "follow_up", "rest", "2027-01-01 09:00 UTC", only=True)
    assert "starts: 2027-01-01 09:00 UTC\n" in text
    assert "enter" not in text
    assert "wait" not in text
    assert problems(text) == []


def test_a_later_rule_that_reads_a_wave_left_out_is_refused(load: Load, edit: Callable[[str, str, str], None]) -> None:
    edit("plans/autumn.yaml", "      ring.missed\n", "      ring.missed and notice.missed\n")
    with pytest.raises(CampaignError, match="follow_up reads notice, which a remainder from ring on does not have"):
        remainder(load(), "ring", "rest", None, only=False)
    assert remainder(load(), "ring", "rest", None, only=True).count("- wave:") == 1


def test_a_correction_is_the_wave_alone_on_one_channel_from_now_on(load: Load, problems: Check) -> None:
    text = correction(load(), "follow_up", "sorry", None, "sms", None, NOW)
    assert "audience: {campaign: autumn, wave: follow_up, who: got, by: sms}\n" in text
    assert "starts: 2026-12-03 12:30 Europe/Kyiv\n" in text
    assert "channels: [sms]\n    variants:\n" in text
    assert text.count("- wave:") == 1
    assert problems(text) == []


def test_a_correction_of_one_wording_speaks_in_that_one(load: Load, problems: Check) -> None:
    text = correction(load(), "follow_up", "sorry", None, "email", 2, NOW)
    assert "who: got, by: email, variant: 2}\n" in text
    assert "variants" not in text
    assert "message: renewal_notice\n" in text
    assert problems(text) == []


def test_a_start_that_the_clocks_show_twice_is_written_in_utc(load: Load, problems: Check) -> None:
    twice = datetime(2026, 10, 25, 0, 30, tzinfo=UTC)
    text = correction(load(), "notice", "sorry", None, "sms", None, twice)
    assert "starts: 2026-10-25 00:30 UTC\n" in text


def test_a_remainder_of_a_remainder_is_aimed_anew(load: Load, edit: Callable[[str, str, str], None]) -> None:
    edit("plans/autumn.yaml", "segment: renewal_due", "audience: {campaign: summer, wave: notice, who: not_got}  # x")
    text = remainder(load(), "notice", "rest", None, only=False)
    assert "\naudience: {campaign: autumn, wave: notice, who: not_got}\nstarts" in text


FLOW = """\
{campaign: autumn, title: T, holdout: 5%, segment: renewal_due, starts: 2026-12-01 09:00 Europe/Kyiv,
 goal: {event: renewed, within: 14d}, waves: [
  {wave: notice, channels: [sms], message: sorry, listen: 2d},
  {enter: age > 1, wait: 1h, wave: two, channels: [sms, email], message: sorry, listen: 2d},
  {wave: three, channels: [sms], message: sorry, listen: 2d, holdout: 5%}]}
"""
ODD = """\
# The season's plan.\r
holdout: 5%\r
campaign: "autumn"   # its name\r
title: T\r
starts: 2026-12-01 09:00 Europe/Kyiv\r
goal:\r
  event: renewed\r
  within: 14d\r
segment: renewal_due   # who\r
\r
waves:\r
# first the notice\r
- wave: notice\r
  channels: [sms]\r
  message: sorry\r
  listen: 2d\r
\r
# then another\r
- enter: >\r
    age > 1\r
    and not converted\r
  wait: 1h\r
  # the name\r
  wave: two\r
  channels:\r
    - sms\r
    - email\r
  message: sorry\r
  holdout:\r
    share: 5%\r
  listen: 2d\r
- wave: three   # the last\r
  channels: [sms]\r
  message: sorry\r
  listen: 2d\r
"""


@pytest.mark.parametrize("text", [FLOW, ODD], ids=["on few lines", "keys in odd places, Windows lines"])
def test_a_plan_written_in_another_style_is_cloned_as_well(
    text: str, config_dir: Path, load: Load, problems: Check
) -> None:
    (config_dir / "plans" / "autumn.yaml").write_bytes(text.encode())
    bundle = load()
    clones = {
        "rest": remainder(bundle, "two", "rest", None, only=False),
        "alone": remainder(bundle, "two", "alone", None, only=True),
        "mended": correction(bundle, "two", "mended", None, "email", None, NOW),
        "next": again(bundle, "next", "2027-12-01 09:00 Europe/Kyiv"),
    }
    assert {name: problems(clone) for name, clone in clones.items()} == {name: [] for name in clones}
    waves = {name: [node.value for node in wave_names(clone)] for name, clone in clones.items()}
    assert waves == {
        "rest": ["two", "three"],
        "alone": ["two"],
        "mended": ["two"],
        "next": ["notice", "two", "three"],
    }
    for clone in (clones["rest"], clones["mended"]):
        assert not {"enter", "wait", "holdout"} & {key.value for key, _ in PlanEdits(clone).items("waves")[0].value}


def wave_names(text: str) -> list[object]:
    return [value_of(part, "wave") for part in PlanEdits(text).items("waves")]


def test_the_files_are_those_that_were_frozen(load: Load, config_dir: Path) -> None:
    bundle = load()
    frozen = {name: (config_dir / name).read_text(encoding="utf-8") for name in frozen_files(bundle)}
    assert frozen == frozen_files(bundle)
    assert {"segments/renewal_due.yaml", "rules/hours.yaml", "templates/sorry.sms.en.j2"} <= set(frozen)
