"""The file of abandonment limits: the packaged one is sound, every problem is on its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from config import PACKAGED
from config.abandonment import FILE, abandonment_problems, load_abandonment
from waves.abandonment import limits_of, row_for
from waves.errors import PlanError

HOUSE = "house: {soft: 2%, hard: 2.8%, from_answered: 50}\n"
ROW = "  - {for: US, limit: 3%, window: each_30_days, source: a law, as_of: 2026-11-01, reviewed: no}\n"

BAD = [
    (HOUSE + "rows: []\n", []),
    (HOUSE + "rows:\n" + ROW, []),
    (HOUSE + "rows:\n" + ROW + ROW, ["4: two rows are for US; keep one"]),
    (
        HOUSE.replace("2.8%", "1%") + "rows: []\n",
        ["1: `house`: soft (2.0%) is above hard (1.0%); it has to warn before"],
    ),
    (HOUSE.replace("2%", "0.02", 1) + "rows: []\n", ["1: `soft`: '0.02' is no share; write 5% (0% to 100%)"]),
    (HOUSE + "rows:\n" + ROW.replace("limit", "limt"), ["3: there is no key `limt` here; write limit"]),
    (HOUSE + "rows:\n" + ROW.replace("each_30_days", "monthly"), ["3: `window` is monthly; write each_30_days"]),
    (HOUSE + "rows:\n" + ROW.replace("US", "XX"), ["3: `for`: there is no jurisdiction XX"]),
    (HOUSE + "rows:\n" + ROW.replace(", reviewed: no", ""), ["3: `reviewed` is missing; write reviewed: no"]),
    (HOUSE, ["1: `rows` is missing; write rows: []"]),
    ("house: [\n", ["1: broken YAML"]),
]


@pytest.mark.parametrize(("text", "said"), BAD)
def test_every_problem_is_on_its_line(tmp_path: Path, text: str, said: list[str]) -> None:
    path = tmp_path / FILE
    path.parent.mkdir()
    path.write_text(text, encoding="utf-8")
    found = [str(problem).removeprefix(f"{path}:") for problem in abandonment_problems(tmp_path)]
    assert len(found) == len(said), found
    assert all(one.startswith(wanted) for one, wanted in zip(found, said, strict=True)), found
    if said:
        with pytest.raises(PlanError):
            load_abandonment(tmp_path)


def test_the_packaged_file_is_sound_and_stands_in_for_a_missing_one(tmp_path: Path) -> None:
    assert abandonment_problems(PACKAGED) == abandonment_problems(tmp_path) == []
    rules = load_abandonment(tmp_path)
    assert rules == load_abandonment(PACKAGED)
    house = rules.house
    assert (house.soft, house.hard, house.from_answered) == (pytest.approx(0.02), pytest.approx(0.028), 50)


@pytest.mark.parametrize(
    ("place", "counts", "window", "soft"),
    [
        ("US-CA", "answered_by_live_person", "each_30_days", 0.02),
        ("GB", "ofcom_acr", "24_hours", 0.01),
        ("CA", "answered_by_live_person", "calendar_month", 0.02),
        ("FR", "answered_by_live_person", "each_30_days", 0.02),
    ],
)
def test_what_binds_where(place: str, counts: str, window: str, soft: float) -> None:
    rules = load_abandonment(PACKAGED)
    found = limits_of(rules.house, row_for(rules, place))
    assert (found.counts, found.window, found.soft) == (counts, window, pytest.approx(soft))
    assert found.hard == pytest.approx(0.028)
