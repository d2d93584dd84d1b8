"""Asking another database: one SELECT, reading only, and what goes wrong said without the address."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import psycopg
import pytest
from sqlalchemy import make_url

from segments.query import Query, asked, check_reads_only
from tests.import_desk import Desk
from waves.errors import InputError

NARROW = {
    "key": "id",
    "columns": {"age": "integer"},
    "addresses": [{"column": "email", "channels": ["email"]}],
}
ALL = "SELECT * FROM person"


@pytest.fixture
def crm(tmp_path: Path) -> Path:
    """A database of one customer."""
    path = tmp_path / "crm.db"
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE person (id, age, email)")
        connection.execute("INSERT INTO person VALUES ('c1', 41, 'c1@example.com')")
    connection.close()
    return path


@pytest.mark.parametrize(
    "text",
    [
        "SELECT 1",
        "  -- whose\n select id from person where email like '%:x' ;\n",
        "SELECT 1; -- all",
        "(SELECT 1) UNION ALL SELECT 2 ORDER BY 1",
        "WITH a AS (SELECT 1 AS x) SELECT x::text FROM a",
    ],
)
def test_what_may_be_asked(text: str) -> None:
    check_reads_only(Query("", text), "postgresql")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "it is empty"),
        ("-- nothing", "it is empty"),
        ("DELETE FROM person", "it begins with DELETE; write a SELECT"),
        ("explain select 1", "it begins with explain"),
        ("SELECT 1; DROP TABLE person", "there are 2 statements"),
        ("WITH a AS (DELETE FROM person RETURNING id) SELECT * FROM a", "there is DELETE in it"),
        ("SELECT * INTO copy FROM person", "there is INTO in it"),
        ("SELECT * FROM person FOR UPDATE", "there is LOCK in it"),
        ("WITH a AS (SELECT 1) INSERT INTO person SELECT * FROM a", "there is INSERT in it"),
        ("SELECT id FROM\nperson WHERE WHERE", "(line 2, near 'WHERE')"),
        ("SELECT 'open", "is a quote not closed?"),
    ],
)
def test_what_may_not(text: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        check_reads_only(Query("", text, "crm.sql"), "postgresql")
    assert str(caught.value).startswith("crm.sql: ")
    assert says in str(caught.value)


@pytest.mark.parametrize(
    ("select", "says"),
    [
        ("SELECT id, age FROM person", "there is no column email"),
        ("SELECT *, 1 AS age FROM person", "the header names age twice"),
        ("SELECT * FROM persons", "the database says: no such table: persons"),
        ("SELECT id, x'ff' AS age, email FROM person", "the column age holds bytes that are not UTF-8"),
        ("SELECT id, CAST(x'ff' AS text) AS age, email FROM person", "the database says: Could not decode"),
    ],
)
def test_a_query_that_fails_leaves_everything_as_it_was(lite_desk: Desk, crm: Path, select: str, says: str) -> None:
    lite_desk.schema = NARROW
    lite_desk.ask(f"sqlite:///{crm}", ALL)
    before = lite_desk.content()
    lite_desk.rejects.write_text("of an earlier import")
    with pytest.raises(InputError) as caught:
        lite_desk.ask(f"sqlite:///{crm}", select)
    assert says in str(caught.value)
    assert lite_desk.content() == before
    assert lite_desk.rejects.read_text() == "of an earlier import"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("crm", "the database's address cannot be read"),
        ("postgresql://me:secret@localhost:port/crm", "the database's address cannot be read"),
        ("nosuch://me:secret@localhost/crm", "'nosuch' is no database that SQLAlchemy knows"),
        ("mysql://me:secret@localhost/crm", "the driver of mysql is not installed; pip install MySQLdb"),
        ("postgresql+asyncpg://me:secret@localhost/crm", "postgresql+asyncpg is a driver for asynchronous programs"),
        ("postgresql://me:secret@localhost:1/crm?connect_timeout=2", "the database says: connection failed"),
        ("postgresql://me:secret@localhost/crm?secret=secret", "the database says: invalid connection option"),
        ("sqlite:///absent.db", "there is no SQLite file at absent.db"),
        ("sqlite://", "there is no SQLite file at that address"),
    ],
)
def test_an_address_that_cannot_be_asked(lite_desk: Desk, url: str, says: str) -> None:
    with pytest.raises(InputError) as caught:
        lite_desk.ask(url, ALL)
    assert says in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "me:" not in str(caught.value)
    assert "secret" not in repr(Query(url, ALL))


def test_a_function_cannot_write_either(lite_desk: Desk, pg_url: str) -> None:
    url = make_url(pg_url).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("CREATE SEQUENCE IF NOT EXISTS visits")
    with pytest.raises(InputError, match="cannot execute nextval"):
        lite_desk.ask(url, "SELECT nextval('visits') AS id")


def test_what_the_database_quotes_is_not_repeated(lite_desk: Desk, pg_url: str) -> None:
    lite_desk.schema = NARROW
    for value in ("ada@example.com", "+1 512 555 0100"):
        with pytest.raises(InputError) as caught:
            lite_desk.ask(pg_url, f"SELECT 'c1' AS id, CAST(concat('{value}') AS integer) AS age, '' AS email")
        assert "invalid input syntax for type integer" in str(caught.value)
        assert value not in str(caught.value)


@pytest.mark.parametrize("value", ["'1 day'::interval", "ARRAY[1]", "'{}'::json", "now()::time"])
def test_a_type_that_no_cell_holds(lite_desk: Desk, pg_url: str, value: str) -> None:
    lite_desk.schema = NARROW
    with pytest.raises(InputError, match="; CAST it to text"):
        lite_desk.ask(pg_url, f"SELECT 'c1' AS id, {value} AS age, '' AS email")


def test_the_answer_is_kept_while_the_other_database_changes(lite_desk: Desk, crm: Path) -> None:
    lite_desk.schema = NARROW
    with asked(Query(f"sqlite:///{crm}", ALL), lite_desk.meaning) as source:
        with sqlite3.connect(crm) as connection:
            connection.execute("DELETE FROM person")
        connection.close()
        assert lite_desk.load(source).added == 1
    assert lite_desk.ask(f"sqlite:///{crm}", ALL).rows == 0
