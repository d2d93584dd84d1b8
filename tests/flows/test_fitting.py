"""Round trip: campaigns played in a known world, a world fitted from them, the shares found again."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from config.world import World as Odds
from config.world_file import load_world, world_text
from console.demo.files import OutboxReader
from flows.crowd import Crowd
from flows.fitting import fit
from flows.play import Play
from flows.rehearsal import Straight
from tests.builders import DAY, T0, TYPES, World, make_world, plan_text, put, reachable
from tests.worlds import write_world
from waves.errors import CampaignError

WORLD = """\
channels:
  email: {bounced_hard: 0.06, bounced_soft: 0.08, silent: 0.12, seen: 0.5, seen_as: read, clicked: 0.3,
          unsubscribed: 0.04, hours: {9: 1.6, 10: 0.4}}
  sms: {bounced_soft: 0.1, silent: 0.05, seen: 1, clicked: 0.2, replied: 0.1}
calls:
  invalid_number: 0.06
  wrong_number: 0.04
  answers: {right_party: 0.5, no_answer: 0.3, machine: 0.2}
  attempts: {2: {right_party: 0.2, no_answer: 0.8}}
  says: {sale: 0.3, not_interested: 0.7}
  ring_s: 20
  talk_s: 100
  wrap_s: 40
conversions: {engaged: 0.5, unprompted: 0.1, value: {median: 80, spread: 0.5, currency: EUR}}
agents: {days: [mon, tue, wed, thu, fri, sat, sun], capacity: {teams: {north: 40}, hours: 8, handle_time: 2m}}
delays: {delivered: 60s, seen: 1h, answered: 5m, converted: 2h}
"""
WAVES = """\
  - {wave: mail, channels: [email], message: hello, release: 3h, listen: 3d}
  - {wave: text, channels: [sms], message: hello, release: 3h, listen: 2d}
  - {wave: call, channels: [call_list], listen: 1d}
  - {wave: again, channels: [call_list], enter: call.missed, listen: 1d}
"""
PEOPLE = 2500


def play(folder: Path, people: int, url: str | None = None) -> World:
    """A campaign that was played to its end in the known world; half of its people live an hour further east."""
    world = make_world(folder / "home", url)
    zones = ("Europe/London", "Europe/Paris")
    put(world.ledger, [reachable(n, ("email", "sms", "call_list"), zones=zones[n % 2]) for n in range(people)])
    # A goal that no disposition meets: a sale on the phone is not yet a renewal.
    name = world.start(plan_text(WAVES).replace(", dispositions: [sale]", ""), T0 - DAY)
    played = Play(world.room, Crowd(write_world(folder, WORLD), "UTC", 3), name, Straight(world.room), world.advance)
    played.look = OutboxReader(played, world.room.settings.home / "outbox")
    played.run()
    return world


@pytest.fixture(scope="module")
def past(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    world = play(tmp_path_factory.mktemp("past"), PEOPLE)
    yield world
    world.ledger.close()


@pytest.fixture(scope="module")
def fitted(past: World) -> dict[str, Any]:
    used, world = fit(past.room, [])
    assert used == ["test"]
    return world


def close(found: float, share: float, of: float) -> bool:
    """Within 4 standard deviations of the binomial: a fixed seed, so it holds or it does not, never sometimes."""
    return abs(found - share) <= 4 * math.sqrt(share * (1 - share) / of) + 1e-4


ALIVE = PEOPLE * 0.94
ARRIVED = ALIVE * 0.8
ANSWERS = {"right_party": 0.5, "no_answer": 0.3, "machine": 0.2}


@pytest.mark.parametrize(
    ("channel", "key", "share", "of"),
    [
        ("email", "refused", 0, 1),
        ("email", "bounced_hard", 0.06, PEOPLE),
        ("email", "bounced_soft", 0.08, ALIVE),
        ("email", "silent", 0.12, ALIVE),
        ("email", "seen", 0.5, ARRIVED),  # half of them at 1.6, half at 0.4 of it
        ("email", "clicked", 0.3, ARRIVED * 0.5),
        ("email", "unsubscribed", 0.04, ARRIVED * 0.5),
        ("sms", "bounced_hard", 0, 1),
        ("sms", "bounced_soft", 0.1, PEOPLE),
        ("sms", "silent", 0.05, PEOPLE),
        ("sms", "clicked", 0.2, PEOPLE * 0.85),
        ("sms", "replied", 0.1, PEOPLE * 0.85),
    ],
)
def test_messages(fitted: dict[str, Any], channel: str, key: str, share: float, of: float) -> None:
    assert close(fitted["channels"][channel][key], share, of), fitted["channels"][channel]


def test_hours_are_told_apart_and_drawn_towards_the_mean(fitted: dict[str, Any]) -> None:
    hours = fitted["channels"]["email"]["hours"]
    assert set(hours) == {"9", "10"}
    assert 1.4 < hours["9"] < 1.62
    assert 0.38 < hours["10"] < 0.6


def test_calls(fitted: dict[str, Any]) -> None:
    calls = fitted["calls"]
    first = PEOPLE * 0.9
    assert close(calls["invalid_number"], 0.06, PEOPLE)
    assert close(calls["wrong_number"], 0.04, PEOPLE)
    assert all(close(calls["answers"][word], share, first) for word, share in ANSWERS.items())
    assert close(calls["attempts"][2]["right_party"], 0.2, first * 0.5)
    assert close(calls["says"]["sale"], 0.3, first * 0.5)
    assert [calls[key] for key in ("ring_s", "talk_s", "wrap_s")] == pytest.approx([20, 100, 40], rel=0.05)


def test_conversions_and_their_worth(fitted: dict[str, Any]) -> None:
    made = fitted["conversions"]
    assert close(made["engaged"], 0.5, PEOPLE * 0.3)
    assert close(made["unprompted"], 0.1, PEOPLE * 0.4)
    assert made["after_sale"] < 0.05
    assert made["value"]["median"] == pytest.approx(80, rel=0.1)
    assert made["value"]["spread"] == pytest.approx(0.5, rel=0.1)
    assert made["value"]["currency"] == "EUR"


def test_delays(fitted: dict[str, Any]) -> None:
    seconds = {name: int(text.removesuffix("s")) for name, text in fitted["delays"].items()}
    assert seconds["delivered"] == pytest.approx(60, rel=0.1)
    assert seconds["seen"] == pytest.approx(3600, rel=0.15)


def test_what_is_written_is_read_again(fitted: dict[str, Any], tmp_path: Path) -> None:
    path = tmp_path / "fitted.yaml"
    path.write_text(world_text(fitted, "Fitted in a test."))
    assert load_world(path, TYPES).world == Odds.model_validate(fitted)


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_both_databases_tell_the_same(ledger_url: str, tmp_path: Path) -> None:
    worlds = []
    for name, url in (("sqlite", None), ("postgresql", ledger_url)):
        (tmp_path / name).mkdir()
        world = play(tmp_path / name, 150, url)
        worlds.append(fit(world.room, ["test"])[1])
        world.ledger.close()
    assert worlds[0] == worlds[1]


def test_nothing_to_learn_from_is_said(lone: World) -> None:
    with pytest.raises(CampaignError, match="no campaign has finished yet"):
        fit(lone.room, [])
    with pytest.raises(CampaignError, match="there is no campaign 'tset'"):
        fit(lone.room, ["tset"])
    put(lone.ledger, [reachable(1)])
    lone.start(now=T0 - DAY)
    with pytest.raises(CampaignError, match="nothing was sent or called by test"):
        fit(lone.room, ["test"])


@pytest.fixture
def lone(tmp_path: Path, sqlite_url: str) -> Iterator[World]:
    world = make_world(tmp_path / "home", sqlite_url)
    yield world
    world.ledger.close()
