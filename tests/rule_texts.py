"""Rules as text beside their meaning in plain Python: two-sided pieces that a strategy puts together.

Nothing here looks at `waves.rules` or `segments.select`: truth is True, False or None, as SQL has it.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from waves.dispositions import Disposition
from waves.outcomes import Verdict

TYPES = {
    "age": "integer",
    "visits": "integer",
    "value": "number",
    "rate": "number",
    "job": "text",
    "city": "text",
    "vip": "boolean",
    "date": "date",
    "ends": "date",
    "seen": "datetime",
    "end": "datetime",
}
WORDS = ("notice.clicked", "notice.engaged", "call.missed")
CODES = {"notice.verdict": Verdict, "call.disposition": Disposition}
TODAY = date(2026, 3, 1)
OR, AND, NOT, COMPARE, ADD, MUL, SIGN, ATOM = range(8)
OPS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<>": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
Row = dict[str, Any]


@dataclass(frozen=True)
class Piece:
    """A part of a rule: how it is written, how tightly it binds, and what it means for a row."""

    text: str
    level: int
    of: Callable[[Row], Any]
    whole: bool = False

    def at(self, level: int) -> str:
        """The text, in parentheses where something that binds as tightly as `level` stands around it."""
        return self.text if self.level >= level else f"({self.text})"

    def __repr__(self) -> str:
        return self.text


def known(function: Callable[..., Any]) -> Callable[..., Any]:
    """NULL in, NULL out."""
    return lambda *values: None if None in values else function(*values)


# --- values of rows -----------------------------------------------------------------------------------------------

POOL = ["", "a", "A", "ab", "aB", "AB", "a%", "a_", "a\\", "\\", "%", "_", "é", "É", "'", "a\nb", "--", "\uffff", "😀"]
TEXTS = st.sampled_from(POOL) | st.sampled_from(POOL) | st.sampled_from(POOL)
TEXTS |= st.text(alphabet="aAbBzÉéßİ€😀\U00010330%_\\'\"\n\t {}-/*;:?$", max_size=5)
TEXTS |= st.text(alphabet=st.characters(exclude_characters="\x00", exclude_categories=["Cs"]), max_size=4)
INTEGERS = st.integers(-4, 4) | st.integers(-(2**63) + 1, 2**63 - 1) | st.sampled_from([2**53, 2**53 + 1, -(2**53) - 1])
FLOATS = st.sampled_from([0.0, -0.0, 0.1, 0.5, -1.0, 1.0, 2.0, 2.5, 1e-300, 1e300, 9007199254740992.0])
FLOATS |= st.floats(-100, 100) | st.floats(allow_nan=False, allow_infinity=False)
DATES = st.dates(date(2026, 2, 26), date(2026, 3, 3)) | st.dates()
MIDNIGHTS = st.sampled_from(
    [datetime(1970, 1, 1, tzinfo=UTC), datetime(2026, 3, 1, tzinfo=UTC), datetime(1969, 12, 30, tzinfo=UTC)]
)
MOMENTS = st.builds(lambda t, us: t + timedelta(microseconds=us), MIDNIGHTS, st.integers(-2, 2))
MOMENTS |= st.datetimes(timezones=st.just(UTC))
VALUES: dict[str, st.SearchStrategy[Any]] = {
    "integer": INTEGERS,
    "number": FLOATS,
    "text": TEXTS,
    "boolean": st.booleans(),
    "date": DATES,
    "datetime": MOMENTS,
}


def mostly(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A value, one time in four NULL."""
    return values | values | values | st.none()


ROWS: st.SearchStrategy[Row] = st.fixed_dictionaries(
    {name: mostly(VALUES[kind]) for name, kind in TYPES.items()}
    | {name: mostly(st.booleans()) for name in (*WORDS, "converted")}
    | {name: mostly(st.sampled_from(list(codes))) for name, codes in CODES.items()}
)

# --- columns and literals -----------------------------------------------------------------------------------------


def columns(*kinds: str) -> st.SearchStrategy[Piece]:
    """A column of one of these types; SQL does not mind capitals."""
    names = [name for name, kind in TYPES.items() if kind in kinds]
    return st.sampled_from(
        [Piece(t, ATOM, operator.itemgetter(n), TYPES[n] == "integer") for n in names for t in (n, n, n.upper())]
    )


def quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def fixed(text: str, value: Any) -> Piece:
    return Piece(text, SIGN if text.startswith("-") else ATOM, lambda row: value, isinstance(value, int))


def instant(moment: datetime, minutes: int, space: str) -> Piece:
    try:
        local = moment.astimezone(timezone(timedelta(minutes=minutes)))
    except OverflowError:
        local = moment
    return fixed(quoted(local.isoformat(space)), moment)


WHOLE_LITERALS = INTEGERS.map(lambda i: fixed(str(i), i))
LITERALS: dict[str, st.SearchStrategy[Piece]] = {
    "integer": WHOLE_LITERALS,
    "number": WHOLE_LITERALS | FLOATS.map(lambda x: fixed(repr(x), x)) | st.just(fixed("5.", 5.0)),
    "text": TEXTS.map(lambda t: fixed(quoted(t), t)),
    "date": DATES.map(lambda d: fixed(quoted(d.isoformat()), d)),
    "datetime": st.builds(instant, MOMENTS, st.integers(-840, 840), st.sampled_from("T ")),
}
WEEKDAYS = LITERALS["date"]


def utc_day(piece: Piece) -> Piece:
    return Piece(piece.text, piece.level, lambda row: day_of(piece.of(row)))


def day_of(value: date | None) -> date | None:
    return value.astimezone(UTC).date() if isinstance(value, datetime) else value


# --- numbers ------------------------------------------------------------------------------------------------------


def within(piece: Piece, row: Row) -> float | None:
    """The value as arithmetic takes it: a double, a number column cut off where it is out of all proportion."""
    value = piece.of(row)
    if value is None:
        return None
    if piece.level == ATOM and not piece.whole and abs(value) < 1e-18:
        return 0.0
    if piece.level == ATOM and not piece.whole and abs(value) > 1e18:
        return None
    return float(value)


ARITHMETIC: dict[str, tuple[int, int, Callable[[float, float], float | None]]] = {
    "+": (ADD, MUL, operator.add),
    "-": (ADD, MUL, operator.sub),
    "*": (MUL, SIGN, operator.mul),
    "/": (MUL, SIGN, lambda a, b: a / b if b else None),
}


def calculated(sign: str, left: Piece, right: Piece) -> Piece:
    level, right_level, function = ARITHMETIC[sign]
    text = f"{left.at(level)} {sign} {right.at(right_level)}"
    return Piece(text, level, lambda row: known(function)(within(left, row), within(right, row)))


def minus(piece: Piece) -> Piece:
    return Piece(f"- {piece.at(SIGN)}", SIGN, lambda row: known(operator.neg)(within(piece, row)))


def days(name: str, piece: Piece) -> Piece:
    sign = 1 if name == "days_since" else -1
    return Piece(
        f"{name}({piece.text})", ATOM, lambda row: known(lambda d: sign * (TODAY - day_of(d)).days)(piece.of(row)), True
    )


COUNTED = st.builds(days, st.sampled_from(["days_since", "days_until"]), columns("date", "datetime"))
SMALL = st.integers(-9, 9).map(lambda i: fixed(str(i), i)) | st.sampled_from([fixed("0.25", 0.25), fixed("3e2", 300.0)])
NUMBERS = st.recursive(
    columns("integer", "number") | COUNTED,
    lambda inner: (
        st.builds(calculated, st.sampled_from("+-*/"), inner, inner | SMALL)
        | st.builds(calculated, st.sampled_from("+-*/"), SMALL, inner)
        | st.builds(minus, inner)
    ),
    max_leaves=4,
)

# --- conditions ---------------------------------------------------------------------------------------------------


def ordered(value: Any) -> Any:
    return value.encode() if isinstance(value, str) else value


def compare(op: str, left: Piece, right: Piece) -> Piece:
    def meaning(row: Row) -> bool | None:
        a, b = left.of(row), right.of(row)
        if a is None or b is None:
            return None
        if isinstance(a, float) or isinstance(b, float) or left.whole != right.whole:
            a, b = float(a), float(b)
        return bool(OPS[op](ordered(a), ordered(b)))

    return Piece(f"{left.at(ADD)} {op} {right.at(ADD)}", COMPARE, meaning)


def negated(truth: bool | None) -> bool | None:
    return None if truth is None else not truth


def conjunction(truths: list[bool | None]) -> bool | None:
    return False if False in truths else None if None in truths else True


def one_of(value: Piece, options: list[Piece], word: str) -> Piece:
    floats = not all(piece.whole for piece in (value, *options))

    def meaning(row: Row) -> bool | None:
        found = value.of(row)
        if found is None:
            return None
        values = [option.of(row) for option in options]
        if floats and isinstance(found, int | float):
            found, values = float(found), [float(v) for v in values]
        return (found in values) == (word == "in")

    return Piece(f"{value.at(ADD)} {word} ({', '.join(o.text for o in options)})", COMPARE, meaning)


def between(value: Piece, low: Piece, high: Piece, word: str) -> Piece:
    """As two comparisons, all three as doubles unless all are whole."""
    whole = value.whole and low.whole and high.whole
    parts = [Piece(p.text, p.level, p.of, whole) for p in (value, low, high)]
    doubles = [p if whole else Piece(p.text, p.level, lambda row, p=p: as_double(p.of(row))) for p in parts]

    def meaning(row: Row) -> bool | None:
        truth = conjunction(
            [compare(">=", doubles[0], doubles[1]).of(row), compare("<=", doubles[0], doubles[2]).of(row)]
        )
        return truth if word == "between" else negated(truth)

    return Piece(f"{value.at(ADD)} {word} {low.at(ADD)} and {high.at(ADD)}", COMPARE, meaning)


def as_double(value: Any) -> Any:
    return float(value) if isinstance(value, int) else value


PATTERN_PARTS = {"%": ".*", "_": ".", "\\%": "%", "\\_": "_", "\\\\": r"\\", "\\a": "a"}
PATTERNS = st.lists(
    st.sampled_from([*PATTERN_PARTS, "%", "a", "A", "b", "é", "€", "😀", "\n", "'", ".", "("]), max_size=5
)

LIKELY = [["\\%"], ["a", "\\%"], ["%", "\\_"], ["a", "\\\\"], ["\\a", "_"], ["_"], ["a", "%"], ["%", "b"], ["A", "_"]]
PATTERNS |= st.sampled_from(LIKELY)


def like(value: Piece, parts: list[str], word: str) -> Piece:
    pattern = re.compile("".join(PATTERN_PARTS.get(part, re.escape(part)) for part in parts), re.DOTALL)

    def meaning(row: Row) -> bool | None:
        text = value.of(row)
        return None if text is None else (pattern.fullmatch(text) is not None) == (word == "like")

    return Piece(f"{value.text} {word} {quoted(''.join(parts))}", COMPARE, meaning)


def lower(piece: Piece) -> Piece:
    letters = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "abcdefghijklmnopqrstuvwxyz")
    return Piece(f"lower({piece.text})", ATOM, lambda row: known(lambda t: t.translate(letters))(piece.of(row)))


def is_null(piece: Piece, word: str) -> Piece:
    return Piece(f"{piece.at(ADD)} {word}", COMPARE, lambda row: (piece.of(row) is None) == (word == "is null"))


def truth(name: str, form: tuple[str, bool]) -> Piece:
    text, plain = form
    level = ATOM if text == "{}" else COMPARE
    return Piece(text.format(name), level, lambda row: row[name] if plain else negated(row[name]))


FORMS = [
    ("{}", True),
    ("{} = true", True),
    ("{} != false", True),
    ("true = {}", True),
    ("{} = false", False),
    ("{} <> true", False),
]
NAMED = st.builds(truth, st.sampled_from(["vip", "converted", *WORDS]), st.sampled_from(FORMS))
FOREVER = st.sampled_from([Piece("true", ATOM, lambda row: True), Piece("FALSE", ATOM, lambda row: False)])
COMPARISON = st.sampled_from(list(OPS))
IN = st.sampled_from(["in", "not in"])
BETWEEN = st.sampled_from(["between", "not between"])
WORDY = columns("text") | columns("text").map(lower)


def over(value: st.SearchStrategy[Piece], literal: st.SearchStrategy[Piece]) -> st.SearchStrategy[Piece]:
    """Every comparison that the values of one type know."""
    other = value | literal
    return (
        st.builds(compare, COMPARISON, value, other)
        | st.builds(compare, COMPARISON, literal, value)
        | st.builds(one_of, value, st.lists(literal, min_size=1, max_size=4), IN)
        | st.builds(between, value, other, other, BETWEEN)
        | st.builds(is_null, value, st.sampled_from(["is null", "IS NOT NULL"]).map(str.lower))
    )


def coded(name: str) -> st.SearchStrategy[Piece]:
    column = Piece(name, ATOM, operator.itemgetter(name), True)
    literal = st.sampled_from([fixed(f"'{code.name.lower()}'", code) for code in CODES[name]])
    return (
        st.builds(compare, st.sampled_from(["=", "!="]), st.just(column), literal)
        | st.builds(one_of, st.just(column), st.lists(literal, min_size=1, max_size=3), IN)
        | st.builds(is_null, st.just(column), st.sampled_from(["is null", "is not null"]))
    )


DATED = columns("datetime")
CONDITIONS = st.one_of(
    over(NUMBERS, LITERALS["number"]),
    over(columns("integer"), LITERALS["integer"]),
    over(WORDY, LITERALS["text"]),
    st.builds(like, WORDY, PATTERNS, st.sampled_from(["like", "not like"])),
    over(columns("date"), LITERALS["date"]),
    over(DATED, LITERALS["datetime"]),
    over(DATED.map(utc_day), WEEKDAYS).filter(lambda piece: "'" in piece.text),
    *map(coded, CODES),
    NAMED,
    NAMED,
    FOREVER,
)


def joined(word: str, parts: list[Piece]) -> Piece:
    level = AND if word == "and" else OR

    def meaning(row: Row) -> bool | None:
        truths = [part.of(row) for part in parts]
        return conjunction(truths) if word == "and" else negated(conjunction([negated(t) for t in truths]))

    return Piece(f" {word} ".join(part.at(level) for part in parts), level, meaning)


RULES = st.recursive(
    CONDITIONS,
    lambda inner: (
        st.builds(joined, st.sampled_from(["and", "or"]), st.lists(inner, min_size=2, max_size=3))
        | st.builds(lambda p: Piece(f"not {p.at(NOT)}", NOT, lambda row: negated(p.of(row))), inner)
        | st.builds(lambda p: Piece(f"(\n{p.text} )", ATOM, p.of), inner)
    ),
    max_leaves=6,
)
