"""The engine's loop without Prefect: steps of a simulated clock, trouble that passes, and an end that was asked for."""

from __future__ import annotations

import logging
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.alerts import Alerts
from flows.driver import last_advance
from flows.engine import Engine, Steps, where
from flows.up import Child, Supervisor
from flows.watchdog import Watchdog
from tests.builders import DAY, HOUR, T0, World, make_world


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    made.ledger.set_now(T0)
    yield made
    made.ledger.close()


def run(world: World, until: timedelta, heard: Callable[[Engine, dict[str, Any]], None]) -> list[str]:
    """What an engine says of steps of six hours."""
    said: list[str] = []

    def say(line: dict[str, Any]) -> None:
        said.append(line.get("now") or line["what"])
        heard(engine, line)

    engine = Engine(world.room, say, threading.Event(), Steps(6 * HOUR, T0 + until))
    engine.run()
    return said


def hours_of(said: list[str]) -> list[str]:
    return [line[5:13] for line in said]


def test_it_steps_to_the_end(world: World) -> None:
    assert hours_of(run(world, DAY - HOUR, lambda *_: None)) == [
        "12-01T09",
        "12-01T15",
        "12-01T21",
        "12-02T03",
        "12-02T08",
    ]
    assert world.ledger.now() == T0 + 23 * HOUR
    assert last_advance(world.room) == (T0 + 23 * HOUR, 0)


def test_begun_again_at_its_end_it_only_looks(world: World) -> None:
    assert hours_of(run(world, timedelta(), lambda *_: None)) == ["12-01T09"]


def test_asked_to_stop_it_stops_where_it_is_and_goes_on_there(world: World) -> None:
    def heard(engine: Engine, line: dict[str, Any]) -> None:
        if line["now"].startswith("2026-12-01T15"):
            engine.ask_to_stop()

    assert hours_of(run(world, DAY, heard)) == ["12-01T09", "12-01T15"]
    world.room.stopping = False
    assert hours_of(run(world, DAY, lambda *_: None)) == ["12-01T21", "12-02T03", "12-02T09"]


def test_a_ledger_that_fails_is_trouble_and_no_end(world: World) -> None:
    def rename(before: str, after: str) -> None:
        with world.ledger.write() as connection:
            connection.exec_driver_sql(f"ALTER TABLE {before} RENAME TO {after}")

    def heard(_engine: Engine, line: dict[str, Any]) -> None:
        if line["event"] == "trouble":
            rename("campaigns_lost", "campaign")
        elif line["now"].startswith("2026-12-01T15"):
            rename("campaign", "campaigns_lost")

    first, second, trouble, *rest = run(world, DAY, heard)
    assert hours_of([first, second]) == ["12-01T09", "12-01T15"]
    assert "does not answer: no such table: campaign" in trouble
    assert hours_of(rest) == ["12-01T21", "12-02T03", "12-02T09"]


def test_an_error_that_nobody_foresaw_is_told_without_its_message() -> None:
    with pytest.raises(KeyError) as caught:
        {}["+12015550100"]
    told = where(caught.value)
    assert told.startswith("KeyError < test_up_engine.py:")
    assert "5550100" not in told


def test_a_line_that_a_kill_cut_off_is_left_out(tmp_path: Path) -> None:
    heard = Supervisor(tmp_path, Watchdog(1.0, 0.0), Alerts([], print), logging.getLogger("test"))
    words = """import os; os.write(1, b'{"event": "worked"}\\n{"eve'); os._exit(3)"""
    child = subprocess.Popen([sys.executable, "-c", words], stdout=subprocess.PIPE)
    heard.listen("engine", child)
    assert heard.inbox.get(timeout=0) == ("said", {"event": "worked"})
    assert heard.inbox.get(timeout=0) == ("engine", 3)
    assert heard.inbox.empty()


def test_a_child_that_keeps_dying_is_begun_ever_later() -> None:
    child = Child("engine", lambda: None, due=0.0)  # type: ignore[arg-type, return-value]
    assert [child.ended(0.0) for _ in range(9)] == [0, 1, 2, 4, 8, 16, 32, 60, 60]
    child.deaths = 0
    assert child.ended(7.0) == 0
    assert child.due == 7.0
