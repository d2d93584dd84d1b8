"""A task as an iCalendar file (RFC 5545): a to-do with its due time, for the calendar of the person who does it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from icalendar import Calendar, Todo

PRODUCT = "-//multiwave//tasks//EN"


def task_ics(line: Mapping[str, object]) -> bytes:
    """The file of one line of the record of sending; line ends in a name or a text cannot begin a line of their own."""
    fields = line["fields"]
    assert isinstance(fields, Mapping)
    calendar, todo = Calendar(), Todo()
    calendar.add("prodid", PRODUCT)
    calendar.add("version", "2.0")
    todo.add("uid", str(line["token"]))
    todo.add("dtstamp", datetime.fromisoformat(str(line["at"])).astimezone(UTC))
    if line["until"]:
        todo.add("due", datetime.fromisoformat(str(line["until"])).astimezone(UTC))
    name, subject = _plain(line["name"] or ""), _plain(fields.get("subject", ""))
    todo.add("summary", ": ".join(filter(None, (name, subject))))
    todo.add("location", _plain(line["to"]))
    todo.add("description", "\n".join(_plain(part) for part in str(fields["body"]).splitlines()))
    calendar.add_component(todo)
    return bytes(calendar.to_ical())


def _plain(text: object) -> str:
    return "".join(one if one.isprintable() else " " for one in str(text)).strip()
