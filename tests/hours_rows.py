"""Rows of hours for tests, as a file would hold them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from waves.hours_set import HoursSet

REVIEWED = {"by": "a test", "on": "2026-11-24"}
ALL_DAY = ["00:00", "24:00"]
NINE = ["09:00", "20:00"]
EVERY_HOUR = '{mon_fri: ["00:00", "24:00"], sat: ["00:00", "24:00"], sun: ["00:00", "24:00"], holiday: inherit}'
HOURS_YAML = """\
house:
  title: Hours of a test
  rows:
    - for: everywhere
      messages: {messages}
      calls: {calls}
      source: a test
      as_of: 2026-11-24
      reviewed: {{by: a test, on: 2026-11-24}}
"""


def hours_yaml(messages: str = EVERY_HOUR, calls: str = EVERY_HOUR) -> str:
    """The file of hours with one reviewed set, `house`, for everywhere; always open unless told otherwise."""
    return HOURS_YAML.format(messages=messages, calls=calls)


def days(window: Any, **more: Any) -> dict[str, Any]:
    """The same window every day, holidays included, but for those named."""
    return {"mon_fri": window, "sat": window, "sun": window, "holiday": "inherit"} | more


def row(messages: dict[str, Any], place: str = "everywhere", **more: Any) -> dict[str, Any]:
    fixed = {"for": place, "messages": messages, "calls": days(None), "source": "a test", "as_of": "2026-11-24"}
    return {**fixed, "reviewed": REVIEWED, **more}


def rules(*rows: dict[str, Any]) -> HoursSet:
    return HoursSet.model_validate({"title": "A test", "rows": rows})


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


WEEK = days(NINE, sun=None, holiday=None)
HOUSE = row(WEEK)
