"""A call centre of two teams: its files, its diallers' lists and results in their layouts, and books kept by hand."""

from __future__ import annotations

import csv
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

from channels.call_list.vicidial import COLUMNS
from tests.acceptance.books import BUCKETS, ticket
from tests.acceptance.program import Program
from tests.hours_rows import NINE, hours_yaml

CAMPAIGN, SURNAME = "desk-day", "Ellerby"
NEW_YORK, LOS_ANGELES = ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles")
EAST, WEST = 240, 40
MINUTE = timedelta(minutes=1)
CUSTOMERS_YAML = """\
key: customer_id
name: full_name
language: lang
household: household
region: US
zone: {column: zone}
columns: {value: number}
addresses:
  - {column: mobile, channels: [sms, call_list]}
consent:
  sms: {column: ok, source: crm}
  call_list: {column: ok, source: crm}
"""
DIALLERS = """\
vici:
  format: vicidial
  zone: America/New_York
  list_id: 998
  wrap_ups: {SOLD: sale, WRONG: wrong_number}
partner:
  format: generic_csv
  columns: {LeadID: token, Phone: phone, Customer: name, Language: language, Until: valid_until, Promised: callback_at,
            Agent: callback_agent, Place: rank, Why: tier}
  results: {LeadID: token, Outcome: disposition, When: at, Call: call_id, Agent: agent, Ring: ring_s, Talk: talk_s,
            Wrap: wrap_s, Later: callback_at}
  wrap_ups: {Signed: sale, Not now: not_interested, Never again: dnc_request, Ring back: callback_agreed}
  phone_style: digits
  delimiter: semicolon
"""
PLAN = f"""\
campaign: {CAMPAIGN}
title: A day at the desk
segment: everybody
starts: 2026-12-01 09:00 America/New_York
holdout: 10%
goal: {{event: signed, dispositions: [sale], within: 14d}}
hours: house
waves:
  - wave: call
    channels: [call_list]
    capacity:
      teams: {{north: {{agents: 3, languages: [en]}}, south: {{agents: 2, languages: [en, es]}}}}
      hours: 8
      handle_time: 24m
    rank: value
    release: 1h
    listen: 47h
  - wave: follow_up
    enter: call.missed and not converted
    channels: [sms]
    message: sorry
    release: 1h
    listen: 1h
"""
DIALLER = {"north": "vici", "south": "partner"}
CODES = {
    "sale": ("SOLD", "Signed"),
    "not_interested": ("NI", "Not now"),
    "dnc_request": ("DNC", "Never again"),
    "wrong_number": ("WRONG", "wrong_number"),
    "callback_agreed": ("CALLBK", "Ring back"),
    "no_answer": ("NA", "no_answer"),
    "busy": ("B", "busy"),
    "machine": ("A", "machine"),
    "abandoned": ("DROP", "abandoned"),
}
PART = {
    **dict.fromkeys(("sale", "callback_agreed"), "engaged"),
    **dict.fromkeys(("not_interested", "dnc_request"), "declined"),
    **dict.fromkeys(("wrong_number", "no_answer", "busy", "machine", "abandoned"), "missed"),
}
TAKEN = ("sale", "not_interested", "dnc_request", "wrong_number", "callback_agreed")
"""An agent was on the line."""
RIGHT = ("sale", "not_interested", "dnc_request", "callback_agreed")
FINAL = ("sale", "not_interested", "dnc_request", "wrong_number")
REPORT = [
    *("call_date", "phone_number_dialed", "status", "user", "vendor_lead_code", "phone_code", "phone_number"),
    *("length_in_sec", "uniqueid", "wrapup_time", "dial_time", "answered_time", "hangup_cause", "dialstatus"),
]
ANSWER = ["LeadID", "Outcome", "When", "Call", "Agent", "Ring", "Talk", "Wrap", "Later"]


def customers() -> list[dict[str, str]]:
    """The customers' file: no two are worth the same, two of a household here and there, some without consent."""
    rows = []
    for number in range(EAST + WEST):
        west = number >= EAST
        area = 213 if west else (212, 202, 305)[number // 100]
        rows.append(
            {
                "customer_id": f"d-{number:03d}",
                "full_name": f"Person{number:03d} {SURNAME}",
                "lang": ("en", "en", "es", "en", "")[number % 5],
                "household": f"house-{number // 24}" if number % 24 in (1, 8) else "",
                "zone": str(LOS_ANGELES if west else NEW_YORK),
                "value": f"{(number * 83 % 280) + 20}",
                "mobile": f"+1{area}55501{number % 100:02d}",
                "ok": "no" if number % 19 == 7 else "yes",
            }
        )
    return rows


def write_home(program: Program) -> None:
    """The desk's files in a home that was begun."""
    config = program.home / "config"
    (config / "customers.yaml").write_text(CUSTOMERS_YAML)
    (config / "diallers.yaml").write_text(DIALLERS)
    (config / "segments" / "everybody.yaml").write_text("segment: everybody\ntitle: All\nwhere: value > 0\n")
    (config / "plans" / "desk.yaml").write_text(PLAN)
    nine = f"{{mon_fri: {NINE}, sat: {NINE}, sun: null, holiday: null}}"
    (config / "rules" / "hours.yaml").write_text(hours_yaml(calls=nine))
    (config / "templates" / "sorry.sms.j2").write_text("Sorry that we missed you.")


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a dialler's file."""

    list: int
    team: str
    token: str
    customer: str
    phone: str
    place: int
    until: datetime
    promised: datetime | None
    agent: str


@dataclass(frozen=True, slots=True)
class Called:
    """One call of the desk's world."""

    line: Line
    disposition: str
    at: datetime
    call: int
    later: datetime | None = None

    @property
    def agent(self) -> str:
        return f"{self.line.team}-{self.call % 3}" if self.disposition in TAKEN else ""

    @property
    def seconds(self) -> tuple[int, int, int]:
        """Ringing, talk and wrap."""
        return (8 + self.call % 5, 90 + self.call % 60, 15) if self.disposition in TAKEN else (20, 0, 0)


def read_list(cut: dict[str, object], team: str, rows: Sequence[dict[str, str]]) -> list[Line]:
    """The lines of a pulled file, as its dialler would load them, with the customers behind the telephone numbers."""
    text = Path(str(cut["file"])).read_text(encoding="utf-8")
    of = {row["mobile"].lstrip("+"): row["customer_id"] for row in rows}
    number, found = int(str(cut["list"])), []
    if team == "north":
        for cells in text.splitlines():
            lead = dict(zip(COLUMNS, cells.split("|"), strict=True))
            phone = lead["phone_code"] + lead["phone_number"]
            until, place = datetime.fromisoformat(lead["security_phrase"]), 32768 - int(lead["rank"])
            found.append(Line(number, team, lead["vendor_lead_code"], of[phone], phone, place, until, None, ""))
    for row in csv.DictReader(text.splitlines(), delimiter=";") if team == "south" else ():
        promised = datetime.fromisoformat(row["Promised"]) if row["Promised"] else None
        phone, until = row["Phone"], datetime.fromisoformat(row["Until"])
        line = Line(number, team, row["LeadID"], of[phone], phone, int(row["Place"]), until, promised, row["Agent"])
        found.append(line)
    return found


def write_results(path: Path, calls: Iterable[Called], team: str) -> Path:
    """A file of results as the team's dialler exports it."""
    lines = [_report(call) if team == "north" else _partners(call) for call in calls]
    separator, end = ("\t", "\r\n") if team == "north" else (";", "\n")
    head = REPORT if team == "north" else ANSWER
    path.write_text("".join(separator.join(cells) + end for cells in [head, *lines]), encoding="utf-8", newline="")
    return path


def _report(call: Called) -> list[str]:
    """A row of VICIdial's call report with its EXTENDED fields: the server's own time, without a zone."""
    ring, talk, wrap = call.seconds
    local, national = call.at.astimezone(NEW_YORK), call.line.phone[1:]
    cause, status = ("18", "NOANSWER") if call.disposition == "no_answer" else ("16", "ANSWER")
    unique = f"{int(call.at.timestamp())}.{call.call}"
    user = call.agent or "VDAD"
    code = CODES[call.disposition][0]
    whole = [f"{local:%Y-%m-%d %H:%M:%S}", national, code, user, call.line.token, "1", national, str(talk), unique]
    return [*whole, str(wrap), str(ring + talk), str(talk), cause, status]


def _partners(call: Called) -> list[str]:
    ring, talk, wrap = map(str, call.seconds)
    later = call.later.isoformat() if call.later else ""
    outcome = CODES[call.disposition][1]
    return [call.line.token, outcome, call.at.isoformat(), f"p{call.call}", call.agent, ring, talk, wrap, later]


@dataclass
class DeskBooks:
    """What the desk was handed and what became of it, kept by hand from the files alone."""

    rows: list[dict[str, str]]
    lines: list[Line] = field(default_factory=list)
    calls: list[Called] = field(default_factory=list)
    bought: set[str] = field(default_factory=set)
    """In the shop."""
    stopped: set[str] = field(default_factory=set)
    """By a standing instruction."""

    @property
    def called(self) -> list[str]:
        """Whom the call wave is for: who consents and is not among the tenth that the campaign leaves alone."""
        keys = [row["customer_id"] for row in self.rows if row["ok"] == "yes"]
        return [key for key in keys if ticket(key, "campaign", CAMPAIGN, "holdout") >= round(0.1 * BUCKETS)]

    def said(self, *dispositions: str) -> set[str]:
        """Customers of whom a call said one of these."""
        return {call.line.customer for call in self.calls if call.disposition in dispositions}

    @property
    def ended(self) -> dict[str, Called]:
        """Customer to the call that counts: a sale or a never again, then a right party, of equals the latest."""
        weight = {"dnc_request": 3, "sale": 2, "not_interested": 1, "callback_agreed": 1}
        ordered = sorted(self.calls, key=lambda call: (weight.get(call.disposition, 0), call.at))
        return {call.line.customer: call for call in ordered}

    def parts(self) -> Counter[str]:
        """Everybody of the call wave in one part."""
        ended = self.ended
        return Counter(PART[ended[key].disposition] if key in ended else "untried" for key in self.called)

    def callable(self, at: datetime) -> set[str]:
        """Who may be called again at a moment of the next morning, by the table of rules/dialling.yaml."""
        over = self.said(*FINAL) | self.bought | self.stopped
        east = {row["customer_id"] for row in self.rows if row["zone"] == str(NEW_YORK)}
        last = {call.line.customer: call for call in sorted(self.calls, key=lambda call: call.at)}
        return {
            key for key in self.called if key in east and key not in over and (key not in last or _again(last[key], at))
        }

    def sums(self, lists: Collection[int]) -> dict[str, tuple[float, float]]:
        """Numerator and denominator of each rate of these lists."""
        calls = [call for call in self.calls if call.line.list in lists]
        ended = Counter(call.disposition for call in calls)
        taken, right = (sum(ended[word] for word in words) for words in (TAKEN, RIGHT))
        loaded = len({line.customer for line in self.lines if line.list in lists})
        dialled, reached, sold = (
            len({call.line.customer for call in calls if call.disposition in words})
            for words in (CODES, TAKEN, ["sale"])
        )
        seconds = sum(sum(call.seconds) for call in calls if call.disposition in TAKEN)
        return {
            "hit": (taken + ended["abandoned"], len(calls)),
            "contact": (taken, len(calls)),
            "contact_by_person": (reached, dialled),
            "right_party": (right, len(calls)),
            "conversion_per_right_party": (ended["sale"], right),
            "conversion_per_record": (sold, loaded),
            "conversions_per_agent_hour": (ended["sale"], seconds / 3600),
            "penetration": (dialled, loaded),
            "depth": (len(calls), loaded),
        }


def _again(last: Called, at: datetime) -> bool:
    """Busy after 20 minutes; no answer and machines after hours, in another part of the day; a promise at its time."""
    if last.disposition in ("no_answer", "machine"):
        return last.at.astimezone(NEW_YORK).hour >= 12 > at.astimezone(NEW_YORK).hour
    return last.disposition in ("busy", "abandoned", "callback_agreed")


def eastern(day: int, clock: str) -> datetime:
    """A time of a day in December 2026 on New York's clock."""
    hour, minute = map(int, clock.split(":"))
    return datetime(2026, 12, day, hour, minute, tzinfo=NEW_YORK).astimezone(UTC)
