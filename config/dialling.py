"""The house's rules of dialling again, `rules/dialling.yaml`: each problem on the line where it stands."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from config import PACKAGED
from config.sentences import mend_record, problems_of, read_record
from config.yaml_lines import read_document
from waves.errors import PlanError, Problem
from waves.recycling import DialRules

FILE = Path("rules") / "dialling.yaml"
SAMPLES: Mapping[str, str] = {
    "person": "{day: 3, week: 7, ever: 10}",
    "number": "{day: 2, week: 6, ever: 8}",
    "day": "3",
    "week": "7",
    "ever": "10",
    "gap": "2h",
    "household": "{gap: 4h}",
    "again": "{no_answer: {after: 4h, times: 3}}",
    "again.*": "{after: 4h, times: 3}",
    "after": "4h",
    "times": "3",
    "other_part": "true",
    "attempt": "false",
    "places": "{GB: 72h}",
    "places.*": "72h",
}


def load_dialling(config_dir: Path) -> DialRules:
    """The rules of a configuration, this release's where it has no such file; PlanError with every problem."""
    path = config_dir / FILE
    return read_record(DialRules, path if path.exists() else PACKAGED / FILE, SAMPLES)


def dialling_problems(config_dir: Path) -> list[Problem]:
    """Every problem of the file, if there is one: until it is mended no list is cut."""
    path = config_dir / FILE
    if not path.exists():
        return []
    try:
        document = read_document(path)
    except PlanError as error:
        return list(error.problems)
    return problems_of(document, mend_record(DialRules, document, SAMPLES).findings)
