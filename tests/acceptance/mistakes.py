"""What people do wrong, and the words that the answer to it must hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

EVENT = '{"token": "T", "outcome": "OUT", "at": "AT", "provider": "p", "provider_event_id": "1"}'.replace
GOOD = EVENT("OUT", "clicked").replace("AT", "2026-12-02T09:00:00Z").replace('"T"', f'"{"A" * 20}"')
PEOPLE = "customers.csv"
HEADER = (
    "customer_id,full_name,language,mobile,email,push,contract_end,plan_name,value,tenure_months,vip,zip,country,"
    "sms_ok,email_ok,push_ok,call_ok\n"
)
ROW = "N-1,New Example,en,+12125550177,new@example.com,,2026-12-20,Fibre,10,5,false,10001,US,yes,yes,no,no\n"


@dataclass(frozen=True)
class Case:
    """What a person does wrong, and the words that the answer must hold."""

    name: str
    words: Sequence[str]
    answer: Sequence[str]
    files: Mapping[str, str | bytes] = field(default_factory=dict)
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    settings: Mapping[str, str] = field(default_factory=dict)
    on_screen: bool = False


def case(name: str, words: str, *answer: str, **more: object) -> Case:
    return Case(name, words.split(), answer, **more)  # type: ignore[arg-type]


CALLS = "token,disposition,at,call_id\n"
SALES = "customer,goal,at,value,currency,source,source_id\n"
SCHEMA = "config/customers.yaml"
EXAMPLES = "customers import config/examples/customers.csv"
PLAN = "config/plans/renewal.yaml"
SMS = "config/templates/renewal_notice.sms.en.j2"
HOURS = "config/rules/hours.yaml"
CASES = (
    case("broken yaml", "plan renewal", "renewal.yaml:", edits={PLAN: ("\nwaves:", "\nwaves: [")}),
    case(
        "broken yaml, checked",
        "check renewal",
        "renewal.yaml:",
        edits={PLAN: ("\nwaves:", "\nwaves: [")},
        on_screen=True,
    ),
    case(
        "undefined variable",
        "plan renewal",
        "renewal_notice.sms.en.j2:2",
        "nmae",
        "name",
        edits={SMS: ("{ name", "{ nmae")},
    ),
    case(
        "column nobody declared",
        "approve renewal",
        "renewal.yaml:",
        "valeu",
        "value",
        edits={PLAN: ("rank: value", "rank: valeu")},
    ),
    case(
        "unknown segment", "plan renewal", "renewal_due", edits={PLAN: ("segment: renewal_due", "segment: renewal_deu")}
    ),
    case(
        "a gap in the hours", "plan renewal", "hours.yaml:", "`calls` is missing", edits={HOURS: ("      calls:", "#")}
    ),
    case("hours of nowhere", "plan renewal", "hours.yaml:", "ZZ", edits={HOURS: ("holidays: local", "holidays: [ZZ]")}),
    case(
        "hours that end before they start",
        "approve renewal",
        "hours.yaml:",
        "20:00 to 09:00 ends before it starts",
        edits={HOURS: ('calls:    {mon_fri: ["09:00", "20:00"]', 'calls:    {mon_fri: ["20:00", "09:00"]')},
    ),
    case("hours of nobody", "hours C-9999", "no customer with this key"),
    case("hours by no rules", "hours C-1001 --rules hose", "no set of hours hose", "house"),
    case("plan of another name", "plan renwal", "renwal", "write renewal"),
    case("changed since approval", "start renewal", "changed since it was approved", edits={PLAN: ("5d", "6d")}),
    case("template changed since approval", "start renewal", "changed since", edits={SMS: ("Hello", "Hallo")}),
    case("never approved", "start unapproved", "nobody approved", "approve"),
    case("started twice", "start four_waves", "four-waves", "already started"),
    case("campaign nobody started", "status nope", "nope", "four-waves"),
    case("story of an unknown campaign", "why nope C-1001", "nope", "four-waves"),
    case("story of a stranger", "why four-waves C-9999", "no customer with this key"),
    case("pause an unknown campaign", "pause nope", "nope", "four-waves"),
    case("resume what runs", "resume four-waves", "running", "paused"),
    case("resume by no policy", "resume four-waves --policy soon", "expire", "reschedule", "catch-up"),
    case("stop a wave nobody planned", "stop four-waves nope", "nope", "push, notice, call, follow_up"),
    case("who got a wording nobody wrote", "who-got four-waves push --variant 7", "7", "renewal_notice"),
    case("correct what nobody got", "clone four-waves --correction call", "nobody got", "call"),
    case(
        "audience of a wave that still sends",
        "plan renewal",
        "still sends",
        "multiwave stop four-waves push",
        edits={PLAN: ("segment: renewal_due", "audience: {campaign: four-waves, wave: push, who: got}")},
    ),
    case(
        "limit looser than the law",
        "check renewal",
        "renewal.yaml:11",
        "call_list",
        edits={PLAN: ("contacts: 3", "contacts: 9")},
        on_screen=True,
    ),
    case("pull from an unknown wave", "dial-list pull four-waves nope --team a --size 5", "nope", "call"),
    case("pull from a wave of messages", "dial-list pull four-waves push --team a --size 5", "push", "call"),
    case("pull before it opens", "dial-list pull four-waves call --team a --size 5", "call", "not open"),
    case("return an unknown list", "dial-list return 77", "77", "dial-list ls"),
    case("clock backwards", "advance --now 2026-11-01T00:00Z", "2026-12-01T14:00", "back"),
    case("time without a zone", "advance --now 2026-12-05T00:00", "zone", "Z"),
    case("no time", "advance --now tomorrow", "tomorrow", "2026"),
    case("bad number in a setting", "status", "MULTIWAVE_BATCH_SIZE", settings={"MULTIWAVE_BATCH_SIZE": "many"}),
    case("bad json in a setting", "status", "MULTIWAVE_COSTS", "JSON", settings={"MULTIWAVE_COSTS": "{sms: 1}"}),
    case(
        "unknown provider",
        "test-send renewal --to C-1001",
        "carrier-pigeon",
        settings={"MULTIWAVE_PROVIDERS": '{"sms": "carrier-pigeon"}'},
    ),
    case("serve on no port", "serve --port 99999", "--port", "65535"),
    case("suppress nobody", "suppress", "--customer", "--address"),
    case("suppress a stranger", "suppress --customer C-9999", "no customer with this key"),
    case("suppress on no channel", "suppress --customer C-1001 --channel smoke", "smoke", "sms"),
    case("missing file", "events import gone.jsonl", "gone.jsonl", "no such file"),
    case("folder for a file", "customers import config/.", "config", "folder"),
    case(
        "absent columns",
        "customers import customers.csv",
        "customers.csv",
        "mobile",
        files={PEOPLE: HEADER.replace("mobile,", "") + ROW},
    ),
    case(
        "bad encoding",
        "customers import customers.csv",
        "customers.csv",
        "UTF-8",
        files={PEOPLE: (HEADER + ROW + ROW).encode() + b"N-2,Ren\xe9e" + b"," * 15 + b"\n"},
    ),
    case(
        "ragged row",
        "customers import customers.csv",
        "customers.csv",
        "3",
        files={PEOPLE: HEADER + ROW + "N-2,Short\n"},
    ),
    case("empty file", "customers import customers.csv", "customers.csv", "empty", files={PEOPLE: ""}),
    case("broken schema", EXAMPLES, "customers.yaml:", edits={SCHEMA: ("value: number", "value: nunber")}),
    case("changed type", EXAMPLES, "value", edits={SCHEMA: ("value: number", "value: text")}),
    case("no json", "events import e.jsonl", "e.jsonl:2", "JSON", files={"e.jsonl": f"{GOOD}\nclicked\n"}),
    case(
        "unknown outcome",
        "events import e.jsonl",
        "e.jsonl:1",
        "cliked",
        "clicked",
        files={"e.jsonl": GOOD.replace("clicked", "cliked")},
    ),
    case(
        "event at no zone", "events import e.jsonl", "e.jsonl:1", "zone", files={"e.jsonl": GOOD.replace("00Z", "00")}
    ),
    case(
        "unknown disposition",
        "dispositions import d.csv",
        "d.csv:2",
        "no_anser",
        "no_answer",
        files={"d.csv": CALLS + "A,no_anser,2026-12-02T09:00Z,1\n"},
    ),
    case(
        "results of a dialler that nobody named",
        "dispositions import d.csv --dialler north",
        "north",
        "diallers.yaml",
        "generic_csv",
        files={"d.csv": CALLS + "A,busy,2026-12-02T09:00Z,1\n"},
    ),
    case(
        "a code that the dialler's table does not know",
        "dispositions import d.csv --dialler five",
        "never guessed",
        '"Won": ...   # 1 call',
        files={
            "d.csv": 'CALL ID,TIMESTAMP,DISPOSITION,token\n1,"Fri, 04 Dec 2026 10:00:00",Won,A\n',
            "config/diallers.yaml": "five: {format: five9, zone: America/New_York}\n",
        },
    ),
    case(
        "a dialler without the zone of its times",
        "check renewal",
        "diallers.yaml:2",
        "zone",
        files={"config/diallers.yaml": "# ours\nfive: {format: five9}\n"},
        on_screen=True,
    ),
    case(
        "dispositions without tokens",
        "dispositions import d.csv",
        "d.csv:1",
        "token",
        files={"d.csv": CALLS.replace("token,", "") + "busy,2026-12-02T09:00Z,1\n"},
    ),
    case(
        "worth a word",
        "conversions import c.csv",
        "c.csv:2",
        "lots",
        files={"c.csv": SALES + "C-1001,renewed,2026-12-02T09:00Z,lots,USD,shop,1\n"},
    ),
)
