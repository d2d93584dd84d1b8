"""This program among the workers of the ledger: it arrives, says every ten seconds that it is alive, and leaves."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from flows.room import Room
from ledger import workers
from ledger.health import database_clock
from ledger.workers import BEATS_EVERY, SKEW, WRONG, Arrival, Me
from waves.errors import LedgerError, WorkerError

Clock = Callable[[], datetime]
LOOKS_AGAIN_S = 1.0


def wall_clock() -> datetime:
    """This machine's time."""
    return datetime.now(UTC)


def engine_of_home(room: Room) -> Me:
    """The one engine of a home, whose lock file it holds."""
    host = socket.gethostname()
    home = hashlib.sha256(str(room.settings.home.resolve()).encode()).hexdigest()[:12]
    return Me(room.settings.worker or f"{host}:{os.getpid()}", f"{host}/home {home}")


def one_of_many(room: Room) -> Me:
    """A flow run in a program of its own; those that one Prefect worker starts share its name and differ after it."""
    host, pid = socket.gethostname(), os.getpid()
    starter = os.environ.get("PREFECT__WORKER_NAME") or f"process {os.getppid()}"
    return Me(f"{room.settings.worker}/{pid}" if room.settings.worker else f"{host}:{pid}", f"{host}/{starter}")


@dataclass
class Presence:
    """A program that has arrived."""

    room: Room
    me: Me
    wave: int | None
    clock: Clock
    skew: timedelta
    lost: str | None = None
    """Why it may not go on."""
    _gone: threading.Event = field(default_factory=threading.Event)

    @property
    def warning(self) -> str | None:
        """What to say of its clock, when that is off by seconds."""
        return None if abs(self.skew) <= SKEW else f"{apart(self.skew)}; let both follow a time server"

    def check(self) -> None:
        """WorkerError when it may not go on."""
        if self.lost is not None:
            raise WorkerError(self.lost)

    def beat(self) -> None:
        """Say that it is alive; a worker that may not go on any more is stopped after the chunk in hand."""
        self.skew = skew_of(self.room, self.clock)
        with self.room.ledger.write() as connection:
            there = workers.beat(connection, self.me, self.skew)
            if not there:  # it slept for so long that it was cleared away, or its name was taken
                there = workers.arrive(connection, self.me, self.skew, self.wave, most=1 << 30) == Arrival()
        if not there:
            self._lose(f"another worker took the name {self.me.called}")
        elif wrong := wrong_clock(self.room, self.skew):
            self._lose(wrong)

    def _lose(self, why: str) -> None:
        self.lost, self.room.stopping = why, True

    def run(self) -> None:
        """Beat until it leaves; a ledger that does not answer is asked again at the next beat."""
        while not self._gone.wait(BEATS_EVERY.total_seconds()):
            try:
                self.beat()
            except LedgerError:
                continue

    def leave(self) -> None:
        """Stop beating."""
        self._gone.set()


@contextmanager
def present(
    room: Room, me: Me, wave: int | None = None, most: int = 1, alone: bool = False, clock: Clock = wall_clock
) -> Iterator[Presence | None]:
    """Be among the workers; None when `most` others work on the wave already.

    WorkerError when another live worker has the name, or when this machine's clock is wrong by a minute.
    """
    skew = skew_of(room, clock)
    if wrong := wrong_clock(room, skew):
        raise WorkerError(wrong)
    if _arrive(room, me, skew, wave, most, alone).full:
        yield None
        return
    presence = Presence(room, me, wave, clock, skew)
    room.instance = me.instance
    beating = threading.Thread(target=presence.run, name="presence", daemon=True)
    beating.start()
    try:
        yield presence
    finally:
        presence.leave()
        beating.join()
        if presence.lost is not None:
            room.stopping = False
        with room.ledger.write() as connection:
            workers.leave(connection, me)


def _arrive(room: Room, me: Me, skew: timedelta, wave: int | None, most: int, alone: bool) -> Arrival:
    """Arrive, waiting for a predecessor of the same name that was killed: it is not seen again."""
    seen: datetime | None = None
    while True:
        with room.ledger.write() as connection:
            arrival = workers.arrive(connection, me, skew, wave, most, alone)
        rival = arrival.rival
        if rival is None:
            return arrival
        if seen is not None and rival.seen_at != seen:
            raise WorkerError(
                f"another worker is called {me.called!r} and is alive (working since {rival.started_at:%H:%M:%S}Z); "
                "give this one another name with MULTIWAVE_WORKER"
            )
        seen = rival.seen_at
        threading.Event().wait(LOOKS_AGAIN_S)


def skew_of(room: Room, clock: Clock) -> timedelta:
    """This machine's clock less the database's; nothing on SQLite, which has ours."""
    with room.ledger.read() as connection:
        before = clock()
        said = database_clock(connection)
        after = clock()
    return timedelta(0) if said is None else before + (after - before) / 2 - said


def apart(skew: timedelta) -> str:
    """How two clocks differ, in words."""
    which = "ahead of" if skew > timedelta(0) else "behind"
    return f"this machine's clock is {abs(skew).total_seconds():.1f} s {which} the database's"


def wrong_clock(room: Room, skew: timedelta) -> str | None:
    """Why a clock may judge neither hours nor leases; None when it may, as on a simulated ledger, where none does."""
    if room.ledger.simulated or abs(skew) <= WRONG:
        return None
    return f"{apart(skew)}: such a worker would misjudge hours and leases; set the clock, then start it again"
