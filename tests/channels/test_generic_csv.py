import csv
import os
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from channels.call_list.generic_csv import HEADER, read_dispositions, write_list
from channels.call_list.rows import DialRow, Phone, Written
from channels.cells import cell, guard, unguard
from waves.dispositions import Disposition
from waves.errors import InputError, SendRefused

UNTIL = datetime(2026, 12, 5, 22, 0, tzinfo=UTC)
START = datetime(2026, 12, 4, 9, 0, tzinfo=timezone(timedelta(hours=-5)))
HEAD = "token,disposition,at,call_id\n"
AT = "2026-12-04T15:00:00-05:00"


def row(phone="+12025550100", **changes):
    made = {"token": "T1", "phones": (Phone(phone),), "name": "Customer 1", "language": "en", "rank": 1, "tier": "A"}
    return DialRow(**{**made, "score": 12.5, "not_before": START, "valid_until": UNTIL, "team": "east", **changes})


def cells_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


def test_a_list_is_written_whole_for_its_owner_alone(tmp_path):
    path = tmp_path / "lists" / "east.csv"
    rows = [row(extra={"job": "admin."}), row(token="T2", score=None)]
    assert write_list(path, rows, ["reason", "job"]) == Written(2)
    header, first, second = cells_of(path)
    assert header == [*HEADER, "reason", "job"]
    assert first == ["T1", "+12025550100", "Customer 1", "en", "1", "A", "12.5", "2026-12-04T14:00:00+00:00",
                     "2026-12-05T22:00:00+00:00", "east", "", "", "", "admin."]  # fmt: skip
    assert second[6] == ""
    assert path.stat().st_mode & 0o777 == 0o600
    assert os.listdir(path.parent) == ["east.csv"]


# https://owasp.org/www-community/attacks/CSV_Injection: what a cell may not begin with, and its two examples
OWASP = ["=1+2", "+1+2", "-1+2", "@SUM(1)", "\t=1+2", "\r=1+2", "\n=1+2", "＝1+2", "＋1", "－1", "＠SUM(1)"]
OWASP += ['=1+2";=1+2', "=1+2'\" ;,=1+2", "=cmd|' /C calc'!A0", "  =1+2", "'=1+2", "x;=1+2", "x\t@SUM(1)", "x\n=1+2"]


@pytest.mark.parametrize("text", OWASP)
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_no_cell_begins_a_formula_whatever_the_spreadsheet_cuts_at(tmp_path, text, separator):
    path = tmp_path / "list.csv"
    write_list(path, [row(name=text, extra={"why": text})], ["why"])
    with path.open(newline="", encoding="utf-8") as file:
        for line in csv.reader(file, delimiter=separator):
            for part in line:
                assert part.lstrip(" ")[:1] not in set("=-@＝＋－＠\t\r\n"), part
                assert not part.startswith("+") or part == "+12025550100"


@given(st.text() | st.text("'=+-@;\t\r\n x"))
@example("'\t'=")
@example("''=")
def test_the_guard_comes_off_again(text):
    assert unguard(guard(text)) == text
    assert guard(text)[:1] not in set("=+-@\t\r\n")


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (-0.5, "-0.5"),
        (3, "3"),
        (None, ""),
        (float("-inf"), ""),
        (Decimal("-1E+3"), "-1000"),
        (True, "True"),
        ("-5", "'-5"),
    ],
)
def test_cells(value, written):
    assert cell(value) == written


@pytest.mark.parametrize("phone", ["+1", "=1+2", "+1202555010a", "12025550100", "+1-202-555-0100", ""])
def test_a_phone_of_another_form_stops_the_list_and_is_not_named(tmp_path, phone):
    path = tmp_path / "list.csv"
    path.write_text("the old list")
    with pytest.raises(SendRefused, match="dial entry T1") as refused:
        write_list(path, [row(phone=phone)])
    assert path.read_text() == "the old list"
    assert len(phone) < 5 or phone not in str(refused.value)


def test_a_column_that_comes_twice_is_refused(tmp_path):
    with pytest.raises(SendRefused, match="rank"):
        write_list(tmp_path / "list.csv", [], ["rank"])


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_dispositions_are_read_with_their_lines(tmp_path, separator):
    path = tmp_path / "calls.csv"
    lines = ["token,disposition,at,call_id,Number,agent,ring_s,talk_s,wrap_s,campaign"]
    lines += [f"T1,SALE,{AT},c1,+12025550100,'=ann,12,80.5,,x", "", "T2,no_answer,2026-12-04T20:00:00Z,'-c2,,,,,,"]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(lines).replace(",", separator).encode())
    first, second = read_dispositions(path)
    assert (first.line, first.token, first.disposition, first.call_id) == (2, "T1", Disposition.SALE, "c1")
    assert first.at == datetime(2026, 12, 4, 20, 0, tzinfo=UTC)
    assert (first.number, first.agent, first.ring_s, first.talk_s, first.wrap_s) == (
        "+12025550100",
        "=ann",
        12,
        80.5,
        None,
    )
    assert (second.line, second.call_id, second.number, second.at) == (4, "-c2", None, first.at)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "calls.csv:1: the file is empty"),
        ("token,disposition,at\n", "calls.csv:1: column call_id is missing"),
        ("token,dispositon,at,call_id\n", "did you mean it by 'dispositon'"),
        ("token,token,disposition,at,call_id\n", "column token comes twice"),
        (HEAD + f"T1,no_anwser,{AT},c1\n", "calls.csv:2: unknown disposition 'no_anwser'; did you mean no_answer?"),
        (HEAD + f"T1,,{AT},c1\n", "calls.csv:2: disposition is empty"),
        (HEAD + "T1,sale,2026-12-04 15:00,c1\n", "calls.csv:2: at '2026-12-04 15:00' has no time zone"),
        (HEAD + "T1,sale,yesterday,c1\n", "at 'yesterday' is no time"),
        (HEAD + "T1,sale,0001-01-01T00:00:00+14:00,c1\n", "is no time"),
        (HEAD + f",sale,{AT},c1\n", "token is empty"),
        (HEAD + f"T1,sale,{AT},\n", "call_id is empty"),
        (HEAD + "T1,sale\n", "calls.csv:2: 2 cells where the header has 4"),
        (HEAD + f'T1,"sa\nle",{AT},c1\nT1,sale\n', "calls.csv:4: 2 cells"),
        (HEAD + f'T1,"sale,{AT},c1\n', "not readable as CSV"),
        ("token,disposition,at,call_id,ring_s\n" + f"T1,sale,{AT},c1,-3\n", "ring_s '-3' is no number of seconds"),
        (HEAD.encode() + b"T1,sale\xe9,x,c1\n", "calls.csv:2: not UTF-8"),
        ((HEAD + f"T1,sale,{AT},c1\n").encode("utf-16"), "calls.csv:1: not UTF-8"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(tmp_path, text, said):
    path = tmp_path / "calls.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(InputError) as error:
        read_dispositions(path)
    assert said in str(error.value)


def test_every_problem_is_counted_and_twenty_are_listed(tmp_path):
    path = tmp_path / "calls.csv"
    path.write_text(HEAD + f"T1,sael,{AT},c1\n" * 30)
    with pytest.raises(InputError) as error:
        read_dispositions(path)
    lines = str(error.value).splitlines()
    assert len(lines) == 22
    assert lines[19:] == [
        f"{path}:21: unknown disposition 'sael'; did you mean sale?",
        "and 10 more",
        "nothing of this file was stored",
    ]


@pytest.mark.parametrize("private", ["+12025550100", "202-555-0100", "customer-1@example.com"])
def test_an_address_in_the_wrong_column_is_not_repeated(tmp_path, private):
    path = tmp_path / "calls.csv"
    path.write_text(HEAD + f"T1,{private},{private},c1\n")
    with pytest.raises(InputError) as error:
        read_dispositions(path)
    assert private not in str(error.value)


def test_an_absent_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"absent\.csv: cannot be read"):
        read_dispositions(tmp_path / "absent.csv")
