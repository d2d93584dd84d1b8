"""Cells of a customers file as typed values; what does not fit raises Unfit, which says what was expected."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from datetime import UTC, date, datetime

from ledger.types import DAY_ZERO, EPOCH, MICROSECOND

Value = int | float | str | bool | None
"""A cell as the database stores it: dates as days, datetimes as microseconds since 1970, an empty cell as None."""

CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f]")
WHOLE = re.compile(r"[+-]?[0-9]+")
DECIMAL = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")
DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
MOMENT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,6})?)?.*", re.ASCII)
WORDS = {"true": True, "yes": True, "y": True, "1": True, "false": False, "no": False, "n": False, "0": False}
MOST_DIGITS = 40
"""Longer whole numbers are out of range whatever they say; reading them would only cost time."""


class Unfit(ValueError):
    """A cell that cannot be used; the message says what was expected and never repeats the cell."""


def text(cell: str) -> str:
    """One line of text."""
    if not cell.isprintable() and CONTROL.search(cell):
        raise Unfit("expected text without control characters or line breaks")
    return cell


def integer(cell: str) -> int:
    """A whole number of at most 64 bits."""
    if not WHOLE.fullmatch(cell):
        raise Unfit("expected a whole number, such as 42")
    if len(cell) > MOST_DIGITS or not -(2**63) <= (value := int(cell)) < 2**63:
        raise Unfit("expected a whole number of at most 64 bits")
    return value


def number(cell: str) -> float:
    """A finite number with a decimal point."""
    if not DECIMAL.fullmatch(cell) or not math.isfinite(value := float(cell)):
        raise Unfit("expected a finite number with a decimal point, such as 12.5")
    return value + 0.0  # minus zero would differ from zero on one database only


def boolean(cell: str) -> bool:
    """true or false, yes or no, 1 or 0."""
    found = WORDS.get(cell.lower())
    if found is None:
        raise Unfit("expected true or false (or yes, no, 1, 0)")
    return found


def day(cell: str) -> int:
    """A calendar day as days since 1970-01-01."""
    if not DAY.fullmatch(cell):
        raise Unfit("expected a date such as 2026-12-31")
    try:
        return (date.fromisoformat(cell) - DAY_ZERO).days
    except ValueError:
        raise Unfit("expected a date that the calendar has, such as 2026-12-31") from None


def moment(cell: str) -> int:
    """An instant as microseconds since 1970 UTC; a time without a zone is refused."""
    expected = "expected a date, a time and a zone, such as 2026-12-31T09:00:00+02:00"
    if not MOMENT.fullmatch(cell):
        raise Unfit(expected)
    try:
        value = datetime.fromisoformat(cell)
        if value.tzinfo is None:
            raise Unfit(f"{expected}; the zone is missing")
        return microseconds(value.astimezone(UTC))
    except Unfit:
        raise
    except (ValueError, OverflowError):
        raise Unfit(expected) from None


def microseconds(value: datetime) -> int:
    """An aware datetime as the ledger stores it."""
    return (value - EPOCH) // MICROSECOND


READERS: dict[str, Callable[[str], Value]] = {
    "integer": integer,
    "number": number,
    "text": text,
    "boolean": boolean,
    "date": day,
    "datetime": moment,
}
"""The reader of each attribute type of `customers.yaml`."""
