"""Permitted hours at enrolment, at the claim and on the dial list: unknown or shut means no contact, and why."""

from __future__ import annotations

import csv
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, update

from flows.campaign import anything_due
from ledger import tables as t
from ledger.hours_tables import legal_span, legal_window
from ledger.legal_hours import Rules, cover
from tests.builders import DAY, HOUR, T0, World, plan_text, put, reachable, zone_set
from tests.hours_rows import HOUSE, hours_yaml, rules, utc
from tests.steps import hold_back, touch_of, touch_words, verdict_words
from waves.errors import PlanError

NIGHT = T0.replace(hour=0)
OPENS = NIGHT + 2 * HOUR
"""Shut in London, at 21:00 in New York too; at 13:00 in Sydney and 11:00 in Tokyo open."""
LONDON, NEW_YORK, SYDNEY = ("Europe/London", "GB"), ("America/New_York", "US US-NY"), ("Australia/Sydney", "AU AU-NSW")
NINE = '{mon_fri: ["09:00", "20:00"], sat: ["09:00", "20:00"], sun: ["09:00", "20:00"], holiday: inherit}'
TEN = NINE.replace("09:00", "10:00")
SHUT = "{mon_fri: null, sat: null, sun: null, holiday: inherit}"
SMS = "  - {wave: notice, channels: [sms], message: hello, release: RELEASE, listen: 2d}\n"
CALL = "  - {wave: calls, channels: [call_list], release: 1h, listen: 3d}\n"


def write_hours(world: World, text: str) -> None:
    (world.config / "rules" / "hours.yaml").write_text(text)


def living(number: int, place: tuple[str, str], *channels: str) -> Any:
    return reachable(number, channels or ["sms"], zones=place[0], jurisdictions=place[1])


def begin(world: World, messages: str = NINE, release: str = "24h", at: datetime = OPENS, **more: str) -> None:
    write_hours(world, hours_yaml(messages=messages, **more))
    world.start(plan_text(SMS.replace("RELEASE", release), starts=at), at)


def sent_at(world: World) -> dict[str, datetime]:
    return {f"c{line['name'].rpartition('c')[2]}": datetime.fromisoformat(line["at"]) for line in world.outbox("sms")}


def move(world: World, key: str, place: tuple[str, str]) -> None:
    with world.ledger.write() as connection:
        found = zone_set(connection, *place)
        connection.execute(update(t.customer).where(t.customer.c.key == key).values(zone_set=found))


def batches(world: World) -> list[datetime]:
    with world.ledger.read() as connection:
        return list(connection.scalars(select(t.batch.c.due).order_by(t.batch.c.due)))


def test_the_verdicts_and_the_first_permitted_moment(world: World) -> None:
    both = ("America/New_York Europe/London", "GB US US-NY")
    put(
        world.ledger,
        [living(1, LONDON), living(2, NEW_YORK), living(3, both), living(4, ("", "")), living(5, ("Moon/Sea", "GB"))],
    )
    begin(world, release="10h")
    hold_back(world, "notice", now=OPENS)
    assert verdict_words(world, "notice") == {
        "c1": "go", "c2": "no_legal_hour", "c3": "no_legal_hour", "c4": "hours_unknown", "c5": "hours_unknown",
    }  # fmt: skip
    assert touch_of(world, "notice", "c1").not_before == NIGHT + 9 * HOUR


def test_quiet_hours_spread_the_sending_and_two_zones_meet(world: World) -> None:
    world.room.settings = world.room.settings.model_copy(update={"batch_size": 1})
    both = ("America/New_York Europe/London", "GB US US-NY")
    put(world.ledger, [living(1, NEW_YORK), living(2, LONDON), living(3, both), living(4, SYDNEY)])
    begin(world, release="24h")
    hold_back(world, "notice", now=OPENS)
    # Sydney is open now, London from 09:00, New York from 14:00 UTC; both of them from then to London's 20:00.
    assert batches(world) == [OPENS, NIGHT + 9 * HOUR, NIGHT + 14 * HOUR, NIGHT + 14 * HOUR]
    for hours in (2, 8, 9, 13, 14):
        world.advance(NIGHT + hours * HOUR)
    assert {key: (at - NIGHT) // HOUR for key, at in sent_at(world).items()} == {"c4": 2, "c2": 9, "c1": 14, "c3": 14}


@pytest.mark.parametrize(
    ("messages", "calls", "verdicts"),
    [(SHUT, NINE, ("no_legal_hour", "go")), (NINE, SHUT, ("go", "no_legal_hour"))],
    ids=["calls alone", "messages alone"],
)
def test_messages_and_calls_keep_their_own_hours(world: World, messages: str, calls: str, verdicts: Any) -> None:
    put(world.ledger, [living(1, LONDON, "sms", "call_list")])
    begin(world, messages=messages, calls=calls)
    world.start(plan_text(CALL, name="dial", starts=OPENS), OPENS)
    hold_back(world, "notice", now=OPENS)
    hold_back(world, "calls", "dial", OPENS)
    assert (verdict_words(world, "notice")["c1"], verdict_words(world, "calls")["c1"]) == verdicts


@pytest.mark.parametrize(
    ("release", "later", "state"),
    [
        ("36h", NIGHT + 33 * HOUR, ("sms", "sent", None, None)),
        ("24h", None, ("sms", "withdrawn", None, "no_legal_hour")),
    ],
    ids=["the next day", "none left"],
)
def test_a_touch_whose_hour_has_closed(world: World, release: str, later: datetime | None, state: Any) -> None:
    put(world.ledger, [living(1, LONDON)])
    begin(world, release=release)
    hold_back(world, "notice", now=OPENS)
    world.advance(NIGHT + 21 * HOUR)
    assert world.outbox("sms") == []
    if later:
        waiting = touch_of(world, "notice", "c1")
        assert (waiting.not_before, batches(world)) == (later, [later])
        world.advance(later - timedelta(minutes=1))
        assert world.outbox("sms") == []
        world.advance(later)
        assert sent_at(world) == {"c1": later}
    assert touch_words(world, "notice")["c1"] == [state]


@pytest.mark.parametrize(
    ("place", "words"),
    [
        (NEW_YORK, ("sms", "queued", None, None)),
        (("", ""), ("sms", "withdrawn", None, "hours_unknown")),
        (("Asia/Tokyo", "JP"), ("sms", "queued", None, None)),
    ],
    ids=["a later zone", "nowhere known", "a zone nobody lived in"],
)
def test_a_customer_who_moves_while_the_message_waits(world: World, place: tuple[str, str], words: Any) -> None:
    put(world.ledger, [living(1, LONDON)])
    begin(world, release="48h")
    hold_back(world, "notice", now=OPENS)
    move(world, "c1", place)
    at = NIGHT + (13 if place == ("Asia/Tokyo", "JP") else 10) * HOUR  # 22:00 in Tokyo, 05:00 in New York
    world.advance(at)
    assert (world.outbox("sms"), touch_words(world, "notice")["c1"]) == ([], [words])


def today(world: World, text: str) -> None:
    """The hours file of the home, which the engine reads again at every advance."""
    write_hours(world, text)


def test_stricter_hours_are_obeyed_at_once_and_looser_ones_are_not(world: World) -> None:
    put(world.ledger, [living(1, LONDON)])
    begin(world)
    hold_back(world, "notice", now=OPENS)
    today(world, hours_yaml())
    world.advance(NIGHT + 3 * HOUR)
    assert world.outbox("sms") == []
    today(world, hours_yaml(messages=TEN))
    world.advance(NIGHT + 9 * HOUR)
    assert world.outbox("sms") == []
    world.advance(NIGHT + 10 * HOUR)
    assert sent_at(world) == {"c1": NIGHT + 10 * HOUR}
    with world.ledger.read() as connection:
        said = list(connection.scalars(select(t.audit.c.did)))
    assert said.count("hours changed") == 2


def test_the_hours_it_was_started_with_hold_when_todays_are_looser(world: World) -> None:
    put(world.ledger, [living(1, LONDON)])
    begin(world, release="36h")
    hold_back(world, "notice", now=OPENS)
    today(world, hours_yaml())
    world.advance(NIGHT + 21 * HOUR)
    assert (world.outbox("sms"), batches(world)) == ([], [NIGHT + 33 * HOUR])


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (hours_yaml(messages='{mon_fri: ["20:00", "09:00"], sat: null, sun: null, holiday: null}'), "hours.yaml:5: "),
        (hours_yaml().replace("house:", "other:"), "there is no set of hours house"),
    ],
    ids=["invalid", "removed"],
)
def test_hours_that_cannot_be_read_stop_the_sending(world: World, text: str, said: str) -> None:
    put(world.ledger, [living(1, LONDON)])
    begin(world)
    hold_back(world, "notice", now=OPENS)
    today(world, text)
    with pytest.raises(PlanError, match=said):
        world.advance(NIGHT + 9 * HOUR)
    assert (world.outbox("sms"), touch_words(world, "notice")["c1"]) == ([], [("sms", "queued", None, None)])
    today(world, hours_yaml(messages=NINE))
    world.advance(NIGHT + 9 * HOUR)
    assert set(sent_at(world)) == {"c1"}


@pytest.mark.parametrize(
    ("place", "evening", "nine"),
    [
        (NEW_YORK, "2026-10-31T23:00", "2026-11-01T14:00"),
        (SYDNEY, "2026-10-03T11:00", "2026-10-03T22:00"),
    ],
    ids=["autumn", "spring"],
)
def test_the_morning_after_the_clocks_changed(world: World, place: tuple[str, str], evening: str, nine: str) -> None:
    put(world.ledger, [living(1, place)], utc(evening) - DAY)
    begin(world, at=utc(evening) + 2 * HOUR)
    hold_back(world, "notice", now=utc(evening) + 2 * HOUR)
    world.advance(utc(nine) - timedelta(minutes=1))
    assert world.outbox("sms") == []
    world.advance(utc(nine))
    assert sent_at(world) == {"c1": utc(nine)}


def test_a_list_takes_those_whose_hours_are_open_and_says_until_when(world: World) -> None:
    people = [living(n, place, "call_list") for n, place in enumerate((LONDON, NEW_YORK, ("Europe/Kyiv", "UA")), 1)]
    put(world.ledger, people)
    write_hours(world, hours_yaml(calls=NINE))
    world.start(plan_text(CALL))
    world.advance(T0 + 2 * HOUR)  # 11:00 in London, 06:00 in New York, 13:00 in Kyiv
    cut = world.pull("calls")
    until = {entry.customer: entry.call_until for entry in cut.entries}
    assert until == {1: T0 + 10 * HOUR, 3: T0 + 9 * HOUR}, "eight hours of a shift, or 20:00 in Kyiv"
    with cut.file.open(newline="") as file:
        written = sorted(row["valid_until"] for row in csv.DictReader(file))
    assert [datetime.fromisoformat(text) for text in written] == [T0 + 9 * HOUR, T0 + 10 * HOUR]


def test_a_list_leaves_out_those_whose_hours_have_closed(world: World) -> None:
    put(world.ledger, [living(1, LONDON, "call_list"), living(2, NEW_YORK, "call_list")])
    write_hours(world, hours_yaml(calls=NINE))
    world.start(plan_text(CALL))
    world.advance(T0)
    world.now = T0 + 12 * HOUR  # 21:00 in London, 16:00 in New York
    assert [entry.customer for entry in world.pull("calls").entries] == [2]


def windows(world: World, before: datetime) -> list[list[Any]]:
    """The permitted time of each kind and zone set, as far as asked, rows that overlap or touch as one."""
    w, merged = legal_window.c, list[list[Any]]()
    with world.ledger.read() as connection:
        rows = select(w.kind, w.zone_set, w.opens, w.closes).where(w.opens < before)
        for row in connection.execute(rows.order_by(w.kind, w.zone_set, w.opens)):
            if merged and merged[-1][:2] == [row.kind, row.zone_set] and row.opens <= merged[-1][3]:
                merged[-1][3] = max(merged[-1][3], row.closes)
            else:
                merged.append(list(row))
    return merged


def test_covering_day_by_day_is_covering_at_once(world: World) -> None:
    """In steps that cut windows in two, over the days on which the clocks change in London and New York."""
    asked, start = Rules((rules(HOUSE),)), utc("2026-10-23T14:30")
    end = start + 11 * DAY
    with world.ledger.write() as connection:
        for place in (LONDON, NEW_YORK, SYDNEY, ("", "")):
            zone_set(connection, *place)
        for day in range(12):
            cover(connection, asked, start, start + day * DAY)
    by_day = windows(world, end)
    with world.ledger.write() as connection:
        assert cover(connection, asked, start, end) == 0
    assert windows(world, end) == by_day
    with world.ledger.write() as connection:
        connection.execute(legal_window.delete())
        connection.execute(legal_span.delete())
        assert cover(connection, asked, start, end) == 4
    assert len(by_day) > 25
    assert windows(world, end) == by_day


def test_a_row_that_nobody_reviewed_lets_nothing_out(world: World) -> None:
    put(world.ledger, [living(1, LONDON), living(2, NEW_YORK)])
    unread = hours_yaml(messages=NINE).replace("reviewed: {by: a test, on: 2026-11-24}", "reviewed: no")
    write_hours(world, hours_yaml(messages=NINE) + unread.partition("  rows:\n")[2].replace("everywhere", "US"))
    world.start(plan_text(SMS.replace("RELEASE", "24h"), starts=OPENS), OPENS)
    hold_back(world, "notice", now=OPENS)
    assert verdict_words(world, "notice") == {"c1": "go", "c2": "no_legal_hour"}


def test_a_campaign_that_lost_its_hours_stands_still_alone(world: World) -> None:
    put(world.ledger, [living(1, LONDON), living(2, LONDON, "email")])
    own = hours_yaml(messages=NINE)
    write_hours(world, own + own.replace("house:", "other:"))
    either = SMS.replace("RELEASE", "24h").replace("[sms]", "[{first_of: [sms, email]}]")
    world.start(plan_text(either, name="lost", starts=OPENS).replace("hours: house", "hours: other"), OPENS)
    hold_back(world, "notice", "lost", OPENS)
    later = SMS.replace("RELEASE", "24h").replace("notice", "later")
    world.start(plan_text(later, name="lost-too", starts=NIGHT + 12 * HOUR).replace("hours: house", "hours: other"))
    world.start(plan_text(SMS.replace("RELEASE", "24h").replace("notice", "well"), name="well", starts=OPENS), OPENS)
    today(world, own)
    assert anything_due(world.room, NIGHT + 9 * HOUR), "it is for `advance` to say what is wrong"
    with pytest.raises(PlanError, match="there is no set of hours other"):
        world.advance(NIGHT + 9 * HOUR)
    assert [(line["campaign"], line["channel"]) for line in world.outbox("sms")] == [("well", "sms")]


def test_hours_that_are_lost_by_a_more_important_campaign_hold_nobody_up(world: World) -> None:
    put(world.ledger, [living(1, LONDON)])
    own = hours_yaml(messages=NINE)
    write_hours(world, own + own.replace("house:", "other:"))
    major = plan_text(SMS.replace("RELEASE", "24h"), name="major", starts=NIGHT + 15 * HOUR)
    world.start(major.replace("hours: house", "hours: other\npriority: 90"), OPENS)
    world.start(plan_text(SMS.replace("RELEASE", "24h").replace("notice", "minor"), name="minor", starts=OPENS), OPENS)
    today(world, own)
    world.advance(NIGHT + 9 * HOUR)
    assert [line["campaign"] for line in world.outbox("sms")] == ["minor"]


@pytest.mark.parametrize(("seconds", "sent"), [(6, {"c1"}), (4, set())])
def test_nothing_is_claimed_that_might_leave_after_its_hours(world: World, seconds: int, sent: set[str]) -> None:
    put(world.ledger, [living(1, LONDON)])
    begin(world)
    hold_back(world, "notice", now=OPENS)
    world.advance(NIGHT + 20 * HOUR - timedelta(seconds=seconds))
    assert set(sent_at(world)) == sent
