"""From the text of a rule to sqlglot's tree, letting through only the words and signs of the rule language."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise
from typing import ClassVar

from sqlglot.errors import ParseError, SqlglotError
from sqlglot.expressions import Expr
from sqlglot.parser import Parser
from sqlglot.tokenizer_core import Token, TokenType
from sqlglot.tokens import Tokenizer

from waves.errors import RuleError

FUNCTIONS = ("days_since", "days_until", "lower")
WORDS = frozenset({"and", "or", "not", "in", "between", "like", "is", "null", "true", "false"})
UNKNOWN_SIGNS = ("==", "||", "&&", "::")
SIGNS = frozenset(["=", "!=", "<>", "<", "<=", ">", ">=", "+", "-", "*", "/", "(", ")", ",", "."])
STARTS_VALUE = frozenset(
    {TokenType.VAR, TokenType.STRING, TokenType.NUMBER, TokenType.NULL, TokenType.TRUE, TokenType.FALSE}
)
ENDS_VALUE = STARTS_VALUE | {TokenType.R_PAREN}
IS_NOT = (TokenType.IS, TokenType.NOT)
BEFORE_NOT = frozenset({TokenType.L_PAREN, TokenType.AND, TokenType.OR, TokenType.NOT, TokenType.IS})
NAME = re.compile(r"[A-Za-z_]\w*", re.ASCII)
NUMBER = re.compile(r"\d+\.?\d*([eE][+-]?\d+)?", re.ASCII)
NESTING = 24
"""Deepest nesting: sqlglot takes some 20 Python frames for one parenthesis, and Python allows 1,000."""
MOST_CHARACTERS, MOST_VALUES, MOST_JOINTS = 40_000, 1_000, 300
"""A rule may stand several times in one statement; SQLite takes 32,766 parameters and an expression 1,000 deep."""
ALLOWED = (
    "a rule knows columns, converted, wave.word, = != < <= > >=, and, or, not, in, between, like, is null, + - * /, "
    "days_since(), days_until() and lower()"
)
HINTS = {
    "==": "write = for equal",
    "!": "write not",
    "&&": "write and",
    "||": "write or; texts cannot be joined",
    ";": "a rule is one condition",
    "ilike": "write lower(column) like 'text in small letters'",
    "escape": "\\ before % or _ takes it as it is",
    "isnull": "write: x is null",
    "notnull": "write: x is not null",
    "select": "a rule sees one customer's columns, not tables",
    "::": "a column's type is declared in customers.yaml",
    "case": "join conditions with and, or, not",
    "current_date": "write days_since(column) or days_until(column)",
    "now": "write days_since(column) or days_until(column)",
    "cast": "a column's type is declared in customers.yaml",
    "coalesce": "write: x is null or x = ...",
    "upper": "write lower()",
}


class RuleTokenizer(Tokenizer):
    """sqlglot's tokenizer without SQL's other words: a wave may be called `call`, which is a command to SQL."""

    KEYWORDS: ClassVar[dict[str, TokenType]] = {
        word: kind
        for word, kind in Tokenizer.KEYWORDS.items()
        if word.lower() in WORDS or word in SIGNS or word in UNKNOWN_SIGNS
    }
    COMMANDS: ClassVar[set[TokenType]] = set()


class RuleParser(Parser):
    """sqlglot's parser without the functions that take no parentheses (`case`, `if`): here they are names."""

    NO_PAREN_FUNCTION_PARSERS: ClassVar[dict[str, Callable[[Parser], Expr | None]]] = {}


def refuse(what: str, line: int = 1) -> RuleError:
    """The error that ends with what the language does know."""
    hint = HINTS.get(what.lower())
    return RuleError(f"{what!r} is not part of a rule" + (f": {hint}" if hint else f"; {ALLOWED}"), line)


def parse_tree(text: str, names: Collection[str]) -> Expr:
    """sqlglot's tree of one expression; `names` are names here even where SQL has another use for the word."""
    tokens = _screen(text, names)
    try:
        (tree,) = RuleParser().parse(tokens, text)
    except ParseError as error:
        found = error.errors[0] if error.errors else {}
        near = f" near {found['highlight']!r}" if found.get("highlight") else ""
        raise RuleError(
            f"the rule cannot be read{near}: is a condition complete, is every ( closed?", found.get("line") or 1
        ) from None
    if tree is None:
        raise RuleError("the rule is empty; write true to take everyone")
    return tree


def _screen(text: str, names: Collection[str]) -> list[Token]:
    if len(text) > MOST_CHARACTERS:
        raise RuleError(f"the rule is longer than {MOST_CHARACTERS} characters; load long lists as a column")
    if "\x00" in text:
        raise RuleError("the rule holds a zero byte; remove it", text[: text.index("\x00")].count("\n") + 1)
    try:
        tokens = RuleTokenizer().tokenize(text)
    except SqlglotError:
        raise RuleError("the rule cannot be read: a quote or a comment is not closed") from None
    if not tokens:
        raise RuleError("the rule is empty; write true to take everyone")
    for token in tokens:
        _admit(token, text, names)
    for before, token in pairwise(tokens):
        _check_order(before, token)
    for first, second, third in zip(tokens, tokens[1:], tokens[2:], strict=False):
        if (first.token_type, second.token_type) == IS_NOT and third.token_type != TokenType.NULL:
            raise RuleError(f"after is not comes null, not {third.text!r}; write != to compare", third.line)
    _check_size(tokens)
    return tokens


def _admit(token: Token, text: str, names: Collection[str]) -> None:
    """Signs and words of the language, numbers, texts in single quotes, and names; the source is looked at, too."""
    kind, word, source = token.token_type, token.text, text[token.start : token.end + 1]
    if token.comments:
        raise RuleError("a rule holds no comments (-- or /* */); use a YAML comment (#) beside it", token.line)
    if kind == TokenType.IDENTIFIER:
        raise RuleError(f"{source}: texts take single quotes ('{word}'), names of columns none", token.line)
    if kind == TokenType.STRING and source.startswith("'"):
        return
    known = word in SIGNS or word.lower() in WORDS or (kind == TokenType.NUMBER and NUMBER.fullmatch(word))
    named = kind == TokenType.VAR and NAME.fullmatch(word) and (word.lower() in names or word.lower() not in HINTS)
    if source != word or not (known or named):
        raise refuse(source, token.line)


def _check_order(before: Token, token: Token) -> None:
    first, second = before.token_type, token.token_type
    if first == TokenType.VAR and second == TokenType.L_PAREN and before.text.lower() not in FUNCTIONS:
        if before.text.lower() in HINTS:
            raise refuse(before.text, before.line)
        raise RuleError(f"no function {before.text}(); there are days_since(), days_until() and lower()", before.line)
    if first in ENDS_VALUE and (second in STARTS_VALUE or (second == TokenType.L_PAREN and first != TokenType.VAR)):
        raise RuleError(
            f"between {before.text!r} and {token.text!r} something is missing: and, or, =, a comma?", token.line
        )
    if TokenType.DOT in (first, second) and {first, second} != {TokenType.DOT, TokenType.VAR}:
        raise RuleError("a dot stands between a wave and its word (notice.engaged) or in a number (0.5)", token.line)
    if first == TokenType.IS and second not in (TokenType.NOT, TokenType.NULL):
        raise RuleError(f"after is comes null or not null, not {token.text!r}; write = to compare", token.line)
    if second == TokenType.NOT and first not in BEFORE_NOT and first not in ENDS_VALUE:
        raise RuleError(f"not stands before a whole condition, not after {before.text!r}", token.line)


def _check_size(tokens: Sequence[Token]) -> None:
    opened: list[int] = []
    run = values = joints = 0
    for token in tokens:
        kind = token.token_type
        values += kind in (TokenType.STRING, TokenType.NUMBER)
        joints += kind in (TokenType.AND, TokenType.OR)
        if kind == TokenType.L_PAREN:
            opened.append(run + 1)
        elif kind == TokenType.R_PAREN and opened:
            opened.pop()
        run = run + 1 if kind in (TokenType.NOT, TokenType.DASH) else 0
        if sum(opened) + run > NESTING:
            raise too_deep(token.line)
    if values > MOST_VALUES:
        raise RuleError(f"the rule lists more than {MOST_VALUES} values; load them as a column of the customers file")
    if joints > MOST_JOINTS:
        raise RuleError(f"the rule joins more than {MOST_JOINTS} conditions; write column in (...) or load a column")


def too_deep(line: int) -> RuleError:
    """The refusal of a rule that no person could read and that might exhaust the stack."""
    return RuleError(f"the rule is nested more than {NESTING} deep; write it flatter", line)
