"""One rule, three readings: plain Python, SQLite and PostgreSQL agree on every row, NULLs included."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import (
    Boolean,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    SmallInteger,
    Table,
    case,
    create_engine,
    event,
    insert,
    not_,
    select,
)

from ledger.types import ATTRIBUTE_TYPES
from segments.select import Source, compile_rule
from tests.rule_texts import CODES, NUMBERS, ROWS, RULES, TODAY, TYPES, WORDS, Piece, Row
from waves.errors import RuleError
from waves.rules import Rule, parse_rule, parse_score

WAVES = ("notice", "call")
SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.function_scoped_fixture]
people = Table(
    "people",
    MetaData(),
    Column("row", Integer, primary_key=True),
    *(Column(name, ATTRIBUTE_TYPES[kind]) for name, kind in TYPES.items()),
    *(Column(name, Boolean(create_constraint=False)) for name in (*WORDS, "converted")),
    *(Column(name, SmallInteger) for name in CODES),
    prefixes=["TEMPORARY"],
)
SOURCE = Source(
    columns={name: people.c[name] for name in TYPES},
    today=TODAY,
    word=lambda wave, word: people.c[f"{wave}.{word}"],
    value=lambda wave, word: people.c[f"{wave}.{word}"],
    converted=people.c.converted,
)


def engine_of(url: str) -> Engine:
    engine = create_engine(url)
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA case_sensitive_like=ON"))
    return engine


@pytest.fixture(scope="module")
def databases(pg_url: str) -> Iterator[list[Connection]]:
    """A connection to each database with an empty temporary table `people`."""
    engines = [engine_of("sqlite://"), engine_of(pg_url)]
    connections = [engine.connect() for engine in engines]
    for connection in connections:
        people.create(connection)
        connection.commit()
    yield connections
    for connection in connections:
        connection.close()
    for engine in engines:
        engine.dispose()


def ask(connection: Connection, rows: list[Row], *clauses: Any) -> list[tuple[Any, ...]]:
    """The clauses' values for each row, of which nothing is kept."""
    connection.execute(insert(people), [{"row": i, **row} for i, row in enumerate(rows)])
    found = connection.execute(select(*clauses).select_from(people).order_by(people.c.row)).all()
    connection.rollback()
    return [tuple(row) for row in found]


def truth_of(rule: Rule) -> Any:
    clause = compile_rule(rule, SOURCE)
    return case((clause, 1), (not_(clause), 0))


def parsed(text: str) -> Rule:
    return parse_rule(text, TYPES, WAVES, allow_converted=True)


@settings(max_examples=150, deadline=None, suppress_health_check=SLOW)
@given(st.lists(RULES, min_size=8, max_size=12), st.lists(ROWS, min_size=4, max_size=6))
def test_both_databases_agree_with_plain_python(
    databases: list[Connection], pieces: list[Piece], rows: list[Row]
) -> None:
    rules = [parsed(piece.text) for piece in pieces]
    expected = [tuple(None if (truth := p.of(row)) is None else int(truth) for p in pieces) for row in rows]
    for connection in databases:
        assert ask(connection, rows, *map(truth_of, rules)) == expected, connection.dialect.name


@settings(max_examples=60, deadline=None, suppress_health_check=SLOW)
@given(RULES, st.lists(ROWS, min_size=4, max_size=6))
def test_the_upper_bound_reads_no_outcome_and_misses_nobody(
    databases: list[Connection], piece: Piece, rows: list[Row]
) -> None:
    bound = parsed(piece.text).at_most()
    assert not bound.waves
    for connection in databases:
        bounds = ask(connection, rows, case((compile_rule(bound, SOURCE), 1), else_=0))
        assert all(found == (1,) for row, found in zip(rows, bounds, strict=True) if piece.of(row))


@settings(max_examples=100, deadline=None, suppress_health_check=SLOW)
@given(NUMBERS, st.lists(ROWS, min_size=4, max_size=6))
def test_scores_agree_to_the_last_bit(databases: list[Connection], piece: Piece, rows: list[Row]) -> None:
    score = compile_rule(parse_score(piece.text, TYPES), SOURCE)
    for connection in databases:
        assert ask(connection, rows, score) == [(piece.of(row),) for row in rows], connection.dialect.name


LATE, EARLY = datetime(2026, 2, 28, 23, 59, 59, 999_999, tzinfo=UTC), datetime(1969, 12, 31, 23, 59, tzinfo=UTC)
CASES = [
    ("value / age > 0", {"value": 1.0, "age": 0}, None),
    ("value / age > 0", {"value": 1.0, "age": 4}, 1),
    ("age / 4 = 0.25", {"age": 1}, 1),
    ("value * value * value > 0", {"value": 1e300}, None),
    ("value * value * value = 0", {"value": 1e-200}, 1),
    ("age = 9007199254740993", {"age": 2**53 + 1}, 1),
    ("age = 9007199254740992", {"age": 2**53 + 1}, 0),
    ("age = value", {"age": 2**53 + 1, "value": 2.0**53}, 1),
    ("- age > 0", {"age": -(2**63)}, 1),
    ("age > 99999999999999999999", {"age": 1}, 0),
    ("job < 'a'", {"job": "B"}, 1),
    ("job > 'z'", {"job": "é"}, 1),
    ("job > '\uffff'", {"job": "😀"}, 1),
    ("lower(job) = 'ab'", {"job": "AB"}, 1),
    ("lower(job) = 'École'", {"job": "ÉCOLE"}, 1),
    ("lower(job) = 'école'", {"job": "ÉCOLE"}, 0),
    ("job like 'a%'", {"job": "Ab"}, 0),
    (r"job like '100\%'", {"job": "100%"}, 1),
    (r"job like '100\%'", {"job": "1000"}, 0),
    (r"job like '\\%'", {"job": "\\x"}, 1),
    ("job like '_'", {"job": "😀"}, 1),
    ("job not like 'a%'", {}, None),
    ("not job in ('a')", {}, None),
    ("job is null or job != 'a'", {}, 1),
    ("days_since(seen) = 1", {"seen": LATE}, 1),
    ("days_since(seen) = 20514 ", {"seen": EARLY}, 1),
    ("days_until(ends) = 31", {"ends": date(2026, 4, 1)}, 1),
    ("days_until(ends) = -1", {"ends": date(2026, 2, 28)}, 1),
    ("seen <= '2026-02-28'", {"seen": LATE}, 1),
    ("seen between '2026-02-01' and '2026-02-28'", {"seen": LATE}, 1),
    ("seen < '2026-02-28T23:59:59.999999Z'", {"seen": LATE}, 0),
    ("seen = '2026-03-01 01:59:59.999999+02:00'", {"seen": LATE}, 1),
    ("notice.verdict != 'go'", {}, None),
    ("notice.verdict = 'no_address'", {"notice.verdict": 6}, 1),
]


@pytest.mark.parametrize(("text", "row", "truth"), CASES)
def test_the_awkward_cases(databases: list[Connection], text: str, row: Row, truth: int | None) -> None:
    empty = dict.fromkeys([*TYPES, *WORDS, *CODES, "converted"])
    for connection in databases:
        assert ask(connection, [{**empty, **row}], truth_of(parsed(text))) == [(truth,)], connection.dialect.name


def test_no_text_of_a_rule_reaches_the_statement() -> None:
    rule = parsed(
        "job = 'x;drop' or job like 'x;drop%' or job in ('x;drop') or age * 77.5 > 7755 or ends > '2031-01-02'"
    )
    statement = str(compile_rule(rule, SOURCE))
    assert not [word for word in ("drop", "77", "2031") if word in statement]


def test_the_largest_rules_fit_both_databases(databases: list[Connection]) -> None:
    empty = dict.fromkeys([*TYPES, *WORDS, *CODES, "converted"])
    texts = [
        " or ".join(f"age = {i}" for i in range(301)),
        f"age in ({', '.join(map(str, range(1000)))})",
        "(" * 22 + "age = 5" + " or not vip)" * 22,
        "not " * 22 + "age = 5",
        "(age = 4 or " * 20 + " or ".join(["value * rate / 7 - visits > 3"] * 120 + ["age = 5"]) + ")" * 20,
    ]
    for connection in databases:
        assert ask(connection, [{**empty, "age": 5}], *(truth_of(parsed(text)) for text in texts)) == [(1,) * 5]


def test_converted_needs_a_source_that_knows_it() -> None:
    source = Source(SOURCE.columns, TODAY, SOURCE.word, SOURCE.value)
    with pytest.raises(RuleError, match="converted is known only to the enter rule"):
        compile_rule(parsed("not converted"), source)
