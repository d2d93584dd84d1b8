"""Ramps: nothing of the rest before the first part is out, held and fit; an alarm pauses the campaign instead."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from flows import ending
from flows.resuming import resume
from ledger import campaigns
from ledger import tables as t
from tests.builders import DAY, HOUR, T0, World, plan_text, put, reachable
from tests.hours_rows import hours_yaml
from waves.draw import Draw, bucket_of, threshold
from waves.errors import CampaignError
from waves.outcomes import Outcome, Side, State

PEOPLE = 100
MINUTE = timedelta(minutes=1)
WAVE = "  - wave: notice\n    channels: [sms]\n    message: hello\n    release: 24h\n    listen: 2d\n    ramp: RAMP\n"


def ramped(ramp: str = "{first: 20%, hold: 2h}") -> str:
    return plan_text(WAVE.replace("RAMP", ramp))


def wave_row(world: World) -> Any:
    with world.ledger.read() as connection:
        return campaigns.find_wave(connection, "test", "notice")


def sent(world: World) -> set[str]:
    return {line["name"] for line in world.outbox("sms")}


def opened(world: World, ramp: str = "{first: 20%, hold: 2h}") -> list[Any]:
    """A wave whose first part went out at T0; those touches."""
    put(world.ledger, [reachable(number, ["sms"]) for number in range(PEOPLE)])
    world.start(ramped(ramp))
    world.advance(T0)
    return world.touches("notice", state=int(State.SENT))


def audited(world: World) -> list[str]:
    with world.ledger.read() as connection:
        return list(connection.scalars(select(t.audit.c.did).order_by(t.audit.c.id)))


def test_the_rest_waits_for_the_hold_and_then_goes(world: World) -> None:
    first = opened(world)
    assert 8 <= len(first) <= 32
    world.advance(T0 + 2 * HOUR - MINUTE)
    assert len(sent(world)) == len(first)
    world.advance(T0 + 2 * HOUR)
    assert len(sent(world)) == len(world.outbox("sms")) == PEOPLE
    assert wave_row(world)[1].ramp_passed == T0 + 2 * HOUR
    assert audited(world)[-1] == "ramp passed"


@pytest.mark.parametrize("batch_size", [1, 7, 1000])
def test_the_first_share_is_the_same_whatever_the_batch_size(lite: World, batch_size: int) -> None:
    lite.room.settings = lite.room.settings.model_copy(update={"batch_size": batch_size, "enrol_range": 30})
    opened(lite)
    ticket = Draw.named("wave", "test", "notice", "ramp").ticket
    assert sent(lite) == {f"Name of c{n}" for n in range(PEOPLE) if ticket(bucket_of(f"c{n}")) < threshold(0.2)}


@pytest.mark.parametrize(("extra", "rings"), [(0, False), (1, True)], ids=["at the share", "above it"])
@pytest.mark.parametrize("what", ["failed", "opted_out"])
def test_an_alarm_rings_above_its_share_alone(world: World, what: str, extra: int, rings: bool) -> None:
    other = "opted_out" if what == "failed" else "failed"
    first = opened(world, f"{{first: 20%, hold: 2h, alarm: {{{what}: 50%, {other}: 0%}}}}")
    assert len(first) % 2 == 0, "half of an odd number is no boundary"
    for touch in first[: len(first) // 2 + extra]:
        world.report(touch.id, Outcome.FAILED if what == "failed" else Side.UNSUBSCRIBED)
    told: list[str] = []
    world.room.tell = told.append
    world.advance(T0 + 2 * HOUR)
    campaign, wave = wave_row(world)
    assert [text.endswith("its ramp's alarm paused the campaign") for text in told] == ([True] if rings else [])
    if not rings:
        assert (campaign.state, wave.alarm, len(sent(world))) == ("running", None, PEOPLE)
        return
    assert (campaign.state, wave.ramp_passed) == ("paused", None)
    assert wave.alarm.startswith(f"{len(first) // 2 + 1} of {len(first)} messages ")
    assert audited(world)[-2:] == ["alarm", "paused"]
    for later in (3 * HOUR, 4 * DAY):
        world.advance(T0 + later)
        assert len(sent(world)) == len(first)
    assert wave_row(world)[1].state == "open", "paused, it does not close either"


def test_past_the_alarm_the_rest_goes_when_a_person_says_so(world: World) -> None:
    first = opened(world)
    for touch in first:
        world.report(touch.id, Outcome.FAILED)
    world.advance(T0 + 2 * HOUR)
    with pytest.raises(CampaignError, match="the alarm of wave notice rang"):
        resume(world.room, "test", "catch-up", "tester", T0 + 3 * HOUR)
    resume(world.room, "test", "catch-up", "tester", T0 + 3 * HOUR, past_alarm=True)
    world.advance(T0 + 3 * HOUR)
    assert len(world.outbox("sms")) == len(sent(world)) == PEOPLE


def test_a_wave_whose_alarm_stands_closes_after_it_was_resumed(world: World) -> None:
    first = opened(world)
    for touch in first:
        world.report(touch.id, Outcome.FAILED)
    world.advance(T0 + 2 * HOUR)
    world.advance(T0 + 4 * DAY)
    assert wave_row(world)[1].state == "open"
    resume(world.room, "test", "expire", "tester", T0 + 4 * DAY, past_alarm=True)
    world.advance(T0 + 4 * DAY)
    assert wave_row(world)[1].state == "closed"
    assert len(sent(world)) == len(first)


def test_a_message_that_waits_holds_the_rest_back(world: World) -> None:
    """Two of the first part live where it is night at the opening, so that the hold counts from their hour."""
    (world.config / "rules" / "hours.yaml").write_text(hours_yaml(messages=NINE_TO_NINE))
    put(
        world.ledger,
        [
            reachable(
                n,
                ["sms"],
                zones=NEW_YORK[0] if n % 2 else "Europe/London",
                jurisdictions=NEW_YORK[1] if n % 2 else "GB",
            )
            for n in range(PEOPLE)
        ],
    )
    world.start(ramped())
    world.advance(T0)  # 09:00 in London, 04:00 in New York
    early = len(sent(world))
    world.advance(T0 + 3 * HOUR)
    assert len(sent(world)) == early, "the first part has New Yorkers who sleep"
    world.advance(T0 + 5 * HOUR)  # 09:00 in New York
    first = len(sent(world))
    assert early < first < PEOPLE // 2
    world.advance(T0 + 7 * HOUR - MINUTE)
    assert len(sent(world)) == first
    world.advance(T0 + 7 * HOUR)
    assert len(sent(world)) == PEOPLE


NEW_YORK = ("America/New_York", "US US-NY")
NINE_TO_NINE = '{mon_fri: ["09:00", "21:00"], sat: ["09:00", "21:00"], sun: ["09:00", "21:00"], holiday: inherit}'


def test_a_first_part_of_nobody_passes(world: World) -> None:
    put(world.ledger, [reachable(number, ["sms"]) for number in range(5)])
    world.start(ramped("{first: 0.01%, hold: 2h}"))
    world.advance(T0)
    assert sent(world) == set()
    world.advance(T0 + 2 * HOUR)
    assert len(sent(world)) == 5


def test_the_rest_of_a_stopped_wave_never_goes(world: World) -> None:
    first = opened(world)
    ending.stop_wave(world.room, "test", "notice", "tester", T0 + HOUR)
    for later in (2 * HOUR, 6 * HOUR, 4 * DAY):
        world.advance(T0 + later)
    assert len(sent(world)) == len(first)
    _, wave = wave_row(world)
    assert (wave.state, wave.ramp_passed) == ("closed", None)
