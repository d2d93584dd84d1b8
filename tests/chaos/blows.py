"""What befalls the workers of a run: a schedule drawn from a seed, struck at random moments."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from threading import Event, Thread
from typing import Literal

from ledger import campaigns, kill_switches
from ledger.pausing import may_resume, resume
from ledger.store import Ledger
from tests.chaos import worker
from tests.chaos.checks import Halt
from tests.chaos.databases import Database
from tests.chaos.home import CAMPAIGN, Home
from tests.chaos.on_prefect import PrefectServer
from tests.chaos.rig import Sink

Kind = Literal["worker", "all", "database", "stopped", "reset", "switch", "pause", "prefect"]
KINDS: tuple[Kind, ...] = ("worker", "all", "database", "stopped", "reset", "switch", "pause", "prefect")
DEATHS: tuple[Kind, ...] = ("worker", "stopped", "all", "database", "prefect", "worker", "reset")
"""What a run too short for every kind gets, in this order."""
STOPPED_S = 12.0
"""Longer than the lease."""
RESETS = ({"fault": "accept_then_reset", "share": 0.004, "seed": 1}, {"fault": "reset_before_reading", "share": 0.004})
"""Few of them: after three of a chunk the sender rests for a minute, and the run with it."""
FORKS = multiprocessing.get_context("forkserver")


@dataclass(frozen=True, slots=True)
class Blow:
    """One of them: how long after the one before, and what."""

    after_s: float
    kind: Kind


def schedule(dice: random.Random, number: int, spared: Collection[Kind] = ()) -> list[Blow]:
    """`number` blows in a random order: each kind that is not spared once, then the commonest ones again."""
    kinds = [kind for kind in KINDS if kind not in spared]
    drawn = [kinds[i] if i < len(kinds) else dice.choice(("worker", "worker", "all", "reset")) for i in range(number)]
    if number < len(kinds):
        drawn = [kind for kind in DEATHS if kind not in spared][:number]
    dice.shuffle(drawn)
    return [Blow(dice.uniform(0.2, 1.0), kind) for kind in drawn]


@dataclass
class Crew:
    """The workers of one run."""

    home: Home
    size: int
    log: Path
    workers: list[ForkServerProcess] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    """Workers that ended by themselves."""

    def fill(self) -> None:
        """As many workers as the run has; one that ended by itself is noted."""
        FORKS.set_forkserver_preload(["tests.chaos.worker", "flows.deploy"])
        for one in [one for one in self.workers if not one.is_alive()]:
            if one.exitcode != -signal.SIGKILL:
                said = self.log.read_text("utf-8").splitlines()[-1:]
                self.broken.append(f"{one.name} ended by itself with {one.exitcode}: {' '.join(said)}")
            self.workers.remove(one)
        while len(self.workers) < self.size:
            given = (str(self.home.folder), self.home.environment, str(self.log))
            one = FORKS.Process(target=worker.forked, args=given, daemon=True)
            one.start()
            self.workers.append(one)

    def kill(self, some: list[ForkServerProcess]) -> None:
        """Signal 9 for these, and none of them comes back."""
        for one in some:
            one.kill()
        for one in some:
            one.join()

    def end(self) -> None:
        """Kill whoever is left, after noting who ended by himself."""
        self.fill()
        self.kill(self.workers)


@dataclass
class Weather:
    """Strikes the blows of a schedule, one after the other; a stopped worker lies still beside them."""

    crew: Crew
    database: Database
    sink: Sink
    ledger: Ledger
    dice: random.Random
    quiet: list[dict[str, object]]
    """The sink's rules on a quiet day."""
    prefect: PrefectServer | None = None
    """The server whose flows the workers run; None when they do without."""
    struck: Counter[str] = field(default_factory=Counter)
    halts: list[Halt] = field(default_factory=list)
    woken: list[float] = field(default_factory=list)
    """When stopped workers were let go on, by the monotonic clock."""
    hands: int = 0
    """Workers that were killed or stopped, or lost their database, with chunks in their hands."""
    asleep: list[Thread] = field(default_factory=list)

    @property
    def spared(self) -> list[Kind]:
        """What there is nothing to strike for in this run."""
        there: dict[Kind, bool] = {"database": self.database.name == "postgresql", "prefect": self.prefect is not None}
        return [kind for kind, is_there in there.items() if not is_there]

    def strike(self, blow: Blow) -> None:
        """One blow, after its pause, and what mends it."""
        Event().wait(blow.after_s)
        struck: dict[Kind, Callable[[], None]] = {
            "worker": self._worker,
            "all": self._all,
            "database": self._database,
            "stopped": self._stopped,
            "reset": self._reset,
            "switch": self._switch,
            "pause": self._pause,
            "prefect": self._prefect,
        }
        struck[blow.kind]()
        self.struck[blow.kind] += 1
        self.crew.fill()

    def calm(self) -> None:
        """Everybody who lies still has got up."""
        for thread in self.asleep:
            thread.join()

    def _worker(self) -> None:
        self.hands += 1
        self.crew.kill([self.dice.choice(self.crew.workers)])

    def _all(self) -> None:
        self.hands += len(self.crew.workers)
        self.crew.kill(self.crew.workers)

    def _database(self) -> None:
        self.hands += len(self.crew.workers)
        self.database.kill()
        self.ledger.engine.dispose()
        self.database.start()

    def _prefect(self) -> None:
        if self.prefect is not None:
            self.prefect.kill()
            Event().wait(self.dice.uniform(0, 2))
            self.prefect.start()

    def _stopped(self) -> None:
        self.hands += 1
        one = self.dice.choice(self.crew.workers)
        pid = one.pid
        if pid is None or not one.is_alive():
            return
        os.kill(pid, signal.SIGSTOP)

        def wake() -> None:
            Event().wait(STOPPED_S)
            if one.is_alive():
                self.woken.append(time.monotonic())
                os.kill(pid, signal.SIGCONT)

        self.asleep.append(Thread(target=wake))
        self.asleep[-1].start()

    def _reset(self) -> None:
        self.sink.fail(*RESETS, *self.quiet)
        Event().wait(1)
        self.sink.fail(*self.quiet)

    def _switch(self) -> None:
        with self.ledger.write() as connection:
            kill_switches.switch_on(connection, "everything", "chaos", "chaos", self.ledger.now())
        self._halted("switch")
        with self.ledger.write() as connection:
            kill_switches.lift(connection, "everything", "chaos", self.ledger.now())

    def _pause(self) -> None:
        with self.ledger.write() as connection:
            campaigns.set_state(connection, CAMPAIGN, "paused", ("running",), "chaos", self.ledger.now())
        self._halted("pause")
        with self.ledger.read() as connection:
            due = may_resume(connection, CAMPAIGN, "catch-up", None, self.ledger.now(), past_alarm=False)
        with self.ledger.write() as connection:
            resume(connection, CAMPAIGN, "catch-up", due, "chaos", self.ledger.now())

    def _halted(self, what: str) -> None:
        """Wait as long as a halt lasts; what the sink gets in the meantime is looked at in the end."""
        begun = time.monotonic()
        Event().wait(self.dice.uniform(2.2, 3.0))
        self.halts.append((what, begun, time.monotonic()))
