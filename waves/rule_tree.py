"""From sqlglot's tree to the rule's own: every kind of node that is not listed here is refused."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from math import isfinite

from sqlglot import expressions as sql
from sqlglot.expressions import Expr

from waves import rule_nodes as n
from waves.errors import RuleError
from waves.outcomes import Outcome, Part, word
from waves.rule_nodes import NUMERIC, Node, magnitude, reads_member, show, type_of
from waves.rule_tokens import FUNCTIONS, NESTING, refuse, too_deep
from waves.rule_values import NOUNS, WAVE_VALUES, meet, nearest, unlike

WAVE_WORDS = tuple(dict.fromkeys([*map(word, Part), *map(word, Outcome)]))
INT64 = range(-(2**63), 2**63)


@dataclass(frozen=True, slots=True)
class Scope:
    """What a rule may name."""

    columns: Mapping[str, str]
    waves: Sequence[str] = ()
    later: Sequence[str] = ()
    converted: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Every word that is a name in this rule."""
        return frozenset({*self.columns, *self.waves, *self.later, *WAVE_WORDS, *WAVE_VALUES})


def line_of(tree: Expr) -> int:
    """The first line, from 1, of what the tree was read from."""
    return min((node.meta["line"] for node in tree.walk() if "line" in node.meta), default=1)


def _wrong(tree: Expr, message: str) -> RuleError:
    return RuleError(message, line_of(tree))


def condition_of(tree: Expr, scope: Scope, depth: int = 0) -> Node:
    """The tree as a condition; RuleError when it is a number, a text or a date."""
    node = value_of(tree, scope, depth)
    kind = type_of(node)
    if kind != "boolean":
        example = "= 'word'" if kind in ("text", *WAVE_VALUES) else "= 1" if kind in NUMERIC else "= '2026-12-31'"
        name = show(node) if reads_member(node) else "column"
        raise _wrong(tree, f"{show(node)} is {NOUNS[kind]}, not a condition; compare it: {name} {example}")
    return node


def value_of(tree: Expr, scope: Scope, depth: int = 0) -> Node:
    """The tree as a value of any type, a condition included."""
    if depth > NESTING:
        raise too_deep(line_of(tree))
    while isinstance(tree, sql.Paren):
        tree = tree.this
    build = BUILDERS.get(type(tree))
    if build is None:
        raise refuse(tree.sql(), line_of(tree))
    return build(tree, scope, depth + 1)


def _joined(tree: Expr, scope: Scope, depth: int) -> Node:
    kind, waiting = type(tree), [tree]
    parts: list[Node] = []
    wrong: list[RuleError] = []
    while waiting:  # a chain of and/or leans left, one level for each: unrolled, not recursed into
        part = waiting.pop()
        if type(part) is kind:
            waiting += [part.expression, part.this]
            continue
        try:
            parts.append(condition_of(part, scope, depth))
        except RuleError as error:
            wrong.append(error)
    if wrong:
        first, *others = wrong
        raise RuleError(str(first), first.line, (*first.also, *others))
    return (n.And if kind is sql.And else n.Or)(tuple(parts))


def _compare(op: str) -> Callable[[Expr, Scope, int], Node]:
    def build(tree: Expr, scope: Scope, depth: int) -> Node:
        for side, other in ((tree.this, tree.expression), (tree.expression, tree.this)):
            if isinstance(side, sql.Null):
                verb = {"=": "is null", "!=": "is not null"}.get(op)
                hint = f"write: {show(value_of(other, scope, depth))} {verb}" if verb else "leave it out"
                raise _wrong(tree, f"nothing is ever {op} null; {hint}")
        left, right = value_of(tree.this, scope, depth), value_of(tree.expression, scope, depth)
        if "boolean" in (type_of(left), type_of(right)):
            return _truth(op, left, right, tree)
        left, right = meet([left, right], line_of(tree))
        if type_of(left) in WAVE_VALUES and op not in ("=", "!="):
            raise _wrong(tree, f"{show(left)} has no order; compare it by =, != or in")
        return n.Compare(op, left, right)

    return build


def _truth(op: str, left: Node, right: Node, tree: Expr) -> Node:
    """`vip = true` is `vip`, `vip != true` is `not vip`: the same three values."""
    atom, fixed = (left, right) if isinstance(right, n.Constant) else (right, left)
    if type_of(left) != type_of(right):
        raise _wrong(tree, f"{unlike(left, right)}; conditions are joined by and, or, not (a < b and b < c)")
    if not isinstance(fixed, n.Constant) or not isinstance(atom, n.Column | n.WaveWord | n.Converted):
        raise _wrong(tree, "two conditions are compared; join them with and, or, not (a < b and b < c)")
    if op not in ("=", "!="):
        raise _wrong(tree, f"{show(atom)} is true or false and has no order; write {show(atom)} or not {show(atom)}")
    return atom if fixed.value == (op == "=") else n.Not(atom)


def _arithmetic(op: str) -> Callable[[Expr, Scope, int], Node]:
    def build(tree: Expr, scope: Scope, depth: int) -> Node:
        node = n.Arith(op, _number(tree.this, scope, depth), _number(tree.expression, scope, depth))
        low, high = magnitude(node)
        if not (low > 1e-300 and high < 1e300):  # past these PostgreSQL raises, SQLite goes on with infinity or zero
            raise _wrong(tree, "too many * and / in one expression: the result might not fit a number")
        return node

    return build


def _number(tree: Expr, scope: Scope, depth: int) -> Node:
    node = value_of(tree, scope, depth)
    if type_of(node) not in NUMERIC:
        hint = "; count days: days_since(column)" if type_of(node) in ("date", "datetime") else ""
        raise _wrong(tree, f"{show(node)} is {NOUNS[type_of(node)]}; + - * / take numbers{hint}")
    return node


def _negative(tree: Expr, scope: Scope, depth: int) -> Node:
    node = _number(tree.this, scope, depth)
    if isinstance(node, n.Literal) and isinstance(node.value, int | float):
        return n.Literal(-node.value, node.type)
    return n.Negative(node)


def _literal(tree: Expr, scope: Scope, depth: int) -> Node:
    text = str(tree.this)
    if tree.args.get("is_string"):
        return n.Literal(text, "text")
    if text.isdigit() and len(text) < 20 and int(text) in INT64:
        return n.Literal(int(text), "integer")
    if not isfinite(float(text)):
        raise _wrong(tree, f"{text} is too large for a number")
    return n.Literal(float(text), "number")


def _boolean(tree: Expr, scope: Scope, depth: int) -> Node:
    return n.Constant(bool(tree.this))


def _null(tree: Expr, scope: Scope, depth: int) -> Node:
    raise _wrong(tree, "null stands only in: x is null, x is not null")


def _name(tree: Expr, scope: Scope, depth: int) -> Node:
    name = tree.name.lower()
    if not isinstance(tree.this, sql.Identifier) or tree.args.get("db"):
        raise _wrong(tree, "a name has one dot at most: wave.word")
    if tree.args.get("table"):
        return _wave_name(tree.args["table"].name.lower(), name, scope, tree)
    if name == "converted":
        if not scope.converted:
            raise _wrong(tree, "converted is known only to the enter rule of a wave")
        return n.Converted()
    if name in scope.columns:
        return n.Column(name, scope.columns[name])
    if name in (*scope.waves, *scope.later):
        raise _wrong(tree, f"{name} is a wave; say what of it: {name}.engaged, {name}.verdict = 'no_address'")
    if scope.waves and name in (*WAVE_WORDS, *WAVE_VALUES):
        raise _wrong(tree, f"{name} of which wave? write {scope.waves[-1]}.{name}")
    raise _wrong(tree, f"no column {name}{nearest(name, tuple(scope.columns), 'columns')}")


def _wave_name(wave: str, name: str, scope: Scope, tree: Expr) -> Node:
    if wave not in scope.waves and wave in scope.later:
        earlier = f"it may read {', '.join(scope.waves)}" if scope.waves else "there is no wave before it"
        raise _wrong(tree, f"{wave}.{name} reads a later wave: a rule reads only waves before its own; {earlier}")
    if wave not in scope.waves and name in scope.columns:
        raise _wrong(tree, f"{wave}.{name}: a column is written without a dot: {name}")
    if wave not in scope.waves:
        raise _wrong(tree, f"no wave {wave} before this rule{nearest(wave, scope.waves, 'earlier waves')}")
    if name in WAVE_VALUES:
        return n.WaveValue(wave, name)
    if name not in WAVE_WORDS:
        hint = nearest(name, (*WAVE_WORDS, *WAVE_VALUES), "words")
        raise _wrong(tree, f"{wave}.{name}: a wave has no such word{hint}")
    return n.WaveWord(wave, name)


def _in(tree: Expr, scope: Scope, depth: int) -> Node:
    value = value_of(tree.this, scope, depth)
    if any(part for key, part in tree.args.items() if key not in ("this", "expressions")) or not tree.expressions:
        raise _wrong(tree, f"after in comes a list of fixed values: {show(value)} in (1, 2) or ('a', 'b')")
    if any(isinstance(option, sql.Null) for option in tree.expressions):
        raise _wrong(tree, f"null in a list matches nothing; write: {show(value)} in (...) or {show(value)} is null")
    options = [value_of(option, scope, depth) for option in tree.expressions]
    wrong = next((option for option in options if not isinstance(option, n.Literal)), None)
    if wrong is not None or type_of(value) == "boolean":
        raise _wrong(tree, f"a list after in holds numbers or quoted words, and {show(wrong or value)} is neither")
    value, *options = meet([value, *options], line_of(tree))
    return n.In(value, tuple(option for option in options if isinstance(option, n.Literal)))


def _between(tree: Expr, scope: Scope, depth: int) -> Node:
    parts = [tree.this, tree.args["low"], tree.args["high"]]
    if any(isinstance(part, sql.Null) for part in parts):
        raise _wrong(tree, "nothing is between null and anything; leave it out")
    value, low, high = meet([value_of(part, scope, depth) for part in parts], line_of(tree))
    if tree.args.get("symmetric") or type_of(value) in (*WAVE_VALUES, "boolean"):
        raise _wrong(tree, f"{show(value)} has no order; compare it by = or in")
    return n.Between(value, low, high)


def _like(tree: Expr, scope: Scope, depth: int) -> Node:
    value, pattern = value_of(tree.this, scope, depth), value_of(tree.expression, scope, depth)
    if type_of(value) != "text" or not reads_member(value):
        raise _wrong(tree, f"like takes a text column, and {show(value)} is {NOUNS[type_of(value)]}")
    if not isinstance(pattern, n.Literal) or not isinstance(pattern.value, str):
        raise _wrong(tree, f"after like comes a quoted pattern such as 'abc%', not {show(pattern)}")
    if (len(pattern.value) - len(pattern.value.rstrip("\\"))) % 2:
        raise _wrong(tree, "a pattern cannot end in one \\, which takes the next character as it is; write \\\\")
    node = n.Like(value, pattern.value)
    return n.Not(node) if tree.args.get("negate") else node


def _is(tree: Expr, scope: Scope, depth: int) -> Node:
    value = value_of(tree.this, scope, depth)
    if not isinstance(tree.expression, sql.Null):
        raise _wrong(tree, "after is comes null or not null; write = to compare")
    if not reads_member(value) or (type_of(value) == "boolean" and not isinstance(value, n.Column)):
        raise _wrong(tree, f"is null takes a column or a calculation, not {show(value)}")
    return n.IsNull(value)


def _not(tree: Expr, scope: Scope, depth: int) -> Node:
    return n.Not(condition_of(tree.this, scope, depth))


def _call(tree: Expr, scope: Scope, depth: int) -> Node:
    name = "lower" if isinstance(tree, sql.Lower) else tree.name.lower()
    arguments = [tree.this] if isinstance(tree, sql.Lower) else tree.expressions
    wanted = "a text column" if name == "lower" else "a date column"
    if name not in FUNCTIONS or len(arguments) != 1:
        raise _wrong(tree, f"{name}() takes {wanted} and nothing else")
    value = value_of(arguments[0], scope, depth)
    fits = ("text",) if name == "lower" else ("date", "datetime")
    if type_of(value) not in fits or not reads_member(value):
        raise _wrong(tree, f"{name}() takes {wanted}, and {show(value)} is {NOUNS[type_of(value)]}")
    return n.Call(name, value)


BUILDERS: dict[type[Expr], Callable[[Expr, Scope, int], Node]] = {
    sql.And: _joined,
    sql.Or: _joined,
    sql.Not: _not,
    sql.EQ: _compare("="),
    sql.NEQ: _compare("!="),
    sql.LT: _compare("<"),
    sql.LTE: _compare("<="),
    sql.GT: _compare(">"),
    sql.GTE: _compare(">="),
    sql.In: _in,
    sql.Between: _between,
    sql.Like: _like,
    sql.Is: _is,
    sql.Add: _arithmetic("+"),
    sql.Sub: _arithmetic("-"),
    sql.Mul: _arithmetic("*"),
    sql.Div: _arithmetic("/"),
    sql.Neg: _negative,
    sql.Literal: _literal,
    sql.Boolean: _boolean,
    sql.Null: _null,
    sql.Column: _name,
    sql.Lower: _call,
    sql.Anonymous: _call,
}
