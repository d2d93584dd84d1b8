"""Times that a dialler tells without a zone, read in its own; an hour of a clock change by a written rule.

An hour that comes twice is the coming that the call's own second (`near`) says, else the second one. A time that the
clocks skipped was written by a clock that had not gone forward yet. Both read late rather than early: gaps between
calls and rolling caps then count from the later instant, and nobody is called sooner than is permitted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo


def instant(local: datetime, zone: ZoneInfo, near: datetime | None = None) -> tuple[datetime, str | None]:
    """The instant in UTC of a naive time, and `twice` or `never` when the zone's clocks do not say which it is."""
    first, second = (local.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (0, 1))
    if first == second:
        return first, None
    if second > first:
        closest = second if near is None else min((second, first), key=lambda at: abs(at - near))
        return closest, "twice"
    return first, "never"
