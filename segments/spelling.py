"""A typed value of a Parquet file or a query as the text that the same value is in a customers file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime, time
from decimal import Decimal
from uuid import UUID

MIDNIGHT = time(0)


def spell(value: object) -> str:
    """The cell that says what `value` says, empty for null; TypeError when no cell of a table could hold it.

    Bytes are taken for UTF-8 text, UnicodeDecodeError when they are none.
    """
    speller = SPELLERS.get(type(value))
    if speller is None:
        speller = next((found for kind, found in SPELLERS.items() if isinstance(value, kind)), None)
    if speller is None:
        raise TypeError(type(value).__name__)
    return speller(value)


def _number(value: float) -> str:
    """pandas keeps a whole number with a gap beside it as 42.0; where it was counted it was 42."""
    return repr(value).removesuffix(".0")


def _instant(value: datetime) -> str:
    """In UTC; without a zone it stays without, and midnight without a zone is how pandas and Oracle keep a day."""
    if value.tzinfo is not None:
        try:
            return value.astimezone(UTC).isoformat()
        except OverflowError:  # the first or last day that there is
            return value.isoformat()
    return value.date().isoformat() if value.time() == MIDNIGHT else value.isoformat(" ")


SPELLERS: Mapping[type, Callable[..., str]] = {
    str: str,
    type(None): lambda _: "",
    bool: lambda value: "true" if value else "false",
    int: int.__repr__,
    float: _number,
    Decimal: lambda value: format(value, "f"),
    datetime: _instant,
    date: date.isoformat,
    UUID: str,
    bytes: lambda value: value.decode("utf-8"),
    memoryview: lambda value: bytes(value).decode("utf-8"),
}
"""How each type is spelled; a type that comes before another is asked first (a bool is an int, a datetime a date)."""
