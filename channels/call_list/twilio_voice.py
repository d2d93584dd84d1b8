"""Twilio Voice for a small team without a dialler: a sheet of calls to make, one click each, with room for the result.

A person clicks, a softphone dials: never a list that something dials by itself, and short. A row is one call. The
person's own word wins over Twilio's status of the call; a row with neither is a call that nobody made yet.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from channels.call_list.fitting import Fitting, columns_of
from channels.call_list.generic_csv import write_recall as write_generic_recall
from channels.call_list.reading import DISPOSITIONS, Reading, by_code, read_results
from channels.call_list.rows import DialRow, DispositionRow, RecallRow, Results, Written
from channels.call_list.table_out import replace_list
from channels.call_list.xlsx import LAYOUT as SHEET
from channels.call_list.xlsx import read_sheet, stored_text
from channels.cells import unguard
from channels.table_file import Form, read_table
from waves.diallers import Dialler, Layout
from waves.dispositions import Disposition as D

STATUSES: Mapping[D, Sequence[str]] = {
    D.BUSY: ("busy",),
    D.NO_ANSWER: ("no-answer",),
    D.TEMPORARY_FAILURE: ("failed",),
    D.NOT_ATTEMPTED: ("canceled",),
    D.CONNECTED_OTHER: ("completed",),
}
"""Twilio's status of a call that is over."""
FILLED_IN = ("result", "at", "by", "call_back_at", "status", "call_sid", "seconds")
"""Columns that the caller fills in, or Twilio's call log."""
MOST = 500
LAYOUT = Layout(
    ending=".xlsx",
    columns={
        "token": "token",
        "call": "phone",
        "name": "name",
        "language": "language",
        "rank": "rank",
        "tier": "tier",
        "not_before": "not_before",
        "valid_until": "valid_until",
        "callback_at": "callback_at",
        "callback_note": "callback_note",
        "last_disposition": "last_disposition",
        "attempts_today": "attempts_today",
    },
    takes_extra=False,
    header=rf"(?!(?i:{'|'.join(FILLED_IN)})$)[^\r\n]{{1,128}}",
    max_rows=MOST,
    cell=SHEET.cell,
    results={
        "token": "token",
        "result": "disposition",
        "at": "at",
        "by": "agent",
        "call_back_at": "callback_at",
        "call_sid": "call_id",
        "call": "number",
        "seconds": "talk_s",
    },
    codes=by_code(STATUSES),
    not_over=frozenset({"QUEUED", "INITIATED", "RINGING", "IN-PROGRESS"}),
)


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
    """A workbook whose numbers are links to call, at most 500; SendRefused, and no file, for what cannot be written."""
    from openpyxl import Workbook
    from openpyxl.worksheet.datavalidation import DataValidation

    fitting = Fitting(dialler, LAYOUT, columns_of(dialler, LAYOUT, extra))
    book = Workbook()
    sheet, words = book.worksheets[0], book.create_sheet("results")
    sheet.title = "calls"
    header = (*fitting.columns, *FILLED_IN)
    place = 1 + list(fitting.columns.values()).index("phone")
    sheet.append(header)
    for line, row in enumerate(fitting.entries(rows), 2):
        for column, text in enumerate(fitting.line(row), 1):
            stored_text(sheet.cell(line, column), text)
        sheet.cell(line, place).hyperlink = f"tel:{row.phones[0].number}"
    for line, word in enumerate([*dialler.wrap_ups, *DISPOSITIONS], 1):
        stored_text(words.cell(line, 1), word)
    choice = DataValidation(type="list", formula1=f"=results!$A$1:$A${words.max_row}", allow_blank=True)
    result = sheet.cell(1, 1 + header.index("result")).column_letter
    choice.add(f"{result}2:{result}{max(2, fitting.count + 1)}")
    sheet.add_data_validation(choice)
    sheet.freeze_panes = "A2"
    content = io.BytesIO()
    book.save(content)
    replace_list(path, content.getvalue())
    return Written(fitting.count, tuple(fitting.shortened))


def write_recall(path: Path, rows: Iterable[RecallRow], dialler: Dialler) -> Written:
    """A CSV of token, phone, reason: rows of the sheet that nobody may call any more."""
    return write_generic_recall(path, rows, dialler)


def read_dispositions(path: Path, dialler: Dialler) -> Results:
    """Every call of a sheet that was filled in (.xlsx, or saved as CSV), in its order."""
    return read_results(path, dialler, LAYOUT, _rows)


def _rows(reading: Reading) -> Iterator[DispositionRow]:
    names = {**reading.names, "status": "status"}
    required = ("token", "disposition", "at")
    if reading.found.path.suffix.lower() == ".xlsx":
        lines = read_sheet(reading, required, names.get)
    else:
        lines = read_table(reading.found, required, names=names.get, form=Form(columns=reading.columns))
    for line, cells in lines:
        row = _row(reading, line, {name: unguard(value).strip() for name, value in cells.items()})
        if row is not None:
            yield row


def _row(reading: Reading, line: int, cells: Mapping[str, str]) -> DispositionRow | None:
    said, status = cells["disposition"], cells.get("status", "")
    if not said and not status:
        reading.note("calls without a result left out, which nobody made yet")
        return None
    if not said and reading.goes_on(status):
        return None
    before = reading.found.count
    token = reading.found.filled(line, "token", cells["token"])
    disposition = _said(reading, line, said) if said else reading.disposition(line, status)
    at = reading.moment(line, "at", cells["at"])
    talk = reading.seconds(line, "seconds", cells.get("talk_s", ""))
    again = cells.get("callback_at", "")
    callback = reading.moment(line, "call_back_at", again) if again else None
    if reading.found.count > before or disposition is None or at is None:
        return None
    return DispositionRow(
        line=line,
        token=token,
        disposition=disposition,
        at=at,
        call_id=cells.get("call_id") or token,
        number=reading.number(cells.get("number", "")),
        agent=cells.get("agent") or None,
        ring_s=None,
        talk_s=talk,
        wrap_s=None,
        callback_at=callback,
        raw_code=said or status,
    )


def _said(reading: Reading, line: int, said: str) -> D | None:
    return reading.agreed(said) or DISPOSITIONS.get(said.lower()) or reading.disposition(line, said)
