"""The health of senders: who carries a channel, and what stops the others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from console.sender_tables import sentence, show_senders
from console.show import plain
from flows.sender_health import SenderHealth, sender_health
from ledger.kill_switches import switch_on
from ledger.pace import hold
from tests.builders import World, make_world
from waves.senders import Sender


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home", providers={"sms": ["main", "spare"]})
    made.room.senders = {name: Sender(sender=name, channel="sms", provider="http") for name in ("main", "spare")}
    yield made
    made.ledger.close()


def told(world: World) -> dict[str, tuple[bool, str, str | None]]:
    return {one.sender: (one.carries, one.state, one.why) for one in sender_health(world.room, world.now)}


def test_the_first_carries_and_the_other_stands_by(world: World) -> None:
    assert told(world) == {"main": (True, "works", None), "spare": (False, "works", None)}
    found = sender_health(world.room, world.now)
    assert [sentence(one)[:2] for one in found] == [
        ("ok", "main (first for sms) carries it"),
        ("ok", "spare (second for sms) stands by"),
    ]
    assert json.loads(json.dumps(found, default=plain))[0]["sender"] == "main"


def test_a_stopped_one_hands_over_and_says_why(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    until = world.now + timedelta(minutes=10)
    with world.ledger.write() as connection:
        switch_on(connection, "sender:main", "its provider refuses it (account)", "breaker", world.now, until)
    assert told(world) == {
        "main": (False, "stopped", "its provider refuses it (account)"),
        "spare": (True, "works", None),
    }
    [main, _] = sender_health(world.room, world.now)
    assert sentence(main) == (
        "warn",
        f"main (first for sms) is stopped until {until:%Y-%m-%d %H:%M:%S} UTC: its provider refuses it (account)",
        "it goes on by itself",
    )
    show_senders([main])
    assert "stopped" in capsys.readouterr().out


def test_a_provider_that_asked_to_wait_is_waited_for_alone(world: World) -> None:
    with world.ledger.write() as connection:
        hold(connection, "main", world.now + timedelta(minutes=5), "the provider asked to wait")
    assert told(world) == {
        "main": (False, "waits", "the provider asked to wait"),
        "spare": (True, "works", None),
    }


def test_nobody_carries_what_is_stopped_as_a_whole(world: World) -> None:
    with world.ledger.write() as connection:
        switch_on(connection, "channel:sms", "a test", "a test", world.now)
    assert {carries for carries, _, _ in told(world).values()} == {False}


def test_without_senders_nothing_is_shown(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    plain_world = make_world(tmp_path / "plain")
    found: list[SenderHealth] = sender_health(plain_world.room, plain_world.now)
    show_senders(found)
    assert (found, capsys.readouterr().out) == ([], "")
    plain_world.ledger.close()
