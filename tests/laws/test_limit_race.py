"""Limits with two processes at once: nobody over the strictest limit, nobody lost, nobody forgone."""

from __future__ import annotations

import multiprocessing
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from ledger import campaigns, dial_lists, progress
from ledger.close import balance
from tests.builders import DAY, HOUR, RULES, T0, Person, World, plan_text, put, reachable
from tests.laws.racer import Contacts, Told, race
from tests.laws.rig import rig
from tests.steps import hold_back

PEOPLE = 60
MESSAGES = """\
  - {wave: wave, channels: [web_push, {first_of: [email, sms]}], message: hello, release: 2h, listen: 1h}
"""
LATER = "  - {wave: later, wait: 30d, channels: [sms], message: hello, listen: 1h}\n"
"""Keeps its campaign alive, and with it the campaign's limit."""
CALLS = "  - {wave: wave, channels: [call_list], release: 1h, listen: 2h}\n"


@dataclass(frozen=True)
class Round:
    """Two campaigns that want the same crowd, each with its own limit in 7 days and its priority."""

    limits: tuple[int | None, int | None]
    priorities: tuple[int, int] = (50, 50)
    guard: int | None = None
    """Both are enrolled before the race, and then comes a limit of a third campaign: the claims alone race."""
    queued: bool = False
    """The first is enrolled before the second is even started, so that nothing was kept for the second."""
    calls: bool = False
    """The second is a call wave whose lists are pulled while the first enrols and sends."""

    @property
    def allowed(self) -> int:
        return min(limit for limit in (*self.limits, self.guard) if limit)


ROUNDS = (
    Round((1, 1)),
    Round((1, None), (10, 90)),
    Round((None, None), guard=1),
    Round((2, None), calls=True),
    Round((1, 1), (10, 90), queued=True),
    Round((2, 3)),
    Round((None, 1), (90, 10)),
    Round((None, None), (10, 90), guard=2),
    Round((None, 1), (90, 10), calls=True),
)


@dataclass
class Race:
    """A world, and two long-lived processes that wait for their next word."""

    world: World
    lines: list[Connection]

    def run(self, told: list[Told]) -> list[Contacts]:
        for line, one in zip(self.lines, told, strict=True):
            line.send(one)
        return [line.recv() for line in self.lines]


@contextmanager
def racing(world: World, folder: Path, url: str) -> Iterator[Race]:
    """Two processes over the world's ledger, ended with it."""
    spawn = multiprocessing.get_context("spawn")
    barrier, key = spawn.Barrier(2), "a key of this test"
    pipes = [spawn.Pipe() for _ in range(2)]
    racers = [
        spawn.Process(target=race, args=(folder / f"racer{number}", url, key, theirs, barrier), daemon=True)
        for number, (_, theirs) in enumerate(pipes)
    ]
    for racer, (_, theirs) in zip(racers, pipes, strict=True):
        racer.start()
        theirs.close()
    lines = [ours for ours, _ in pipes]
    try:
        yield Race(world, lines)
        for line in lines:
            line.send(None)
        for racer in racers:
            racer.join(60)
            assert racer.exitcode == 0
    finally:
        for racer in racers:
            racer.kill()


def person(number: int) -> Person:
    """Every fifth has an e-mail address that the outbox refuses, and falls through in the middle of the race."""
    made = reachable(number)
    places = tuple((name, f"nowhere {number}" if name == "email" else value) for name, value in made.addresses)
    return replace(made, addresses=places) if number % 5 == 0 else made


def start(world: World, name: str, waves: str, limit: int | None, priority: int, now: datetime) -> None:
    head = f"priority: {priority}\n"
    if limit:
        head += f"limits: {{contacts: {limit}, within: 7d}}\n"
    world.start(plan_text(waves + LATER, name=name, starts=now).replace("waves:\n", head + "waves:\n", 1), now)


def books(world: World, name: str) -> tuple[str, dict[str, int]]:
    """(state of the campaign's one wave, its verdicts), which have to add up to its members."""
    with world.ledger.read() as connection:
        campaign = campaigns.find(connection, name)
        wave, _ = campaigns.waves_of(connection, campaign.id)
        counted = balance(connection, wave.id, campaign.id)
    assert counted.balanced, counted
    assert counted.members == PEOPLE
    return wave.state, counted.verdicts


def line_up(world: World, case: Round, names: tuple[str, str], now: datetime) -> list[Told]:
    """Start the round's campaigns and enrol what is to be enrolled before it; what each racer is told."""
    second = CALLS if case.calls else MESSAGES
    if case.queued:
        start(world, names[0], MESSAGES, case.limits[0], case.priorities[0], now)
        hold_back(world, "wave", names[0], now)
    start(world, names[1], second, case.limits[1], case.priorities[1], now)
    if case.calls:
        hold_back(world, "wave", names[1], now)
    if not case.queued:
        start(world, names[0], MESSAGES, case.limits[0], case.priorities[0], now)
    if case.guard:
        for name in names:
            hold_back(world, "wave", name, now)
        start(world, f"guard-of-{names[0]}", MESSAGES, case.guard, 0, now + 30 * DAY)
    return [Told(names[0], now), Told(names[1], now, lists=case.calls)]


def clear_away(world: World, now: datetime) -> None:
    """Lists come back and campaigns end, so that their limits bind no later round."""
    with world.ledger.write() as connection:
        for row in dial_lists.lists(connection):
            if row.returned_at is None:
                dial_lists.give_back(connection, row.id, RULES, "tester", now)
        for name in progress.live_campaigns(connection):
            campaigns.abort(connection, name, "tester", now)
    world.advance(now)


@pytest.mark.parametrize("rounds", [9, pytest.param(200, marks=pytest.mark.soak)])
def test_two_campaigns_at_the_same_moment_keep_the_limit(tmp_path: Path, ledger_url: str, rounds: int) -> None:
    world = rig(tmp_path / "home", ledger_url)
    put(world.ledger, [person(number) for number in range(PEOPLE)])
    led, barred = [0, 0], 0
    with racing(world, tmp_path, ledger_url) as both:
        for number in range(rounds):
            case, now = ROUNDS[number % len(ROUNDS)], T0 + number * 10 * DAY
            names = (f"first-{number}", f"second-{number}")
            told = line_up(world, case, names, now)
            found = both.run(told)
            contacts = Counter(name for one in found for name in one.names)
            over = {name: n for name, n in contacts.items() if n > case.allowed}
            assert not over, f"round {number}, {case}: {over}"
            assert len(contacts) == PEOPLE, f"round {number}, {case}: {PEOPLE - len(contacts)} were forgone"
            assert {books(world, name)[0] for name in names} <= {"open", "closed"}
            led[len(found[1].names) > len(found[0].names)] += 1
            barred += sum(one.barred for one in found)
            clear_away(world, now + HOUR)
    assert min(led) >= rounds // 5, f"one of the racers hardly ever came first: {led}"
    assert barred > 0, "no racer ever met the other while it was enrolling"
    world.ledger.close()
