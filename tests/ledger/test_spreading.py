"""Catching up at a stated rate: evenly spaced, within hours, no burst at night nor when the hours begin."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import Connection

from flows.resuming import resume
from ledger import campaigns, pausing, spreading
from ledger.spreading import Spread
from tests.builders import World, make_world, plan_text, put, reachable, write_config
from tests.hours_rows import hours_yaml
from tests.steps import hold_back
from waves.errors import CampaignError
from waves.outcomes import State

DAYTIME = '{mon_fri: ["09:00", "20:00"], sat: ["09:00", "20:00"], sun: ["09:00", "20:00"], holiday: inherit}'
PLAN = "  - {wave: notice, channels: [sms], message: hello, release: 3d, listen: 1d}\n"
PEOPLE, EACH = 60, timedelta(seconds=3)
RATE = 20 / 60


def at(text: str) -> datetime:
    return datetime.fromisoformat(f"2026-12-{text}").replace(tzinfo=UTC)


def paused(home: Path, url: str, opens: datetime, zones: tuple[str, ...], plan: str = PLAN) -> World:
    """A wave opened by day, then paused before anything of it was sent."""
    world = make_world(home, url, batch_size=16)
    write_config(world.config, hours=hours_yaml(messages=DAYTIME))
    put(world.ledger, [reachable(n, zones=zones[n % len(zones)]) for n in range(PEOPLE)])
    world.start(plan_text(plan, starts=opens), now=opens)
    hold_back(world, "notice", now=opens)
    with world.ledger.write() as connection:
        campaigns.set_state(connection, "test", "paused", ("running",), "ann", opens)
    return world


def caught_up(world: World, now: datetime, rate: float = RATE) -> Spread:
    world.now = now
    found = resume(world.room, "test", "catch-up", "ann", now, rate=rate).spread
    assert found is not None
    return found


def places(world: World) -> list[datetime]:
    return sorted(row.not_before for row in world.touches("notice", state=int(State.QUEUED)))


def sent(world: World, now: datetime) -> int:
    world.advance(now)
    return len(world.outbox("sms"))


@pytest.mark.parametrize(
    ("resumed", "zones", "first"),
    [
        ("01 10:00", ("Europe/London",), "01 10:00"),
        ("01 22:30", ("Europe/London",), "02 09:00"),
        ("01 19:59", ("Europe/London",), "01 19:59"),
        ("01 23:00", ("Europe/London", "America/New_York"), "01 23:00"),
        ("02 03:00", ("Asia/Tokyo", "Europe/London", "America/Los_Angeles"), "02 03:00"),
    ],
    ids=["by day", "at night", "as the day ends", "day there, night here", "three places"],
)
def test_what_came_due_stands_in_one_line(
    tmp_path: Path, ledger_url: str, resumed: str, zones: tuple[str, ...], first: str
) -> None:
    world = paused(tmp_path / "home", ledger_url, at("01 09:00"), zones)
    found = caught_up(world, at(resumed))
    line = places(world)
    assert (line[0], len(line)) == (at(first), PEOPLE)
    assert min(later - one for one, later in pairwise(line)) >= EACH
    assert found == Spread(line[-1], 0)
    for row in world.touches("notice"):
        zone = zones[int(row.key.removeprefix("c")) % len(zones)]
        assert 9 <= row.not_before.astimezone(ZoneInfo(zone)).hour < 20
    world.ledger.close()


def test_each_goes_at_its_place_and_none_at_night(tmp_path: Path, ledger_url: str) -> None:
    world = paused(tmp_path / "home", ledger_url, at("01 09:00"), ("Europe/London",))
    caught_up(world, at("01 19:59"))
    moments = ("01 19:59", "01 19:59:30", "01 19:59:54", "01 20:00", "02 03:00", "02 09:00", "02 09:01")
    first, half, most, night, late, morning, minute = (sent(world, at(moment)) for moment in moments)
    assert (first, half, most) == (1, 11, 19)
    assert night == late == most
    assert morning <= most + 2  # the one that would have left as the hours ended, and the first of the day
    assert minute == morning + 20
    assert sent(world, at("02 10:00")) == PEOPLE
    assert sent(world, at("06 10:00")) == PEOPLE
    world.ledger.close()


def test_who_has_no_place_before_the_wave_ends_expires(tmp_path: Path, ledger_url: str) -> None:
    plan = PLAN.replace("release: 3d", "release: 2h")
    world = paused(tmp_path / "home", ledger_url, at("01 09:00"), ("Europe/London",), plan)
    found = caught_up(world, at("01 10:30"), rate=1 / 60)
    assert found.too_late == PEOPLE - 30
    for minute in range(30, 60):
        sent(world, at(f"01 10:{minute}"))
    world.advance(at("03 10:00"))
    assert len(world.touches("notice", state=int(State.SENT))) == 30
    assert len(world.touches("notice", state=int(State.EXPIRED))) == PEOPLE - 30
    world.ledger.close()


def test_a_catch_up_that_was_cut_short_keeps_to_its_rate(
    tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some stand in line already; whoever resumes again counts them in, and nobody goes before his first place."""
    world = paused(tmp_path / "home", ledger_url, at("01 09:00"), ("Europe/London",))
    take, parts = pausing.take_places, list[int]()

    def cut_short(connection: Connection, campaign: int, places: Mapping[int, int]) -> None:
        parts.append(len(places))
        if len(parts) > 2:
            raise KeyboardInterrupt
        take(connection, campaign, places)

    with monkeypatch.context() as patched:
        patched.setattr(spreading, "AT_ONCE", 16)
        patched.setattr(pausing, "take_places", cut_short)
        with pytest.raises(KeyboardInterrupt):
            caught_up(world, at("01 10:00"))
    first = {row.id: row.not_before for row in world.touches("notice") if row.not_before > at("01 10:00")}
    assert len(first) == 2 * 16 - 1  # the first of the line goes at once
    assert sent(world, at("01 10:01")) == 0
    with pytest.raises(CampaignError, match="half caught up"):  # who has a place no longer is what came due
        resume(world.room, "test", "expire", "ann", at("01 10:01"))
    caught_up(world, at("01 10:01"))
    line = places(world)
    assert (line[0], len(line)) == (at("01 10:01"), PEOPLE)
    assert min(later - one for one, later in pairwise(line)) >= EACH
    again = {row.id: row.not_before for row in world.touches("notice")}
    assert all(again[touch] >= place for touch, place in first.items())
    assert [sent(world, at(moment)) for moment in ("01 10:01", "01 10:02", "01 10:10")] == [1, 21, PEOPLE]
    world.ledger.close()
