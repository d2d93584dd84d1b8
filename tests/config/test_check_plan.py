"""Broken plans whose meaning is wrong, and exactly the lines that `check` prints for them."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Edits = list[tuple[str, str]]

CASES: dict[str, tuple[Edits, list[str]]] = {
    "sound": ([], []),
    "unknown segment": (
        [("segment: renewal_due", "segment: renewal_deu")],
        ["3: there is no segment renewal_deu (segments/renewal_deu.yaml); write renewal_due"],
    ),
    "unknown hours": (
        [("hours: house", "hours: hause")],
        ["8: there is no set of hours hause in rules/hours.yaml; write house"],
    ),
    "unknown channel": ([("[web_push,", "[web_psuh,")], ["12: there is no channel web_psuh; write web_push"]),
    "channel without a provider": (
        [("[web_push,", "[visit,")],
        ["12: there is no channel visit; write one of web_push, sms, email, call_list"],
    ),
    "unknown message": (
        [("message: renewal_notice\n", "message: renewal_notise\n")],
        ["13: there is no template for renewal_notise; write renewal_notice"],
    ),
    "unknown column": ([("rank: value", "rank: valeu")], ["20: ...valeu...value..."]),
    "unknown wave": (
        [("notice.engaged", "notcie.engaged")],
        ["17: ...notcie...notice..."],
    ),
    "unknown word of a wave": (
        [("notice.engaged", "notice.engage")],
        ["17: ...notice.engage...engaged..."],
    ),
    "later wave": (
        [("notice.engaged", "follow_up.missed")],
        ["17: follow_up.missed reads a later wave..."],
    ),
    "own wave": (
        [("notice.engaged", "ring.missed")],
        ["17: ring.missed reads a later wave..."],
    ),
    "number with word": (
        [("notice.engaged", "age > 'old'")],
        ["17: ...age...'old'..."],
    ),
    "rule in block": (
        [("ring.missed\n", "ring.mised\n")],
        ["24: ...mised...missed..."],
    ),
    "rule in block 2": ([("      and not converted", "      and agee > 3")], ["25: ...agee...age..."]),
    "rule folded": (
        [("enter: |", "enter: >"), ("      and not converted", "      and agee > 3")],
        ["25: ...agee...age..."],
    ),
    "rule plain over lines": (
        [("not converted and (notice", "not converted\n      and (nottice")],
        ["18: ...nottice...notice..."],
    ),
    "unknown disposition": (
        [("[sale]", "[sold]")],
        ["6: there is no disposition sold; write one of sale, promise, interested, callback_agreed, ..."],
    ),
    "in_doubt channel": ([("{sms: hold}", "{smss: hold}")], ["9: there is no channel smss; write sms"]),
    "weights": (
        [("weight: 30%", "weight: 31%")],
        ["28: the weights of the variants add up to 101%; make them add up to 100%"],
    ),
    "message and variants": (
        [("    variants:", "    message: sorry\n    variants:")],
        ["28: follow_up has a message and variants; keep one of the two"],
    ),
    "no message": (
        [("    message: renewal_notice\n", "")],
        ["11: notice sends messages and names none; write message: NAME (of templates/)"],
    ),
    "message on a call wave": (
        [("    rank: value", "    message: sorry\n    rank: value")],
        ["20: `message` does nothing in a wave of calls; delete it"],
    ),
    "rank and capacity on messages": (
        [("    ramp:", "    rank: value\n    capacity: {teams: {a: 1}, hours: 7, handle_time: 3m}\n    ramp:")],
        [
            "14: `rank` does nothing in a wave of messages; delete it, or use a call channel",
            "15: `capacity` does nothing in a wave of messages; delete it, or use a call channel",
        ],
    ),
    "ramp on calls": (
        [("    rank: value", "    ramp: {first: 1%, hold: 2h}")],
        ["20: `ramp` does nothing in a wave of calls; delete it"],
    ),
    "ramp sanity": (
        [("{first: 1%, hold: 2h}", "{first: 100%, hold: 24h}")],
        [
            "14: the first share of a ramp is all or nothing; write one between, such as 1%",
            "14: the hold of a ramp is not between 0 and `release` (24h), so the rest never goes; write such as 2h",
        ],
    ),
    "ramp of nobody": (
        [("{first: 1%, hold: 2h}", "{first: 0%, hold: 0h}")],
        [
            "14: the first share of a ramp is all or nothing; write one between, such as 1%",
            "14: the hold of a ramp is not between 0 and `release` (24h), so the rest never goes; write such as 2h",
        ],
    ),
    "ramp's alarm": (
        [("{first: 1%, hold: 2h}", "{first: 1%, hold: 2h, alarm: {failed: 100%, opted_out: 2}}")],
        [
            "14: `failed` of all never rings; write a smaller share, such as 5%",
            "14: `opted_out`: '2' is no share; write 5% (0% to 100%)",
        ],
    ),
    "limit looser than a law, in its window": (
        [("{contacts: 3, within: 7d}", "{contacts: 4, within: 14d}")],
        [
            "7: these limits allow 4 contacts within 1d, and call_list 3 (house rule); "
            "write such as {contacts: 3, within: 7d}"
        ],
    ),
    "limit looser than a law, over its window": (
        [("{contacts: 3, within: 7d}", "{contacts: 3, within: 2d}")],
        [
            "7: these limits allow 12 contacts within 7d, and call_list 7 (house rule); "
            "write such as {contacts: 3, within: 7d}"
        ],
    ),
    "limit looser than the law of a channel it does not use": (
        [
            ("{contacts: 3, within: 7d}", "{contacts: 9, within: 1d}"),
            ("channels: [call_list]", "channels: [sms]\n    message: sorry"),
            ("    capacity: {teams: {north: 12}, hours: 7.5, handle_time: 180s}\n    rank: value\n", ""),
        ],
        [],
    ),
    "nobody to ask": ([("segment: renewal_due\n", "")], ["1: `segment` is missing; write segment: renewal_due"]),
    "audience": ([("segment: renewal_due", "audience: {campaign: spring, wave: notice, who: not_got}")], []),
    "audience by": (
        [("segment: renewal_due", "audience: {campaign: spring, wave: notice, who: got, by: sms, variant: 2}")],
        [],
    ),
    "audience and segment": (
        [("segment: renewal_due", "segment: renewal_due\naudience: {campaign: spring, wave: notice, who: got}")],
        ["4: the plan names a segment and an audience; keep one of the two"],
    ),
    "audience of itself": (
        [("segment: renewal_due", "audience: {campaign: autumn, wave: notice, who: got}")],
        ["3: a plan cannot be for its own audience; write an earlier campaign"],
    ),
    "audience that cannot be": (
        [("segment: renewal_due", "audience: {campaign: spring, wave: notice, who: not_got, by: smss, variant: 1}")],
        [
            "3: `by` says how a message was got, and these did not get it; delete it",
            "3: `variant` says how a message was got, and these did not get it; delete it",
            "3: there is no channel smss; write sms",
        ],
    ),
    "audience misspelt": (
        [("segment: renewal_due", "audience: {campaign: spring, wve: notice, who: some}")],
        ["3: `who` is some; write got or not_got", "3: there is no key `wve` here; write wave"],
    ),
    "channel twice": (
        [("[web_push, {first_of: [sms, email]}]", "[sms, {first_of: [sms, email]}]")],
        ["12: notice names sms twice; keep one"],
    ),
    "mixed": (
        [("channels: [call_list]", "channels: [{first_of: [call_list, sms]}]")],
        ["18: ring mixes calls and messages; put call_list in a wave of its own"],
    ),
    "skills": (
        [
            ("{north: 12}", "{north: {agents: 12, skills: [loans]}}"),
            ("    rank: value\n", "    rank: value\n    skill: plan_nme\n"),
        ],
        ["21: `skill` names no column of text of customers.yaml: plan_nme; write plan_name"],
    ),
    "skills of no column": (
        [("{north: 12}", "{north: {agents: 12, skills: [loans]}}")],
        ["19: no column says which skill a customer takes; write skill: COLUMN in the wave, or delete `skills`"],
    ),
    "capacity": (
        [("{north: 12}, hours: 7.5, handle_time: 180s", "{north: 0}, hours: 25, handle_time: 0s")],
        [
            "19: `handle_time` is no time at all, or longer than the shift; write the length of a call, such as 180s",
            "19: `hours` is 25; write at most 24",
            "19: team north has 0 agents; write how many call, at least 1",
        ],
    ),
    "no teams": ([("{north: 12}", "{}")], ["19: no team is named; write teams: {north: 12}"]),
    "at before starts": (
        [("    ramp:", "    at: 2026-11-30 09:00 Europe/Kyiv\n    ramp:")],
        ["14: `at` is before the campaign starts; write 2026-12-01 09:00 Europe/Kyiv or later"],
    ),
    "at before earlier ended": (
        [("    rank: value", "    at: 2026-12-03 09:00 Europe/Kyiv")],
        ["20: ring opens before notice has ended; write 2026-12-04 09:00 Europe/Kyiv or later, or shorten notice"],
    ),
    "at and wait": (
        [("    wait: 2h", "    wait: 2h\n    at: 2027-01-03 09:00 Europe/Kyiv")],
        ["26: there is nothing to wait for: the wave has a time of its own; delete `wait`"],
    ),
    "wait on first": (
        [("    ramp:", "    wait: 1h\n    ramp:")],
        ["14: there is nothing to wait for: this wave is the first; move `starts` instead"],
    ),
    "listen 0": (
        [("listen: 48h", "listen: 0h\n    release: 0s")],
        [
            "15: `listen` is no time at all; write how long answers are waited for, such as 48h",
            "16: `release` is no time at all; write over how long the messages go out, such as 24h",
        ],
    ),
    "listen long": ([("listen: 48h", "listen: 181d")], ["15: `listen` is 181 days; write at most 180d"]),
    "far year": ([("2026-12-01", "9999-12-31")], ["4: `starts` is in the year 9999; write a year up to 2100"]),
    "holdout all": (
        [("holdout: 5%", "holdout: 100%")],
        ["5: a holdout of 100% leaves nobody to contact; write a smaller share, such as 5%"],
    ),
    "zero windows": (
        [("within: 14d", "within: 0d"), ("within: 7d", "within: 0d")],
        [
            "6: `within` is no time at all; write how long a conversion counts, such as 14d",
            "7: `within` is no time at all; write the window of the limit, such as 7d",
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
