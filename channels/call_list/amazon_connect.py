"""Amazon Connect outbound campaigns: a segment's CSV or batches of dial requests out, contact records back.

A dial request that was put cannot be taken back; it ends at its expirationTime, so that is minutes away
(`expires`) and never after the entry's own end. Connect drops people whose time zone it cannot tell, and does not say
so. An agent's disposition is an attribute of the contact, `disposition` unless `results` names another.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from channels.call_list.fitting import Fitting, columns_of
from channels.call_list.json_records import read_records
from channels.call_list.reading import DISPOSITIONS, Reading, by_code, read_results
from channels.call_list.rows import DialRow, DispositionRow, RecallRow, Results, Written
from channels.call_list.table_out import csv_bytes, replace_list
from channels.cells import cell, unguard
from waves.diallers import Dialler, Layout
from waves.dispositions import Disposition as D
from waves.errors import SendRefused

ENDINGS: Mapping[D, Sequence[str]] = {
    D.CONNECTED_OTHER: ("HUMAN_ANSWERED", "ANSWERED"),
    D.MACHINE: ("VOICEMAIL_BEEP", "VOICEMAIL_NO_BEEP", "VOICEMAIL_NOBEEP"),
    D.NO_ANSWER: ("AMD_UNANSWERED", "TELECOM_UNANSWERED", "TELECOM_TIMEOUT"),
    D.BUSY: ("SIT_TONE_BUSY", "TELECOM_BUSY"),
    D.INVALID_NUMBER: ("SIT_TONE_INVALID_NUMBER", "TELECOM_NUMBER_INVALID"),
    D.FAX: ("FAX_MACHINE_DETECTED",),
    D.TEMPORARY_FAILURE: (
        *("SIT_TONE_DETECTED", "AMD_ERROR", "AMD_UNRESOLVED", "AMD_UNRESOLVED_SILENCE", "AMD_NOT_APPLICABLE"),
        *("UNDETECTED", "ERROR", "TELECOM_PROBLEM", "TELECOM_POTENTIAL_BLOCKING", "TELECOM_ORIGINATOR_CANCEL"),
        *("OUTBOUND_ATTEMPT_FAILED", "OUTBOUND_RESOURCE_ERROR", "OUTBOUND_DESTINATION_ENDPOINT_ERROR"),
    ),
    D.NOT_ATTEMPTED: ("EXPIRED",),
    D.SUPPRESSED_RULE: ("OUTBOUND_PREVIEW_DISCARDED", "OUTBUND_PREVIEW_DISCARDED"),
}
"""AnsweringMachineDetectionStatus and DisconnectReason."""
CAME_IN = "INBOUND"
UNRESOLVED = "AMD_UNRESOLVED"
PER_REQUEST = 25
"""Dial requests in one PutDialRequestBatch at most."""
LARGEST = 1_000_000_000
"""A segment's file is smaller than this, in bytes."""
PROFILE = (
    *("FirstName", "MiddleName", "LastName", "PhoneNumber", "MobilePhoneNumber", "HomePhoneNumber"),
    *("BusinessPhoneNumber", "EmailAddress", "AccountNumber", "Address1", "Address2", "Address3", "Address4"),
    *("City", "State", "PostalCode", "Country"),
)
LAYOUT = Layout(
    ending=".csv",
    columns={
        "FirstName": "first_name",
        "LastName": "last_name",
        "PhoneNumber": "phone",
        "MobilePhoneNumber": "phone_2",
        "HomePhoneNumber": "phone_3",
        "EmailAddress": "email",
        "Address1": "address",
        "City": "city",
        "State": "state",
        "PostalCode": "postal_code",
        "Country": "country",
        "Attributes.token": "token",
        "Attributes.language": "language",
        "Attributes.rank": "rank",
        "Attributes.tier": "tier",
        "Attributes.team": "team",
        "Attributes.valid_until": "valid_until",
    },
    takes_extra=False,
    header=rf"{'|'.join(PROFILE)}|Attributes\.[A-Za-z][A-Za-z0-9_]{{0,62}}",
    delimiters=("comma",),
    results={"token": "token", "disposition": "disposition"},
    codes=by_code(ENDINGS),
)
REQUESTS = Layout(
    ending=".jsonl",
    columns={
        "token": "token",
        "phone": "phone",
        "name": "name",
        "language": "language",
        "rank": "rank",
        "tier": "tier",
        "team": "team",
        "valid_until": "valid_until",
        "callback_note": "callback_note",
    },
    header=r"[A-Za-z0-9_-]{1,64}",
    results=LAYOUT.results,
    codes=LAYOUT.codes,
    options=frozenset({"expires"}),
)
"""Of the columns, that with the phone is the request's number and the others are its attributes."""


def write_list(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
    """A segment's CSV; SendRefused, and no file, for an entry that cannot be written, or over a gigabyte."""
    fitting = Fitting(dialler, LAYOUT, columns_of(dialler, LAYOUT, extra))
    entries = list(fitting.entries(rows))
    content = csv_bytes([*map(cell, fitting.columns)], map(fitting.line, entries))
    if len(content) >= LARGEST:
        raise SendRefused(f"the list has {len(content):,} bytes, and Amazon Connect takes less than {LARGEST:,}")
    replace_list(path, content)
    nowhere = sum(row.postal_code is None for row in entries)
    note = f"{nowhere:,} of {fitting.count:,} entries without a postal code: Connect drops whose zone it cannot tell"
    return Written(fitting.count, tuple(fitting.shortened), (note,) if nowhere else ())


def write_requests(path: Path, rows: Iterable[DialRow], extra: Sequence[str], dialler: Dialler) -> Written:
    """Lines of JSON, each the body of one PutDialRequestBatch of at most 25 requests; SendRefused, and no file."""
    fitting = Fitting(dialler, REQUESTS, columns_of(dialler, REQUESTS, extra))
    requests = [_request(fitting, row) for row in fitting.entries(rows)]
    bodies = [json.dumps({"dialRequests": some}, ensure_ascii=False) for some in _batches(requests)]
    replace_list(path, "".join(f"{body}\n" for body in bodies).encode("utf-8", "replace"))
    return Written(fitting.count, tuple(fitting.shortened))


def _batches(requests: Sequence[dict[str, Any]]) -> Iterator[Sequence[dict[str, Any]]]:
    for start in range(0, len(requests), PER_REQUEST):
        yield requests[start : start + PER_REQUEST]


def _request(fitting: Fitting, row: DialRow) -> dict[str, Any]:
    cells = dict(zip(fitting.columns, map(unguard, fitting.line(row)), strict=True))
    ends = row.valid_until if row.not_before is None else min(row.valid_until, row.not_before + fitting.dialler.expires)
    return {
        "clientToken": row.token,
        "phoneNumber": row.phones[0].number,
        "expirationTime": ends.astimezone(UTC).isoformat(timespec="seconds"),
        "attributes": {column: text for column, text in cells.items() if text and fitting.columns[column] != "phone"},
    }


def write_recall(path: Path, rows: Iterable[RecallRow], dialler: Dialler) -> Written:
    """Profiles to import again, with the end of their validity and why: a segment leaves out who has `recalled`."""
    header = ("PhoneNumber", "Attributes.token", "Attributes.valid_until", "Attributes.recalled")
    lines = [
        (row.phones[0].number, cell(row.token), row.at.astimezone(UTC).isoformat(timespec="seconds"), cell(row.reason))
        for row in rows
    ]
    replace_list(path, csv_bytes(header, lines))
    note = "leave out who has Attributes.recalled; a dial request that was put ends at its expirationTime alone"
    return Written(len(lines), notes=(note,))


def read_dispositions(path: Path, dialler: Dialler) -> Results:
    """Every call among contact records (JSON, one after the other or in a list), in file order."""
    return read_results(path, dialler, LAYOUT, _rows)


def _rows(reading: Reading) -> Iterator[DispositionRow]:
    columns = {told: column.removeprefix("Attributes.") for told, column in reading.columns.items()}
    for line, record in read_records(reading.found):
        if str(record.get("Channel", "VOICE")).upper() != "VOICE":
            reading.note("contacts that are no calls left out")
            continue
        if str(record.get("InitiationMethod", "")).upper() == CAME_IN:
            reading.note("calls that came in left out")
            continue
        row = _row(reading, line, record, columns)
        if row is not None:
            yield row


def _row(reading: Reading, line: int, record: Mapping[str, Any], columns: Mapping[str, str]) -> DispositionRow | None:
    before = reading.found.count
    attributes, agent = _keys(record, "Attributes"), _keys(record, "Agent", "AgentInfo")
    call_id = reading.found.filled(line, "ContactId", _text(record.get("ContactId")))
    at = reading.moment(line, "InitiationTimestamp", _text(record.get("InitiationTimestamp")))
    code, disposition = _disposition(reading, line, record, _text(attributes.get(columns["disposition"])), bool(agent))
    if reading.found.count > before or at is None or disposition is None:
        return None
    return DispositionRow(
        line=line,
        token=_text(attributes.get(columns["token"])),
        disposition=disposition,
        at=at,
        call_id=call_id,
        number=_text(_keys(record, "CustomerEndpoint").get("Address")) or None,
        agent=_text(agent.get("Username")) or _text(agent.get("Id")) or None,
        ring_s=_between(at, record.get("ConnectedToSystemTimestamp")),
        talk_s=_number(agent.get("AgentInteractionDuration")),
        wrap_s=_number(agent.get("AfterContactWorkDuration")),
        raw_code=code,
    )


def _disposition(
    reading: Reading, line: int, record: Mapping[str, Any], chosen: str, has_agent: bool
) -> tuple[str, D | None]:
    """The agent's own word, else what the machine detection heard, else whether somebody spoke, else why it ended."""
    if chosen:
        own = reading.agreed(chosen) or DISPOSITIONS.get(chosen.lower())
        return chosen, own or reading.disposition(line, chosen)
    heard = _text(record.get("AnsweringMachineDetectionStatus"))
    ended = _text(record.get("DisconnectReason"))
    if heard == "HUMAN_ANSWERED" and not has_agent and _keys(record, "Queue", "QueueInfo"):
        return heard, D.ABANDONED
    if has_agent and heard in ("", UNRESOLVED):
        return heard or ended, D.CONNECTED_OTHER
    return heard or ended, reading.disposition(line, heard or ended)


def _keys(record: Mapping[str, Any], *names: str) -> Mapping[str, Any]:
    """The first of these parts that the record has."""
    return next((part for name in names if isinstance(part := record.get(name), dict) and part), {})


def _text(value: object) -> str:
    return str(value).strip() if isinstance(value, str | int | float) else ""


def _number(value: object) -> float | None:
    return float(value) if isinstance(value, int | float) and 0 <= value < 1_000_000 else None


def _between(at: datetime | None, answered: object) -> float | None:
    try:
        later = datetime.fromisoformat(_text(answered))
    except ValueError:
        return None
    if at is None or later.tzinfo is None:
        return None
    return max(0.0, (later - at).total_seconds())
