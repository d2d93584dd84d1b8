"""Files of diallers: what is read from good ones, and the line of each mistake in bad ones."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from channels.call_list.formats import FORMATS, LAYOUTS
from config import PACKAGED
from config.diallers import FILE, dialler_problems, load_diallers
from waves.diallers import Dialler, ListLimits, is_field
from waves.errors import PlanError

GOOD = """\
north:
  format: vicidial
  zone: America/New_York
  columns: {comments: extra.shift, title: skill}
  wrap_ups: {SOLD: sale, "Wrong one": wrong_number, DNC: dnc_request}
  limits: {rows: 5000, columns: {comments: 120}}
  delimiter: tab
  list_id: 998
partner:
  format: generic_csv
  columns: {LeadID: token, Phone: phone, Second: phone_2}
  results: {LeadID: token, Outcome: disposition}
  phone_style: national
  region: GB
  delimiter: semicolon
cloud: {format: amazon_connect_requests, expires: 5m}
"""


def write(folder: Path, text: str) -> Path:
    (folder / FILE).write_text(text)
    return folder


def test_every_key_is_read(tmp_path: Path) -> None:
    north, partner, cloud = load_diallers(write(tmp_path, GOOD), LAYOUTS).values()
    assert north == Dialler(
        dialler="north",
        format="vicidial",
        zone="America/New_York",
        columns={"comments": "extra.shift", "title": "skill"},
        wrap_ups={"SOLD": "sale", "Wrong one": "wrong_number", "DNC": "dnc_request"},
        limits=ListLimits(rows=5000, columns={"comments": 120}),
        delimiter="tab",
        list_id=998,
    )
    assert (partner.results, partner.phone_style, partner.region, partner.zone) == (
        {"LeadID": "token", "Outcome": "disposition"},
        "national",
        "GB",
        None,
    )
    assert cloud.expires == timedelta(minutes=5)


def test_no_file_or_only_comments_is_no_dialler(tmp_path: Path) -> None:
    assert load_diallers(tmp_path, LAYOUTS) == {}
    assert load_diallers(PACKAGED, LAYOUTS) == {}


VICI = "a:\n  format: vicidial\n  zone: UTC\n"
CSV = "a:\n  format: generic_csv\n"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("North: {format: xlsx}\n", 1, "`North` is no name"),
        ("five9: {format: xlsx}\n", 1, "`five9` is the name of another format"),
        ("a: vicidial\n", 1, "`a` holds no keys"),
        ("a: {zone: UTC}\n", 1, "`format` is missing"),
        ("a:\n  format: vicdial\n", 2, "there is no format vicdial; write vicidial"),
        ("a:\n  format: vicidial\n", 1, "`zone` is missing: the times of vicidial are its server's own"),
        ("a:\n  format: five9\n", 1, "`zone` is missing"),
        ("a:\n  format: five9\n  zone: America/New_Yrok\n", 3, "is no time zone; write America/New_York"),
        (CSV + "  colums: {a: token}\n", 3, "there is no key `colums` here; write columns"),
        (CSV + "  columns:\n    Lead: tokn\n    P: phone\n", 4, "a list cannot tell tokn; write token"),
        (CSV + "  columns: {P: phone}\n", 3, "no column holds the token: no result would find its customer"),
        (CSV + "  columns: {T: token, Name: name}\n", 3, "no column holds the phone: nobody could be called"),
        (CSV + "  columns: {T: token, t: phone}\n", 3, "T, t differ by case only"),
        (CSV + "  columns: {T: token, P: phone, X: extra.9}\n", 3, "a list cannot tell extra.9"),
        (CSV + "  results:\n    Lead: token\n    Nr: numbr\n", 5, "results cannot tell numbr; write number"),
        (CSV + "  results: {A: token, B: token}\n", 3, "A and B both tell the token; keep one"),
        (CSV + "  wrap_ups:\n    Sold: sail\n", 4, "sail is no disposition; write sale"),
        (CSV + "  wrap_ups: {Sold: sale, ' sold': promise}\n", 3, "'Sold' and ' sold' are one to a reader"),
        (VICI + "  wrap_ups: {dnc: not_interested}\n", 4, "dnc is vicidial's own word for dnc_request"),
        (VICI + "  columns: {coments: name}\n", 4, "vicidial has no column coments; write comments"),
        (VICI + "  columns: {vendor_lead_code: list}\n", 4, "vendor_lead_code holds the token and nothing else"),
        (VICI + "  columns: {alt_phone: name}\n", 4, "alt_phone holds the phone_2 and nothing else"),
        (VICI + "  results: {a: token}\n", 4, "the columns of vicidial's results are its own"),
        (VICI + "  phone_style: digits\n", 4, "`phone_style` digits is nothing that vicidial knows; it has one of its"),
        (VICI + "  delimiter: comma\n", 4, "`delimiter` comma is nothing that vicidial knows; write one of pipe, tab"),
        (VICI + "  list_id: 5\n", 4, "`list_id` is 5; write at least 100"),
        (VICI + "  expires: 5m\n", 4, "`expires` means nothing to vicidial"),
        (VICI + "  limits: {columns: {comments: 300}}\n", 4, "comments holds 1 to 255 characters"),
        (VICI + "  limits: {columns: {remarks: 30}}\n", 4, "there is no column remarks"),
        (CSV + "  list_id: 998\n", 3, "`list_id` means nothing to generic_csv"),
        (CSV + "  region: USA\n", 3, "`region` is USA; write two capital letters"),
        (CSV + "  delimiter: ';'\n", 3, "`delimiter` is ;; write comma, semicolon, tab or pipe"),
        ("a:\n  format: twilio_voice\n  limits: {rows: 900}\n", 3, "twilio_voice takes 500 entries at most"),
        (
            "a:\n  format: amazon_connect\n  columns: {Attributes.t: token, PhoneNumber: phone, Fon: phone_2}\n",
            3,
            "'Fon' is no name of a column of amazon_connect",
        ),
        (
            "a:\n  format: twilio_voice\n  columns: {token: token, call: phone, Result: tier}\n",
            3,
            "'Result' is no name of a column of twilio_voice",
        ),
        (
            "a:\n  format: genesys\n  columns: {T: token, P: phone"
            + "".join(f", c{n}: name" for n in range(50))
            + "}\n",
            3,
            "genesys takes 50 columns; these are 52",
        ),
    ],
)
def test_each_mistake_is_said_on_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    folder = write(tmp_path, text)
    (problem,) = dialler_problems(folder, LAYOUTS)
    assert problem.line == line
    assert says in problem.message
    with pytest.raises(PlanError):
        load_diallers(folder, LAYOUTS)


def test_every_mistake_is_said_at_once(tmp_path: Path) -> None:
    folder = write(tmp_path, VICI.replace("UTC", "Mars") + "  wrap_ups: {A: sold}\nb: {format: xslx}\n")
    assert [problem.line for problem in dialler_problems(folder, LAYOUTS)] == [3, 4, 5]


@pytest.mark.parametrize("name", FORMATS)
def test_every_layout_can_be_filled_and_found_again(name: str) -> None:
    layout = LAYOUTS[name]
    assert all(is_field(field) for field in layout.columns.values() if field)
    assert {"token", "phone"} <= set(layout.columns.values())
    assert set(layout.lengths) <= set(layout.columns)
    assert all(code == code.upper() for code in layout.codes)
    assert layout.max_columns is None or len(layout.columns) <= layout.max_columns


API = "api: {{url: '{url}', user_env: {user}, password_env: {password}}}"


@pytest.mark.parametrize(
    ("url", "user", "password", "says"),
    [
        ("http://vici.example.com/x.php", "U", "P", "http:// is for a server on this machine only; write https://"),
        ("https://me:secret@vici.example.com/x.php", "U", "P", "a name or password is in the address; they go into"),
        ("https://", "U", "P", "this is no address; write https://vici.example.com/vicidial/non_agent_api.php"),
        ("https://vici.example.com/x.php", "U", "s3cret-word", "write the NAME of an environment variable"),
        ("https://vici.example.com/x.php", "6666", "P", "write the NAME of an environment variable"),
    ],
)
def test_an_api_is_reached_safely_and_no_secret_stands_in_a_file(
    tmp_path: Path, url: str, user: str, password: str, says: str
) -> None:
    north = "north: {{format: vicidial, zone: America/New_York, list_id: 998, {}}}"
    text = north.format(API.format(url=url, user=user, password=password))
    (problem,) = dialler_problems(write(tmp_path, text), LAYOUTS)
    assert says in str(problem)
    assert "s3cret-word" not in str(problem)
    assert "me:secret" not in str(problem)


def test_an_api_is_of_a_format_that_has_one_and_needs_its_list(tmp_path: Path) -> None:
    api = API.format(url="http://127.0.0.1/vicidial/non_agent_api.php", user="U", password="P")
    north = write(tmp_path, f"north: {{format: vicidial, zone: America/New_York, {api}}}")
    assert "write its number beside `api`: list_id: 998" in str(dialler_problems(north, LAYOUTS)[0])
    partner = write(tmp_path, f"partner: {{format: generic_csv, {api}}}")
    assert "`api` means nothing to generic_csv" in str(dialler_problems(partner, LAYOUTS)[0])
