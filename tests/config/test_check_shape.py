"""Plans written in the wrong shape, and exactly the lines that `check` prints for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Edits = list[tuple[str, str]]

CASES: dict[str, tuple[Edits, list[str]]] = {
    "in_doubt word": ([("{sms: hold}", "{sms: resent}")], ["9: `sms` is resent; write assume_sent, hold or resend"]),
    "in_doubt word alone": (
        [("{sms: hold}", "resent")],
        ["9: `in_doubt` is resent; write assume_sent, hold or resend"],
    ),
    "weights bare": ([("weight: 30%", "weight: 0.3")], ["29: `weight`: '0.3' is no share; write 5% (0% to 100%)"]),
    "duplicate wave": (
        [("wave: ring", "wave: notice")],
        [
            "16: two waves are called notice; give this one another name",
            "24: ...ring...",
        ],
    ),
    "reserved wave": (
        [("wave: follow_up", "wave: between")],
        ["22: between is a word of the rules, so no rule could name this wave; give it another name"],
    ),
    "listen negative": (
        [("listen: 48h", "listen: -1h")],
        ["15: `listen`: '-1h' is no length of time; write 90s, 30m, 2h or 14d"],
    ),
    "listen bare": (
        [("listen: 48h", "listen: 48")],
        ["15: `listen`: '48' is no length of time; write 90s, 30m, 2h or 14d"],
    ),
    "listen empty": ([("listen: 48h", "listen:")], ["15: `listen` is empty; write listen: 48h"]),
    "listen missing": ([("    listen: 48h\n", "")], ["11: `listen` is missing; write listen: 48h"]),
    "no zone": (
        [(" Europe/Kyiv", "")],
        ["4: `starts`: '2026-12-01 09:00' is no time; write a date, an hour and a zone: 2026-12-01 09:00 Europe/Kyiv"],
    ),
    "bad zone": (
        [("Europe/Kyiv", "Europe/Kiyv")],
        ["4: `starts`: 'Europe/Kiyv' is no time zone; write one such as Europe/Kyiv"],
    ),
    "skipped hour": (
        [("2026-12-01 09:00 Europe/Kyiv", "2026-03-29 03:30 Europe/Kyiv")],
        ["4: `starts`: '2026-03-29 03:30 Europe/Kyiv' does not exist or comes twice when the clocks change..."],
    ),
    "holdout then": (
        [("    rank: value", "    holdout: {share: 5%, then: stay}")],
        ["20: `then` is stay; write stop or skip"],
    ),
    "contacts 0": ([("contacts: 3", "contacts: 0")], ["7: `contacts` is 0; write at least 1"]),
    "contacts word": (
        [("contacts: 3", "contacts: three")],
        ["7: `contacts` is three; write a whole number, such as 3"],
    ),
    "contacts bool": ([("contacts: 3", "contacts: true")], ["7: `contacts` is true; write a whole number, such as 3"]),
    "unknown key": ([("title: Autumn", "tilte: Autumn")], ["2: there is no key `tilte` here; write title"]),
    "unknown key in wave": (
        [("    message: renewal_notice\n", "    mesage: renewal_notice\n")],
        ["13: there is no key `mesage` here; write message"],
    ),
    "foreign key": (
        [("title: Autumn", "title: Autumn\nzzz: 1")],
        ["3: there is no key `zzz` here; write one of campaign, title, segment, ..."],
    ),
    "missing keys": (
        [
            ("title: Autumn\n", ""),
            ("hours: house\n", ""),
            ("goal: {event: renewed, dispositions: [sale], within: 14d}\n", ""),
        ],
        [
            "1: `goal` is missing; write goal: {event: renewed, within: 14d}",
            "1: `title` is missing; write title: Autumn contract renewal",
        ],
    ),
    "campaign name": (
        [("campaign: autumn", "campaign: Autumn 2026")],
        ["1: `campaign` is Autumn 2026; write lower-case letters, digits, - and _, a letter first, ..."],
    ),
    "channels no list": (
        [("channels: [call_list]", "channels: call_list")],
        ["18: `channels` is call_list; write a list, such as [web_push, {first_of: [sms, email]}]"],
    ),
    "channels empty": (
        [("channels: [call_list]", "channels: []")],
        ["18: `channels` is an empty list; write at least 1, such as [web_push, {first_of: [sms, email]}]"],
    ),
    "group misspelt": (
        [("{first_of: [sms, email]}]\n    message", "{firstof: [sms, email]}]\n    message")],
        ["12: there is no key `firstof` here; write first_of"],
    ),
    "wave no mapping": (
        [("  - wave: ring\n", "  - ring\n  - wave: ring\n")],
        ["16: one of `waves` is ring; write keys, such as {wave: notice, channels: [sms], ..."],
    ),
    "title list": (
        [("title: Autumn", "title: [a]")],
        ["2: `title` is a list; write one word or text, such as Autumn contract renewal"],
    ),
    "doubled key": (
        [("hours: house", "hours: house\nhours: night")],
        ["9: `hours` is written twice (first on line 8); keep one"],
    ),
    "tab": (
        [("  - wave: notice", "\t- wave: notice")],
        ["11: broken YAML: a tab or a special character starts a value; indent with spaces, quote such text"],
    ),
    "everything at once": (
        [
            ("segment: renewal_due", "segment: renewal_deu"),
            ("listen: 48h", "lisen: 48h"),
            ("weight: 30%", "weight: 20%"),
            ("rank: value", "rank: plan_name"),
            ("contacts: 3", "contacts: many"),
        ],
        [
            "3: there is no segment renewal_deu (segments/renewal_deu.yaml); write renewal_due",
            "7: `contacts` is many; write a whole number, such as 3",
            "15: there is no key `lisen` here; write listen",
            "20: ...score...plan_name...",
            "28: the weights of the variants add up to 90%; make them add up to 100%",
        ],
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_broken_plan_says_what_where_and_what_to_write(
    case: str, edit: Callable[[str, str, str], None], check: Callable[[list[str]], None]
) -> None:
    edits, expected = CASES[case]
    for old, new in edits:
        edit("plans/autumn.yaml", old, new)
    check([f"plans/autumn.yaml:{line}" for line in expected])
