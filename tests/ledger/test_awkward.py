"""The ten awkward customers: what must become of each, on both databases."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import pytest

from flows.running import gates_of, load_running
from ledger.aggregates import wave_statuses
from ledger.touches import claim, lease, sweep
from tests.builders import DAY, HOUR, T0, Person, World, phone, plan_text, put, reachable, zone_set
from tests.hours_rows import hours_yaml
from tests.steps import (
    address_words,
    convert,
    hold_back,
    phoned,
    set_customer,
    touch_of,
    touch_words,
    verdict_words,
)
from waves.dispositions import Disposition
from waves.outcomes import Outcome, Side

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
EITHER = "  - {wave: notice, channels: [{first_of: [sms, email]}], message: hello, release: 2h, listen: 2d}\n"
CALL = "  - {wave: call, channels: [call_list], rank: value, listen: 3d}\n"
MONDAY = datetime(2026, 12, 7, 9, 0, tzinfo=T0.tzinfo)


def no_push_token_but_a_phone(world: World) -> dict[str, Any]:
    put(world.ledger, [reachable(1, ["sms"])])
    waves = "  - {wave: push, channels: [web_push], message: hello, release: 2h, listen: 1d}\n"
    both = "channels: [web_push, {first_of: [sms, email]}]"
    waves += f"  - {{wave: notice, enter: \"push.verdict = 'no_address'\", {both}, message: hello, listen: 1d}}\n"
    world.start(plan_text(waves))
    world.advance()
    return {
        "push": verdict_words(world, "push")["c1"],
        "notice": verdict_words(world, "notice")["c1"],
        "touches": touch_words(world, "notice")["c1"],
    }


def two_campaigns_on_one_day(world: World) -> dict[str, Any]:
    put(world.ledger, [reachable(1)])
    for name, priority in (("minor", 10), ("major", 90)):
        limits = f"priority: {priority}\nlimits: {{contacts: 1, within: 7d}}\nwaves:\n"
        waves = SMS.replace("notice", f"{name}_notice")
        world.start(plan_text(waves, name=name).replace("waves:\n", limits))
    world.advance()
    return {
        "major": verdict_words(world, "major_notice")["c1"],
        "minor": verdict_words(world, "minor_notice")["c1"],
        "sent by": [line["campaign"] for line in world.outbox("sms")],
    }


def stop_between_enrolment_and_claim(world: World) -> dict[str, Any]:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(SMS, name="earlier"))
    world.advance()
    first = touch_of(world, "notice", "c1").id
    world.start(plan_text(SMS.replace("notice", "second"), name="test"))
    hold_back(world, "second", now=T0 + HOUR)
    queued = touch_words(world, "second")["c1"]
    world.report(first, Side.UNSUBSCRIBED)
    world.advance()
    return {
        "before": queued,
        "after": touch_words(world, "second")["c1"],
        "sent by": [x["campaign"] for x in world.outbox("sms")],
    }


def a_callback_promised_on_monday_and_a_no_on_tuesday(world: World) -> dict[str, Any]:
    put(world.ledger, [reachable(1), reachable(2)])
    follow = "  - {wave: follow_up, enter: call.missed or call.engaged, channels: [sms], message: hello, listen: 1d}\n"
    world.start(plan_text(CALL + follow, starts=MONDAY))
    world.advance(MONDAY)
    world.pull("call")
    said = [(Disposition.CALLBACK_AGREED, MONDAY + HOUR), (Disposition.NOT_INTERESTED, MONDAY + DAY)]
    for key, calls in (("c1", said), ("c2", said[::-1])):  # the second customer's file came the other way round
        for disposition, at in calls:
            phoned(world, "call", key, disposition, at)
    world.advance(MONDAY + 2 * DAY)
    return {
        "touches": [
            (row.key, Disposition(row.disposition).name, Outcome(row.outcome).name) for row in world.touches("call")
        ],
        "follow_up": verdict_words(world, "follow_up"),
    }


def a_dead_first_number_and_an_unanswered_second(world: World) -> dict[str, Any]:
    """The second customer's numbers are the other way round: the one that the list named rang, the spare is dead."""
    for n in (1, 2):
        put(world.ledger, [Person(f"c{n}", (("call_list", phone(10 * n)), ("call_list", phone(10 * n + 1))))])
    again = "  - {wave: again, enter: call.missed, channels: [call_list], listen: 3d}\n"
    world.start(plan_text(CALL + again))
    world.advance()
    listed = sorted(entry.number for entry in world.pull("call").entries)
    for key, dead, rang in (("c1", phone(10), phone(11)), ("c2", phone(21), phone(20))):
        phoned(world, "call", key, Disposition.INVALID_NUMBER, T0 + HOUR, dead)
        phoned(world, "call", key, Disposition.NO_ANSWER, T0 + 2 * HOUR, rang)
    world.advance(T0 + 4 * DAY)
    places = address_words(world, "call_list")
    return {
        "listed": listed,
        "outcomes": [Outcome(row.outcome).name for row in world.touches("call")],
        "dead": sorted(value for value, (_, state, _, _) in places.items() if state == "dead"),
        "listed again": sorted(entry.number for entry in world.pull("again").entries),
    }


def converted_while_queued(world: World) -> dict[str, Any]:
    put(world.ledger, [reachable(1)])
    world.start(plan_text(SMS))
    hold_back(world, "notice")
    convert(world, "c1", T0 + timedelta(minutes=1))
    world.advance(T0 + HOUR)
    return {"touches": touch_words(world, "notice")["c1"], "sent": len(world.outbox("sms"))}


def a_late_click_after_the_close(world: World) -> dict[str, Any]:
    put(world.ledger, [reachable(1)])
    again = "  - {wave: again, enter: not notice.clicked, channels: [email], message: hello, listen: 1d}\n"
    name = world.start(plan_text(SMS + again))
    world.advance()
    touch = touch_of(world, "notice", "c1").id
    world.report(touch, Outcome.DELIVERED)
    late = T0 + 3 * DAY
    hold_back(world, "notice", now=late)
    hold_back(world, "again")
    queued = touch_words(world, "again")["c1"]
    world.report(touch, Outcome.CLICKED, late)
    world.advance(late + HOUR)
    running = load_running(world.ledger, name)
    with world.ledger.read() as connection:
        shown = wave_statuses(connection, running.id)[0].books.parts
    return {
        "as closed": json.loads(running.row("notice").balance)["parts"],
        "as known now": shown,
        "next wave": [queued, touch_words(world, "again")["c1"]],
    }


def a_household_sharing_one_number(world: World) -> dict[str, Any]:
    """Two people of one household share a number; a third has a number of their own."""
    shared = (("sms", phone(1)), ("call_list", phone(1)))
    people = [Person(f"c{n}", shared, household="h", value=float(n)) for n in (1, 2)]
    put(world.ledger, [*people, reachable(3, ["call_list"], household="h", value=9.0)])
    world.start(plan_text(SMS + CALL))
    world.advance()
    notice = verdict_words(world, "notice")
    world.advance(T0 + 3 * DAY)
    first, second = world.pull("call"), world.pull("call", team="south")
    return {
        "notice": notice,
        "sent": len(world.outbox("sms")),
        "call": verdict_words(world, "call"),
        "listed": [[entry.number for entry in cut.entries] for cut in (first, second)],
    }


def in_doubt_then_a_delivery_receipt(world: World) -> dict[str, Any]:
    put(world.ledger, [reachable(1)])
    name = world.start(plan_text(EITHER))
    hold_back(world, "notice")
    running = load_running(world.ledger, name)
    with world.ledger.write() as connection:
        leased = lease(connection, world.touches("notice")[0].batch, "worker", T0, timedelta(minutes=2))
        assert leased is not None
        gates = gates_of(running, running.plan.wave("notice"), T0)
        claim(connection, leased, gates, running.types, 10, T0)
    with world.ledger.write() as connection:
        sweep(connection, T0 + HOUR)
    world.advance(T0 + HOUR)
    lost = touch_words(world, "notice")["c1"]
    world.report(touch_of(world, "notice", "c1").id, Outcome.DELIVERED)
    world.advance(T0 + 2 * HOUR)
    found = touch_words(world, "notice")["c1"]
    return {"lost": lost, "found": found, "sent again": len(world.outbox("sms") + world.outbox("email"))}


def moved_across_a_time_zone_between_the_waves(world: World) -> dict[str, Any]:
    nine_to_eight = '{mon_fri: ["09:00", "20:00"], sat: null, sun: null, holiday: null}'
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml(nine_to_eight, nine_to_eight))
    put(world.ledger, [reachable(1)])
    with world.ledger.write() as connection:
        east = zone_set(connection, "America/New_York", "US US-NY")
        west = zone_set(connection, "America/Los_Angeles", "US US-CA")
    nine_in_new_york = T0 + 5 * HOUR
    at = f"{nine_in_new_york + 3 * DAY:%Y-%m-%d %H:%M} UTC"
    again = f"  - {{wave: again, at: {at}, channels: [sms], message: hello, listen: 2d}}\n"
    world.start(plan_text(SMS + again, starts=nine_in_new_york))
    set_customer(world, "c1", {"zone_set": east})
    world.advance(nine_in_new_york)
    sent = [line["at"] for line in world.outbox("sms")]
    set_customer(world, "c1", {"zone_set": west})
    world.advance(nine_in_new_york + 3 * DAY)
    world.advance(nine_in_new_york + 3 * DAY + 3 * HOUR)
    sent += [line["at"] for line in world.outbox("sms")][len(sent) :]
    return {"sent at": sent}


@dataclass(frozen=True)
class Awkward:
    """One customer: the story told to a world, and what must have become of them."""

    story: Callable[[World], dict[str, Any]]
    becomes: dict[str, Any]


NOTHING = (None, None)
AWKWARD = [
    Awkward(
        no_push_token_but_a_phone,
        {"push": "no_address", "notice": "go", "touches": [("sms", "sent", *NOTHING)]},
    ),
    Awkward(
        two_campaigns_on_one_day,
        {"major": "go", "minor": "over_limit", "sent by": ["major"]},
    ),
    Awkward(
        stop_between_enrolment_and_claim,
        {
            "before": [("sms", "queued", *NOTHING)],
            "after": [("sms", "withdrawn", None, "no_consent")],
            "sent by": ["earlier"],
        },
    ),
    Awkward(
        a_callback_promised_on_monday_and_a_no_on_tuesday,
        {
            "touches": [("c1", "NOT_INTERESTED", "DECLINED"), ("c2", "NOT_INTERESTED", "DECLINED")],
            "follow_up": {"c1": "not_entered", "c2": "not_entered"},
        },
    ),
    Awkward(
        a_dead_first_number_and_an_unanswered_second,
        {
            "listed": [phone(10), phone(20)],
            "outcomes": ["NO_ANSWER", "NO_ANSWER"],
            "dead": [phone(10), phone(21)],
            "listed again": [phone(11), phone(20)],
        },
    ),
    Awkward(
        converted_while_queued,
        {"touches": [("sms", "withdrawn", None, "converted")], "sent": 0},
    ),
    Awkward(
        a_late_click_after_the_close,
        {
            "as closed": {"received": 1},
            "as known now": {"engaged": 1},
            "next wave": [[("email", "queued", *NOTHING)], [("email", "withdrawn", None, "not_entered")]],
        },
    ),
    Awkward(
        a_household_sharing_one_number,
        {
            "notice": {"c1": "go", "c2": "shared_address", "c3": "no_address"},
            "sent": 1,
            "call": {"c1": "go", "c2": "shared_address", "c3": "go"},
            "listed": [[phone(3)], []],
        },
    ),
    Awkward(
        in_doubt_then_a_delivery_receipt,
        {
            "lost": [("sms", "in_doubt", None, "worker_lost")],
            "found": [("sms", "sent", "delivered", None)],
            "sent again": 0,
        },
    ),
    Awkward(
        moved_across_a_time_zone_between_the_waves,
        {"sent at": ["2026-12-01T14:00:00+00:00", "2026-12-04T17:00:00+00:00"]},
    ),
]


@pytest.mark.parametrize("case", AWKWARD, ids=[case.story.__name__.replace("_", " ") for case in AWKWARD])
def test_awkward_customer(world: World, case: Awkward) -> None:
    assert case.story(world) == case.becomes
