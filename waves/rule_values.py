"""Which values of a rule may meet: one type on both sides, quoted words read as what they are compared with."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from difflib import get_close_matches
from enum import IntEnum

from waves.dispositions import Disposition
from waves.errors import RuleError
from waves.outcomes import Verdict, word
from waves.rule_nodes import NUMERIC, Call, Literal, Node, reads_member, show, type_of

WAVE_VALUES: Mapping[str, type[IntEnum]] = {"verdict": Verdict, "disposition": Disposition}
DAY = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
INSTANT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(:\d{2}(\.\d{1,6})?)?(Z|[+-]\d{2}:\d{2})", re.ASCII)
NOUNS = {
    "integer": "a whole number",
    "number": "a number",
    "text": "text",
    "boolean": "true or false",
    "date": "a date",
    "datetime": "a date and time",
    "verdict": "a verdict",
    "disposition": "a disposition",
}


def nearest(name: str, known: Sequence[str], kind: str) -> str:
    """`; did you mean 'x'?`, or the list of what there is."""
    close = get_close_matches(name.lower(), known, 1, 0.6)
    if close:
        return f"; did you mean {close[0]}?"
    some = ", ".join(list(known)[:12]) + (", ..." if len(known) > 12 else "")
    return f"; {kind}: {some}" if some else f"; there are no {kind}"


def meet(values: Sequence[Node], line: int) -> list[Node]:
    """The same values ready to be compared with one another; RuleError when their types do not fit."""
    read = [value for value in values if reads_member(value)]
    if not read:
        raise RuleError(f"{show(values[0])} is compared with fixed values only; name a column", line)
    kinds = {type_of(value) for value in read}
    first = read[0]
    if kinds <= NUMERIC:
        return [_number(value, first, line) for value in values]
    if len(kinds) > 1:
        other = next(value for value in read if type_of(value) != type_of(first))
        raise _unlike(first, other, line)
    kind = kinds.pop()
    if kind in WAVE_VALUES and len(read) > 1:
        raise RuleError(f"{show(first)} is compared with quoted words only, not with {show(read[1])}", line)
    if kind == "datetime":
        return _instants(values, first, line)
    return [value if reads_member(value) else _literal(value, kind, first, line) for value in values]


def unlike(first: Node, other: Node) -> str:
    """What is wrong when these two are compared."""
    one, two = (f"{show(value)} is {NOUNS[type_of(value)]}" for value in (first, other))
    return f"{one} and {two}: they cannot be compared"


def _unlike(first: Node, other: Node, line: int) -> RuleError:
    kind, wrong = type_of(first), type_of(other)
    hint = ""
    if kind == "text" and wrong in NUMERIC and isinstance(other, Literal):
        hint = f"; write '{show(other)}'"
    elif kind in NUMERIC and wrong == "text" and isinstance(other, Literal):
        hint = "; write a number, without quotes"
    elif kind in ("date", "datetime"):
        hint = "; write a date in quotes such as '2026-12-31', or count days: days_since(column) > 30"
    elif kind in WAVE_VALUES or wrong == "boolean" or kind == "boolean":
        hint = "; conditions are joined by and, or, not; a true/false column stands alone or = true"
    return RuleError(f"{unlike(first, other)}{hint}", line)


def _number(value: Node, first: Node, line: int) -> Node:
    if type_of(value) not in NUMERIC:
        raise _unlike(first, value, line)
    return value


def _literal(value: Node, kind: str, first: Node, line: int) -> Literal:
    if not isinstance(value, Literal) or not isinstance(value.value, str) or kind == "boolean":
        raise _unlike(first, value, line)
    if kind == "text":
        return value
    if kind == "date":
        return Literal(_day(value.value, first, line), "date")
    codes = {word(code): code for code in WAVE_VALUES[kind]}
    if value.value not in codes:
        raise RuleError(f"{value.value!r} is no {kind}{nearest(value.value, tuple(codes), kind + 's')}", line)
    return Literal(int(codes[value.value]), kind)


def _day(text: str, first: Node, line: int) -> date:
    try:
        if DAY.fullmatch(text):
            return date.fromisoformat(text)
    except ValueError:
        pass
    raise RuleError(f"{show(first)} is a date and {text!r} is none; write it as '2026-12-31'", line)


def _instants(values: Sequence[Node], first: Node, line: int) -> list[Node]:
    """Datetimes against times; against dates their UTC day counts, so that `<= '2026-12-31'` holds all of that day."""
    texts = [_literal(value, "text", first, line) for value in values if not reads_member(value)]
    days = [bool(DAY.fullmatch(str(text.value))) for text in texts]
    if any(days) and not all(days):
        raise RuleError(f"{show(first)} is compared with dates and with times at once; write all of them alike", line)
    if any(days):
        return [
            Call("utc_day", value) if reads_member(value) else _literal(value, "date", first, line) for value in values
        ]
    return [value if reads_member(value) else _instant(value, first, line) for value in values]


def _instant(value: Node, first: Node, line: int) -> Literal:
    text = str(value.value) if isinstance(value, Literal) else ""
    try:
        if INSTANT.fullmatch(text):
            return Literal(datetime.fromisoformat(text).astimezone(UTC), "datetime")
    except (ValueError, OverflowError):
        pass
    raise RuleError(
        f"{show(first)} is a date and time, {text!r} is none; write '2026-12-31', or with a zone '2026-12-31T10:00Z'",
        line,
    )
