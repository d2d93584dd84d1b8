"""The same people from a CSV file, a Parquet file and two databases; and what makes a Parquet file unfit."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from sqlalchemy import make_url

from tests.import_desk import HEADER, Desk, person
from waves.errors import InputError

KYIV = timezone(timedelta(hours=3))
MIDNIGHT = datetime.fromisoformat("2026-12-31")
TYPES: dict[str, tuple[str, str, pa.DataType]] = {
    "age": ("integer", "bigint", pa.int32()),
    "worth": ("real", "numeric(12, 2)", pa.decimal128(12, 2)),
    "vip": ("boolean", "boolean", pa.bool_()),
    "due": ("text", "date", pa.date32()),
    "seen": ("text", "timestamptz", pa.timestamp("ns", "Europe/Kyiv")),
    "mobile": ("integer", "bigint", pa.int64()),
    "push": ("blob", "bytea", pa.binary()),
    "sms_ok": ("boolean", "boolean", pa.bool_()),
    "sms_at": ("text", "timestamptz", pa.timestamp("us", "UTC")),
    "lang": ("text", "text", pa.dictionary(pa.int8(), pa.string())),
}
"""What is not text: its type in SQLite, in PostgreSQL and in Arrow."""
TYPED: list[dict[str, Any]] = [
    {
        "id": "c1",
        "full_name": ' Zoë, "Z" Example ',
        "lang": "pt_BR",
        "age": 41,
        "worth": Decimal("-1500.25"),
        "vip": True,
        "due": date(2026, 12, 31),
        "seen": datetime(2026, 5, 1, 10, 0, 0, 250_000, tzinfo=KYIV),
        "mobile": 15125550101,
        "push": b"https://push.example.com/abc",
        "sms_ok": True,
        "sms_at": datetime(2026, 1, 1, tzinfo=UTC),
        "email": "c1@example.com",
        "zip": "02138",
    },
    {"id": "c2", "vip": False, "sms_ok": False, "mobile": 15125550102, "email": "", "plan_name": "one\ntwo"},
    {"id": "c3", "age": 2**31 - 1, "worth": Decimal("0.00"), "mobile": 15125550102, "email": "c1@example.com"},
    {"id": "c2", "vip": False, "sms_ok": False, "mobile": 15125550102, "email_ok": "yes"},
    {"id": "c4"},
]
TEXT: list[dict[str, object]] = [
    {
        "id": "c1",
        "full_name": ' Zoë, "Z" Example ',
        "lang": "pt_BR",
        "age": "41",
        "worth": "-1500.25",
        "vip": "true",
        "due": "2026-12-31",
        "seen": "2026-05-01T10:00:00.25+03:00",
        "mobile": "15125550101",
        "push": "https://push.example.com/abc",
        "sms_ok": "yes",
        "sms_at": "2026-01-01T00:00Z",
        "email": "c1@example.com",
        "zip": "02138",
    },
    {"id": "c2", "vip": "no", "sms_ok": "no", "mobile": "15125550102", "plan_name": "one\ntwo"},
    {"id": "c3", "age": "2147483647", "worth": "0", "mobile": "15125550102", "email": "c1@example.com"},
    {"id": "c2", "vip": "false", "sms_ok": "no", "mobile": "15125550102", "email_ok": "yes"},
    {"id": "c4"},
]


def parquet(folder: Path, rows: list[dict[str, Any]] = TYPED, **options: Any) -> Path:
    """A Parquet file of typed rows."""
    kinds = pa.schema([(name, TYPES[name][2] if name in TYPES else pa.string()) for name in HEADER])
    path = folder / "customers.parquet"
    pq.write_table(pa.Table.from_pylist(rows, schema=kinds), path, **options)
    return path


def from_parquet(desk: Desk, _request: pytest.FixtureRequest) -> Any:
    return desk.load(parquet(desk.folder, row_group_size=2))


def from_sqlite(desk: Desk, _request: pytest.FixtureRequest) -> Any:
    path = desk.folder / "crm.db"
    spelled = {date: str, datetime: str, Decimal: float}
    with sqlite3.connect(path) as connection:
        connection.execute("DROP TABLE IF EXISTS person")
        named = ", ".join(f"{n} {TYPES.get(n, ('text',))[0]}" for n in HEADER)
        connection.execute(f"CREATE TABLE person ({named})")
        for row in TYPED:
            values = [spelled.get(type(value), lambda it: it)(value) for value in row.values()]
            connection.execute(f"INSERT INTO person ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})", values)
    connection.close()
    return desk.ask(f"sqlite:///{path}", "SELECT * FROM person ORDER BY rowid")


def from_postgresql(desk: Desk, request: pytest.FixtureRequest) -> Any:
    url = make_url(request.getfixturevalue("pg_url")).set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(url) as connection:
        connection.execute("DROP TABLE IF EXISTS person")
        named = ", ".join(f"{n} {TYPES.get(n, ('', 'text'))[1]}" for n in HEADER)
        connection.execute(f"CREATE TABLE person (at serial, {named})")
        for row in TYPED:
            places = ", ".join(["%s"] * len(row))
            connection.execute(f"INSERT INTO person ({', '.join(row)}) VALUES ({places})", list(row.values()))
    return desk.ask(url, "SELECT *, 'a:b' LIKE 'a%' FROM person ORDER BY at; -- all")


@pytest.mark.parametrize("fetch", [from_parquet, from_sqlite, from_postgresql])
def test_the_same_people_end_in_the_same_ledger(
    desk: Desk, request: pytest.FixtureRequest, fetch: Callable[[Desk, pytest.FixtureRequest], Any]
) -> None:
    told = desk.put(*TEXT)
    from_csv = desk.content()
    rejected = [line.partition(",")[2] for line in desk.rejects.read_text().splitlines()]
    desk.now += timedelta(days=1)
    again = fetch(desk, request)
    assert (again.added, again.updated, again.unchanged) == (0, 0, 4)
    assert desk.content() == from_csv
    desk.clear()
    desk.now -= timedelta(days=1)
    anew = fetch(desk, request)
    assert desk.content() == from_csv
    assert (anew.rows, anew.added, anew.superseded, anew.reasons) == (5, 4, 1, told.reasons)
    assert [line.partition(",")[2] for line in desk.rejects.read_text().splitlines()] == rejected
    assert dict(anew.shared) == {"sms": 1, "call_list": 1, "email": 1}


@pytest.mark.parametrize(
    ("column", "kind", "value", "text"),
    [
        ("worth", pa.float32(), 0.1, "0.1"),
        ("age", pa.float64(), 42.0, "42"),
        ("age", pa.float64(), 42.5, "42.5"),
        ("worth", pa.float64(), float("nan"), "nan"),
        ("age", pa.bool_(), True, "true"),
        ("age", pa.decimal128(6, 2), Decimal("42.00"), "42.00"),
        ("due", pa.timestamp("ns"), MIDNIGHT, "2026-12-31"),
        ("due", pa.timestamp("s"), MIDNIGHT + timedelta(hours=9), "2026-12-31 09:00:00"),
        ("due", pa.timestamp("s", "UTC"), datetime(2026, 12, 31, tzinfo=UTC), "2026-12-31T00:00:00+00:00"),
        ("due", pa.date32(), 2**30, "2941790-01-01"),
        ("seen", pa.timestamp("us"), MIDNIGHT + timedelta(hours=9), "2026-12-31T09:00"),
        ("seen", pa.date64(), date(2026, 12, 31), "2026-12-31"),
        ("plan_name", pa.int64(), 300, "300"),
        ("plan_name", pa.null(), None, ""),
        ("plan_name", pa.large_string(), "gold\x00", "gold\x01"),
        ("zip", pa.int64(), 78701, "78701"),
        ("mobile", pa.float64(), 15125550101.0, "15125550101"),
        ("email_ok", pa.int8(), 1, "1"),
    ],
)
def test_a_typed_cell_means_what_its_text_means(
    lite_desk: Desk, column: str, kind: pa.DataType, value: object, text: str
) -> None:
    def outcome(summary: Any) -> object:
        content = lite_desk.content()
        lite_desk.clear()
        return content, summary.reasons, summary.added

    from_text = outcome(lite_desk.put({"id": "c1", "email": "c1@example.com", column: text}))
    cells = {name: pa.array([""]) for name in HEADER}
    cells |= {"id": pa.array(["c1"]), "email": pa.array(["c1@example.com"]), column: pa.array([value], kind)}
    path = lite_desk.folder / "one.parquet"
    pq.write_table(pa.table(cells), path)
    assert outcome(lite_desk.load(path)) == from_text


def spoiled(path: Path) -> None:
    """Turn a byte of the first column's page around; the footer stays sound."""
    content = bytearray(path.read_bytes())
    content[len(content) // 4] ^= 0xFF
    path.write_bytes(content)


def broken(folder: Path) -> Iterator[tuple[Path, str]]:
    rows: list[dict[str, Any]] = [person(n) | {"mobile": None, "sms_ok": None, "sms_at": None} for n in range(500)]
    path = parquet(folder, rows, write_page_checksum=True)
    spoiled(path)
    yield path, "no Parquet file, or a broken one"
    path = parquet(folder)
    path.write_bytes(path.read_bytes()[:-20])
    yield path, "no Parquet file, or a broken one"
    path = folder / "text.parquet"
    path.write_text("id,age\n")
    yield path, "no Parquet file, or a broken one"
    yield folder / "absent.parquet", "there is no such file"
    sound = pq.read_table(parquet(folder))
    for table, says in (
        (
            sound.drop_columns(["mobile"]).append_column("mobil", pa.array(["x"] * 5)),
            "there is no column mobile; write mobil in",
        ),
        (sound.append_column("age", sound.column("worth")), "the header names age twice"),
        (sound.drop_columns(["age"]).append_column("age", pa.array([[1]] * 5)), "the column age holds list<"),
        (sound.set_column(12, "push", pa.array([b"\xff"] * 5)), "the column push holds bytes that are not UTF-8"),
        (sound.set_column(12, "push", pa.array([b"\xff"] * 5).view(pa.string())), "push holds bytes"),
    ):
        path = folder / "customers.parquet"
        pq.write_table(table, path)
        yield path, says


def test_an_unfit_parquet_file_leaves_everything_as_it_was(lite_desk: Desk) -> None:
    lite_desk.put(person(1))
    before = lite_desk.content()
    lite_desk.rejects.write_text("of an earlier import")
    for path, says in broken(lite_desk.folder):
        with pytest.raises(InputError) as caught:
            lite_desk.load(path)
        assert str(caught.value).startswith(f"{path}: ")
        assert says in str(caught.value)
    assert lite_desk.content() == before
    assert lite_desk.rejects.read_text() == "of an earlier import"


def test_columns_that_nobody_declared_are_not_read(lite_desk: Desk) -> None:
    path = parquet(lite_desk.folder)
    pq.write_table(pq.read_table(path).append_column("basket", pa.array([[1, 2]] * 5)), path)
    assert lite_desk.load(path).ignored_columns == ("basket",)


def test_rejects_of_a_parquet_file_name_the_row(lite_desk: Desk) -> None:
    lite_desk.load(
        parquet(lite_desk.folder, [{"id": "c1"}, {"id": "c2", "plan_name": "a\tb"}, {"full_name": "Nobody"}])
    )
    listed = [line.split(",")[:2] for line in lite_desk.rejects.read_text().splitlines()]
    assert listed == [["line", "column"], ["2", "plan_name"], ["3", "id"]]
