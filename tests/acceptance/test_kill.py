"""`advance` is killed at different moments and run again: nobody is asked twice, nobody is lost, doubt is told."""

from __future__ import annotations

import json
import sqlite3
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from filelock import FileLock

from tests.acceptance.program import Program, kill, printed
from tests.acceptance.server import Server
from tests.acceptance.test_private import SECRETS, cells
from tests.acceptance.town import CAMPAIGN, T0, townspeople, write_config

pytestmark = pytest.mark.acceptance
CHUNK = 40
CHANNELS = ("web_push", "sms", "email")
SMALL = {"MULTIWAVE_BATCH_SIZE": str(CHUNK), "MULTIWAVE_ENROL_RANGE": "60"}
WAVES = """\
waves:
  - wave: push
    channels: [web_push, {first_of: [sms, email]}]
    message: calm
    release: 2h
    listen: 2d
"""
STATES = ["queued", "claimed", "sent", "listed", "refused", "expired", "withdrawn", "in_doubt"]
Moment = Callable[[Program], bool]


@dataclass
class Killed:
    """What the ledger and the outbox held after each kill, and at the end."""

    program: Program
    held: dict[str, Counts] = field(default_factory=dict)
    ended: Any = None
    closed: Any = None
    named: list[dict[str, Any]] = field(default_factory=list)
    """Who was in doubt at the end, as `status` names them."""


@dataclass(frozen=True)
class Counts:
    """Touches by state as the dead program left them, and the outbox lines of that moment."""

    wave: str
    states: dict[str, int]
    lines: int


def lines(program: Program) -> list[dict[str, Any]]:
    return [line for channel in CHANNELS for line in program.outbox(channel)]


def counts(program: Program) -> Counts:
    wave = program.rows("SELECT state FROM wave").state[0]
    states = program.rows("SELECT state, count(*) AS n FROM touch GROUP BY state").set_index("state").n
    return Counts(wave, {STATES[code]: int(n) for code, n in states.items()}, len(lines(program)))


def kill_when(program: Program, moment: Moment, *words: object, **settings: str) -> Counts:
    """Start `advance`, kill it at a moment, and see what it left."""
    child = program.begin("advance", *words, **settings)
    try:
        while not moment(program):
            with suppress(subprocess.TimeoutExpired):
                assert child.wait(0.005) is None, "it ended before the moment came"
    finally:
        kill(child)
    return counts(program)


def enrolling(program: Program) -> bool:
    row = program.rows("SELECT state, enrolled_to FROM wave").iloc[0]
    return bool(row.state == "enrolling" and row.enrolled_to > 0)


def claimed(program: Program) -> bool:
    return counts(program).states.get("claimed", 0) > 0


def claimed_anew(program: Program) -> bool:
    """The last kill's claims are swept up, and new ones made."""
    states = counts(program).states
    return states.get("in_doubt", 0) > 0 and states.get("claimed", 0) > 0


@contextmanager
def nobody_writes(program: Program) -> Iterator[FileLock]:
    """Hold the outbox as another sender would, so that the program stands between its claim and its send."""
    (program.home / "outbox").mkdir(mode=0o700, exist_ok=True)
    with ExitStack() as held:
        for channel in CHANNELS:
            held.enter_context(FileLock(program.home / "outbox" / f".{channel}.lock"))
        yield held


def sent_and_not_settled(program: Program, settings: dict[str, str]) -> Counts:
    """Kill it after the messages are out and before the ledger hears of them."""
    before = len(lines(program))
    child = program.begin("advance", **settings)
    try:
        with closing(sqlite3.connect(program.home / "ledger.db", isolation_level=None, timeout=60)) as ledger:
            with nobody_writes(program):
                while not claimed_anew(program):
                    with suppress(subprocess.TimeoutExpired):
                        assert child.wait(0.005) is None, "it ended before it claimed"
                ledger.execute("BEGIN IMMEDIATE")
            while len(lines(program)) == before:
                with suppress(subprocess.TimeoutExpired):
                    assert child.wait(0.005) is None, "it ended before it sent"
            kill(child)
    finally:
        kill(child)
    return counts(program)


@pytest.fixture(scope="module")
def killed(tmp_path_factory: pytest.TempPathFactory, server: Server) -> Killed:
    """One wave, killed four times on its way over the session's Prefect, and led to its end over one of its own."""
    program = Program(tmp_path_factory.mktemp("killed") / "home", SMALL, quick=True)
    program.run("init", "--simulated-clock")
    write_config(program.home / "config")
    plan = program.home / "config" / "plans" / "spring.yaml"
    plan.write_text(plan.read_text().partition("waves:")[0] + WAVES)
    (program.home / "config" / "segments" / "ending_soon.yaml").write_text(
        "segment: ending_soon\ntitle: All\nwhere: age >= 0 or age is null\n"
    )
    townspeople().to_csv(program.home.parent / "people.csv", index=False)
    program.run("advance", "--now", T0.isoformat())
    program.run("customers", "import", program.home.parent / "people.csv")
    program.run("approve", "spring")
    program.run("start", "spring")
    killed = Killed(program)
    held, shared = killed.held, server.settings
    held["enrolling"] = kill_when(program, enrolling, MULTIWAVE_ENROL_RANGE="6", **shared)
    with nobody_writes(program):
        held["claimed"] = kill_when(program, claimed, **shared)
    held["sent"] = sent_and_not_settled(program, shared)
    held["busy"] = kill_when(program, lambda program: len(lines(program)) > held["sent"].lines + 3 * CHUNK, **shared)
    program.quick = False
    program.json("advance")
    killed.ended = program.json("status", CAMPAIGN)["waves"][0]
    program.run("advance", "--now", (T0 + timedelta(days=3)).isoformat(), **shared)
    status = program.json("status", CAMPAIGN)
    killed.closed, killed.named = status["waves"][0], status["in_doubt"]
    return killed


def touches(program: Program) -> pd.DataFrame:
    """Each touch with its customer's name and channel, its state, and whether the outbox has its line."""
    rows = program.rows("SELECT c.name, t.channel, t.state FROM touch t JOIN customer c ON c.id = t.customer")
    names = program.rows("SELECT channel, min(value) AS example FROM address GROUP BY channel").set_index("channel")
    kinds = names.example.map(lambda value: "email" if "@" in value else "web_push" if "push" in value else "sms")
    rows["channel"] = rows.channel.map(kinds)
    rows["state"] = rows.state.map(dict(enumerate(STATES)))
    sent = {(line["name"], line["channel"]) for line in lines(program)}
    rows["lined"] = [key in sent for key in zip(rows.name, rows.channel, strict=True)]
    return rows


def test_it_was_killed_at_each_of_the_moments(killed: Killed) -> None:
    held = killed.held
    assert (held["enrolling"].wave, held["enrolling"].lines) == ("enrolling", 0)
    assert held["claimed"].states["claimed"] > 0
    assert held["claimed"].lines == 0
    assert held["sent"].states["claimed"] > 0
    assert 0 < held["sent"].lines <= held["sent"].states["claimed"]
    assert held["busy"].states["queued"] > 0


def test_at_most_one_chunk_is_in_doubt_for_each_kill(killed: Killed) -> None:
    held = [found.states.get("claimed", 0) for found in killed.held.values()]
    assert held[0] == 0
    assert max(held) <= CHUNK
    doubted = [found.states.get("in_doubt", 0) for found in killed.held.values()]
    assert doubted == [0, 0, held[1], held[1] + held[2] - killed.held["sent"].lines]
    assert killed.ended["states"]["in_doubt"] <= sum(held) - killed.held["sent"].lines


def test_nobody_is_sent_anything_twice(killed: Killed) -> None:
    keys = [(line["wave"], line["name"], line["channel"]) for line in lines(killed.program)]
    assert len(keys) == len(set(keys)) > 10 * CHUNK


def test_nobody_is_lost(killed: Killed) -> None:
    found = touches(killed.program)
    assert set(found.state) == {"sent", "in_doubt", "refused"}
    assert found[found.state == "sent"].lined.all()
    assert not found[found.state == "refused"].lined.any()
    assert len(found[found.lined]) == len(lines(killed.program))
    never_sent = found[~found.lined & (found.state == "in_doubt")]
    assert len(never_sent) >= killed.held["claimed"].states["claimed"], "nobody can know, so nobody tries again"


def test_the_books_balance_at_the_end_of_each_run(killed: Killed) -> None:
    for wave in (killed.ended, killed.closed):
        assert wave["balanced"] is True
        assert sum(wave["parts"].values()) == wave["verdicts"]["go"]
    assert killed.closed["state"] == "closed"


def test_the_outbox_is_asked_and_what_it_has_is_sent(killed: Killed) -> None:
    found = touches(killed.program)
    assert not found[found.state == "in_doubt"].lined.any()
    asked = killed.program.rows("SELECT said, decided FROM doubt")
    assert (asked.said == "accepted").sum() >= killed.held["sent"].lines
    assert (asked.said == "accepted").equals(asked.decided == "sent")


def test_who_stays_in_doubt_is_named_and_assumed_sent(killed: Killed) -> None:
    assert len(killed.named) == killed.closed["states"]["in_doubt"] == killed.ended["states"]["in_doubt"]
    assert len({(one["customer"], one["channel"]) for one in killed.named}) == len(killed.named) > 0
    assert {(one["said"], one["decided"], one["resends"]) for one in killed.named} == {("unknown", "assume_sent", 0)}


def test_the_programs_own_prefect_knows_no_person_either(killed: Killed) -> None:
    told = cells(killed.program.home / "prefect" / "prefect.db")
    assert len(told) > 50
    assert printed(told, SECRETS) == []
    assert printed(killed.program.said, SECRETS) == []
    assert json.dumps(killed.ended)
