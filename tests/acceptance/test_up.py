"""`up` on a simulated clock: it is killed every day and goes on, ends in order, and does not grow."""

from __future__ import annotations

import json
import random
import re
import signal
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from urllib.request import ProxyHandler, build_opener

import psutil
import pytest
from filelock import FileLock

from flows.server import free_port
from ledger.store import write_meta
from tests.acceptance.program import Program, printed
from tests.acceptance.server import Server
from tests.builders import DAY, HOUR, T0, make_world, plan_text, put, reachable
from tests.flows.test_up_alerts import SECRET, address, listening

pytestmark = pytest.mark.acceptance
PEOPLE = 120
CHUNK = 20
CHANNELS = ("web_push", "sms", "email")
LINES = 2 * PEOPLE
"""Messages of one wave: a push and a text each."""
SMALL = {"MULTIWAVE_BATCH_SIZE": str(CHUNK), "MULTIWAVE_ENROL_RANGE": "40"}
WAVE = """\
  - wave: day_{day}
    channels: [web_push, {{first_of: [sms, email]}}]
    message: hello
    release: 3h
    listen: 21h
"""
GROWTH_MB = 2.0
"""What the engine's memory may grow by in a simulated day at first; measured: 0.7 MB, and 0.1 MB from the seventh on.

Prefect kept a thread and a client for each wave once, 3 MB a day for ever.
"""
QUEUED, CLAIMED, SENT, IN_DOUBT = 0, 1, 2, 7


def prepared(home: Path, settings: dict[str, str], days: int) -> Program:
    """A home with a campaign of one wave a day, about to open its first."""
    world = make_world(home)
    put(world.ledger, [reachable(number) for number in range(PEOPLE)])
    world.start(plan_text("".join(WAVE.format(day=day) for day in range(days)), holdout="5%"))
    world.ledger.set_now(T0)
    world.ledger.close()
    return Program(home, settings | SMALL)


@dataclass
class Running:
    """An `up` that moves its clock by half an hour a tick, and what can be seen of it from outside."""

    program: Program
    until: datetime | None
    words: tuple[object, ...] = ()
    child: subprocess.Popen[bytes] = field(init=False)
    kills: int = 0

    def begin(self) -> None:
        steps = ("--step", "30m", "--until", self.until.isoformat()) if self.until else ()
        self.child = self.program.begin("up", *steps, *self.words)

    def engine(self) -> psutil.Process | None:
        """The engine that runs now, if one does."""
        return self.child_of("flows.engine")

    def child_of(self, module: str) -> psutil.Process | None:
        """The child that runs this module, if one does."""
        with suppress(psutil.NoSuchProcess):
            for each in psutil.Process(self.child.pid).children():
                if module in each.cmdline():
                    return each
        return None

    def now(self) -> datetime:
        return datetime.fromisoformat(self.program.rows("SELECT value FROM meta WHERE key = 'now'").value[0])

    def lines(self) -> int:
        return sum(len(self.program.outbox(channel)) for channel in CHANNELS)

    def until_true(self, moment: Callable[[], object]) -> None:
        """Look again and again until the moment comes; it must come before the program ends."""
        while not moment():
            with suppress(subprocess.TimeoutExpired):
                assert self.child.wait(0.01) is None, f"it ended before the moment came:\n{self.log()[-2000:]}"

    def log(self) -> str:
        return (self.program.home / "log" / "up.log").read_text()

    def kill_engine(self) -> None:
        self.until_true(self.engine)
        engine = self.engine()
        assert engine is not None
        engine.kill()
        self.kills += 1

    def kill_supervisor(self) -> None:
        """The next `up` is begun at once; the engine that was left ends by itself after its chunk."""
        engine = self.engine()
        self.child.kill()
        self.child.wait()
        self.begin()
        if engine is not None:
            engine.wait(90)

    def lose_the_machine(self) -> None:
        """Both at once."""
        engine = self.engine()
        self.child.send_signal(signal.SIGSTOP)
        if engine is not None:
            engine.kill()
        self.child.kill()
        self.child.wait()
        self.kills += 1
        self.begin()

    def end(self) -> int:
        return self.child.wait(240)


@contextmanager
def up(program: Program, until: datetime, *words: object) -> Iterator[Running]:
    running = Running(program, until, words)
    running.begin()
    try:
        yield running
    finally:
        running.child.kill()
        running.child.wait()


def killed_daily(program: Program, days: int, seed: int) -> Running:
    """Each day something is killed at an arbitrary place of the day's sending; at the end everything has closed."""
    dice = random.Random(seed)
    with up(program, T0 + (days + 1) * DAY) as running:
        for day in range(days):
            mark = int(LINES * 0.94 * (day + dice.random() * 0.9))
            running.until_true(lambda mark=mark: running.lines() > mark)
            (running.kill_engine, running.lose_the_machine, running.kill_supervisor)[day % 3]()
        assert running.end() == 0, running.log()[-3000:]
    return running


def look(running: Running, days: int) -> None:
    """The laws, after all that."""
    program = running.program
    lines = [line for channel in CHANNELS for line in program.outbox(channel)]
    keys = Counter((line["wave"], line["name"], line["channel"]) for line in lines)
    assert [key for key, count in keys.items() if count > 1] == []
    waves = program.rows("SELECT id, name, state, balance FROM wave ORDER BY seq")
    assert set(waves.state) == {"closed"}
    assert len(waves) == days
    for text in waves.balance:
        books = json.loads(text)
        assert books["balanced"] is True
        assert set(books["states"]) <= {"sent", "in_doubt"}, books["states"]
        assert books["members"] == sum(books["verdicts"].values()) == PEOPLE
        assert sum(books["states"].values()) == 2 * books["verdicts"]["go"]
        assert books["verdicts"]["go"] > 0.85 * PEOPLE
    touches = program.rows("SELECT state, count(*) AS n FROM touch GROUP BY state").set_index("state").n
    assert touches.get(CLAIMED, 0) == 0
    assert touches.get(IN_DOUBT, 0) <= CHUNK * running.kills
    # A doubted message may or may not be there; every other one is.
    assert touches.sum() - touches.get(IN_DOUBT, 0) <= len(lines) <= touches.sum()
    assert program.rows("SELECT state FROM campaign").state[0] == "finished"


def killed_and_looked_at(home: Path, server: Server, days: int, seed: int) -> None:
    running = killed_daily(prepared(home, server.settings, days), days, seed)
    look(running, days)
    log = running.log()
    alone, lost, orphaned = ((days + 2 - kind) // 3 for kind in range(3))
    assert log.count("engine ended (killed by SIGKILL); begun again") == alone
    assert log.count(" up pid=") == 1 + lost + orphaned
    assert "broke" not in log


def test_killed_every_day_it_asks_nobody_twice_and_misses_nobody(tmp_path: Path, server: Server) -> None:
    killed_and_looked_at(tmp_path / "home", server, 3, 20261201)


@pytest.mark.soak
@pytest.mark.parametrize("seed", [1, 2])
def test_killed_every_day_of_a_month(tmp_path: Path, server: Server, seed: int) -> None:
    killed_and_looked_at(tmp_path / "home", server, 30, seed)


def growth(home: Path, server: Server, days: int) -> list[float]:
    """By how many MB the engine's memory grew in each simulated day but the first two; asked at the same hour."""
    sizes = []
    program = prepared(home, server.settings, days)
    with up(program, T0 + (days + 1) * DAY) as running:
        for day in range(days):
            running.until_true(lambda noon=T0 + day * DAY + 12 * HOUR: running.now() > noon)
            engine = running.engine()
            assert engine is not None
            sizes.append(engine.memory_info().rss / 1e6)
        assert running.end() == 0, running.log()[-3000:]
    look(running, days)
    return [after - before for before, after in pairwise(sizes[1:])]


def test_its_memory_stays_flat(tmp_path: Path, server: Server) -> None:
    grown = growth(tmp_path / "home", server, 5)
    assert sum(grown) / len(grown) < GROWTH_MB, grown


@pytest.mark.soak
def test_its_memory_stays_flat_for_a_month(tmp_path: Path, server: Server) -> None:
    grown = growth(tmp_path / "home", server, 30)
    assert sum(grown[-20:]) / 20 < GROWTH_MB / 8, grown


def test_asked_to_end_it_ends_in_order(tmp_path: Path, server: Server) -> None:
    """SIGTERM in the middle of the sending: nothing is left in its hands, and the next `up` sends the rest."""
    program = prepared(tmp_path / "home", server.settings, 1)
    with up(program, T0 + 2 * DAY) as running:
        running.until_true(lambda: running.lines() > CHUNK)
        engine = running.engine()
        running.child.terminate()
        assert running.end() == 0
        assert engine is not None
        assert not engine.is_running()
        states = program.rows("SELECT state, count(*) AS n FROM touch GROUP BY state").set_index("state").n
        assert set(states.index) == {QUEUED, SENT}, dict(states)
        assert program.rows("SELECT * FROM batch WHERE lease_owner IS NOT NULL").empty
        assert states[SENT] == running.lines()
    with up(program, T0 + 2 * DAY) as running:
        assert running.end() == 0
    look(running, 1)
    assert program.rows("SELECT * FROM touch WHERE state = ?", IN_DOUBT).empty


def test_prefects_pages_come_back_and_nothing_is_sent_twice_meanwhile(tmp_path: Path) -> None:
    """Its own Prefect this time; the server is killed in the middle of the sending."""
    program = prepared(tmp_path / "home", {}, 1)
    with up(program, T0 + 2 * DAY, "--ui", "--port", free_port()) as running:
        running.until_true(lambda: running.lines() > CHUNK)
        address = re.findall(r"pages at (http://127\.0\.0\.1:\d+)", running.log())[-1]
        with build_opener(ProxyHandler({})).open(address, timeout=60) as page:
            assert b"<html" in page.read(500)
        pages = running.child_of("flows.server")
        assert pages is not None
        pages.kill()
        assert running.end() == 0, running.log()[-3000:]
    look(running, 1)
    assert "pages ended (killed by SIGKILL); begun again" in running.log()
    assert printed(running.log().splitlines(), ["Name of c", "example.com", "55501"]) == []


def test_people_are_told_when_the_engine_stands_still(tmp_path: Path) -> None:
    """On the real clock, with ticks of a second: the engine is stopped, goes on, and `up` ends in order."""
    world = make_world(tmp_path / "home")
    with world.ledger.write() as connection:
        write_meta(connection, "clock", "real")
    world.ledger.close()
    with listening() as receiver:
        url = address(receiver).get_secret_value()
        settings = {"MULTIWAVE_TICK": "1s", "MULTIWAVE_LATE_AFTER": "1s", "MULTIWAVE_ALERT_URLS": json.dumps([url])}
        running = Running(Program(tmp_path / "home", settings), None)
        running.begin()
        try:
            running.until_true(lambda: not running.program.rows("SELECT * FROM meta WHERE key = 'advanced'").empty)
            engine = running.engine()
            assert engine is not None
            engine.suspend()
            late = receiver.heard.get(timeout=60)
            engine.resume()
            well = receiver.heard.get(timeout=60)
            running.child.terminate()
            assert running.end() == 0
        finally:
            running.child.kill()
            running.child.wait()
    assert (late["title"], well["title"]) == ("multiwave late", "multiwave recovered")
    assert re.match(r"home: it has not advanced for \d s; what is due waits", late["message"])
    assert SECRET not in running.log()
    assert (tmp_path / "home" / "log" / "up.log").stat().st_mode & 0o077 == 0


REFUSED = [
    ("real", ("--step", "30m", "--until", "2027-01-01T00:00Z"), "this ledger runs on the real one"),
    ("simulated", (), "this ledger's clock stands still; say how far it goes"),
    ("simulated", ("--step", "30m"), "this ledger's clock stands still; say how far it goes"),
    ("simulated", ("--step", "often", "--until", "2027-01-01T00:00Z"), "--step often: write a length of time"),
    ("simulated", ("--step", "30m", "--until", "2026-11-01T00:00Z"), "the simulated clock stands at"),
    ("simulated", ("--step", "30m", "--until", "2027-01-01T00:00"), "has no zone"),
    ("nothing", (), "there is no ledger at"),
    ("running", ("--step", "30m", "--until", "2027-01-01T00:00Z"), "multiwave up runs already for"),
]


@pytest.mark.parametrize(("home", "words", "said"), REFUSED)
def test_what_cannot_be_is_refused(tmp_path: Path, home: str, words: tuple[str, ...], said: str) -> None:
    program = Program(tmp_path / "home", quick=True)
    if home == "nothing":
        (tmp_path / "home").mkdir()
    else:
        world = make_world(tmp_path / "home")
        world.ledger.set_now(T0)
        with world.ledger.write() as connection:
            write_meta(connection, "clock", "real" if home == "real" else "simulated")
        world.ledger.close()
    with ExitStack() as held:
        if home == "running":
            held.enter_context(FileLock(tmp_path / "home" / "up.lock"))
        refused = program.try_("up", *words)
    assert (refused.code, refused.out) == (2, "")
    assert said in refused.err
    assert "Traceback" not in refused.err
