"""A segment file: a named rule over customers."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from pydantic import Field

from config.sentences import Finding, Mended, mend_record
from config.yaml_lines import Document, read_document
from waves.plan import NAME, Record

FOLDER = "segments"
SAMPLES: Mapping[str, str] = {
    "segment": "renewal_due",
    "title": "Contracts that end soon",
    "where": "days_until(contract_end) between 0 and 30",
}


class Segment(Record):
    """A named rule over customers."""

    segment: str = Field(pattern=NAME)
    title: str = Field(min_length=1, max_length=200)
    where: str = Field(min_length=1)


def segment_path(config_dir: Path, name: str) -> Path:
    return config_dir / FOLDER / f"{name}.yaml"


def mend_segment(path: Path) -> tuple[Document, Mended[Segment]]:
    """The file, its segment as far as it can be read, and what is wrong; PlanError for broken YAML."""
    document = read_document(path)
    mended = mend_record(Segment, document, SAMPLES)
    if mended.record and mended.sound(("segment",)) and mended.record.segment != path.stem:
        message = (
            f"the segment is called {mended.record.segment} in a file named {path.name}; write segment: {path.stem}"
        )
        mended.findings.append(Finding(("segment",), message))
    return document, mended
