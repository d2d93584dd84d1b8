"""The file of abandonment limits, `rules/abandonment.yaml`: each problem on the line where it stands."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

from config import PACKAGED
from config.sentences import Finding, mend_record, problems_of
from config.yaml_lines import read_document
from waves.abandonment import AbandonmentRules
from waves.errors import PlanError, Problem

FILE = Path("rules") / "abandonment.yaml"
SAMPLES: Mapping[str, str] = {
    "house": "{soft: 2%, hard: 2.8%, from_answered: 50}",
    "soft": "2%",
    "hard": "2.8%",
    "from_answered": "50",
    "rows": "[]",
    "rows.*": "a row with for, window, source, as_of and reviewed",
    "for": "US",
    "limit": "3%",
    "target": "1%",
    "counts": "answered_by_live_person",
    "window": "each_30_days",
    "connect": "2s",
    "min_ring": "15s",
    "notes": '["four rings will do"]',
    "notes.*": "four rings will do",
    "source": "16 CFR 310.4(b)(4)",
    "as_of": "2026-11-24",
    "confidence": "medium",
    "reviewed": "no",
    "by": "Ada Example",
    "on": "2026-11-24",
}


def load_abandonment(config_dir: Path) -> AbandonmentRules:
    """The limits of a configuration, this release's where it has no such file; PlanError with every problem."""
    path = config_dir / FILE
    document = read_document(path if path.exists() else PACKAGED / FILE)
    mended = mend_record(AbandonmentRules, document, SAMPLES)
    found = mended.findings + [each for each in _doubled(mended.record) if mended.sound(each.steps)]
    if mended.record is None or found:
        raise PlanError(problems_of(document, found))
    return mended.record


def abandonment_problems(config_dir: Path) -> list[Problem]:
    """Every problem of the file of abandonment limits; none without the file."""
    try:
        load_abandonment(config_dir)
    except PlanError as error:
        return list(error.problems)
    return []


def _doubled(rules: AbandonmentRules | None) -> Iterator[Finding]:
    seen: set[str] = set()
    for i, row in enumerate(rules.rows if rules else ()):
        if row.place in seen:
            yield Finding(("rows", i, "for"), f"two rows are for {row.place}; keep one")
        seen.add(row.place)
