"""The file of emergency bans, `rules/bans.yaml`: each problem on the line where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config.sentences import mend_record, problems_of
from config.yaml_lines import Document, read_document
from waves.bans import Ban, Bans
from waves.errors import PlanError, Problem

FILE = Path("rules") / "bans.yaml"
SAMPLES: Mapping[str, str] = {
    "bans": "[]",
    "bans.*": "a ban with place, from, until, stops, why and source",
    "place": "US-LA",
    "from": "2026-08-29 00:00 America/Chicago",
    "until": "2026-09-04 00:00 America/Chicago",
    "stops": "both",
    "why": "a hurricane",
    "source": "the governor's proclamation of 2026-08-28",
}


def bans_in(document: Document) -> tuple[Ban, ...]:
    """Every ban of a file; PlanError with every problem of it, and then none of it counts."""
    mended = mend_record(Bans, document, SAMPLES)
    if mended.record is None or mended.findings:
        raise PlanError(problems_of(document, mended.findings))
    return mended.record.bans


def bans_problems(config_dir: Path) -> list[Problem]:
    """Every problem of the file of bans, if there is one: until it is mended nothing is sent."""
    if not (config_dir / FILE).exists():
        return []
    try:
        bans_in(read_document(config_dir / FILE))
    except PlanError as error:
        return list(error.problems)
    return []
