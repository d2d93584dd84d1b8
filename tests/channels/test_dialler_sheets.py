"""Workbooks: lists and task sheets out, results back, and files that are none."""

from __future__ import annotations

import io
import zipfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook, load_workbook

from channels.call_list import xlsx
from channels.call_list.formats import FORMATS
from channels.call_list.rows import Results, Written
from tests.channels.dialler_desk import ALONG, NOW, TOKEN, dialler, row
from waves.dispositions import Disposition as D
from waves.errors import InputError

AT_TEN = datetime.fromisoformat("2026-12-04T10:00")
"""As a spreadsheet holds it: without a zone."""
HEAD = ("token", "disposition", "at", "call_id", "number", "agent", "talk_s")


def sheet_of(path: Path) -> Any:
    return load_workbook(path).worksheets[0]


def filled(path: Path, *lines: tuple[object, ...]) -> Path:
    book = Workbook()
    for line in lines:
        book.worksheets[0].append(line)
    book.save(path)
    return path


def read(path: Path, format: str = "xlsx", **keys: Any) -> Results:
    return FORMATS[format].read(path, dialler(format, **keys))


@pytest.mark.parametrize("text", ["=1+2", "@SUM(1)", "-1", "=cmd|' /C calc'!A0", "\x00=1\ud800\uffff"])
def test_a_list_is_a_workbook_without_a_formula(tmp_path: Path, text: str) -> None:
    path = tmp_path / "list.xlsx"
    made = row(name=text, score=2.5, extra={"list": 7, "shift": text})
    assert FORMATS["xlsx"].write(path, [made, row(token="T2")], ALONG, dialler("xlsx")) == Written(2)
    header, first, second = sheet_of(path).iter_rows()
    cells = {head.value: cell for head, cell in zip(header, first, strict=True)}
    assert (cells["token"].value, cells["phone"].value, cells["rank"].value) == (TOKEN, "+12125550101", 1)
    assert (cells["score"].value, cells["list"].value) == (2.5, "7")
    assert {cell.data_type for cell in (*first, *second)} <= {"s", "n", "inlineStr"}
    assert cells["name"].value[:1] not in "=@-"
    assert path.stat().st_mode & 0o777 == 0o600


def test_results_come_back_as_people_and_spreadsheets_write_them(tmp_path: Path) -> None:
    path = filled(
        tmp_path / "calls.xlsx",
        (None, None),
        (*HEAD, "remarks"),
        (TOKEN, " Sale ", AT_TEN, 77.0, 12125550101, "ann", 80.5, "x"),
        (None, None, None, None),
        ("T2", "No Answer", "2026-12-04T15:00:00Z", "c2", "+12125550102"),
    )
    rows = list(read(path, wrap_ups={"no answer": "no_answer"}, phone_style="digits"))
    assert [(r.line, r.token, r.disposition, r.call_id, r.number, r.talk_s) for r in rows] == [
        (3, TOKEN, D.SALE, "77", "+12125550101", 80.5),
        (5, "T2", D.NO_ANSWER, "c2", "+12125550102", None),
    ]
    assert {r.at for r in rows} == {datetime(2026, 12, 4, 15, 0, tzinfo=UTC)}


def test_a_list_that_was_filled_in_comes_back(tmp_path: Path) -> None:
    path = tmp_path / "list.xlsx"
    FORMATS["xlsx"].write(path, [row(token=f"T{n}", name="=x") for n in range(3)], ALONG, dialler("xlsx"))
    book = load_workbook(path)
    sheet = book.worksheets[0]
    for line, values in enumerate([HEAD[1:4], *(("busy", "2026-12-04T15:00:00Z", f"c{n}") for n in range(3))], 1):
        for column, value in enumerate(values, sheet.max_column + 1 if line == 1 else sheet.max_column - 2):
            sheet.cell(line, column, value)
    book.save(path)
    assert [(r.token, r.disposition, r.call_id) for r in read(path)] == [(f"T{n}", D.BUSY, f"c{n}") for n in range(3)]


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "calls.xlsx:1: the sheet is empty"),
        ([HEAD[:3]], "calls.xlsx:1: column call_id is missing"),
        ([HEAD, (TOKEN, "sael", "2026-12-04T15:00:00Z", "1")], "calls.xlsx:2: unknown disposition 'sael'"),
        ([HEAD, (TOKEN, "sale", "soon", "1")], "calls.xlsx:2: at 'soon' is no time"),
        ([HEAD, (TOKEN, "sale", "2026-12-04T15:00:00Z")], "calls.xlsx:2: call_id is empty"),
    ],
)
def test_what_is_wrong_in_a_sheet_is_said_with_its_row(tmp_path: Path, lines: list[Any], said: str) -> None:
    with pytest.raises(InputError) as refused:
        read(filled(tmp_path / "calls.xlsx", *lines))
    assert said in str(refused.value)


def test_a_sheets_time_needs_the_connections_zone(tmp_path: Path) -> None:
    path = filled(tmp_path / "calls.xlsx", HEAD, (TOKEN, "sale", AT_TEN, "1"))
    with pytest.raises(InputError, match=r"has no time zone; .* say in config/diallers\.yaml what zone north is in"):
        read(path, zone=None)


def packed(**parts: str) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as made:
        for name, text in parts.items():
            made.writestr(name, text)
    return content.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"token,disposition\n", packed(), packed(**{"[Content_Types].xml": "<x"}), packed(**{"a.txt": "b"})],
    ids=["empty", "csv", "zip", "broken", "other"],
)
def test_a_file_that_is_no_workbook_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "calls.xlsx"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"calls\.xlsx: no Excel workbook that can be read"):
        read(path)
    with pytest.raises(InputError, match=r"absent\.xlsx: cannot be read"):
        read(tmp_path / "absent.xlsx")


def test_a_workbook_that_unfolds_without_end_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(xlsx, "LARGEST", 10_000)
    path = tmp_path / "calls.xlsx"
    path.write_bytes(packed(**{"xl/worksheets/sheet1.xml": "x" * 20_000}))
    with pytest.raises(InputError, match="unfolds to more than"):
        read(path)


def test_a_task_sheet_is_clicked_and_filled_in(tmp_path: Path) -> None:
    """Never more than a small team can click through, each number a link, each result one of a list."""
    path = tmp_path / "calls.xlsx"
    rows = [row(token=f"T{n}", name="=x", callback_at=NOW + timedelta(hours=n)) for n in range(4)]
    wrap_ups = {"Bought": "sale"}
    written = FORMATS["twilio_voice"].write(path, rows, ALONG, dialler("twilio_voice", wrap_ups=wrap_ups))
    assert written == Written(4)
    book = load_workbook(path)
    sheet = book.worksheets[0]
    at = {cell.value: cell.column for cell in sheet[1]}
    assert sheet.cell(2, at["call"]).hyperlink.target == "tel:+12125550101"
    assert sheet.cell(2, at["name"]).value == "'=x"
    (choice,) = sheet.data_validations.dataValidation
    assert str(choice.sqref) == f"{sheet.cell(2, at['result']).coordinate}:{sheet.cell(5, at['result']).coordinate}"
    assert [line[0].value for line in book["results"].iter_rows(max_row=2)] == ["Bought", "sale"]
    entered = {
        2: {"result": "bought", "at": AT_TEN, "by": "ann", "seconds": 90, "status": "completed"},
        3: {"status": "no-answer", "at": "2026-12-04T15:05:00Z", "call_sid": "CA1"},
        4: {"result": "callback_agreed", "at": "2026-12-04 10:10", "call_back_at": AT_TEN + timedelta(hours=23.5)},
    }
    for line, told in entered.items():
        for name, value in told.items():
            sheet.cell(line, at[name], value)
    book.save(path)
    results = read(path, "twilio_voice", wrap_ups=wrap_ups)
    assert [(r.token, r.disposition, r.call_id, r.agent, r.talk_s, r.number, r.raw_code) for r in results] == [
        ("T0", D.SALE, "T0", "ann", 90, "+12125550101", "bought"),
        ("T1", D.NO_ANSWER, "CA1", None, None, "+12125550101", "no-answer"),
        ("T2", D.CALLBACK_AGREED, "T2", None, None, "+12125550101", "callback_agreed"),
    ]
    assert results.notes == ("calls without a result left out, which nobody made yet: 1",)
    (*_, last) = read(path, "twilio_voice", wrap_ups=wrap_ups)
    assert last.callback_at == datetime(2026, 12, 5, 14, 30, tzinfo=UTC)
