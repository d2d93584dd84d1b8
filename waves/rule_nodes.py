"""The tree of a rule: frozen records, the type of each, and what a tree reads."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields
from datetime import date, datetime

NUMERIC = frozenset({"integer", "number"})
GUARD = 1e18
"""Inside arithmetic a number column beyond +-GUARD counts as unknown and one within +-1/GUARD as 0."""


@dataclass(frozen=True, slots=True)
class Column:
    """A declared column of the customer."""

    name: str
    type: str


@dataclass(frozen=True, slots=True)
class Literal:
    """A fixed value; of type `verdict` or `disposition` it is the integer code."""

    value: int | float | str | date | datetime
    type: str


@dataclass(frozen=True, slots=True)
class Constant:
    """A condition that is true, or false, for everyone."""

    value: bool


@dataclass(frozen=True, slots=True)
class WaveWord:
    """`wave.word`: the member's part of a closed wave, or the highest outcome over its touches, is this word."""

    wave: str
    word: str


@dataclass(frozen=True, slots=True)
class WaveValue:
    """`wave.verdict` or `wave.disposition`, a code; null where there is none."""

    wave: str
    word: str


@dataclass(frozen=True, slots=True)
class Converted:
    """The customer met the campaign's goal."""


@dataclass(frozen=True, slots=True)
class Compare:
    """`left op right`, op one of = != < <= > >=; both sides of one type, or both numeric."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class And:
    """Every part is true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Some part is true."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Not:
    """The part is false; unknown stays unknown."""

    part: Node


@dataclass(frozen=True, slots=True)
class In:
    """The value is one of the options."""

    value: Node
    options: tuple[Literal, ...]


@dataclass(frozen=True, slots=True)
class Between:
    """low <= value <= high."""

    value: Node
    low: Node
    high: Node


@dataclass(frozen=True, slots=True)
class Like:
    r"""The whole text fits the pattern: % any run, _ one character, \ takes the next one as it is; case counts."""

    value: Node
    pattern: str


@dataclass(frozen=True, slots=True)
class IsNull:
    """The value is not known."""

    value: Node


@dataclass(frozen=True, slots=True)
class Arith:
    """`left op right` in doubles, op one of + - * /; division by zero is null."""

    op: str
    left: Node
    right: Node


@dataclass(frozen=True, slots=True)
class Negative:
    """Minus the value, in doubles."""

    value: Node


@dataclass(frozen=True, slots=True)
class Call:
    """`days_since`, `days_until` (whole days by calendar day), `lower`, or the implied `utc_day` of a datetime."""

    name: str
    value: Node


Node = (
    Column
    | Literal
    | Constant
    | WaveWord
    | WaveValue
    | Converted
    | Compare
    | And
    | Or
    | Not
    | In
    | Between
    | Like
    | IsNull
    | Arith
    | Negative
    | Call
)
CALL_TYPES = {"days_since": "integer", "days_until": "integer", "lower": "text", "utc_day": "date"}


def type_of(node: Node) -> str:
    """The type word of a node's value; every condition is `boolean`."""
    match node:
        case Column(type=kind) | Literal(type=kind):
            return kind
        case WaveValue(word=word):
            return word
        case Arith() | Negative():
            return "number"
        case Call(name=name):
            return CALL_TYPES[name]
    return "boolean"


def show(node: Node) -> str:
    """A value as its author would write it, for error messages."""
    match node:
        case Column(name=name):
            return name
        case Literal(value=value):
            return "'" + value.replace("'", "''") + "'" if isinstance(value, str) else str(value)
        case Constant(value=value):
            return str(value).lower()
        case WaveWord(wave=wave, word=word) | WaveValue(wave=wave, word=word):
            return f"{wave}.{word}"
        case Converted():
            return "converted"
        case Arith(op=op, left=left, right=right):
            return f"{show(left)} {op} {show(right)}"
        case Negative(value=inner):
            return f"-{show(inner)}"
        case Call(name="utc_day", value=inner):
            return show(inner)
        case Call(name=name, value=inner):
            return f"{name}({show(inner)})"
    return "the condition"


def walk(node: Node) -> Iterator[Node]:
    """The node and everything below it."""
    yield node
    for field in fields(node):
        inner = getattr(node, field.name)
        for below in inner if isinstance(inner, tuple) else (inner,):
            if isinstance(below, Node):
                yield from walk(below)


def columns_of(node: Node) -> frozenset[str]:
    """The declared columns a tree names."""
    return frozenset(n.name for n in walk(node) if isinstance(n, Column))


def waves_of(node: Node) -> frozenset[str]:
    """The waves a tree reads."""
    return frozenset(n.wave for n in walk(node) if isinstance(n, WaveWord | WaveValue))


def reads_member(node: Node) -> bool:
    """Whether the value can differ between members at all."""
    return any(isinstance(n, Column | WaveWord | WaveValue | Converted) for n in walk(node))


def most(node: Node, positive: bool = True) -> Node:
    """The tree with every condition on an outcome replaced by what lets most members through."""
    match node:
        case And(parts=parts):
            return And(tuple(most(part, positive) for part in parts))
        case Or(parts=parts):
            return Or(tuple(most(part, positive) for part in parts))
        case Not(part=part):
            return Not(most(part, not positive))
    return Constant(positive) if any(isinstance(n, WaveWord | WaveValue | Converted) for n in walk(node)) else node


def magnitude(node: Node) -> tuple[float, float]:
    """The least non-zero and the greatest size that a numeric value can have inside arithmetic.

    Doubles on a grid stay on it under + and -, so a difference is 0 or at least 2^-53 of the lesser bound.
    """
    match node:
        case Literal(value=int() | float() as value):
            return abs(float(value)) or 1.0, abs(float(value))
        case Negative(value=inner):
            return magnitude(inner)
        case Arith(op=op, left=left, right=right):
            (low, high), (low_2, high_2) = magnitude(left), magnitude(right)
            if op == "*":
                return low * low_2, high * high_2
            if op == "/":
                return low / max(high_2, 1e-300), high / max(low_2, 1e-300)
            return min(low, low_2) * 2.0**-53, high + high_2
    return (1 / GUARD, GUARD) if type_of(node) == "number" else (1.0, 1e19)
