"""What goes out, in each dialler's own layout: whole or not at all, within its limits, and nothing cut in silence."""

from __future__ import annotations

import csv
import io
import json
import re
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openpyxl import load_workbook

from channels.call_list.formats import FORMATS
from channels.call_list.rows import DialRow, Phone, RecallRow, Shortened, Written
from channels.call_list.vicidial import COLUMNS, LENGTHS
from tests.channels.dialler_desk import ALONG, NOW, TOKEN, dialler, row
from waves.diallers import SIGNS
from waves.errors import SendRefused

TABLES = ("generic_csv", "genesys", "five9", "amazon_connect")


def wrote(folder: Path, format: str, *rows: DialRow, **keys: Any) -> tuple[str, Written]:
    path = folder / "lists" / f"list{FORMATS[format].layout.ending}"
    written = FORMATS[format].write(path, rows, ALONG, dialler(format, **keys))
    assert path.stat().st_mode & 0o777 == 0o600
    return path.read_bytes().decode(errors="replace"), written


def table(text: str, separator: str = ",") -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator))


PERSON: dict[str, Any] = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "address": "12 Analytical Row",
    "city": "Albany",
    "state": "NY",
    "postal_code": "12207",
    "country": "USA",
    "email": "ada@example.com",
    "tz": "America/New_York",
    "callback_note": "asked for Friday",
    "agent_owner": "6001",
    "batch": "list-7",
}


def test_a_vicidial_lead_has_the_loaders_25_columns(tmp_path: Path) -> None:
    text, written = wrote(tmp_path, "vicidial", row(**PERSON), row(token="T2", rank=40_000), list_id=998)
    lines = text.split("\n")
    assert lines.pop() == ""
    assert [line.count("|") for line in lines] == [24, 24]
    assert len(COLUMNS) == 25
    first, second = (dict(zip(COLUMNS, line.split("|"), strict=True)) for line in lines)
    assert {name: cell for name, cell in first.items() if cell} == {
        "vendor_lead_code": TOKEN,
        "source_id": "list-7",
        "list_id": "998",
        "phone_code": "1",
        "phone_number": "2125550101",
        "first_name": "Ada",
        "last_name": "Lovelace",
        "address1": "12 Analytical Row",
        "city": "Albany",
        "state": "NY",
        "postal_code": "12207",
        "country_code": "USA",
        "email": "ada@example.com",
        "security_phrase": "2026-12-04T13:00:00-05:00",
        "comments": "asked for Friday",
        "rank": "32767",
        "owner": "6001",
    }
    assert second["rank"] == "0"
    assert written == Written(2)
    tabs, written = wrote(tmp_path, "vicidial", row(), delimiter="tab")
    assert tabs.count("\t") == 24
    assert written.notes == ("no `list_id` in config/diallers.yaml: choose the list when you load the file",)


def test_further_numbers_of_a_vicidial_lead_are_tried_one_after_the_other(tmp_path: Path) -> None:
    numbers = ("+390612345678", "+390612345679", "+12125550102", "+390612345680", "+390612345681")
    text, written = wrote(tmp_path, "vicidial", row(*numbers))
    lead = dict(zip(COLUMNS, text.rstrip("\n").split("|"), strict=True))
    assert [lead[name] for name in ("phone_code", "phone_number", "alt_phone", "address3")] == [
        "39",
        "0612345678",
        "0612345679",
        "0612345680",
    ]
    assert written.shortened == (Shortened(TOKEN, "phones", 5, 3),)


HOSTILE = 'O\'Brien "the|pipe"; `rm` \\ \t x\r\ny\x00z'


def test_what_the_vicidial_loader_strips_is_not_written(tmp_path: Path) -> None:
    text, _ = wrote(tmp_path, "vicidial", row(name=HOSTILE, city="=1+1|2", email="@SUM(1)", callback_note="a;=1"))
    assert text.count("|") == 24
    assert text.count("\n") == 1
    lead = dict(zip(COLUMNS, text.rstrip("\n").split("|"), strict=True))
    assert lead["first_name"] == "OBrien the pipe rm    x y z"
    assert (lead["city"], lead["email"], lead["comments"]) == ("'=1+1 2", "'@SUM(1)", "a=1")


READ = ("first_name", "last_name", "city", "callback_note", "email", "state")


@given(texts=st.fixed_dictionaries({name: st.text() | st.text("=+-@;|\t'\"\\\r\n x\u2028") for name in READ}))
@settings(max_examples=200)
@pytest.mark.parametrize("sign", ["pipe", "tab"])
def test_whatever_a_person_is_called_a_lead_is_a_line_and_nothing_is_lost_in_silence(
    tmp_path_factory: pytest.TempPathFactory, sign: str, texts: dict[str, str]
) -> None:
    text, written = wrote(tmp_path_factory.mktemp("any"), "vicidial", row(**texts), delimiter=sign)
    assert text.splitlines(keepends=True) == [text]
    lead = dict(zip(COLUMNS, text[:-1].split(SIGNS[sign]), strict=True))
    reported = {one.column for one in written.shortened}
    for column, cell in lead.items():
        name = COLUMNS[column]
        assert len(cell) <= LENGTHS.get(column, 20)
        assert cell[:1] not in set("=+-@")
        if name in texts and column not in reported:
            assert re.sub(r"\W", "", cell) == re.sub(r"\W", "", texts[name].encode("utf-8", "replace").decode())


@pytest.mark.parametrize("column", LENGTHS)
def test_every_vicidial_column_keeps_its_length(tmp_path: Path, column: str) -> None:
    """Texts that people read are cut, everything else is left out whole, and each is reported."""
    text, written = wrote(tmp_path, "vicidial", row(**dict.fromkeys(PERSON, "x" * 300)))
    lead = dict(zip(COLUMNS, text.rstrip("\n").split("|"), strict=True))
    assert len(lead[column]) <= LENGTHS[column]
    assert {one.column: one.kept for one in written.shortened} == {
        "source_id": 0,
        "first_name": 30,
        "last_name": 30,
        "address1": 100,
        "city": 50,
        "state": 0,
        "postal_code": 0,
        "country_code": 0,
        "email": 0,
        "comments": 255,
        "owner": 0,
    }
    assert {one.had for one in written.shortened} == {300}


def test_a_cut_counts_the_apostrophe_that_guards_the_cell(tmp_path: Path) -> None:
    text, written = wrote(tmp_path, "vicidial", row(first_name="=" * 40, last_name="Ł" * 30))
    lead = dict(zip(COLUMNS, text.rstrip("\n").split("|"), strict=True))
    assert (lead["first_name"], lead["last_name"]) == ("'" + "=" * 29, "Ł" * 30)
    assert written.shortened == (Shortened(TOKEN, "first_name", 40, 29),)


def test_spare_vicidial_columns_hold_what_the_connection_says(tmp_path: Path) -> None:
    keys = {"columns": {"comments": "extra.shift", "title": "skill"}, "limits": {"columns": {"comments": 3}}}
    text, written = wrote(tmp_path, "vicidial", row(skill="en"), **keys)
    lead = dict(zip(COLUMNS, text.rstrip("\n").split("|"), strict=True))
    assert (lead["comments"], lead["title"]) == ("ear", "en")
    assert written.shortened == (Shortened(TOKEN, "comments", 5, 3),)


def test_a_genesys_list(tmp_path: Path) -> None:
    text, written = wrote(tmp_path, "genesys", row("+12125550101", "+12125550102", name="x" * 600, **PERSON))
    (contact,) = table(text)
    assert contact["inin-outbound-id"] == TOKEN
    assert [contact[name] for name in ("phone", "phone_2", "phone_3")] == ["+12125550101", "+12125550102", ""]
    assert (contact["zone"], contact["shift"], contact["list"]) == ("America/New_York", "early", "7")
    assert len(contact["name"]) == 512
    assert written == Written(1, (Shortened(TOKEN, "name", 600, 512),))
    assert "\r\n" in text
    _, without = wrote(tmp_path, "genesys", row())
    assert without.notes == ("1 of 1 entries without a time zone: their callable times must hold without one",)


def test_a_genesys_list_has_50_columns_at_most(tmp_path: Path) -> None:
    extra = [f"c{n}" for n in range(50)]
    with pytest.raises(SendRefused, match="north takes 50 columns"):
        FORMATS["genesys"].write(tmp_path / "list.csv", [], extra, dialler("genesys"))


def test_a_five9_list_is_keyed_on_the_token(tmp_path: Path) -> None:
    text, written = wrote(tmp_path, "five9", row("+12125550101", "+442079460000", "+13105550102", **PERSON))
    (record,) = table(text)
    assert list(record)[:4] == ["token", "number1", "number2", "number3"]
    assert list(record.values()) == [
        *(TOKEN, "2125550101", "", "3105550102", "Ada", "Lovelace", "", "12 Analytical Row", "Albany", "NY", "12207"),
    ]
    assert written.shortened == (Shortened(TOKEN, "phones", 3, 1),)
    with pytest.raises(SendRefused, match=f"the phone of dial entry {TOKEN} is of no country with US's code"):
        wrote(tmp_path, "five9", row("+442079460000"))
    text, _ = wrote(
        tmp_path, "five9", row("+442079460000"), phone_style="digits", columns={"Lead": "token", "n": "phone"}
    )
    assert table(text) == [{"Lead": TOKEN, "n": "442079460000"}]


def test_a_connect_segment(tmp_path: Path) -> None:
    text, written = wrote(tmp_path, "amazon_connect", row("+12125550101", "+12125550102", **PERSON), row(token="T2"))
    first, _ = table(text)
    assert {name: cell for name, cell in first.items() if cell} == {
        "FirstName": "Ada",
        "LastName": "Lovelace",
        "PhoneNumber": "+12125550101",
        "MobilePhoneNumber": "+12125550102",
        "EmailAddress": "ada@example.com",
        "Address1": "12 Analytical Row",
        "City": "Albany",
        "State": "NY",
        "PostalCode": "12207",
        "Country": "USA",
        "Attributes.token": TOKEN,
        "Attributes.rank": "1",
        "Attributes.tier": "hot",
        "Attributes.team": "north",
        "Attributes.valid_until": "2026-12-04T13:00:00-05:00",
    }
    assert written.notes == ("1 of 2 entries without a postal code: Connect drops whose zone it cannot tell",)


@pytest.mark.parametrize(("count", "batches"), [(1, [1]), (25, [25]), (26, [25, 1]), (60, [25, 25, 10])])
def test_connect_dial_requests_come_in_batches_of_25(tmp_path: Path, count: int, batches: list[int]) -> None:
    text, _ = wrote(tmp_path, "amazon_connect_requests", *(row(token=f"T{n}") for n in range(count)))
    bodies = [json.loads(line)["dialRequests"] for line in text.splitlines()]
    assert [len(body) for body in bodies] == batches
    assert [one["clientToken"] for body in bodies for one in body] == [f"T{n}" for n in range(count)]


def test_a_connect_dial_request_ends_in_minutes_and_never_after_its_entry(tmp_path: Path) -> None:
    soon = row(token="T2", name="=1+1\n'x'", valid_until=NOW + timedelta(minutes=4))
    text, _ = wrote(tmp_path, "amazon_connect_requests", row(), soon, row(token="T3", not_before=None))
    first, second, third = json.loads(text)["dialRequests"]
    assert first == {
        "clientToken": TOKEN,
        "phoneNumber": "+12125550101",
        "expirationTime": "2026-12-04T14:10:00+00:00",
        "attributes": {
            "token": TOKEN,
            "rank": "1",
            "tier": "hot",
            "team": "north",
            "valid_until": "2026-12-04T13:00:00-05:00",
            "list": "7",
            "shift": "early",
        },
    }
    assert (second["expirationTime"], second["attributes"]["name"]) == ("2026-12-04T14:04:00+00:00", "=1+1\n'x'")
    assert third["expirationTime"] == "2026-12-04T18:00:00+00:00"
    text, _ = wrote(tmp_path, "amazon_connect_requests", row(), expires="1h")
    assert json.loads(text)["dialRequests"][0]["expirationTime"] == "2026-12-04T15:00:00+00:00"


def test_a_partners_own_columns_in_their_order(tmp_path: Path) -> None:
    keys = {
        "columns": {
            "Phone": "phone",
            "LeadID": "token",
            "Kind": "phone_kind",
            "Shift": "extra.shift",
            "Until": "valid_until",
        },
        "delimiter": "semicolon",
        "phone_style": "digits",
    }
    text, written = wrote(tmp_path, "generic_csv", row(phones=(Phone("+12125550101", "mobile"),)), **keys)
    assert text.splitlines() == [
        "Phone;LeadID;Kind;Shift;Until",
        f"12125550101;{TOKEN};mobile;early;2026-12-04T13:00:00-05:00",
    ]
    assert written == Written(1)


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"token": "A" * 21}, "the token of a dial entry is not 1 to 20 letters and digits"),
        ({"token": "A-B"}, "1 to 20 letters and digits"),
        ({"token": ""}, "1 to 20 letters and digits"),
        ({"phones": ()}, f"dial entry {TOKEN} has no phone"),
        ({"phones": (Phone("=1+1"),)}, f"the phone of dial entry {TOKEN} is not"),
        ({"phones": (Phone("+12125550101"), Phone("2125550102"))}, f"the phone of dial entry {TOKEN} is not"),
    ],
)
def test_an_entry_that_no_result_could_come_back_for_stops_the_list(
    tmp_path: Path, format: str, changes: dict[str, Any], said: str
) -> None:
    with pytest.raises(SendRefused, match=said) as refused:
        wrote(tmp_path, format, row(token="T1"), row(**changes))
    assert "2125550102" not in str(refused.value)
    assert list(tmp_path.rglob("*.*")) == []


@pytest.mark.parametrize("format", FORMATS)
def test_a_list_is_no_longer_than_the_dialler_takes(tmp_path: Path, format: str) -> None:
    with pytest.raises(SendRefused, match="north takes 2 entries in one list at most; pull a smaller one"):
        wrote(tmp_path, format, *(row(token=f"T{n}") for n in range(3)), limits={"rows": 2})
    wrote(tmp_path, format, *(row(token=f"T{n}") for n in range(2)), limits={"rows": 2})


@pytest.mark.parametrize("format", [name for name, one in FORMATS.items() if not one.layout.fixed])
def test_a_column_of_the_list_that_is_not_there_stops_it(tmp_path: Path, format: str) -> None:
    columns = {"Attributes.a": "token", "PhoneNumber": "phone", "Attributes.b": "extra.offer"}
    with pytest.raises(SendRefused, match=r"north names extra\.offer; the further columns .*, and: list, shift"):
        wrote(tmp_path, format, row(), columns=columns)


FORMULAS = ["=1+2", "+1+2", "-1+2", "@SUM(1)", "\t=1+2", "\n=1+2", "＝1+2", "=cmd|' /C calc'!A0", "x;=1+2", "'=1"]


@pytest.mark.parametrize("text", FORMULAS)
@pytest.mark.parametrize("format", TABLES)
def test_no_cell_of_any_table_begins_a_formula(tmp_path: Path, format: str, text: str) -> None:
    person = {name: text for name, value in PERSON.items() if isinstance(value, str)}
    written, _ = wrote(tmp_path, format, row(**person, extra={"list": text, "shift": text}))
    for separator in ",;\t":
        for cells in csv.reader(io.StringIO(written, newline=""), delimiter=separator):
            for cell in cells:
                assert cell.lstrip(" ")[:1] not in set("=-@＝＋－＠\t\r\n"), cell
                assert not cell.startswith("+") or cell == "+12125550101"


RECALLS = {
    "generic_csv": (
        "token,phone,reason,list,at\r\n"
        f"{TOKEN},+12125550101,converted,7,2026-12-04T14:00:00+00:00\r\n"
        f"{TOKEN},+12125550102,converted,7,2026-12-04T14:00:00+00:00\r\n"
    ),
    "vicidial": (
        "source=multiwave&function=update_lead&search_method=VENDOR_LEAD_CODE&"
        f"vendor_lead_code={TOKEN}&records=100&status=RECALL&callback=REMOVE&remove_from_hopper=Y\n"
    ),
    "genesys": f"inin-outbound-id,ContactCallable,recall_reason\r\n{TOKEN},false,converted\r\n",
    "five9": f"token,number1\r\n{TOKEN},2125550101\r\n",
    "amazon_connect": (
        "PhoneNumber,Attributes.token,Attributes.valid_until,Attributes.recalled\r\n"
        f"+12125550101,{TOKEN},2026-12-04T14:00:00+00:00,converted\r\n"
    ),
}
RECALLS |= {"twilio_voice": RECALLS["generic_csv"], "amazon_connect_requests": RECALLS["amazon_connect"]}
OUT = RecallRow(TOKEN, (Phone("+12125550101"), Phone("+12125550102")), "converted", NOW, 7)


@pytest.mark.parametrize("format", RECALLS)
def test_who_must_not_be_dialled_any_more_in_the_diallers_own_layout(tmp_path: Path, format: str) -> None:
    path = tmp_path / "recall"
    written = FORMATS[format].recall(path, [OUT], dialler(format))
    assert path.read_bytes().decode() == RECALLS[format]
    assert written.rows == 1
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_recall_names_the_connections_own_columns(tmp_path: Path) -> None:
    path = tmp_path / "recall.csv"
    FORMATS["five9"].recall(path, [OUT], dialler("five9", columns={"n": "phone", "Lead": "token"}))
    assert path.read_text().splitlines()[0] == "Lead,n"
    FORMATS["genesys"].recall(path, [OUT], dialler("genesys", columns={"n": "phone", "Lead": "token"}))
    assert path.read_text().splitlines()[0] == "Lead,ContactCallable,recall_reason"


def test_a_recall_is_a_workbook_where_the_list_was_one(tmp_path: Path) -> None:
    path = tmp_path / "recall.xlsx"
    assert FORMATS["xlsx"].recall(path, [OUT], dialler("xlsx")).rows == 1
    lines = list(load_workbook(path).worksheets[0].iter_rows(values_only=True))
    assert lines[1] == (TOKEN, "+12125550101", "converted", "7", "2026-12-04T14:00:00+00:00")
