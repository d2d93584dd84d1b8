"""Long work on a large ledger goes range by range: it is cut anywhere, resumed, and lets others in between."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from sqlalchemy import select

from flows import starting
from flows.campaign import anything_due
from flows.running import load_running, opening_of
from flows.wave import enrol_wave, open_wave
from ledger import campaigns, enrol, freeze
from ledger import tables as t
from ledger.store import open_ledger
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.steps import suppress, verdict_words
from waves.errors import CampaignError

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 8h, listen: 1d}\n"
PEOPLE = 35


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    world = make_world(tmp_path / "home", ledger_url, enrol_range=10)
    yield world
    world.ledger.close()


@pytest.fixture
def lite(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    world = make_world(tmp_path / "home", sqlite_url, enrol_range=10)
    yield world
    world.ledger.close()


def approved(world: World, text: str) -> Any:
    bundle = world.bundle(text)
    with world.ledger.write() as connection:
        campaigns.approve(connection, "test", bundle.digest, "tester", T0)
    return bundle


def half_started(world: World, text: str = plan_text(SMS), ranges: int = 2) -> Any:
    """A campaign whose start was killed after so many ranges of ten customers."""
    bundle = approved(world, text)
    new = starting._new_campaign(bundle, starting._known_types(world.room, bundle))
    choose = starting._chosen(world.room, bundle, new.types, T0)
    with world.ledger.write() as connection:
        row = freeze.begin_start(connection, new, "tester", T0)
    for _ in range(ranges):
        with world.ledger.write() as connection:
            assert freeze.freeze_range(connection, row.id, new, choose, 10) == freeze.Frozen(10, False)
    return bundle


def members(world: World) -> list[str]:
    m, c = t.member.c, t.customer.c
    with world.ledger.read() as connection:
        return list(connection.scalars(select(c.key).join(t.member, m.customer == c.id).order_by(c.id)))


EVERYBODY = [f"c{n}" for n in range(PEOPLE)]


def test_a_start_that_was_killed_sends_nothing_until_advance_ends_it(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(PEOPLE)])
    half_started(world)
    running = load_running(world.ledger, "test")
    assert (running.state, len(members(world)), world.outbox("sms")) == ("starting", 20, [])
    with world.ledger.read() as connection:
        assert campaigns.find(connection, "test").frozen_to == 20
    assert anything_due(world.room, T0 - DAY)
    world.advance(T0 - HOUR)
    assert (load_running(world.ledger, "test").state, members(world)) == ("running", EVERYBODY)
    assert world.outbox("sms") == []
    world.advance(T0)
    assert len({line["to"] for line in world.outbox("sms")}) == len(world.outbox("sms")) == PEOPLE


def test_start_again_ends_a_start_that_was_killed(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(PEOPLE)])
    bundle = half_started(world)
    assert starting.start(world.room, bundle, "another", T0 + DAY)[1] == PEOPLE
    assert (members(world), load_running(world.ledger, "test").started_at) == (EVERYBODY, T0)
    with pytest.raises(CampaignError, match="already started"):
        starting.start(world.room, bundle, "another", T0 + DAY)


def test_another_text_does_not_take_over_a_start(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(PEOPLE)])
    half_started(lite)
    other = approved(lite, plan_text(SMS, holdout="5%"))
    with pytest.raises(CampaignError, match="already started"):
        starting.start(lite.room, other, "tester", T0)


def test_customers_are_judged_range_by_range(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(PEOPLE)])
    half_started(world)
    profile = t.profile_table({"age": "integer"})
    with world.ledger.write() as connection:  # both lose what made them members: one of them is one already
        connection.execute(profile.update().where(profile.c.customer.in_([5, 25])).values(age=-1))
    put(world.ledger, [reachable(PEOPLE)])
    world.advance(T0 - HOUR)
    assert members(world) == [key for key in [*EVERYBODY, f"c{PEOPLE}"] if key != "c24"]


def test_a_start_can_be_aborted(lite: World) -> None:
    put(lite.ledger, [reachable(n) for n in range(PEOPLE)])
    bundle = half_started(lite)
    with lite.ledger.write() as connection:
        with pytest.raises(CampaignError, match="test is starting"):
            campaigns.set_state(connection, "test", "paused", ("running",), "tester", T0)
        campaigns.abort(connection, "test", "tester", T0)
    assert not anything_due(lite.room, T0)
    lite.advance(T0)
    assert (len(members(lite)), lite.outbox("sms")) == (20, [])
    with pytest.raises(CampaignError, match="already started"):
        starting.start(lite.room, bundle, "tester", T0)


def test_a_plan_for_the_remainder_of_another_starts_in_ranges(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(PEOPLE)])
    audience = "audience: {campaign: one, wave: notice, who: got}"
    world.start(plan_text(SMS, name="one"))
    world.advance(T0)
    world.advance(T0 + 3 * DAY)
    world.now = T0
    text = plan_text(SMS.replace("notice", "sorry"), starts=T0 + 4 * DAY).replace("segment: everybody", audience)
    world.start(text)
    m = t.member.c
    with world.ledger.read() as connection:
        second = campaigns.find(connection, "test").id
        found = connection.scalars(select(m.customer).where(m.campaign == second).order_by(m.customer)).all()
    assert found == list(range(1, PEOPLE + 1))


def test_ranges_of_any_length_enrol_the_same(world: World) -> None:
    put(world.ledger, [reachable(n) for n in range(PEOPLE)])
    world.start(plan_text(SMS))
    running = load_running(world.ledger, "test")
    assert open_wave(world.room, running, running.plan.waves[0], T0)
    running = load_running(world.ledger, "test")
    opening = opening_of(running, running.plan.waves[0], T0, 4, 10)
    done, sizes = False, iter((10, 2, 1, 20, 10, 10))
    while not done:
        with world.ledger.write() as connection:
            done = enrol.enrol_range(connection, replace(opening, range_size=next(sizes)))
    assert verdict_words(world, "notice") == dict.fromkeys(sorted(EVERYBODY), "go")
    touches = world.touches("notice")
    assert [row.key for row in touches] == EVERYBODY
    batches = [row.batch for row in touches]
    assert max(batches.count(batch) for batch in batches) == 4
    world.advance(T0)
    assert len({line["to"] for line in world.outbox("sms")}) == len(world.outbox("sms")) == PEOPLE


def test_a_suppression_gets_in_while_a_wave_is_enrolled(tmp_path: Path, ledger_url: str) -> None:
    """The last customer is suppressed after the enrolment began: their verdict says so. The wait is printed."""
    people = 1_500
    world = make_world(tmp_path / "home", ledger_url, enrol_range=15)
    put(world.ledger, [reachable(n, ("sms",)) for n in range(people)])
    world.start(plan_text(SMS))
    running = load_running(world.ledger, "test")
    wave = running.plan.waves[0]
    assert open_wave(world.room, running, wave, T0)
    running = load_running(world.ledger, "test")
    other = open_ledger(ledger_url)
    writer = World(replace(world.room, ledger=other), world.config, T0)

    def enrolled_to() -> int:
        with other.read() as connection:
            return int(connection.scalar(select(t.wave.c.enrolled_to)) or 0)

    with ThreadPoolExecutor(1) as pool:
        enrolling = pool.submit(enrol_wave, world.room, running, wave, T0)
        while not enrolled_to() and not enrolling.done():
            Event().wait(0.005)
        asked = time.monotonic()
        suppress(writer, f"c{people - 1}", "sms")
        sys.stdout.write(f"suppressed {time.monotonic() - asked:.3f} s after it was asked for\n")
        reached = enrolled_to()
        enrolling.result()
    assert 0 < reached < people
    words = verdict_words(world, "notice")
    assert (words[f"c{people - 1}"], words["c0"], len(words)) == ("no_consent", "go", people)
    other.close()
    world.ledger.close()
