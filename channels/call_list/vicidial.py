"""VICIdial and GOautodial: the list loader's 25 columns out, the call report with its EXTENDED fields back.

One lead a person: further numbers of the same country stand in alt_phone and address3, where the dialler tries them
one after the other; as leads of their own two of them could ring at once. What its loader would strip (quotes,
backticks, backslashes, semicolons) is not written. Rank 1 here is 32767 there, where the highest is first.

NA is what VICIdial calls every line that nobody spoke on: the line's cause of hanging up (Q.850) says more, then
Asterisk's own word. A line that the cause calls answered stays a no_answer: no agent had anybody there.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import phonenumbers

from channels.call_list.fitting import Fitting, columns_of
from channels.call_list.reading import Reading, by_code, read_results
from channels.call_list.rows import DialRow, DispositionRow, Phone, RecallRow, Results, Shortened, Written
from channels.call_list.table_out import replace_list, separator_of
from channels.cells import PHONE
from channels.findings import shown
from channels.table_file import Form, read_table
from waves.diallers import Dialler, Layout
from waves.dispositions import Disposition as D
from waves.errors import SendRefused

STATUSES: Mapping[D, Sequence[str]] = {
    D.SALE: ("SALE",),
    D.CALLBACK_AGREED: ("CALLBK", "CBHOLD"),
    D.NOT_INTERESTED: ("NI", "DEC", "NP"),
    D.CONNECTED_OTHER: (*("XFER", "HXFER", "RQXFER", "RAXFER", "IVRXFR", "SVYEXT", "SVYCLM", "LSMERG"),),
    D.DNC_REQUEST: ("DNC",),
    D.SUPPRESSED_DNC: ("DNCL", "DNCC", "DNCCAR"),
    D.ABANDONED: ("DROP", "XDROP", "PDROP", "TIMEOT", "NANQUE", "IQNANQ", "HOLDTO", "MAXCAL", "SRDROP"),
    D.MACHINE: ("A", "AA", "AM", "AMDXFR", "UNKXFR", "UNKAM"),
    D.MACHINE_MESSAGE_LEFT: ("AL", "PM", "UNKAL", "SVYVM", "QVMAIL", "LTMGAD", "XAMMAD"),
    D.FAX: ("AFAX",),
    D.NO_ANSWER: ("NA", "N", "CPDNA"),
    D.BUSY: ("B", "AB", "CPDB"),
    D.INVALID_NUMBER: ("DC", "ADC", "ADCCAR", "CPDINV", "CPDSI", "CPDSV"),
    D.TEMPORARY_FAILURE: (
        *("ADCT", "CPDATB", "CPDREJ", "CPDSUA", "CPDSNC", "CPDSR", "CPDSUK", "CPDUK", "CPDERR", "LRERR"),
    ),
    D.DEAD_AIR: ("DAIR", "ADAIR"),
    D.HUNG_UP: ("SVYHU",),
    D.AGENT_ERROR: ("ERI", "DONEM", "DISMX", "PAUSMX", "ALTNUM"),
    D.SUPPRESSED_RULE: ("MLINAT", "AFTHRS", "TFHCCL"),
    D.NOT_ATTEMPTED: ("NEW", "PU"),
}
HANGUP = re.compile(r"HUC\d*")
"""Statuses named after a cause of hanging up: a temporary failure."""
NOT_OURS = frozenset({"SVYREC", "WAITTO", "QCFAIL", "QCCANC", "QCPASS", "INBND", "NVAINS", "CLOSOP", "ACFLTR"})
"""Statuses of calls that came in, and of quality control: left out, and counted."""
CATCH_ALL = "NA"
Q850: Mapping[int, D] = {
    **dict.fromkeys((1, 22, 28), D.INVALID_NUMBER),
    17: D.BUSY,
    **dict.fromkeys((18, 19, 20), D.NO_ANSWER),
    **dict.fromkeys((21, 27, 34, 38, 41, 42), D.TEMPORARY_FAILURE),
    16: D.CONNECTED_OTHER,
}
"""ITU-T Q.850 cause of hanging up -> what became of the call."""
DIALSTATUS: Mapping[str, D] = {
    "NOANSWER": D.NO_ANSWER,
    "BUSY": D.BUSY,
    "ANSWER": D.CONNECTED_OTHER,
    **dict.fromkeys(("CONGESTION", "CHANUNAVAIL", "CANCEL"), D.TEMPORARY_FAILURE),
    "INVALIDARGS": D.INVALID_NUMBER,
}
"""Asterisk's DIALSTATUS -> what became of the call."""
NOBODY = frozenset({"", "VDAD", "VDCL"})
"""Users that are the dialler itself."""

COLUMNS: Mapping[str, str] = {
    "vendor_lead_code": "token",
    "source_id": "batch",
    "list_id": "",
    "phone_code": "phone",
    "phone_number": "phone",
    "title": "",
    "first_name": "first_name",
    "middle_initial": "",
    "last_name": "last_name",
    "address1": "address",
    "address2": "",
    "address3": "phone_3",
    "city": "city",
    "state": "state",
    "province": "",
    "postal_code": "postal_code",
    "country_code": "country",
    "gender": "",
    "date_of_birth": "",
    "alt_phone": "phone_2",
    "email": "email",
    "security_phrase": "valid_until",
    "comments": "callback_note",
    "rank": "rank",
    "owner": "agent_owner",
}
"""The loader's columns, in its order."""
LENGTHS: Mapping[str, int] = {
    **dict.fromkeys(("vendor_lead_code", "owner"), 20),
    **dict.fromkeys(("source_id", "city", "province"), 50),
    **dict.fromkeys(("address1", "address2", "address3", "security_phrase"), 100),
    **dict.fromkeys(("first_name", "last_name"), 30),
    **dict.fromkeys(("phone_code", "postal_code"), 10),
    **dict.fromkeys(("middle_initial", "gender"), 1),
    "phone_number": 18,
    "alt_phone": 12,
    "title": 4,
    "state": 2,
    "country_code": 3,
    "email": 70,
    "comments": 255,
}
HIGHEST_RANK = 32_767
STRIPPED = re.compile(r"['\"`\\;]")
BLANK = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029|]+")
RECALLED = "RECALL"
"""The status of a lead that was called back; it must not be among those that a campaign dials."""

UNIQUE = re.compile(r"(?:.*-)?\d+\.\d+")
EPOCH = re.compile(r"(?:.*-)?(\d{9,11})\.\d+")
"""An Asterisk uniqueid: the second it was made, and a count; some with the system's name before."""
APART = timedelta(minutes=20)
REQUIRED = ("call_date", "phone_number_dialed", "status", "vendor_lead_code", "uniqueid")
OPTIONAL = ("user", "phone_code", "length_in_sec", "wrapup_time", "dial_time", "answered_time")
CAUSES = ("hangup_cause", "dialstatus")
FORM = Form("\t", quoted=False, ragged=True, hint="; export the call report with its EXTENDED fields")

LAYOUT = Layout(
    ending=".txt",
    recall_ending=".txt",
    columns=COLUMNS,
    fixed=True,
    delimiters=("pipe", "tab"),
    phone_styles=(),
    lengths=LENGTHS,
    codes=by_code(STATUSES),
    not_over=frozenset({"QUEUE", "INCALL", "DISPO"}),
    needs_zone=True,
    options=frozenset({"list_id", "api"}),
)


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
    """The list loader's file: no header, 25 columns, one lead a line; SendRefused, and no file, for what cannot be."""
    fitting = fitting_of(dialler, extra)
    separator = separator_of(dialler, LAYOUT)
    lines = [separator.join(lead.values()) for lead in leads_of(fitting, rows)]
    replace_list(path, "".join(f"{line}\n" for line in lines).encode("utf-8", "replace"))
    notes = [] if dialler.list_id else ["no `list_id` in config/diallers.yaml: choose the list when you load the file"]
    if len(lines) > HIGHEST_RANK:
        notes.append(f"{len(lines) - HIGHEST_RANK:,} entries share the lowest rank: VICIdial has {HIGHEST_RANK:,}")
    return Written(fitting.count, tuple(fitting.shortened), tuple(notes))


def fitting_of(dialler: Dialler, extra: Sequence[str]) -> Fitting:
    """What fits the entries of one list into VICIdial's fields."""
    return Fitting(dialler, LAYOUT, columns_of(dialler, LAYOUT, extra))


def leads_of(fitting: Fitting, rows: Iterable[DialRow]) -> Iterator[dict[str, str]]:
    """Each entry as a lead: its 25 fields by name, in the loader's order; SendRefused for what can be none."""
    for row in fitting.entries(rows):
        yield dict(zip(fitting.columns, _cells(fitting, row), strict=True))


def _cells(fitting: Fitting, row: DialRow) -> list[str]:
    code, number = _split(row.token, row.phones[0])
    others = [_split(row.token, phone) for phone in row.phones[1:]]
    fits = [other for with_code, other in others if with_code == code and len(other) <= LENGTHS["alt_phone"]][:2]
    if len(fits) < len(others):
        fitting.shortened.append(Shortened(row.token, "phones", len(row.phones), 1 + len(fits)))
    own = {
        "list_id": str(fitting.dialler.list_id or ""),
        "phone_code": code,
        "phone_number": number,
        "alt_phone": fits[0] if fits else "",
        "address3": fits[1] if len(fits) > 1 else "",
        "rank": str(max(0, HIGHEST_RANK + 1 - row.rank)),
    }
    return fitting.line(_bare(replace(row, phones=row.phones[:1])), own)


def _bare(row: DialRow) -> DialRow:
    """The entry without what the loader strips, or would take for the end of a cell."""
    told = {each.name: getattr(row, each.name) for each in fields(row)}
    plain: dict[str, Any] = {name: _text(value) for name, value in told.items() if isinstance(value, str)}
    return replace(row, **plain, extra={k: _text(v) if isinstance(v, str) else v for k, v in row.extra.items()})


def _text(value: str) -> str:
    return BLANK.sub(" ", STRIPPED.sub("", value))


def _split(token: str, phone: Phone) -> tuple[str, str]:
    """Country code and the number in its country."""
    try:
        parsed = phonenumbers.parse(phone.number)
    except phonenumbers.NumberParseException:
        raise SendRefused(f"a phone of dial entry {token} has no country's code; no list was written") from None
    return str(parsed.country_code), str(phonenumbers.national_significant_number(parsed))


def write_recall(path: Path, rows: Iterable[RecallRow], dialler: Dialler) -> Written:
    """A call of non_agent_api.php for each lead: a status that is not dialled, and out of the hopper."""
    lines = [urlencode({"source": "multiwave", **recall_call(row.token)}) for row in rows]
    replace_list(path, "".join(f"{line}\n" for line in lines).encode())
    note = f"{RECALLED} must be a status that no campaign dials; add user= and pass= to each call"
    return Written(len(lines), notes=(note,))


def recall_call(token: str) -> dict[str, str]:
    """The call that takes a lead off: a status that is not dialled, no promised call, and out of the hopper.

    `records`: VICIdial would change the newest lead alone where several have the code. Its hopper and its callbacks are
    dialled whatever the status of their lead.
    """
    return {
        "function": "update_lead",
        "search_method": "VENDOR_LEAD_CODE",
        "vendor_lead_code": token,
        "records": "100",
        "status": RECALLED,
        "callback": "REMOVE",
        "remove_from_hopper": "Y",
    }


def read_dispositions(path: Path, dialler: Dialler) -> Results:
    """Every call of a call report, in file order; calls that no list of ours led to have no token."""
    return read_results(path, dialler, LAYOUT, _rows)


def _rows(reading: Reading) -> Iterator[DispositionRow]:
    for line, cells in read_table(reading.found, REQUIRED, (*OPTIONAL, *CAUSES), form=FORM):
        row = _row(reading, line, cells)
        if row is not None:
            yield row


def _row(reading: Reading, line: int, cells: Mapping[str, str]) -> DispositionRow | None:
    before, status = reading.found.count, cells["status"].strip()
    if status.upper() in NOT_OURS and not reading.agreed(status):
        reading.note(f"rows with status {status} left out, not calls that we had made")
        return None
    if reading.goes_on(status):
        return None
    call_id = reading.found.filled(line, "uniqueid", cells["uniqueid"])
    if call_id and not UNIQUE.fullmatch(call_id):  # a tab in a comment moves every cell after it
        reading.found.add(line, f"uniqueid {shown(call_id)} is none of Asterisk's; is there a tab in the comments?")
    at = _moment(reading, line, cells["call_date"], call_id)
    disposition = _disposition(reading, line, status, cells)
    talk, wrap, whole, answered = (
        reading.seconds(line, name, cells.get(name, ""))
        for name in ("length_in_sec", "wrapup_time", "dial_time", "answered_time")
    )
    if reading.found.count > before or disposition is None or at is None:
        return None
    ring = max(0.0, whole - answered) if whole is not None and answered is not None else None
    agent = cells.get("user", "").strip()
    return DispositionRow(
        line=line,
        token=cells["vendor_lead_code"].strip(),
        disposition=disposition,
        at=at,
        call_id=call_id,
        number=_number(reading, cells),
        agent=None if agent in NOBODY else agent,
        ring_s=ring,
        talk_s=talk,
        wrap_s=wrap,
        raw_code=status,
    )


def _moment(reading: Reading, line: int, text: str, call_id: str) -> datetime | None:
    made = EPOCH.fullmatch(call_id)
    near = datetime.fromtimestamp(int(made[1]), UTC) if made else None
    at = reading.moment(line, "call_date", text, near=near)
    if at is not None and near is not None and abs(at - near) > APART:
        zone = reading.dialler.zone
        reading.note(f"calls whose uniqueid is of another hour than {zone} makes of call_date (is `zone` right?)")
    return at


def _disposition(reading: Reading, line: int, status: str, cells: Mapping[str, str]) -> D | None:
    if reading.agreed(status) is None:
        if status.upper() == CATCH_ALL:
            return _cause(cells)
        if HANGUP.fullmatch(status.upper()):
            return D.TEMPORARY_FAILURE
    return reading.disposition(line, status)


def _cause(cells: Mapping[str, str]) -> D:
    cause = cells.get("hangup_cause", "").strip()
    said = [Q850.get(int(cause)) if cause.isascii() and cause.isdigit() else None]
    said.append(DIALSTATUS.get(cells.get("dialstatus", "").strip().upper()))
    return next((found for found in said if found not in (None, D.CONNECTED_OTHER)), None) or D.NO_ANSWER


def _number(reading: Reading, cells: Mapping[str, str]) -> str | None:
    bare, code = cells["phone_number_dialed"].strip(), cells.get("phone_code", "").strip()
    return f"+{code}{bare}" if code and PHONE.fullmatch(f"+{code}{bare}") else reading.number(bare, "national")
