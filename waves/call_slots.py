"""Hours of the week in which people answer alike: fifteen slots of the called party's own clock."""

from __future__ import annotations

from datetime import datetime

DAYS = ("weekday", "saturday", "sunday")
PARTS = ((9, 12), (12, 14), (14, 17), (17, 19), (19, 21))
SLOTS = tuple(f"{day} {begins:02}-{ends:02}" for day in DAYS for begins, ends in PARTS)
"""The word of each slot; a slot's code is its place here."""
SATURDAY = 5


def slot_of(local: datetime) -> int:
    """The code of the slot that a local time is in; before 9 counts as the first part of its day, after 21 as the last.

    The parts are those of the reference (dialling.md, section 4).
    """
    day = max(0, local.weekday() - SATURDAY + 1)
    part = sum(local.hour >= begins for begins, _ in PARTS[1:])
    return day * len(PARTS) + part
