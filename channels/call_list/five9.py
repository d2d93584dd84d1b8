"""Five9: a list's CSV out, keyed on a contact field with our token, and the call log report back.

Key the list on the token's field: on number1 two people with one phone become one. Add the field to the call log
report, under the name that `results` says. No time-to-call column is written: an upload with one takes 100 records.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from channels.call_list.fitting import style_of, styled
from channels.call_list.reading import Reading, by_code, read_results
from channels.call_list.rows import DialRow, DispositionRow, RecallRow, Results, Written
from channels.call_list.table_out import column_of, csv_bytes, replace_list, write_table
from channels.cells import cell, unguard
from channels.table_file import Form, read_table
from waves.diallers import Dialler, Layout
from waves.dispositions import Disposition as D

DISPOSITIONS: Mapping[D, Sequence[str]] = {
    D.NO_ANSWER: ("No Answer",),
    D.BUSY: ("Busy",),
    D.MACHINE: ("Answering Machine", "Sent To Voicemail"),
    D.FAX: ("Fax",),
    D.INVALID_NUMBER: ("Operator Intercept",),
    D.ABANDONED: ("Abandon",),
    D.DNC_REQUEST: ("Do Not Call",),
    D.TEMPORARY_FAILURE: ("Dial Error", "System Error", "Hardware Timeout"),
    D.AGENT_ERROR: ("No Disposition",),
    D.HUNG_UP: ("Caller Disconnected",),
}
"""Dispositions of the system; those of agents are a tenant's own words."""
NOBODY = frozenset({"", "[none]", "[deleted]"})
TIMESTAMP = "%a, %d %b %Y %H:%M:%S"
REQUIRED = ("call id", "timestamp", "disposition")
OPTIONAL = ("agent", "call type", "ani", "dnis", "ring time", "talk time", "after call work time")
HINT = "; add it to the call log report, or name it under `results` in config/diallers.yaml"
LAYOUT = Layout(
    ending=".csv",
    columns={
        "token": "token",
        "number1": "phone",
        "number2": "phone_2",
        "number3": "phone_3",
        "first_name": "first_name",
        "last_name": "last_name",
        "company": "company",
        "street": "address",
        "city": "city",
        "state": "state",
        "zip": "postal_code",
    },
    takes_extra=False,
    delimiters=("comma",),
    phone_styles=("national", "digits", "e164"),
    results={"token": "token"},
    codes=by_code(DISPOSITIONS),
    needs_zone=True,
)


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
    """A CSV to add to a list; SendRefused, and no file, for an entry that cannot be written."""
    return write_table(path, rows, extra, dialler, LAYOUT)


def write_recall(path: Path, rows: Iterable[RecallRow], dialler: Dialler) -> Written:
    """A CSV to delete from the list: token and first number of each record."""
    header = [column_of(dialler, LAYOUT, name) for name in ("token", "phone")]
    style = style_of(dialler, LAYOUT)
    lines = [
        (cell(row.token), styled(row.phones[0].number, style, dialler.region) or row.phones[0].number) for row in rows
    ]
    replace_list(path, csv_bytes(header, lines))
    return Written(len(lines), notes=(f"delete these records from the list, keyed on {header[0]}",))


def read_dispositions(path: Path, dialler: Dialler) -> Results:
    """Every call of a call log report, in file order; calls that no list of ours led to have no token."""
    return read_results(path, dialler, LAYOUT, _rows)


def _rows(reading: Reading) -> Iterator[DispositionRow]:
    own = {name: name for name in (*REQUIRED, *OPTIONAL)}
    names = own | {column: told for column, told in reading.names.items() if told == "token"}
    form = Form(hint=HINT, columns={"token": reading.columns["token"]})
    for line, cells in read_table(reading.found, (*REQUIRED, "token"), names=names.get, form=form):
        row = _row(reading, line, {name: unguard(value).strip() for name, value in cells.items()})
        if row is not None:
            yield row


def _row(reading: Reading, line: int, cells: Mapping[str, str]) -> DispositionRow | None:
    before = reading.found.count
    call_id = reading.found.filled(line, "call id", cells["call id"])
    at = reading.moment(line, "timestamp", cells["timestamp"], TIMESTAMP)
    disposition = reading.disposition(line, cells["disposition"])
    ring, talk, wrap = (
        reading.seconds(line, name, cells.get(name, "")) for name in ("ring time", "talk time", "after call work time")
    )
    if reading.found.count > before or at is None or disposition is None:
        return None
    came_in = cells.get("call type", "").lower().startswith("inbound")
    number = reading.number(cells.get("ani" if came_in else "dnis", ""))
    agent = cells.get("agent", "")
    return DispositionRow(
        line=line,
        token=cells["token"],
        disposition=disposition,
        at=at,
        call_id=call_id,
        number=number,
        agent=None if agent.lower() in NOBODY else agent,
        ring_s=ring,
        talk_s=talk,
        wrap_s=wrap,
        raw_code=cells["disposition"],
    )
