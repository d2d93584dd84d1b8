"""The review of a row is written in place: nothing else of the file changes, and a row that changed is refused."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from config import PACKAGED
from config.hours import FILE, hours_set, load_hours
from config.reviewing import mark_reviewed, unreviewed
from config.yaml_lines import read_document
from tests.hours_rows import hours_yaml
from waves.errors import InputError, PlanError

DAY = date(2026, 12, 1)
UNREAD = hours_yaml().replace("{by: a test, on: 2026-11-24}", "no")
BESIDE = UNREAD.replace("      reviewed: no\n", "")
DAYS = "{mon_fri: null, sat: null, sun: null, holiday: inherit}"
FLOW = f"{{for: everywhere, messages: {DAYS}, calls: {DAYS}, source: x, as_of: 2026-11-24, reviewed: no}}"
FORMS = {
    "no": UNREAD,
    "no, and a comment": UNREAD.replace("reviewed: no", "reviewed: no   # who reads it?"),
    "nothing": UNREAD.replace("reviewed: no", "reviewed:"),
    "nothing, and more": BESIDE.replace("      source:", "      reviewed :   # who?\n      source:"),
    "quoted": UNREAD.replace("reviewed: no", "reviewed: 'no'"),
    "not the last key": BESIDE.replace("      source:", "      reviewed: no\n      source:"),
    "a row in one line": f"house:\n  title: x\n  rows:\n    - {FLOW}\n",
    "Windows": UNREAD.replace("\n", "\r\n"),
    "a mark at its start": "\ufeff" + UNREAD,
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("by", ["Ada Example", 'Bob "the law": {Roe}, #1', "Олена"])
def test_a_review_is_written_in_place(form: str, by: str, tmp_path: Path) -> None:
    path = tmp_path / "hours.yaml"
    path.write_bytes(FORMS[form].encode())
    path.chmod(0o640)
    ((name, row),) = unreviewed(read_document(path))
    mark_reviewed(path, name, row, by, DAY)
    (found,) = hours_set(read_document(path), "house").rows
    assert found.reviewed is not None
    assert (found.reviewed.by, found.reviewed.on) == (by, DAY)
    assert unreviewed(read_document(path)) == []
    before, after = FORMS[form].encode().splitlines(), path.read_bytes().splitlines()
    assert sum(one != two for one, two in zip(before, after, strict=True)) == 1
    assert path.stat().st_mode & 0o777 == 0o640
    assert [each.name for each in tmp_path.iterdir()] == ["hours.yaml"]


def test_a_row_that_ships_is_reviewed_among_the_others(tmp_path: Path) -> None:
    path = tmp_path / "hours.yaml"
    path.write_bytes((PACKAGED / FILE).read_bytes())
    waiting = unreviewed(read_document(path))
    for name, row in (waiting[0], waiting[-1]):
        mark_reviewed(path, name, row, "Ada Example", DAY)
    assert unreviewed(read_document(path)) == waiting[1:-1]
    before, after = (each.read_text().splitlines() for each in (PACKAGED / FILE, path))
    assert [one.strip() for one, two in zip(before, after, strict=True) if one != two] == ["reviewed: no"] * 2


def test_a_row_that_was_changed_meanwhile_is_not_reviewed(tmp_path: Path) -> None:
    path = tmp_path / "hours.yaml"
    path.write_text(UNREAD)
    ((name, row),) = unreviewed(read_document(path))
    path.write_text(UNREAD.replace("source: a test", "source: another"))
    with pytest.raises(InputError, match="was changed meanwhile"):
        mark_reviewed(path, name, row, "Ada", DAY)
    assert path.read_text() == UNREAD.replace("source: a test", "source: another")


def test_the_rows_of_the_law_are_complete_and_nobody_reviewed_them() -> None:
    law = load_hours(PACKAGED, "law")
    assert law.elsewhere == "closed"
    everywhere, *rows = law.rows
    assert everywhere.reviewed
    assert [row.place for row in rows if row.reviewed] == []
    assert all(row.confidence and row.source for row in rows)
    states = [row.place.removeprefix("US-") for row in rows if row.place.startswith("US-")]
    assert " ".join(states) == "AL CT FL IL IN KY LA ME MD MA MI MN MS NV NM OK PA RI SD TX UT WA WY"
    countries = [row.place for row in rows if "-" not in row.place]
    assert " ".join(countries) == "US CA AU FR ES IN GB DE IT UA CN"
    caps = {row.place: str(row.cap) for row in rows if row.cap}
    assert caps == {
        "US-FL": "3 in 24 hours to one number",
        "US-ME": "1 in 8 hours to one number",
        "US-MD": "3 in 24 hours to one number",
        "US-OK": "3 in 24 hours to one number",
        "FR": "4 in 30 days to one person",
        "ES": "3 in 30 days to one person",
    }
    assert {row.place: row.refusal_rest_days for row in rows if row.refusal_rest_days} == {"FR": 60, "ES": 90}


def test_a_broken_file_and_a_set_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "hours.yaml"
    path.write_text(UNREAD.replace("source: a test", "source:"))
    with pytest.raises(PlanError, match="`source` is empty"):
        unreviewed(read_document(path))
    path.write_text(UNREAD)
    with pytest.raises(PlanError, match="no set of hours hause; write house"):
        unreviewed(read_document(path), "hause")
