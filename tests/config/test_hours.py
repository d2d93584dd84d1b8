"""Broken files of hours and the lines that `check` prints for them; the set that a plan is given."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from config import PACKAGED
from config.bundle import Bundle
from config.hours import load_hours
from config.loading import load_plan
from waves.errors import PlanError
from waves.hours_set import rules_id
from waves.message import Capabilities

HOURS = "rules/hours.yaml"
Edit = Callable[[str, str, str], None]
Check = Callable[[list[str]], None]

ROW = """\
    - for: {place}
      messages: {{mon_fri: null, sat: null, sun: null, holiday: inherit}}
      calls: {{mon_fri: null, sat: null, sun: null, holiday: inherit}}
      source: a law
      as_of: 2026-11-24
      reviewed: no
"""

# what is written, what is written instead, and what is said of rules/hours.yaml
CASES: dict[str, tuple[str, str, list[str]]] = {
    "a gap": (
        "sat: null, sun: null, holiday: null}",
        "sun: null, holiday: null}",
        ["6: `sat` is missing; write sat: ..."],
    ),
    "a gap of holidays": (", holiday: inherit", "", ["15: `holiday` is missing; write holiday: null"]),
    "no calls": ("      calls: {mon_fri: [[", "#", ["4: `calls` is missing; write calls: {mon_fri: ..."]),
    "an end before its start": (
        '"09:00", "20:00"], sat',
        '"20:00", "09:00"], sat',
        ["5: `mon_fri`: 20:00 to 09:00 ends ..."],
    ),
    "no time at all": ('"09:00", "20:00"], sun', '"09:00", "09:00"], sun', ["5: `sat`: 09:00 to 09:00 ends before..."]),
    "windows that overlap": ('["14:00"', '["12:59"', ["6: `mon_fri`: 09:00-13:00 and 12:59-20:00 overlap; ..."]),
    "an hour that is none": (
        '["14:00"',
        '["25:00"',
        ["6: `mon_fri`: '25:00' is no hour of the day; write such as ..."],
    ),
    "more than a day": ('"24:00"], sat', '"24:30"], sat', ["15: `mon_fri`: '24:30' is no hour of the day; ..."]),
    "half a window": ('["09:00", "20:00"], sun', '["09:00"], sun', ["5: `sat`: this is no window; write ..."]),
    "a word for a day": (
        "sat: null, sun: null, holiday: null",
        "sat: no, sun: null, holiday: null",
        ["6: `sat`: this ..."],
    ),
    "an inherited Sunday": ("sun: null", "sun: inherit", ["5: `sun`: this is no window; ..."]),
    "no such country": (
        "[UA, US-TX]",
        "[UA, ZZ]",
        ["7: `holidays`: there is no jurisdiction ZZ ...; write such as US..."],
    ),
    "no such part of a country": (
        "[UA, US-TX]",
        "[GB-LND]",
        ["7: `holidays`: there is no jurisdiction GB-LND ...; write one of GB, GB-ENG, GB-NIR, GB-SCT, GB-WLS"],
    ),
    "a word for holidays": ("[UA, US-TX]", "locl", ["7: `holidays` is locl; write local or none"]),
    "holidays that are never asked": (
        "[UA, US-TX]",
        "none",
        [
            f"{line}: `holiday` is never asked, as this row has `holidays: none`; write holiday: inherit"
            for line in (5, 6)
        ],
    ),
    "a place that is none": (
        "for: everywhere",
        "for: everywere",
        ["4: `for`: there is no jurisdiction everywere; write everywhere, or such as US, US-TX or GB"],
    ),
    "nothing for everywhere": (
        "for: everywhere",
        "for: US",
        ["1: no row of this set is `for: everywhere`; write one, it binds every customer"],
    ),
    "everywhere twice": (
        "night:",
        ROW.format(place="everywhere") + "night:",
        ["11: two rows are for everywhere; keep one, it holds all that binds there"],
    ),
    "a jurisdiction twice": (
        "night:",
        ROW.format(place="US-TX") + ROW.format(place="GB") + ROW.format(place="US-TX") + "night:",
        ["23: two rows are for US-TX; keep one, it holds all that binds there"],
    ),
    "nobody's review": (
        "{by: Ada Example, on: 2026-11-24}",
        "yes",
        ["10: `reviewed`: write {by: NAME, on: DATE}, or no ..."],
    ),
    "a review by blanks": ("by: Ada Example", "by: '  '", ["10: `by`: nobody is named; write ..."]),
    "a review of no day": ("on: 2026-11-24", "on: today", ["10: `on` is today; write 2026-11-24"]),
    "no review": ("      reviewed: {by: Ada", "#", ["4: `reviewed` is missing; write reviewed: no"]),
    "no source": ("source: House rule", "source:", ["8: `source` is empty; write source: ..."]),
    "no date": ("as_of: 2026-11-24", "as_of: lately", ["9: `as_of` is lately; write 2026-11-24"]),
    "a misspelt key": ("as_of:", "as_off:", ["9: there is no key `as_off` here; write as_of"]),
    "a misspelt place": ("- for:", "- fro:", ["4: there is no key `fro` here; write for"]),
    "no rows": (
        "  rows:\n    - for: everywhere\n",
        "  row:\n    - for: everywhere\n",
        ["3: there is no key `row` here; ..."],
    ),
    "the old form": (
        "title: Nobody has read this",
        "reviewed: false",
        ["11: `title` is missing; write title: House hours", "12: there is no key `reviewed` here; ..."],
    ),
    "two mistakes": (
        '["09:00", "20:00"], sat: ["09:00"',
        '["20:00", "09:00"], sat: ["9 h"',
        ["5: `mon_fri`: 20:00 ...", "5: `sat`: '9 h' is no hour of the day; ..."],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_broken_hours(case: str, edit: Edit, check: Check) -> None:
    old, new, expected = CASES[case]
    edit(HOURS, old, new)
    check([f"{HOURS}:{line}" for line in expected])


@pytest.fixture
def load(config_dir: Path, capabilities: dict[str, Capabilities]) -> Callable[[], Bundle]:
    return lambda: load_plan(config_dir / "plans" / "autumn.yaml", config_dir, capabilities)


def test_a_bundle_gives_the_set_its_plan_names(load: Callable[[], Bundle], config_dir: Path, edit: Edit) -> None:
    assert load().hours == load_hours(config_dir, "house")
    assert load().hours.rows[0].reviewed is not None
    edit("plans/autumn.yaml", "hours: house", "hours: night")
    assert load().hours.title == "Nobody has read this"
    assert load().hours.rows[0].reviewed is None


SAME = [
    ("# a comment\n", "house:", "# a comment\nhouse:", True),
    ("quotes", '["09:00", "20:00"], sun', "[09:00, 20:00], sun", True),
    ("one window in a list", 'sat: ["09:00", "20:00"]', 'sat: [["9:00", "20:00"]]', True),
    ("another set", "title: Nobody has read this", "title: Nobody", True),
    ("a minute", '"20:00"], sun', '"19:59"], sun', False),
    ("a holiday", "[UA, US-TX]", "[UA, US]", False),
    ("a review", "by: Ada Example", "by: Bob Example", False),
]


@pytest.mark.parametrize(("case", "old", "new", "same"), SAME)
def test_the_same_rules_have_the_same_id(
    case: str, old: str, new: str, same: bool, load: Callable[[], Bundle], config_dir: Path, edit: Edit
) -> None:
    frozen = Bundle.from_json(load().to_json())
    edit(HOURS, old, new)
    assert (rules_id(load_hours(config_dir, "house")) == rules_id(frozen.hours)) == same


def test_an_id_fits_a_column_of_the_ledger() -> None:
    assert 0 < rules_id(load_hours(PACKAGED, "house")) < 2**60


@pytest.mark.parametrize("name", ["hause", "x"])
def test_a_set_that_is_not_there_is_named(name: str, config_dir: Path) -> None:
    with pytest.raises(PlanError, match=f"hours.yaml:1: there is no set of hours {name}; write "):
        load_hours(config_dir, name)


@pytest.mark.parametrize("folder", [PACKAGED, PACKAGED / "demo"])
def test_the_packaged_hours_are_reviewed_and_say_everything(folder: Path) -> None:
    rows = load_hours(folder, "house").rows
    assert [row.place for row in rows] == ["everywhere"]
    assert all(row.reviewed and row.messages.sun == row.messages.holiday == row.calls.sun == () for row in rows)
