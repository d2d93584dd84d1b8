"""Genesys Cloud: a contact list's CSV out, the contact list's export back.

The export holds the last attempt of each number and no call id: the number's column and the attempt's time are one.
What happened between two exports is lost, so export often. The last agent's wrap-up may be of an earlier attempt than
the last result: it counts where the last attempt reached an agent, and always where it ends all contact.
The time zone of a contact is for a callable time set without automatic zone mapping.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from channels.call_list.fitting import Fitting, columns_of
from channels.call_list.reading import Reading, by_code, read_results
from channels.call_list.rows import DialRow, DispositionRow, RecallRow, Results, Written
from channels.call_list.table_out import column_of, csv_bytes, replace_list
from channels.cells import cell, unguard
from channels.table_file import Form, read_table
from waves.diallers import Dialler, Layout
from waves.dispositions import ENDS_ALL_CONTACT
from waves.dispositions import Disposition as D

SYSTEM = "ININ-OUTBOUND-"
WRAP_UPS: Mapping[D, Sequence[str]] = {
    D.MACHINE: ("MACHINE",),
    D.FAX: ("FAX",),
    D.NO_ANSWER: ("NO-ANSWER",),
    D.BUSY: ("BUSY",),
    D.ABANDONED: ("ABANDON", "FAILED-TO-REACH-AGENT", "FAILED-TO-REACH-FLOW"),
    D.HUNG_UP: ("DISCONNECT", "CALLBACK-DISCONNECT"),
    D.CONNECTED_OTHER: ("TRANSFERRED-TO-QUEUE", "TRANSFERRED-TO-FLOW", "LIVE-VOICE", "LINE-CONNECTED"),
    D.INVALID_NUMBER: (
        *("SIT-UNCALLABLE", "INVALID-PHONE-NUMBER", "PREVIEW-ERROR-PHONE-NUMBER", "NUMBER_COULD_NOT_BE_DIALED"),
    ),
    D.TEMPORARY_FAILURE: (
        *("SIT-CALLABLE", "AMBIGUOUS", "STUCK-INTERACTION", "NO-ACTIVE-EDGES", "EXTERNALLY-THROTTLED"),
        *("INTERNAL-ERROR-SKIPPED", "NOT-TRANSFERRED-TO-FLOW"),
    ),
    D.SUPPRESSED_DNC: ("ON-DO-NOT-CALL-LIST", "DNC-SKIPPED", "DNC-AUTHENTICATION-FAILED"),
    D.SUPPRESSED_RULE: (
        *("RULE-SKIPPED", "RULE-ERROR-SKIPPED", "CONTACT-UNCALLABLE-SKIPPED", "NUMBER-UNCALLABLE-SKIPPED"),
        *("NO-CALLABLE-NUMBERS-SKIPPED", "NOT-CALLABLE-TIME", "AUTOMATIC-TIMEZONE-BLOCKED"),
        *("AUTOMATIC-TIME-ZONE-BLOCKED-SKIPPED", "CONTACT-ATTEMPT-LIMIT-SKIPPED", "NUMBER-ATTEMPT-LIMIT-SKIPPED"),
        "PREVIEW-SKIPPED",
    ),
    D.NOT_ATTEMPTED: (
        *("CAMPAIGN-FORCED-OFF", "CAMPAIGN-RECYCLE-CANCELLED-RECALL", "RECALL-CANCELLED", "CONTACT-NOT-FOUND"),
    ),
}
"""Outbound wrap-ups of the system, after ININ-OUTBOUND-."""
CODES: Mapping[str, D] = {
    **{SYSTEM + code: disposition for code, disposition in by_code(WRAP_UPS).items()},
    "ININ-WRAP-UP-TIMEOUT": D.CONNECTED_OTHER,
}
CONTACT = "inin-outbound-id"
"""The contact's id in Genesys: ours, when the list is imported with this column."""
TOLD = {
    "callrecordlastattempt": "attempt",
    "callrecordlastresult": "result",
    "callrecordlastagentwrapup": "wrap_up",
}
"""What the export tells of each column with a number, before a hyphen and the column's name."""
PER_NUMBER = re.compile(f"({'|'.join(TOLD)})-(.+)")
LAYOUT = Layout(
    ending=".csv",
    columns={
        CONTACT: "token",
        "phone": "phone",
        "phone_2": "phone_2",
        "phone_3": "phone_3",
        "zone": "tz",
        "name": "name",
        "language": "language",
        "rank": "rank",
        "tier": "tier",
        "team": "team",
        "valid_until": "valid_until",
        "callback_at": "callback_at",
        "callback_agent": "callback_agent",
        "callback_note": "callback_note",
    },
    delimiters=("comma",),
    phone_styles=("e164", "digits"),
    max_rows=1_000_000,
    max_columns=50,
    cell=512,
    results={CONTACT: "token"},
    codes=CODES,
)


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
    """A CSV to import as a contact list; SendRefused, and no file, for an entry that cannot be written."""
    fitting = Fitting(dialler, LAYOUT, columns_of(dialler, LAYOUT, extra))
    entries = list(fitting.entries(rows))
    replace_list(path, csv_bytes([*map(cell, fitting.columns)], map(fitting.line, entries)))
    nowhere = sum(row.tz is None for row in entries)
    note = f"{nowhere:,} of {fitting.count:,} entries without a time zone: their callable times must hold without one"
    return Written(fitting.count, tuple(fitting.shortened), (note,) if nowhere else ())


def write_recall(path: Path, rows: Iterable[RecallRow], dialler: Dialler) -> Written:
    """A CSV to append to the contact list: the same contacts, callable no more. (Genesys documents no such example.)"""
    header = (CONTACT, "ContactCallable", "recall_reason")
    key = column_of(dialler, LAYOUT, "token")
    lines = [(cell(row.token), "false", cell(row.reason)) for row in rows]
    replace_list(path, csv_bytes((key, *header[1:]), lines))
    note = f"append the file to the contact list, or remove the contacts whose {key} it names"
    return Written(len(lines), notes=(note,))


def read_dispositions(path: Path, dialler: Dialler) -> Results:
    """The last attempt of each number of each contact, in file order."""
    return read_results(path, dialler, LAYOUT, _rows)


def _rows(reading: Reading) -> Iterator[DispositionRow]:
    def called(column: str) -> str | None:
        return reading.names.get(column, column)

    for line, cells in read_table(reading.found, ("token",), names=called, form=Form(",", columns=reading.columns)):
        plain = {name: unguard(value) for name, value in cells.items()}
        for phone in sorted({match[2] for name in plain if (match := PER_NUMBER.fullmatch(name))}):
            row = _row(reading, line, phone, plain)
            if row is not None:
                yield row


def _row(reading: Reading, line: int, phone: str, cells: Mapping[str, str]) -> DispositionRow | None:
    told = {word: cells.get(f"{prefix}-{phone}", "").strip() for prefix, word in TOLD.items()}
    if not told["attempt"]:
        return None
    if not told["result"] and not told["wrap_up"]:
        reading.note("attempts without a result yet left out, which come with the next export")
        return None
    at = reading.moment(line, f"CallRecordLastAttempt-{phone}", told["attempt"])
    token = reading.found.filled(line, "the contact's token", cells["token"])
    code, disposition = _disposition(reading, line, told["result"], told["wrap_up"])
    if at is None or disposition is None or not token:
        return None
    call_id = f"{token}/{phone}/{at.isoformat()}"
    number = reading.number(cells.get(phone, ""))
    return DispositionRow(line, token, disposition, at, call_id, number, None, None, None, None, None, code)


def _disposition(reading: Reading, line: int, result: str, wrap_up: str) -> tuple[str, D | None]:
    """The code that counts, and what it means; every unknown one is noted."""
    by_result = reading.disposition(line, result) if result else None
    by_agent = reading.disposition(line, wrap_up) if wrap_up else None
    if (result and by_result is None) or (wrap_up and by_agent is None):
        return "", None
    if by_agent in ENDS_ALL_CONTACT or (by_agent and by_result in (None, D.CONNECTED_OTHER)):
        return wrap_up, by_agent
    return result, by_result
