"""The generic dial list: UTF-8 CSV out, CSV of dispositions back, by the columns that a connection names.

Phones are the one kind of text that begins with `+` and gets no apostrophe: a dialler needs it bare, and `+` with 6 to
15 digits, the only form written, is a plain number to every spreadsheet: no reference, no function, nothing to run. A
phone of any other form stops the list. (A spreadsheet that saves the file again drops the plus: load it as it is.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from channels.call_list.fitting import style_of, styled
from channels.call_list.reading import DISPOSITIONS, Reading, read_results
from channels.call_list.rows import DialRow, DispositionRow, RecallRow, Results, Written
from channels.call_list.table_out import csv_bytes, replace_list, separator_of, write_table
from channels.cells import cell, unguard
from channels.table_file import Form, read_table
from waves.diallers import ANSWERS, SIGNS, Dialler, Layout
from waves.dispositions import Disposition

HEADER = (
    *("token", "phone", "name", "language", "rank", "tier", "score", "not_before", "valid_until", "team"),
    *("callback_at", "callback_agent"),
)
REQUIRED = ("token", "disposition", "at", "call_id")
RECALLED = ("token", "phone", "reason", "list", "at")
PLAIN = Dialler(dialler="generic_csv", format="generic_csv")
LAYOUT = Layout(
    ending=".csv",
    columns={name: name for name in HEADER},
    delimiters=("comma", "semicolon", "tab", "pipe"),
    phone_styles=("e164", "national", "digits"),
    results={name: name for name in ANSWERS},
)


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str] = (), dialler: Dialler = PLAIN) -> Written:
    """Writes the list whole or not at all, readable by its owner alone; else SendRefused."""
    return write_table(path, rows, extra, dialler, LAYOUT)


def write_recall(path: Path, rows: Iterable[RecallRow], dialler: Dialler = PLAIN) -> Written:
    """Who must not be dialled any more: a line of token, phone, reason for each of their numbers."""
    lines = recall_lines(rows, dialler, LAYOUT)
    replace_list(path, csv_bytes(RECALLED, lines, separator_of(dialler, LAYOUT)))
    return Written(len({line[0] for line in lines}))


def recall_lines(rows: Iterable[RecallRow], dialler: Dialler, layout: Layout) -> list[list[str]]:
    """The cells of a recall; a number that cannot be in the connection's style stands in E.164."""
    style = style_of(dialler, layout)
    return [
        [
            cell(row.token),
            styled(phone.number, style, dialler.region) or phone.number,
            *map(cell, (row.reason, row.list, row.at.isoformat(timespec="seconds"))),
        ]
        for row in rows
        for phone in row.phones
    ]


def read_dispositions(path: Path, dialler: Dialler = PLAIN) -> Results:
    """Every call, in file order, as it is asked for; further columns are left out. InputError lists every problem."""
    return read_results(path, dialler, LAYOUT, _rows)


def _rows(reading: Reading) -> Iterator[DispositionRow]:
    sign = SIGNS[reading.dialler.delimiter] if reading.dialler.delimiter else None
    form = Form(sign, columns=reading.columns)
    for line, cells in read_table(reading.found, REQUIRED, names=reading.names.get, form=form):
        row = read_row(reading, line, {name: unguard(value) for name, value in cells.items()})
        if row is not None:
            yield row


def read_row(reading: Reading, line: int, cells: dict[str, str]) -> DispositionRow | None:
    """One call of a table with our own words; None, and a problem noted, when it cannot be read."""
    found = reading.found
    before = found.count
    token, call_id = (found.filled(line, key, cells[key]) for key in ("token", "call_id"))
    disposition = _disposition(reading, line, cells["disposition"])
    at = reading.moment(line, "at", cells["at"])
    ring, talk, wrap = (reading.seconds(line, key, cells.get(key, "")) for key in ("ring_s", "talk_s", "wrap_s"))
    again = cells.get("callback_at", "")
    callback = reading.moment(line, "callback_at", again) if again.strip() else None
    if found.count > before or disposition is None or at is None:
        return None
    number, agent = reading.number(cells.get("number", "")), cells.get("agent", "").strip() or None
    code = cells["disposition"].strip()
    said = None if code.lower() in DISPOSITIONS else code
    return DispositionRow(line, token, disposition, at, call_id, number, agent, ring, talk, wrap, callback, said)


def _disposition(reading: Reading, line: int, code: str) -> Disposition | None:
    if code.strip().lower() in DISPOSITIONS and not reading.agreed(code):
        return DISPOSITIONS[code.strip().lower()]
    if reading.wrap_ups:
        return reading.disposition(line, code)
    word = reading.found.word(line, "disposition", code, DISPOSITIONS)
    return DISPOSITIONS[word] if word else None
