"""A rule as a SQLAlchemy clause that has the same three truth values on SQLite and on PostgreSQL."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Double,
    and_,
    case,
    cast,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    true,
)
from sqlalchemy import Text as SqlText
from sqlalchemy import type_coerce as as_type

from ledger.types import DAY_ZERO, EPOCH, MICROSECOND
from waves import rule_nodes as n
from waves.errors import RuleError
from waves.rule_nodes import NUMERIC, Node, type_of
from waves.rules import Rule

Clause = ColumnElement[Any]
DAY = 86_400_000_000
BEFORE_1970 = 719_162
"""Days from the year 1 to 1970: both databases divide towards zero, so days are counted from the year 1."""
HUGE: Clause = literal_column(f"{n.GUARD:.0e}", Double())
TINY: Clause = literal_column(f"{1 / n.GUARD:.0e}", Double())
ZERO: Clause = literal_column("0.0", Double())
OPERATORS: Mapping[str, Callable[[Any, Any], Clause]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


@dataclass(frozen=True, slots=True)
class Source:
    """Where a rule's words are found: typed columns, the day it is, and clauses for what a wave's words mean."""

    columns: Mapping[str, Clause]
    today: date
    word: Callable[[str, str], ColumnElement[bool]]
    value: Callable[[str, str], ColumnElement[int]]
    converted: ColumnElement[bool] | None = None


def compile_rule(rule: Rule, source: Source) -> Clause:
    """The rule over `source` with bound parameters only: a condition, or for a score a number; unknown is NULL."""
    return _clause(rule.expr, source)


def _clause(node: Node, source: Source) -> Clause:
    match node:
        case n.Constant(value=value):
            return true() if value else false()
        case n.Literal():
            return _bound(node, type_of(node))
        case n.Column(name=name, type=kind):
            column = source.columns[name]
            return as_type(column, BigInteger) if kind in ("date", "datetime") else column
        case n.WaveWord(wave=wave, word=word):
            return source.word(wave, word)
        case n.WaveValue(wave=wave, word=word):
            return source.value(wave, word)
        case n.Converted():
            if source.converted is None:
                raise RuleError("converted is known only to the enter rule of a wave")
            return source.converted
        case n.And(parts=parts):
            return and_(*(_clause(part, source) for part in parts))
        case n.Or(parts=parts):
            return or_(*(_clause(part, source) for part in parts))
        case n.Not(part=part):
            return not_(_clause(part, source))
        case n.IsNull(value=value):
            return _clause(value, source).is_(None)
        case n.Like(value=value, pattern=pattern):
            return _clause(value, source).like(literal(pattern, SqlText()), escape="\\")
        case n.Compare() | n.Between() | n.In():
            return _comparison(node, source)
        case n.Arith() | n.Negative():
            return _double(node, source)
        case n.Call(name=name, value=value):
            return _call(name, value, source)


def _comparison(node: n.Compare | n.Between | n.In, source: Source) -> Clause:
    """Whole numbers meet as integers; with one number among them all meet as doubles, which SQLite would not do."""
    match node:
        case n.Compare(op=op, left=left, right=right):
            one, two = _alike((left, right), source)
            return OPERATORS[op](one, two)
        case n.Between(value=value, low=low, high=high):
            one, two, three = _alike((value, low, high), source)
            return one.between(two, three)
        case n.In(value=value, options=options):
            one, *several = _alike((value, *options), source)
            return one.in_(several)


def _alike(nodes: Sequence[Node], source: Source) -> list[Clause]:
    if {type_of(node) for node in nodes} == NUMERIC:
        return [_as_double(node, source) for node in nodes]
    return [_clause(node, source) for node in nodes]


def _bound(node: n.Literal, kind: str) -> Clause:
    value = node.value
    if kind == "text":
        return literal(value, SqlText())
    if kind == "number":
        return literal(float(value), Double())  # type: ignore[arg-type]
    if isinstance(value, datetime):
        value = (value - EPOCH) // MICROSECOND
    elif isinstance(value, date):
        value = (value - DAY_ZERO).days
    return literal(value, BigInteger())


def _whole(value: int) -> Clause:
    return literal(value, BigInteger())


def _as_double(node: Node, source: Source) -> Clause:
    if isinstance(node, n.Literal):
        return _bound(node, "number")
    clause = _clause(node, source)
    return cast(clause, Double()) if type_of(node) == "integer" else clause


def _double(node: Node, source: Source) -> Clause:
    """Arithmetic in doubles; `waves.rule_nodes.magnitude` proved its bounds, so PostgreSQL never raises."""
    match node:
        case n.Negative(value=inner):
            return -_double(inner, source)
        case n.Arith(op=op, left=left, right=right):
            one, two = _double(left, source), _double(right, source)
            divisor = func.nullif(two, ZERO, type_=Double()) if op == "/" else two
            # .op() keeps every parenthesis: SQLAlchemy holds + and * for associative, which doubles are not
            return one.op(op, return_type=Double())(divisor)
        case n.Column(type="number"):
            column = _clause(node, source)
            return case((and_(column > -TINY, column < TINY), ZERO), (column.between(-HUGE, HUGE), column))
    return _as_double(node, source)


def _call(name: str, value: Node, source: Source) -> Clause:
    if name == "lower":
        return func.lower(_clause(value, source), type_=SqlText())
    day = _clause(value, source)
    if type_of(value) == "datetime":
        day = (day + _whole(BEFORE_1970 * DAY)) // _whole(DAY) - _whole(BEFORE_1970)
    if name == "utc_day":
        return day
    today = _whole((source.today - DAY_ZERO).days)
    return today - day if name == "days_since" else day - today
