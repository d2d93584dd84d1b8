"""The file of bans: obeyed at the next tick by what waits already, kept when it cannot be read, lifted by itself."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import select

from flows.hours import BANS
from ledger import tables as t
from ledger.store import read_meta
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.steps import hold_back, touch_words
from waves.errors import PlanError

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 2d, listen: 1d}\n"
CALL = "  - {wave: calls, channels: [call_list], release: 1h, listen: 3d}\n"
BAN = """\
bans:
  - place: {place}
    from: 2026-12-01 09:00 UTC
    until: 2026-12-02 09:00 UTC
    stops: {stops}
    why: a storm
    source: an order of the prefect
"""


def write(world: World, text: str) -> None:
    (world.config / "rules" / "bans.yaml").write_text(text)


def ban(place: str = "GB", stops: str = "both") -> str:
    return BAN.format(place=place, stops=stops)


def waiting(world: World) -> None:
    """A message each that was enrolled before anybody knew of a ban."""
    people = [reachable(1), reachable(2, zones="Europe/Kyiv", jurisdictions="UA"), reachable(3, zones="Europe/Berlin")]
    put(world.ledger, people)
    world.start(plan_text(SMS))
    hold_back(world, "notice", now=T0)


def sent(world: World) -> list[str]:
    return sorted(line["name"].removeprefix("Name of ") for line in world.outbox("sms"))


@pytest.fixture
def world(ledger_url: str, tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", ledger_url)
    yield made
    made.ledger.close()


def test_a_ban_holds_within_a_tick_and_lets_go_at_its_end(world: World) -> None:
    waiting(world)
    write(world, ban())
    world.advance(T0 + HOUR)
    assert sent(world) == ["c2"], "who may be in the place waits, with a zone of another country too"
    assert touch_words(world, "notice")["c1"] == [("sms", "queued", None, None)]
    world.advance(T0 + DAY - HOUR / 60)
    assert sent(world) == ["c2"]
    world.advance(T0 + DAY)
    assert sent(world) == ["c1", "c2", "c3"]
    with world.ledger.read() as connection:
        said = connection.scalars(select(t.audit.c.did)).all()
    assert said.count("bans changed") == 1


@pytest.mark.parametrize(("stops", "messages", "calls"), [("calls", [1, 2, 3], [2]), ("messages", [2], [1, 2, 3])])
def test_calls_and_messages_are_banned_apart(
    sqlite_url: str, tmp_path: Path, stops: str, messages: list[int], calls: list[int]
) -> None:
    lite = make_world(tmp_path / "home", sqlite_url)
    waiting(lite)
    lite.start(plan_text(CALL, name="dial"))
    hold_back(lite, "calls", "dial", T0)
    write(lite, ban(stops=stops))
    lite.advance(T0 + HOUR)
    assert sent(lite) == [f"c{number}" for number in messages]
    assert sorted(entry.customer for entry in lite.pull("calls", name="dial").entries) == calls
    lite.ledger.close()


def test_a_ban_that_comes_in_the_middle_of_a_tick_is_obeyed_by_the_next_batch(sqlite_url: str, tmp_path: Path) -> None:
    lite = make_world(tmp_path / "home", sqlite_url, batch_size=1)
    put(lite.ledger, [reachable(n) for n in range(4)])
    lite.start(plan_text(SMS))
    lite.room.tick = lambda what, done, due: write(lite, ban()) if what == "notice" and done == 2 else None
    lite.advance(T0)
    assert len(sent(lite)) == 2
    lite.ledger.close()


def test_a_copy_on_another_machine_that_has_not_heard_of_a_ban_does_not_lift_it(world: World, tmp_path: Path) -> None:
    write(world, "bans: []\n")
    os.utime(world.config / "rules" / "bans.yaml", (1e9, 1e9))
    home = tmp_path / "second"
    shutil.copytree(world.config, home / "config")
    settings = world.room.settings.model_copy(update={"home": home})
    second = World(replace(world.room, settings=settings, _channels={}), home / "config")
    waiting(world)
    write(world, ban())
    world.advance(T0 + HOUR)
    world.start(plan_text(SMS.replace("notice", "later"), name="later"), T0 + HOUR)
    told = list[str]()
    second.room.tell = told.append
    second.advance(T0 + 2 * HOUR)
    assert ["was saved before the bans that hold" in what for what in told] == [True]
    assert (sent(world), sent(second)) == (["c2"], ["c2"])
    write(second, "bans: []\n")
    second.advance(T0 + 3 * HOUR)
    world.advance(T0 + 4 * HOUR)
    world.start(plan_text(SMS.replace("notice", "last"), name="last"), T0 + 4 * HOUR)
    world.advance(T0 + 4 * HOUR)
    assert sent(world) == ["c1", "c2", "c2", "c3"], "it was lifted by the file that was saved last"


BROKEN = {
    "no yaml": ("bans: [", "bans.yaml:1: broken YAML"),
    "a key that is none": (ban().replace("why:", "wy:"), "bans.yaml:6: there is no key `wy` here; write why"),
    "no such place": (ban("XX"), "bans.yaml:2: `place`: there is no jurisdiction XX"),
    "ends first": (ban().replace("2026-12-02", "2026-11-02"), "ends .* before it begins"),
    "nothing": ("", "bans.yaml:1: the file is empty"),
    "no zone": (ban().replace("09:00 UTC", "09:00"), "bans.yaml:3: `from`"),
}


@pytest.mark.parametrize("case", BROKEN)
def test_a_file_that_cannot_be_read_stops_the_sending_and_the_last_bans_hold(
    case: str, sqlite_url: str, tmp_path: Path
) -> None:
    lite = make_world(tmp_path / "home", sqlite_url)
    text, said = BROKEN[case]
    waiting(lite)
    write(lite, ban())
    lite.advance(T0 + HOUR)
    write(lite, text)
    with pytest.raises(PlanError, match=said):
        lite.advance(T0 + 2 * HOUR)
    with lite.ledger.read() as connection:
        assert read_meta(connection, BANS) == ban()
    (lite.config / "rules" / "bans.yaml").unlink()
    lite.advance(T0 + 3 * HOUR)
    assert sent(lite) == ["c2"], "a file that is gone lifts nothing"
    write(lite, "bans: []\n")
    lite.start(plan_text(SMS.replace("notice", "later"), name="later"), T0 + 4 * HOUR)
    lite.advance(T0 + 4 * HOUR)
    assert sent(lite) == ["c1", "c2", "c2", "c3"], "what was put off waits for the end that the ban had"
    lite.ledger.close()


def test_a_ban_is_in_the_dry_run_as_in_the_run(world: World) -> None:
    put(world.ledger, [reachable(1), reachable(2, zones="Europe/Kyiv", jurisdictions="UA")])
    write(world, ban("UA"))
    text = plan_text(SMS.replace("2d", "6h"))
    predicted = world.forecast(text, T0).waves[0].verdicts
    world.start(text)
    world.advance(T0)
    assert predicted == {"go": 1, "no_legal_hour": 1}
    assert sorted(word[0][1] for word in touch_words(world, "notice").values()) == ["sent"]
