"""What the rule language understands, and what it says to what it does not."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlglot.parser import Parser
from sqlglot.tokens import Tokenizer

from waves.errors import RuleError
from waves.rule_nodes import (
    And,
    Arith,
    Between,
    Call,
    Column,
    Compare,
    Constant,
    Converted,
    In,
    IsNull,
    Like,
    Literal,
    Negative,
    Not,
    Or,
    WaveValue,
    WaveWord,
)
from waves.rules import RESERVED, parse_rule, parse_score

COLUMNS = {
    "age": "integer",
    "value": "number",
    "job": "text",
    "vip": "boolean",
    "born": "date",
    "contract_end": "date",
    "seen": "datetime",
}
WAVES, LATER = ("notice", "call"), ("follow_up", "farewell")
AGE, VALUE, JOB, VIP = (Column(name, COLUMNS[name]) for name in ("age", "value", "job", "vip"))
BORN, SEEN = Column("born", "date"), Column("seen", "datetime")
CLICKED = WaveWord("notice", "clicked")


def parse(text: str) -> object:
    return parse_rule(text, COLUMNS, WAVES, allow_converted=True, later=LATER).expr


def five(kind: str = "integer") -> Literal:
    return Literal(5 if kind == "integer" else 5.0, kind)


UNDERSTOOD = [
    ("true", Constant(True)),
    ("age > 5", Compare(">", AGE, five())),
    ("AGE <> 5.0", Compare("!=", AGE, five("number"))),
    ("age = -5", Compare("=", AGE, Literal(-5, "integer"))),
    ("not age = 5 and vip", And((Not(Compare("=", AGE, five())), VIP))),
    ("vip or vip and vip or vip", Or((VIP, And((VIP, VIP)), VIP))),
    ("vip and (vip or vip)", And((VIP, Or((VIP, VIP))))),
    ("vip = false", Not(VIP)),
    ("true = vip", VIP),
    ("vip is not null", Not(IsNull(VIP))),
    ("job in ('a', 'it''s; -- 100%')", In(JOB, (Literal("a", "text"), Literal("it's; -- 100%", "text")))),
    ("age not in (1)", Not(In(AGE, (Literal(1, "integer"),)))),
    ("age between 5 and value", Between(AGE, five(), VALUE)),
    (r"job like 'a\%'", Like(JOB, "a\\%")),
    ("job not like '%'", Not(Like(JOB, "%"))),
    ("lower(job) = 'x'", Compare("=", Call("lower", JOB), Literal("x", "text"))),
    ("value - 5 - age > 5", Compare(">", Arith("-", Arith("-", VALUE, five()), AGE), five())),
    ("-age / value * 5 > 5", Compare(">", Arith("*", Arith("/", Negative(AGE), VALUE), five()), five())),
    ("days_since(seen) > 5", Compare(">", Call("days_since", SEEN), five())),
    ("born < '2000-02-29'", Compare("<", BORN, Literal(date(2000, 2, 29), "date"))),
    ("seen < '2000-02-29'", Compare("<", Call("utc_day", SEEN), Literal(date(2000, 2, 29), "date"))),
    (
        "seen < '2000-01-01 00:30+01:00'",
        Compare("<", SEEN, Literal(datetime(1999, 12, 31, 23, 30, tzinfo=UTC), "datetime")),
    ),
    ("notice.clicked and not converted", And((CLICKED, Not(Converted())))),
    ("notice.verdict = 'no_address'", Compare("=", WaveValue("notice", "verdict"), Literal(6, "verdict"))),
    ("call.disposition in ('sale')", In(WaveValue("call", "disposition"), (Literal(1, "disposition"),))),
    ("call.verdict is null", IsNull(WaveValue("call", "verdict"))),
    ("call.missed\nor\tcall.busy", Or((WaveWord("call", "missed"), WaveWord("call", "busy")))),
]


@pytest.mark.parametrize(("text", "expr"), UNDERSTOOD, ids=[text for text, _ in UNDERSTOOD])
def test_what_is_understood(text: str, expr: object) -> None:
    assert parse(text) == expr


ONLY = "a rule knows columns, converted, wave.word, = != < <= > >=, and, or, not, in, between, like, is null, + - * /, "
ONLY += "days_since(), days_until() and lower()"
CANNOT = "they cannot be compared"
REFUSED = [
    ("", "the rule is empty; write true to take everyone"),
    ("agee > 5", "no column agee; did you mean age?"),
    ("contract_ends > '2026-01-01'", "no column contract_ends; did you mean contract_end?"),
    ("zzz", "no column zzz; columns: age, value, job, vip, born, contract_end, seen"),
    ("notce.clicked", "no wave notce before this rule; did you mean notice?"),
    ("profile.age > 5", "profile.age: a column is written without a dot: age"),
    ("notice.cliked", "notice.cliked: a wave has no such word; did you mean clicked?"),
    (
        "follow_up.missed",
        "follow_up.missed reads a later wave: a rule reads only waves before its own; it may read notice, call",
    ),
    ("notice", "notice is a wave; say what of it: notice.engaged, notice.verdict = 'no_address'"),
    ("clicked", "clicked of which wave? write call.clicked"),
    ("a.b.c", "a name has one dot at most: wave.word"),
    ("notice.verdict = 'no_adress'", "'no_adress' is no verdict; did you mean no_address?"),
    ("notice.verdict > 'go'", "notice.verdict has no order; compare it by =, != or in"),
    ("notice.verdict = call.verdict", "notice.verdict is compared with quoted words only, not with call.verdict"),
    ("notice.verdict", "notice.verdict is a verdict, not a condition; compare it: notice.verdict = 'word'"),
    ("age = null", "nothing is ever = null; write: age is null"),
    ("null != age", "nothing is ever != null; write: age is not null"),
    ("age < null", "nothing is ever < null; leave it out"),
    ("age in (1, null)", "null in a list matches nothing; write: age in (...) or age is null"),
    ("null", "null stands only in: x is null, x is not null"),
    ("age is true", "after is comes null or not null, not 'true'; write = to compare"),
    ("age is not 5", "after is not comes null, not '5'; write != to compare"),
    ("age is unknown", "after is comes null or not null, not 'unknown'; write = to compare"),
    ("notice.clicked is null", "is null takes a column or a calculation, not notice.clicked"),
    ("age > 'old'", f"age is a whole number and 'old' is text: {CANNOT}; write a number, without quotes"),
    ("job = 5", f"job is text and 5 is a whole number: {CANNOT}; write '5'"),
    ("job = age", f"job is text and age is a whole number: {CANNOT}"),
    (
        "vip = 'yes'",
        f"vip is true or false and 'yes' is text: {CANNOT}; conditions are joined by and, or, not (a < b and b < c)",
    ),
    ("vip > false", "vip is true or false and has no order; write vip or not vip"),
    ("(age > 5) = vip", "two conditions are compared; join them with and, or, not (a < b and b < c)"),
    ("born > '31.12.2026'", "born is a date and '31.12.2026' is none; write it as '2026-12-31'"),
    ("born > '2026-02-30'", "born is a date and '2026-02-30' is none; write it as '2026-12-31'"),
    (
        "seen > '2026-02-28T10:00'",
        "seen is a date and time, '2026-02-28T10:00' is none; write '2026-12-31', or with a zone '2026-12-31T10:00Z'",
    ),
    (
        "seen between '2026-02-28' and '2026-02-28T10:00Z'",
        "seen is compared with dates and with times at once; write all of them alike",
    ),
    (
        "born = seen",
        f"born is a date and seen is a date and time: {CANNOT}; "
        "write a date in quotes such as '2026-12-31', or count days: days_since(column) > 30",
    ),
    ("born + 1 > 5", "born is a date; + - * / take numbers; count days: days_since(column)"),
    ("1 = 1", "1 is compared with fixed values only; name a column"),
    ("age", "age is a whole number, not a condition; compare it: age = 1"),
    ("'x'", "'x' is text, not a condition; compare it: column = 'word'"),
    ("age and vip", "age is a whole number, not a condition; compare it: age = 1"),
    ("job like age", "after like comes a quoted pattern such as 'abc%', not age"),
    ("age like '1%'", "like takes a text column, and age is a whole number"),
    ("job like 'a\\'", "a pattern cannot end in one \\, which takes the next character as it is; write \\\\"),
    ("age in 5", "after in comes a list of fixed values: age in (1, 2) or ('a', 'b')"),
    ("age in ()", "after in comes a list of fixed values: age in (1, 2) or ('a', 'b')"),
    ("age in (value)", "a list after in holds numbers or quoted words, and value is neither"),
    ("vip in (true)", "a list after in holds numbers or quoted words, and true is neither"),
    ("days_since(age) > 5", "days_since() takes a date column, and age is a whole number"),
    ("days_since(born, seen) > 5", "days_since() takes a date column and nothing else"),
    ("lower('X') = job", "lower() takes a text column, and 'X' is text"),
    ("length(job) > 5", "no function length(); there are days_since(), days_until() and lower()"),
    ("cast(age as text) = '5'", "'cast' is not part of a rule: a column's type is declared in customers.yaml"),
    ("age::text = '5'", "'::' is not part of a rule: a column's type is declared in customers.yaml"),
    ("select 1", "'select' is not part of a rule: a rule sees one customer's columns, not tables"),
    ("age in (select age from x)", "'select' is not part of a rule: a rule sees one customer's columns, not tables"),
    ("case when vip then true end", "'case' is not part of a rule: join conditions with and, or, not"),
    ("vip; vip", "';' is not part of a rule: a rule is one condition"),
    ("vip -- really", "a rule holds no comments (-- or /* */); use a YAML comment (#) beside it"),
    ("/* x */ vip", "a rule holds no comments (-- or /* */); use a YAML comment (#) beside it"),
    ("vip {# x #}", "a rule holds no comments (-- or /* */); use a YAML comment (#) beside it"),
    ("age = :p", f"':' is not part of a rule; {ONLY}"),
    ("age = ?", f"'?' is not part of a rule; {ONLY}"),
    ("age = @p", f"'@' is not part of a rule; {ONLY}"),
    ("age = $1", f"'$1' is not part of a rule; {ONLY}"),
    ("*", f"'*' is not part of a rule; {ONLY}"),
    ("notice.*", "a dot stands between a wave and its word (notice.engaged) or in a number (0.5)"),
    ("(age, value) = (1, 2)", f"'(age, value)' is not part of a rule; {ONLY}"),
    ("age == 5", "'==' is not part of a rule: write = for equal"),
    ("job || 'x' = 'y'", "'||' is not part of a rule: write or; texts cannot be joined"),
    ("age % 2 = 0", f"'%' is not part of a rule; {ONLY}"),
    ('job = "nurse"', "\"nurse\": texts take single quotes ('nurse'), names of columns none"),
    ("job = n'x'", f"\"n'x'\" is not part of a rule; {ONLY}"),
    ("age = 0x1f", "between '0' and 'x1f' something is missing: and, or, =, a comma?"),
    ("age = 1_000", "between '1' and '_000' something is missing: and, or, =, a comma?"),
    ("age = .5", "a dot stands between a wave and its word (notice.engaged) or in a number (0.5)"),
    ("value > 1e999", "1e999 is too large for a number"),
    ("vip vip", "between 'vip' and 'vip' something is missing: and, or, =, a comma?"),
    ("born = date '2026-01-01'", "between 'date' and '2026-01-01' something is missing: and, or, =, a comma?"),
    ("job like 'x' escape '!'", "'escape' is not part of a rule: \\ before % or _ takes it as it is"),
    ("job ilike 'x'", "'ilike' is not part of a rule: write lower(column) like 'text in small letters'"),
    ("vip = not vip", "not stands before a whole condition, not after '='"),
    ("age >", "the rule cannot be read near '>': is a condition complete, is every ( closed?"),
    ("(vip", "the rule cannot be read near 'vip': is a condition complete, is every ( closed?"),
    ("vip)", "the rule cannot be read near ')': is a condition complete, is every ( closed?"),
    ("job = 'x", "the rule cannot be read: a quote or a comment is not closed"),
    ("job = 'a\x00'", "the rule holds a zero byte; remove it"),
    ("(" * 25 + "vip" + ")" * 25, "the rule is nested more than 24 deep; write it flatter"),
    ("not " * 5000 + "vip", "the rule is nested more than 24 deep; write it flatter"),
    ("age" + " + 1" * 900 + " > 5", "the rule is nested more than 24 deep; write it flatter"),
    ("age" + " = age" * 3000, "the rule is nested more than 24 deep; write it flatter"),
    (" or ".join(["vip"] * 400), "the rule joins more than 300 conditions; write column in (...) or load a column"),
    (
        f"age in ({', '.join(['1'] * 1001)})",
        "the rule lists more than 1000 values; load them as a column of the customers file",
    ),
    ("vip " * 11000, "the rule is longer than 40000 characters; load long lists as a column"),
    (" * ".join(["value"] * 20) + " > 5", "too many * and / in one expression: the result might not fit a number"),
]


@pytest.mark.parametrize(("text", "message"), REFUSED, ids=[text[:40] for text, _ in REFUSED])
def test_what_is_refused_and_how(text: str, message: str) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text)
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("vip\nand agee > 5", 2),
        ("vip and\n\nage > 'x'\nand vip", 3),
        ("vip\nor age ==\n5", 2),
        ("vip\nor\nvip vip", 3),
        ("vip and\nlength(job) > 1", 2),
        ("vip and\njob in ('\x00')", 2),
    ],
)
def test_the_line_of_an_error(text: str, line: int) -> None:
    with pytest.raises(RuleError) as caught:
        parse(text)
    assert caught.value.line == line


def test_a_segment_reads_neither_waves_nor_conversions() -> None:
    with pytest.raises(RuleError, match="converted is known only to the enter rule of a wave"):
        parse_rule("converted", COLUMNS)
    with pytest.raises(RuleError, match="no wave notice before this rule; there are no earlier waves"):
        parse_rule("notice.clicked", COLUMNS)
    with pytest.raises(RuleError, match=r"reads a later wave.*; there is no wave before it"):
        parse_rule("notice.clicked", COLUMNS, later=("notice",))


def test_a_rule_knows_what_it_reads() -> None:
    rule = parse_rule("age > 5 and notice.clicked or lower(job) = 'x' and call.verdict is null", COLUMNS, WAVES)
    assert rule.columns == {"age", "job"}
    assert rule.waves == {"notice", "call"}


@pytest.mark.parametrize(
    ("text", "bound"),
    [
        ("age > 5", Compare(">", AGE, five())),
        ("not converted and notice.clicked", And((Not(Constant(False)), Constant(True)))),
        ("not (converted or vip)", Not(Or((Constant(False), VIP)))),
        ("not notice.verdict in ('go') and not not converted", And((Not(Constant(False)), Not(Not(Constant(True)))))),
    ],
)
def test_the_upper_bound_before_outcomes_exist(text: str, bound: object) -> None:
    rule = parse_rule(text, COLUMNS, WAVES, allow_converted=True).at_most()
    assert (rule.expr, rule.waves) == (bound, frozenset())


def test_scores() -> None:
    assert parse_score("value", COLUMNS).expr == VALUE
    assert parse_score("value / 5", COLUMNS).columns == {"value"}
    for text in ("vip", "5", "job", "5 + 1"):
        with pytest.raises(RuleError, match="a score is a number that differs between customers"):
            parse_score(text, COLUMNS)


SQL_WORDS = {*Tokenizer.KEYWORDS, *Parser.FUNCTIONS, *Parser.FUNCTION_PARSERS, *Parser.NO_PAREN_FUNCTION_PARSERS}
NAMES = sorted({word.lower() for word in SQL_WORDS if re.fullmatch(r"[A-Za-z]\w*", word)} - RESERVED)


def test_no_word_of_sql_is_lost_as_a_name() -> None:
    """A column may be called `end` and a wave `call`: only the language's own words are reserved."""
    for name in NAMES:
        column = Column(name, "integer")
        rule = parse_rule(f"{name} > 5 and not {name} in (5)", {name: "integer"})
        assert rule.expr == And((Compare(">", column, five()), Not(In(column, (five(),)))))
        assert parse_rule(f"{name}.clicked or vip", COLUMNS, [name]).expr == Or((WaveWord(name, "clicked"), VIP))


SIGNS = st.sampled_from(list("() ,.'\"\\;-*=<>!:@?%|&[]{}#$/+\n0.5e")) | st.characters(codec="utf-8")


def line_of_refusal(text: str) -> int:
    """The line that the refusal names, or 1 for a rule that is understood."""
    try:
        parse(text)
    except RuleError as error:
        return error.line
    return 1


@given(st.text(SIGNS, max_size=40))
def test_any_text_is_a_rule_or_a_rule_error(text: str) -> None:
    for whole in (text, f"age > 5 {text}", f"job = '{text}' or vip"):
        assert 1 <= line_of_refusal(whole) <= whole.count("\n") + whole.count("\r") + 1


TOKENS = ["age", "job", "vip", "notice", ".", "clicked", "(", ")", ",", "not", "and", "or", "in", "is", "null", "like"]
TOKENS += ["between", "=", "<", "-", "*", "/", "5", "0.5", "'x'", "true", "lower", "days_since", "seen", "converted"]


@given(st.lists(st.sampled_from(TOKENS), max_size=25))
def test_any_words_are_a_rule_or_a_rule_error(words: list[str]) -> None:
    assert line_of_refusal(" ".join(words)) == 1


def test_every_wrong_part_of_one_rule_is_named_in_order() -> None:
    text = "agee > 5 and (job = 5\n or not notice.clickd) and vip"
    with pytest.raises(RuleError) as refused:
        parse(text)
    assert [(error.line, str(error).split(";")[0]) for error in refused.value.every] == [
        (1, "no column agee"),
        (1, "job is text and 5 is a whole number: they cannot be compared"),
        (2, "notice.clickd: a wave has no such word"),
    ]
