"""Contact limits: nobody is contacted more often than every plan they are a member of allows, whoever comes first."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import pytest

from console.stories import sentences, tell
from flows.running import load_running
from ledger.story import story
from ledger.suppressions import customer_id
from tests.builders import DAY, HOUR, T0, World, plan_text, put, reachable
from tests.steps import hold_back, phoned, touch_words, verdict_words
from waves.dispositions import Disposition

SMS = "  - {wave: NAME, channels: [sms], message: hello, release: 2h, listen: 2d}\n"
EMAIL = SMS.replace("sms", "email")
BOTH = "  - {wave: NAME, channels: [web_push, {first_of: [sms, email]}], message: hello, release: 2h, listen: 2d}\n"
CALL = "  - {wave: NAME, channels: [call_list], listen: 3d}\n"
NONE = (None, None)


def plan(
    name: str, wave: str = SMS, limit: tuple[int, str] | None = None, priority: int = 50, later: timedelta = 0 * DAY
) -> str:
    head = f"priority: {priority}\n"
    if limit:
        head += f"limits: {{contacts: {limit[0]}, within: {limit[1]}}}\n"
    text = plan_text(wave.replace("NAME", name), name=name, starts=T0 + later)
    return text.replace("waves:\n", head + "waves:\n", 1)


def channels_of(world: World, wave: str) -> list[str]:
    return sorted(word for words in touch_words(world, wave).values() for word, *_ in words)


def test_a_window_rolls(world: World) -> None:
    put(world.ledger, [reachable(1)])
    for name, hours in (("first", 0), ("second", 30), ("third", 47), ("fourth", 49)):
        world.start(plan(name, limit=(1, "2d") if name != "second" else (2, "2d"), later=hours * HOUR))
    for hours in (0, 30, 47, 49):
        world.advance(T0 + hours * HOUR)
    verdicts = {name: verdict_words(world, name)["c1"] for name in ("first", "second", "third", "fourth")}
    # The second plan would allow two, but the customer is also a member of those that allow one.
    assert verdicts == {"first": "go", "second": "over_limit", "third": "over_limit", "fourth": "go"}


def test_a_plan_without_a_limit_obeys_those_of_others_for_their_members_alone(world: World) -> None:
    put(world.ledger, [reachable(1, age=10), reachable(2, age=50)])
    (world.config / "segments" / "young.yaml").write_text("segment: young\ntitle: Young\nwhere: age < 20\n")
    world.start(plan("strict", limit=(1, "7d")).replace("segment: everybody", "segment: young"))
    world.start(plan("free", wave=EMAIL, later=HOUR))
    world.advance(T0)
    world.advance(T0 + HOUR)
    assert verdict_words(world, "free") == {"c1": "over_limit", "c2": "go"}


def test_a_limit_ends_with_its_campaign(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan("strict", limit=(1, "30d")))
    world.advance(T0)
    world.advance(T0 + 3 * DAY)
    world.start(plan("free", wave=EMAIL, later=4 * DAY))
    world.advance(T0 + 4 * DAY)
    assert verdict_words(world, "free") == {"c1": "go"}


@dataclass(frozen=True)
class Left:
    """How many contacts a limit leaves, and the channels that then get one: the plan's order decides."""

    limit: tuple[int, str] | None
    before: int
    verdict: str
    channels: list[str]


@pytest.mark.parametrize(
    "case",
    [
        Left(None, 3, "go", ["sms", "web_push"]),
        Left((5, "7d"), 3, "go", ["sms", "web_push"]),
        Left((4, "7d"), 3, "go", ["web_push"]),
        Left((1, "7d"), 0, "go", ["web_push"]),
        Left((3, "7d"), 3, "over_limit", []),
        Left((2, "7d"), 3, "over_limit", []),
    ],
    ids=str,
)
def test_what_is_left_goes_to_the_channels_in_the_plans_order(world: World, case: Left) -> None:
    put(world.ledger, [reachable(1)])
    for number in range(case.before):
        world.start(plan(f"before{number}", later=number * HOUR))
        world.advance(T0 + number * HOUR)
    world.start(plan("now", wave=BOTH, limit=case.limit, later=DAY))
    world.advance(T0 + DAY)
    assert (verdict_words(world, "now")["c1"], channels_of(world, "now")) == (case.verdict, case.channels)


def test_the_more_important_campaign_takes_a_message_that_still_waits(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan("minor", limit=(1, "7d"), priority=10))
    hold_back(world, "minor", "minor")
    world.start(plan("major", wave=EMAIL, limit=(1, "7d"), priority=90, later=HOUR))
    hold_back(world, "major", "major", T0 + HOUR)
    assert verdict_words(world, "major") == {"c1": "go"}
    world.advance(T0 + HOUR)
    assert touch_words(world, "minor")["c1"] == [("sms", "withdrawn", None, "over_limit")]
    assert touch_words(world, "major")["c1"] == [("email", "sent", *NONE)]


def test_of_equals_the_first_keeps_it(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan("first", limit=(1, "7d")))
    hold_back(world, "first", "first")
    world.start(plan("second", wave=EMAIL, limit=(1, "7d"), later=HOUR))
    world.advance(T0 + HOUR)
    assert verdict_words(world, "second") == {"c1": "over_limit"}
    assert touch_words(world, "first")["c1"] == [("sms", "sent", *NONE)]


def test_a_call_counts_once_it_is_listed_and_then_each_time_it_rings(world: World) -> None:
    put(world.ledger, [reachable(1), reachable(2), reachable(3)])
    world.start(plan("calls", wave=CALL))
    world.advance(T0)
    world.start(plan("early", limit=(1, "1d"), later=HOUR))
    world.advance(T0 + HOUR)
    assert set(verdict_words(world, "early").values()) == {"go"}, "waiting for a list is no contact"
    world.now = T0 + 26 * HOUR
    world.pull("calls", name="calls")
    phoned(world, "calls", "c1", Disposition.NO_ANSWER, T0 + 26 * HOUR)
    phoned(world, "calls", "c2", Disposition.SUPPRESSED_RULE, T0 + 26 * HOUR)
    world.start(plan("late", wave=EMAIL, limit=(1, "1d"), later=27 * HOUR))
    world.advance(T0 + 27 * HOUR)
    assert verdict_words(world, "late") == {"c1": "over_limit", "c2": "over_limit", "c3": "over_limit"}


def test_a_list_leaves_out_who_was_written_to_and_takes_them_when_the_window_has_rolled(world: World) -> None:
    put(world.ledger, [reachable(1), reachable(2, ["call_list"])])
    world.start(plan("calls", wave=CALL, limit=(1, "1d")))
    world.advance(T0)
    world.start(plan("letter", wave=EMAIL, later=HOUR, priority=10))
    world.advance(T0 + HOUR)
    world.now = T0 + 2 * HOUR
    assert [entry.customer for entry in world.pull("calls", name="calls").entries] == [2]
    world.now = T0 + 26 * HOUR
    assert [entry.customer for entry in world.pull("calls", name="calls").entries] == [1]


def test_the_dry_run_counts_what_the_opening_writes(world: World) -> None:
    put(world.ledger, [reachable(number) for number in range(40)])
    for number in range(3):
        name = f"before{number}"
        text = plan(name, limit=(3, "7d"), later=number * HOUR).replace("segment: everybody", f"segment: s{number}")
        where = f"segment: s{number}\ntitle: Some\nwhere: age >= 0\n"
        (world.config / "segments" / f"s{number}.yaml").write_text(where)
        world.start(text)
        world.advance(T0 + number * HOUR)
    text = plan("now", wave=BOTH, limit=(4, "7d"), later=5 * HOUR)
    predicted: Any = world.forecast(text, T0 + 5 * HOUR)
    world.start(text)
    world.advance(T0 + 5 * HOUR)
    written = list(verdict_words(world, "now").values())
    assert predicted.waves[0].verdicts == {verdict: written.count(verdict) for verdict in set(written)}
    touches = channels_of(world, "now")
    assert predicted.waves[0].touches == {name: touches.count(name) for name in set(touches)}


@pytest.mark.parametrize(
    ("minor_opens", "minor", "sent"),
    [
        (0, {"c1": "over_limit", "c2": "go"}, ["minor", "major"]),
        (-1, {"c1": "go", "c2": "go"}, ["minor", "minor"]),
    ],
    ids=["on one day", "the day before"],
)
def test_a_customer_is_kept_for_the_more_important_campaign_of_the_day(
    world: World, minor_opens: int, minor: dict[str, str], sent: list[str]
) -> None:
    put(world.ledger, [reachable(1), reachable(2, ["sms"])])
    world.start(plan("minor", limit=(1, "7d"), priority=10, later=minor_opens * DAY), T0 - 2 * DAY)
    world.start(plan("major", wave=EMAIL, priority=90, later=5 * HOUR), T0 - 2 * DAY)
    predicted: Any = world.forecast(plan("other", limit=(1, "7d"), priority=10, later=minor_opens * DAY), T0 - 2 * DAY)
    world.advance(T0 + minor_opens * DAY)
    assert verdict_words(world, "minor") == minor
    words = list(minor.values())
    assert predicted.waves[0].verdicts == {word: words.count(word) for word in set(words)}
    assert [(one.campaign, one.members) for one in predicted.overlaps] == [("major", 2), ("minor", 2)]
    world.advance(T0 + 5 * HOUR)
    assert sorted(line["campaign"] for line in world.outbox("sms") + world.outbox("email")) == sorted(sent)


def test_the_story_of_a_limited_customer_names_the_contacts_that_count(world: World) -> None:
    put(world.ledger, [reachable(1)])
    world.start(plan("first", limit=(1, "7d")))
    world.advance(T0)
    world.start(plan("second", wave=EMAIL, later=HOUR))
    world.advance(T0 + HOUR)
    running = load_running(world.ledger, "second")
    with world.ledger.read() as connection:
        told = tell(running, story(connection, running.id, customer_id(connection, "c1"), running.types))
    lines = list(sentences("second", "c1", told))
    assert "  2026-12-01 09:00Z sms: sent (first, first)" in lines
