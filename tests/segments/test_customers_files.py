"""The file itself: its forms, what makes it unfit as a whole, and the exact list of what was left out."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from tests.import_desk import HEADER, Desk, person
from waves.errors import InputError

NARROW = {
    "key": "id",
    "columns": {"age": "integer", "plan_name": "text"},
    "addresses": [{"column": "email", "channels": ["email"]}],
}
SOUND = "id,age,plan_name,email\nc1,41,gold,c1@example.com\n"


def written(desk: Desk, name: str, content: str | bytes) -> Path:
    path = desk.folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.csv", SOUND),
        ("a.CSV", SOUND.replace("\n", "\r\n")),
        ("a.csv", "\ufeff" + SOUND),
        ("a.csv", SOUND.replace(",", ";")),
        ("a.txt", SOUND.replace(",", "\t")),
        ("a.tsv", SOUND.replace(",", "\t")),
        ("a.tsv.gz", gzip.compress(SOUND.replace(",", "\t").encode())),
        ("a.csv.gz", gzip.compress(SOUND.encode())),
        ("a.csv", SOUND.replace("gold", '"gold"').removesuffix("\n")),
        ("a.csv", " id , age,plan_name,email\n\nc1 , 41, gold,c1@example.com\n\n"),
        ("a.csv", "email,unused,id,plan_name,age,\nc1@example.com,?,c1,gold,41,\n"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "bytes",
)
def test_every_form_of_a_file_says_the_same(desk: Desk, name: str, content: str | bytes) -> None:
    desk.schema = NARROW
    summary = desk.load(written(desk, name, content))
    assert (summary.rows, summary.added) == (1, 1)
    assert summary.ignored_columns == (("unused",) if "unused" in str(content) else ())
    assert [(row[0], *row[-2:]) for row in desk.people()] == [("c1", 41, "gold")]
    assert [row[2] for row in desk.addresses()] == ["c1@example.com"]


def test_the_schema_may_say_the_delimiter(desk: Desk) -> None:
    desk.schema = {**NARROW, "delimiter": "|"}
    desk.load(written(desk, "a.csv", SOUND.replace(",", "|").replace("gold", "a,b;c")))
    assert desk.people()[0][-1] == "a,b;c"


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", SOUND + "c2,42\n", ":3: 2 fields where the header has 4"),
        ("a.csv", SOUND + 'c2,42,"two\nlines",x\nc3,1,2,3,4\n', ":5: 5 fields where the header has 4"),
        ("a.csv", SOUND.encode() + b"c2,42,gr\xfcn,x\n", ":3: not UTF-8 text"),
        ("a.csv", SOUND.encode("utf-16"), ":1: not UTF-8 text"),
        ("a.csv", SOUND + "c2,42,a\0b,x\n", ":3: a NUL byte"),
        ("a.csv", SOUND + 'c2,42,"open,x\nc3,1,1,1\n', ":3: a quote is not closed"),
        ("a.csv", SOUND.replace("plan_name", "plan"), ":1: there is no column plan_name; write plan in customers.yaml"),
        ("a.csv", SOUND.replace("age", "email"), ":1: the header names email twice"),
        ("a.csv", "", ":1: the file has no header"),
        ("a.csv.gz", SOUND, "the archive is broken"),
        ("a.csv.gz", gzip.compress(SOUND.encode() * 50)[:40], "the archive is broken or cut off"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str) else "bytes",
)
def test_an_unfit_file_leaves_everything_as_it_was(desk: Desk, name: str, content: str | bytes, says: str) -> None:
    desk.schema = NARROW
    desk.load(written(desk, "before.csv", SOUND))
    before = desk.content()
    desk.rejects.write_text("of an earlier import")
    path = written(desk, name, content)
    with pytest.raises(InputError) as caught:
        desk.load(path)
    assert str(path) + (says if says.startswith(":") else "") in str(caught.value)
    assert says in str(caught.value)
    assert desk.content() == before
    assert desk.rejects.read_text() == "of an earlier import"


def test_a_bad_row_far_down_stops_the_file_before_its_first_row(desk: Desk) -> None:
    desk.schema = NARROW
    rows = "".join(f"c{n},1,x,c{n}@example.com\n" for n in range(500))
    with pytest.raises(InputError, match=":502: 1 field where"):
        desk.load(written(desk, "a.csv", "id,age,plan_name,email\n" + rows + "lost\n"), chunk=10)
    assert desk.people() == []


def test_absent_and_foreign_files(desk: Desk) -> None:
    with pytest.raises(InputError, match="there is no such file"):
        desk.load(desk.folder / "absent.csv")
    with pytest.raises(InputError, match="cannot be read"):
        desk.load(desk.folder)
    path = written(desk, "rejects.csv", SOUND)
    with pytest.raises(InputError, match="would overwrite the customers"):
        desk.load(path)
    assert path.read_text() == SOUND


def test_the_rejects_file_names_line_column_and_reason_only(desk: Desk) -> None:
    rows: list[dict[str, object]] = [
        person(1),
        person(2, age="4O", due="2026-02-30"),
        person(3, plan_name="one\ntwo"),
        person(4, worth="nan"),
        {"full_name": "Nobody"},
        person(5, mobile="12", email="no one@example.com", tz="Mars/Base", lang="English"),
        person(6, age=str(2**63)),
        person(7, vip="perhaps", sms_ok="maybe"),
        person(8, seen="2026-01-01 10:00"),
        person(9, sms_at="2027-01-01T00:00:00Z"),
        person(10, sms_ok="no", sms_at="2027-01-01T00:00:00Z"),
    ]
    summary = desk.put(*rows)
    zone = "expected a date, a time and a zone, such as 2026-12-31T09:00:00+02:00"
    phone = "expected a phone number that its country has, such as +1 512 555 0100"
    assert desk.rejects.read_text().splitlines() == [
        "line,column,reason,key",
        '3,age,"expected a whole number, such as 42",c2',
        '3,due,"expected a date that the calendar has, such as 2026-12-31",c2',
        "4,plan_name,expected text without control characters or line breaks,c3",
        '6,worth,"expected a finite number with a decimal point, such as 12.5",c4',
        "7,id,expected the customer's key; the cell is empty,",
        '8,lang,"expected a language tag, such as en or pt-BR; left out",c5',
        f'8,mobile,"{phone}; address left out",c5',
        '8,email,"expected an e-mail address, such as name@example.com; address left out",c5',
        '8,tz,"expected an IANA time zone, such as America/Chicago; left out",c5',
        "9,age,expected a whole number of at most 64 bits,c6",
        '10,vip,"expected true or false (or yes, no, 1, 0)",c7',
        '10,sms_ok,"expected yes, no or an empty cell",c7',
        f'11,seen,"{zone}; the zone is missing",c8',
        "12,sms_at,expected a time that has come: a grant of tomorrow would outlast a STOP of today,c9",
    ]
    assert (summary.rows, summary.added, summary.rejected, summary.left_out) == (11, 3, 8, 4)
    assert sum(summary.reasons.values()) == 14
    assert summary.reasons["age: expected a whole number, such as 42"] == 1
    assert [row[0] for row in desk.people()] == ["c1", "c10", "c5"]
    assert desk.addresses("c5") == []


def test_a_file_without_faults_leaves_a_rejects_file_with_its_header(desk: Desk) -> None:
    desk.put(person(1))
    assert desk.rejects.read_text() == "line,column,reason,key\n"


def test_the_last_of_several_rows_counts_even_when_it_is_rejected(desk: Desk) -> None:
    summary = desk.put(person(1), person(2), person(1, age="x"), chunk=1)
    assert (summary.added, summary.superseded, summary.rejected) == (1, 1, 1)
    assert [row[0] for row in desk.people()] == ["c2"]


def test_columns_in_any_order(desk: Desk) -> None:
    desk.put(person(1, zip="78701"))
    before = desk.content()
    summary = desk.load(desk.write([person(1, zip="78701")], HEADER[::-1]))
    assert summary.unchanged == 1
    assert desk.content() == before
