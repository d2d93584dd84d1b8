"""A dial list's line and a connection to a dialler, for the tests of the formats."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from channels.call_list.formats import FORMATS
from channels.call_list.rows import DialRow, Phone, Results
from waves.diallers import Dialler

NOW = datetime(2026, 12, 4, 14, 0, tzinfo=UTC)
TOKEN = "DIALENTRY00000000001"
ALONG = ("list", "shift")


def dialler(format: str, **keys: Any) -> Dialler:
    return Dialler(**{"dialler": "north", "format": format, "zone": "America/New_York", **keys})


def row(*numbers: str, **changes: Any) -> DialRow:
    made: dict[str, Any] = {
        "token": TOKEN,
        "phones": tuple(Phone(number) for number in numbers or ("+12125550101",)),
        "rank": 1,
        "tier": "hot",
        "team": "north",
        "not_before": NOW,
        "valid_until": NOW + timedelta(hours=4),
        "extra": {"list": 7, "shift": "early"},
    }
    return DialRow(**(made | changes))


def read(path: Path, format: str, **keys: Any) -> Results:
    return FORMATS[format].read(path, dialler(format, **keys))


def told(results: Results, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(getattr(row, name) for name in names) for row in results]


def utc(day: int, clock: str, month: int = 12) -> datetime:
    return datetime.fromisoformat(f"2026-{month:02}-{day:02}T{clock}+00:00")


def entry(number: int) -> str:
    return f"DIALENTRY{number:011d}"
