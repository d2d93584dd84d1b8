"""The expression language of segments, `enter` and `rank`: SQL's conditions through a whitelist, types checked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from waves.errors import RuleError
from waves.rule_nodes import NUMERIC, Node, columns_of, most, reads_member, show, type_of, waves_of
from waves.rule_tokens import FUNCTIONS, WORDS, parse_tree
from waves.rule_tree import Scope, condition_of, line_of, value_of

RESERVED = WORDS | frozenset(FUNCTIONS) | {"converted"}
"""Words that no declared column may be named."""


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule that was understood: its text, its tree, the columns it names and the waves it reads."""

    text: str
    expr: Node
    columns: frozenset[str]
    waves: frozenset[str]

    @classmethod
    def of(cls, text: str, expr: Node) -> Rule:
        """The rule of a tree, with what it reads."""
        return cls(text, expr, columns_of(expr), waves_of(expr))

    def at_most(self) -> Rule:
        """The upper bound before outcomes exist: true for every member for whom this rule could yet be true."""
        return Rule.of(self.text, most(self.expr))


def parse_rule(
    text: str,
    columns: Mapping[str, str],
    waves: Sequence[str] = (),
    allow_converted: bool = False,
    later: Sequence[str] = (),
) -> Rule:
    """The condition in `text` over `columns` (name to type) and earlier `waves`; RuleError says what to write."""
    scope = Scope(columns, waves, later, allow_converted)
    return Rule.of(text, condition_of(parse_tree(text, scope.names), scope))


def parse_score(text: str, columns: Mapping[str, str]) -> Rule:
    """The numeric expression in `text` over declared `columns`; RuleError says what to write."""
    scope = Scope(columns)
    tree = parse_tree(text, scope.names)
    node = value_of(tree, scope)
    if type_of(node) not in NUMERIC or not reads_member(node):
        raise RuleError(f"a score is a number that differs between customers; {show(node)} is not", line_of(tree))
    return Rule.of(text, node)
