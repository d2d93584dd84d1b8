"""What comes back, in each dialler's own layout: every call once, each code by its table, times by a written rule."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.call_list.local_times import instant
from channels.call_list.rows import DispositionRow
from tests.channels.dialler_desk import entry, read, told, utc
from waves.dispositions import Disposition as D
from waves.errors import InputError

PAYLOADS = Path(__file__).parents[1] / "payloads" / "diallers"
VICIDIAL, GENESYS = PAYLOADS / "vicidial_extended.txt", PAYLOADS / "genesys_export.csv"
FIVE9, CONNECT = PAYLOADS / "five9_call_log.csv", PAYLOADS / "connect_contact_records.json"
NEW_YORK = ZoneInfo("America/New_York")


def test_a_vicidial_report_over_the_end_of_summer_time() -> None:
    """The hour from one to two comes twice that night: a uniqueid's second says which, else it is the later one."""
    results = read(VICIDIAL, "vicidial", wrap_ups={"sold": "sale"})
    assert told(results, "line", "token", "disposition", "at", "number") == [
        (2, entry(1), D.SALE, utc(1, "03:10:05", 11), "+12125550101"),
        (3, entry(2), D.INVALID_NUMBER, utc(1, "05:30:00", 11), "+12125550102"),
        (4, entry(3), D.NO_ANSWER, utc(1, "06:30:00", 11), "+12125550103"),
        (5, entry(4), D.TEMPORARY_FAILURE, utc(1, "06:45:00", 11), "+12125550104"),
        (6, entry(5), D.NO_ANSWER, utc(1, "14:00:00", 11), "+12125550105"),
        (7, entry(6), D.DNC_REQUEST, utc(1, "14:01:00", 11), "+12125550106"),
        (8, entry(7), D.TEMPORARY_FAILURE, utc(1, "14:02:00", 11), "+12125550107"),
        (10, "", D.BUSY, utc(1, "14:04:00", 11), "+12125550109"),
        (11, entry(8), D.SALE, utc(1, "14:05:00", 11), "+12125550110"),
    ]
    assert results.notes == (
        "times in the hour that came twice when the clocks of America/New_York went back, read as the later one: 1",
        "rows with status INBND left out, not calls that we had made: 1",
    )


def test_a_vicidial_report_tells_who_and_how_long() -> None:
    rows = list(read(VICIDIAL, "vicidial", wrap_ups={"SOLD": "sale"}))
    assert (rows[0].call_id, rows[0].agent, rows[0].raw_code) == ("1793502605.101", "6001", "SALE")
    assert (rows[0].ring_s, rows[0].talk_s, rows[0].wrap_s) == (13, 184, 14)
    assert (rows[1].agent, rows[1].ring_s, rows[1].wrap_s) == (None, 4, None)


def edited(folder: Path, source: Path, *changes: tuple[str, str]) -> Path:
    path, text = folder / source.name, source.read_bytes().decode()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    path.write_bytes(text.encode())
    return path


@pytest.mark.parametrize(
    ("cause", "status", "means"),
    [
        ("1", "CHANUNAVAIL", D.INVALID_NUMBER),
        ("28", "", D.INVALID_NUMBER),
        ("17", "BUSY", D.BUSY),
        ("19", "", D.NO_ANSWER),
        ("34", "CONGESTION", D.TEMPORARY_FAILURE),
        ("127", "BUSY", D.BUSY),
        ("0", "CHANUNAVAIL", D.TEMPORARY_FAILURE),
        ("", "INVALIDARGS", D.INVALID_NUMBER),
        ("16", "ANSWER", D.NO_ANSWER),
        ("16", "BUSY", D.BUSY),
        ("²", "", D.NO_ANSWER),
        ("", "", D.NO_ANSWER),
        ("?", "nonsense", D.NO_ANSWER),
    ],
)
def test_na_is_split_by_the_cause_then_by_asterisk(tmp_path: Path, cause: str, status: str, means: D) -> None:
    path = tmp_path / "calls.txt"
    head = "call_date\tphone_number_dialed\tstatus\tvendor_lead_code\tuniqueid\thangup_cause\tdialstatus"
    path.write_text(f"{head}\n2026-12-04 10:00:00\t2125550101\tNA\t{entry(1)}\t1.1\t{cause}\t{status}\n")
    assert told(read(path, "vicidial"), "disposition") == [(means,)]
    assert told(read(path, "vicidial", wrap_ups={"NA": "dead_air"}), "disposition") == [(D.DEAD_AIR,)]


def test_without_the_extended_fields_nothing_is_read(tmp_path: Path) -> None:
    path = edited(tmp_path, VICIDIAL, ("uniqueid", "unique"))
    with pytest.raises(InputError, match=r"column uniqueid is missing; did you mean it by 'unique'"):
        read(path, "vicidial")
    path.write_text("call_date\tphone_number_dialed\tstatus\tvendor_lead_code\r\n")
    with pytest.raises(InputError, match="column uniqueid is missing; export the call report with its EXTENDED fields"):
        read(path, "vicidial")


def test_columns_are_found_by_name_and_optional_ones_may_be_absent(tmp_path: Path) -> None:
    path = tmp_path / "calls.txt"
    path.write_bytes(
        b"\xef\xbb\xbfuniqueid\tStatus\tvendor_lead_code\tphone_number_dialed\tcall_date\tcustom1\tcustom2\r\n"
        b"1.1\tB\tdialentry1\t2125550101\t2026-12-04 10:00:00\r\n"  # a list without the custom fields
        b'1.2\tA\tT2\t+442079460000\t2026-12-04 10:00:01\t"\t\r\n'
    )
    assert told(read(path, "vicidial"), "token", "disposition", "number", "agent", "talk_s") == [
        ("dialentry1", D.BUSY, "+12125550101", None, None),
        ("T2", D.MACHINE, "+442079460000", None, None),
    ]


@pytest.mark.parametrize("moved", ["a\tcomment", "a\t5", "5\t5\t5"])
def test_a_tab_in_a_comment_is_seen_whatever_it_moves(tmp_path: Path, moved: str) -> None:
    """The rows of a list without the custom fields that the header names are shorter: no count of cells tells."""
    head = "call_date\tphone_number_dialed\tstatus\tvendor_lead_code\tcomments\tlength_in_sec\tqueue_time\tuniqueid"
    path = tmp_path / "calls.txt"
    path.write_text(
        f"{head}\tlead_note\tother_note\n2026-12-04 10:00:00\t2125550101\tB\tT1\t{moved}\t0\t0\t1793502605.1\n"
    )
    with pytest.raises(InputError, match=r"calls\.txt:2: (uniqueid '0' is none|length_in_sec 'comment' is no)"):
        read(path, "vicidial")
    path.write_text(path.read_text().replace("\tlead_note\tother_note", ""))
    with pytest.raises(InputError, match=r"calls\.txt:2: (9|10) cells where the header has 8"):
        read(path, "vicidial")


def test_a_report_of_another_zone_is_noticed_by_its_uniqueids() -> None:
    results = read(VICIDIAL, "vicidial", zone="Europe/London", wrap_ups={"SOLD": "sale"})
    assert "calls whose uniqueid is of another hour than Europe/London makes of call_date (is `zone` right?): 8" in (
        results.notes
    )


def test_a_genesys_export_holds_the_last_attempt_of_each_number() -> None:
    """A stale wrap-up of an earlier attempt counts for nothing, unless it ends all contact."""
    results = read(GENESYS, "genesys", wrap_ups={"Sold - Fibre": "sale", "Take me off": "dnc_request"})
    assert told(results, "line", "token", "disposition", "number", "raw_code") == [
        (2, entry(1), D.NO_ANSWER, "+12125550101", "ININ-OUTBOUND-NO-ANSWER"),
        (2, entry(1), D.SALE, "+12125550201", "Sold - Fibre"),
        (3, entry(2), D.BUSY, "+12125550102", "ININ-OUTBOUND-BUSY"),
        (4, entry(3), D.DNC_REQUEST, "+12125550103", "Take me off"),
        (5, entry(4), D.INVALID_NUMBER, "+12125550104", "ININ-OUTBOUND-SIT-UNCALLABLE"),
        (8, entry(7), D.CONNECTED_OTHER, "+12125550107", "ININ-WRAP-UP-TIMEOUT"),
    ]
    assert results.notes == ("attempts without a result yet left out, which come with the next export: 1",)
    again = read(GENESYS, "genesys", wrap_ups={"Sold - Fibre": "sale", "Take me off": "dnc_request"})
    ids = [row.call_id for row in again]
    assert ids[:2] == [
        f"{entry(1)}/phone/2026-12-04T15:04:05.123000+00:00",
        f"{entry(1)}/phone_2/2026-12-04T17:30:00+00:00",
    ]
    assert len(set(ids)) == len(ids)


def test_a_genesys_list_with_a_token_column_of_its_own(tmp_path: Path) -> None:
    path = edited(tmp_path, GENESYS, ('"inin-outbound-id"', '"Lead"'))
    keys = {"wrap_ups": {"Sold - Fibre": "sale", "Take me off": "dnc_request"}, "results": {"Lead": "token"}}
    assert told(read(path, "genesys", **keys), "token")[0] == (entry(1),)
    keys = {"wrap_ups": keys["wrap_ups"], "columns": {"Lead": "token", "phone": "phone"}}
    assert told(read(path, "genesys", **keys), "token")[0] == (entry(1),)
    with pytest.raises(InputError, match="column inin-outbound-id is missing"):
        read(path, "genesys")
    with pytest.raises(InputError, match="column Laed is missing; did you mean it by 'lead'"):
        read(path, "genesys", results={"Laed": "token"})


def test_a_five9_call_log_over_both_changes_of_the_clock() -> None:
    results = read(FIVE9, "five9", wrap_ups={"sale closed": "sale"})
    assert told(results, "call_id", "token", "disposition", "at", "number", "agent") == [
        ("3001", entry(1), D.SALE, datetime(2016, 10, 27, 18, 51, 34, tzinfo=UTC), "+12125550101", "ann@example.com"),
        ("3002", entry(2), D.NO_ANSWER, datetime(2016, 10, 27, 18, 52, tzinfo=UTC), "+12125550102", None),
        ("3003", entry(3), D.INVALID_NUMBER, datetime(2016, 11, 6, 6, 30, tzinfo=UTC), "+12125550103", None),
        ("3004", entry(4), D.DNC_REQUEST, datetime(2016, 3, 13, 7, 30, tzinfo=UTC), "+12125550104", None),
        ("3005", "", D.ABANDONED, datetime(2016, 11, 7, 15, tzinfo=UTC), "+12125550105", None),
    ]
    assert results.notes == (
        "times in the hour that came twice when the clocks of America/New_York went back, read as the later one: 1",
        "times in an hour that the clocks of America/New_York skipped (is `zone` right?): 1",
    )
    first = next(iter(read(FIVE9, "five9", wrap_ups={"sale closed": "sale"})))
    assert (first.ring_s, first.talk_s, first.wrap_s, first.raw_code) == (12, 184, 41, "Sale Closed")


def test_a_five9_log_without_the_token_says_how_to_get_it(tmp_path: Path) -> None:
    path = edited(tmp_path, FIVE9, ("RECORDINGS,token", "RECORDINGS,lead"))
    with pytest.raises(InputError, match="column token is missing; add it to the call log report, or name it under"):
        read(path, "five9")
    named = read(path, "five9", results={"LEAD": "token"}, wrap_ups={"Sale Closed": "sale"})
    assert told(named, "token")[0] == (entry(1),)


def test_connect_contact_records() -> None:
    results = read(CONNECT, "amazon_connect", wrap_ups={"sold": "sale"})
    assert told(results, "line", "token", "disposition", "raw_code") == [
        (1, entry(1), D.SALE, "Sold"),
        (1, entry(2), D.ABANDONED, "HUMAN_ANSWERED"),
        (1, entry(3), D.CONNECTED_OTHER, "HUMAN_ANSWERED"),
        (1, entry(4), D.CONNECTED_OTHER, "AMD_UNRESOLVED"),
        (1, entry(5), D.TEMPORARY_FAILURE, "AMD_UNRESOLVED"),
        (1, entry(6), D.MACHINE, "VOICEMAIL_BEEP"),
        (2, entry(7), D.INVALID_NUMBER, "TELECOM_NUMBER_INVALID"),
        (3, entry(8), D.CONNECTED_OTHER, "AGENT_DISCONNECT"),
        (4, entry(9), D.NOT_ATTEMPTED, "EXPIRED"),
        (7, entry(12), D.DNC_REQUEST, "dnc_request"),
    ]
    assert results.notes == ("contacts that are no calls left out: 1", "calls that came in left out: 1")
    first = next(iter(read(CONNECT, "amazon_connect_requests", wrap_ups={"sold": "sale"})))
    assert (first.number, first.agent, first.ring_s, first.talk_s, first.wrap_s) == (
        "+12125550001",
        "ann",
        12,
        184,
        20,
    )


@pytest.mark.parametrize(
    ("text", "line"),
    [("[1, 2]", 1), ('{"ContactId": ', 1), ("\n\n nonsense", 3), ('{"a": 1}\n"text"', 2), ("ContactId,x\n1,2\n", 1)],
)
def test_what_is_no_record_is_said_with_its_line(tmp_path: Path, text: str, line: int) -> None:
    path = tmp_path / "records.json"
    path.write_text(text)
    with pytest.raises(InputError, match=f"records.json:{line}: no JSON record"):
        read(path, "amazon_connect")


@pytest.mark.parametrize("escape", ["\\u0000", "\\ud800"])
@pytest.mark.parametrize(
    ("field", "what"), [("ContactId", "call id"), ("Username", "agent"), ("Address", "number"), ("token", "token")]
)
def test_a_character_that_no_database_keeps_is_said(tmp_path: Path, escape: str, field: str, what: str) -> None:
    first = CONNECT.read_text().splitlines()[0]
    path = tmp_path / "records.json"
    path.write_text(re.sub(rf'("{field}": ?")[^"]*', lambda found: found[1] + "a" + escape, first, count=1))
    with pytest.raises(InputError, match=f"records.json:1: a character in the {what} that no text may hold"):
        read(path, "amazon_connect", wrap_ups={"sold": "sale"})


def test_records_in_a_list_and_attributes_of_other_names(tmp_path: Path) -> None:
    records = [json.loads(one) for one in CONNECT.read_text().splitlines()[1:4]]
    for record in records:
        record["Attributes"] = {"lead": record["Attributes"]["token"], "Outcome": "later"}
    path = tmp_path / "records.json"
    path.write_text(json.dumps(records, indent=1))
    keys = {"results": {"lead": "token", "Outcome": "disposition"}, "wrap_ups": {"later": "callback_agreed"}}
    rows: list[DispositionRow] = list(read(path, "amazon_connect", **keys))
    assert [(row.token, row.disposition) for row in rows] == [(entry(n), D.CALLBACK_AGREED) for n in (7, 8, 9)]
    lines = path.read_text().splitlines()
    assert [lines[row.line - 1] for row in rows] == [" {"] * 3


def test_records_are_read_whatever_the_blocks_they_come_in(tmp_path: Path) -> None:
    line = CONNECT.read_text().splitlines()[1]
    path = tmp_path / "many.json"
    path.write_text("".join(line.replace("000000000007", f"{n:012d}") for n in range(3000)))
    assert [row.call_id[-4:] for row in read(path, "amazon_connect")] == [f"{n:04d}" for n in range(3000)]


NEAR = datetime(2026, 11, 1, 5, 31, tzinfo=UTC)


@pytest.mark.parametrize(
    ("local", "near", "at", "doubt"),
    [
        ("2026-11-01T00:59:59", None, "2026-11-01T04:59:59", None),
        ("2026-11-01T01:30:00", None, "2026-11-01T06:30:00", "twice"),
        ("2026-11-01T01:30:00", NEAR, "2026-11-01T05:30:00", "twice"),
        ("2026-11-01T01:30:00", NEAR.replace(hour=6), "2026-11-01T06:30:00", "twice"),
        ("2026-11-01T02:00:00", None, "2026-11-01T07:00:00", None),
        ("2026-03-08T01:59:59", None, "2026-03-08T06:59:59", None),
        ("2026-03-08T02:30:00", None, "2026-03-08T07:30:00", "never"),
        ("2026-03-08T02:30:00", NEAR, "2026-03-08T07:30:00", "never"),
        ("2026-03-08T03:00:00", None, "2026-03-08T07:00:00", None),
    ],
)
def test_a_time_without_a_zone_is_read_late_rather_than_early(
    local: str, near: datetime | None, at: str, doubt: str | None
) -> None:
    assert instant(datetime.fromisoformat(local), NEW_YORK, near) == (datetime.fromisoformat(f"{at}+00:00"), doubt)


@given(
    at=st.datetimes(datetime.fromisoformat("2000-01-01"), datetime.fromisoformat("2037-12-31")),
    zone=st.sampled_from(
        ["America/New_York", "Australia/Lord_Howe", "Europe/Kyiv", "Asia/Kolkata", "Africa/Casablanca"]
    ),
    near=st.none() | st.datetimes(timezones=st.just(UTC)),
)
def test_no_time_is_read_earlier_than_it_may_have_been(at: datetime, zone: str, near: datetime | None) -> None:
    """And a time that the clocks do show is read as one that shows it."""
    readings = {at.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)}
    found, doubt = instant(at, ZoneInfo(zone), near)
    assert found in readings
    assert near is not None or found == max(readings)
    assert (doubt is None) == (len(readings) == 1)
    shown = found.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    assert shown == at or (doubt == "never" and shown > at)


def test_the_generic_file_in_a_partners_own_words(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_bytes(
        b"\xef\xbb\xbfLead|When|Call|Outcome|Dialled|Who|token|callback_at\r\n"
        b"T1|2026-12-04 10:00:00|c1|Bought it|2125550101|'=ann|ignored|\r\n"
        b"T2|2026-12-04T10:00:00Z|c2|no_answer|+442079460000|||2026-12-05 09:30\r\n"
    )
    results = read(
        path,
        "generic_csv",
        delimiter="pipe",
        phone_style="national",
        wrap_ups={"bought it": "sale"},
        results={
            "LEAD": "token",
            "When": "at",
            "Call": "call_id",
            "Outcome": "disposition",
            "Dialled": "number",
            "Who": "agent",
        },
    )
    assert told(results, "token", "disposition", "at", "number", "agent", "callback_at", "raw_code") == [
        ("T1", D.SALE, utc(4, "15:00:00"), "+12125550101", "=ann", None, "Bought it"),
        ("T2", D.NO_ANSWER, utc(4, "10:00:00"), "+442079460000", None, utc(5, "14:30:00"), None),
    ]


def test_digits_are_read_as_numbers_again(tmp_path: Path) -> None:
    path = tmp_path / "calls.csv"
    path.write_text("token,disposition,at,call_id,number\nT,busy,2026-12-04T15:00:00Z,1,12125550101\n")
    assert told(read(path, "generic_csv", phone_style="digits"), "number") == [("+12125550101",)]
    assert told(read(path, "generic_csv"), "number") == [("12125550101",)]
