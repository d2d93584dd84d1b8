"""The file of permitted hours, `rules/hours.yaml`: named sets, each problem on the line where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from config.nearest import write_instead
from config.sentences import Finding, Mended, mend_record, problems_of
from config.yaml_lines import Document, read_document
from waves.errors import PlanError, Problem
from waves.hours_set import EVERYWHERE, HoursSet

FILE = Path("rules") / "hours.yaml"
DAYS = '{mon_fri: ["09:00", "20:00"], sat: ["09:00", "20:00"], sun: null, holiday: null}'
SAMPLES: Mapping[str, str] = {
    "title": "House hours",
    "rows": "a list of rows, each with for, messages, calls, source, as_of and reviewed",
    "rows.*": "a row with for, messages, calls, source, as_of and reviewed",
    "for": EVERYWHERE,
    "messages": DAYS,
    "calls": DAYS,
    "mon_fri": '["09:00", "20:00"]',
    "sat": '["09:00", "20:00"]',
    "sun": "null",
    "holiday": "null",
    "holidays": "local",
    "holidays.*": "US-TX",
    "elsewhere": "closed",
    "cap": "{n: 3, per_hours: 24, key: phone}",
    "n": "3",
    "per_hours": "24",
    "per_days": "30",
    "scope": "same_subject",
    "key": "phone",
    "refusal_rest_days": "60",
    "notes": '["a governor may add days"]',
    "notes.*": "a governor may add days",
    "confidence": "medium",
    "source": "House rule of this company",
    "as_of": "2026-11-24",
    "reviewed": "no",
    "by": "Ada Example",
    "on": "2026-11-24",
}


def load_hours(config_dir: Path, name: str) -> HoursSet:
    """The set of this name in the configuration as it reads now; PlanError with every problem of it."""
    return hours_set(read_document(config_dir / FILE), name)


def hours_set(document: Document, name: str) -> HoursSet:
    """The set of this name in a file of hours; PlanError with every problem of it."""
    if name not in document.data:
        raise PlanError(
            [document.problem((), f"there is no set of hours {name}; {write_instead(name, document.data)}")]
        )
    found, problems = _mend(document, name)
    if found is None or problems:
        raise PlanError(problems)
    return found


def hours_problems(document: Document) -> list[Problem]:
    """Every problem of every set in the file."""
    return [problem for name in document.data for problem in _mend(document, name)[1]]


def _mend(document: Document, name: str) -> tuple[HoursSet | None, list[Problem]]:
    part = document.part(name)
    if part is None:
        return None, [document.problem((name,), f"`{name}` holds no hours; write title: and rows: in it")]
    mended = mend_record(HoursSet, part, SAMPLES)
    kept = [finding for finding in _row_findings(mended) if mended.sound(finding.steps)]
    return mended.record, problems_of(part, mended.findings + kept)


def _row_findings(mended: Mended[HoursSet]) -> Iterator[Finding]:
    """Jurisdictions with two rows, and hours of holidays where no holidays are asked."""
    seen: set[str] = set()
    for i, row in enumerate(mended.record.rows if mended.record else ()):
        if row.place in seen:
            yield Finding(("rows", i, "for"), f"two rows are for {row.place}; keep one, it holds all that binds there")
        if mended.sound(("rows", i, "for")):
            seen.add(row.place)
        for kind, days in (("messages", row.messages), ("calls", row.calls)):
            if row.holidays == "none" and days.holiday != "inherit":
                message = "`holiday` is never asked, as this row has `holidays: none`; write holiday: inherit"
                yield Finding(("rows", i, kind, "holiday"), message)
