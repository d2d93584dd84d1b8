"""Two machines over one PostgreSQL and one Prefect server, which is killed in the middle and then loses its database.

The machines are two homes on this one, each with a real `prefect worker start`; the outboxes say what they sent.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

import psycopg
import pytest
from sqlalchemy import make_url

from flows.room import check_token_key
from flows.server import free_port
from tests.acceptance.program import Program, environment, kill
from tests.acceptance.server import prefect_server
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable, write_config
from waves.outcomes import State

pytestmark = pytest.mark.acceptance
PEOPLE = 200
WAVES = """\
  - {wave: notice, channels: [web_push, sms, email], message: hello, release: 2h, listen: 1d}
  - {wave: later, channels: [sms], message: hello, release: 2h, listen: 1d}
"""
NOTICE, LATER = 3 * PEOPLE, PEOPLE
SENT = int(State.SENT)
PATIENCE_S = 240.0
"""A busy machine takes 20 s from a tick to the first message: three programs start in that time."""


@dataclass
class Machines:
    """Two machines of one ledger."""

    world: World
    programs: tuple[Program, Program]
    running: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def begin(self) -> None:
        for number, program in enumerate(self.programs, 1):
            words = ["worker", "start", "--pool", "multiwave", "--name", f"machine-{number}", "--limit", "2"]
            env = environment(**program.settings, MULTIWAVE_HOME=str(program.home))
            command = [sys.executable, "-m", "prefect", *words]
            with (program.home / "worker.log").open("wb") as log:
                child = subprocess.Popen(command, env=env, cwd=program.home, stdout=log, stderr=subprocess.STDOUT)
            self.running.append(child)

    def end(self) -> None:
        while self.running:
            kill(self.running.pop())

    def sent(self) -> list[str]:
        """The token of every message that left any machine."""
        names = ("web_push", "sms", "email")
        return [line["token"] for one in self.programs for name in names for line in one.outbox(name)]

    def until(self, what: str, moment: Callable[[], bool]) -> None:
        for _ in range(int(PATIENCE_S / 0.2)):
            if moment():
                return
            threading.Event().wait(0.2)
        logs = "\n".join((one.home / "worker.log").read_text()[-3000:] for one in self.programs)
        raise AssertionError(f"it never came to {what}; {len(self.sent())} messages left:\n{logs}")


@pytest.fixture
def machines(pg_url: str, tmp_path: Path) -> Iterator[Machines]:
    server, name = make_url(pg_url), f"scale_{uuid4().hex}"
    plain = server.set(drivername="postgresql").render_as_string(hide_password=False)
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")
    url = server.set(database=name).render_as_string(hide_password=False)
    world = make_world(tmp_path / "one", url)
    check_token_key(world.ledger, world.room.token_key)
    write_config(tmp_path / "two" / "config")
    put(world.ledger, [reachable(number) for number in range(PEOPLE)])
    world.start(plan_text(WAVES))
    world.ledger.set_now(T0)
    settings = {
        "MULTIWAVE_DATABASE_URL": url,
        "MULTIWAVE_TOKEN_KEY": world.room.token_key.decode(),
        "MULTIWAVE_BATCH_SIZE": "10",
        "MULTIWAVE_TICK": "10s",
        "PREFECT_API_URL": f"http://127.0.0.1:{free_port()}/api",
        "PREFECT_HOME": str(tmp_path / "client"),
        "PREFECT_WORKER_QUERY_SECONDS": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "DO_NOT_TRACK": "1",
    }
    one, two = (Program(tmp_path / n, settings | {"MULTIWAVE_WORKER": f"machine-{n}"}) for n in ("one", "two"))
    made = Machines(world, (one, two))
    yield made
    made.end()
    world.ledger.close()
    with psycopg.connect(plain, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def test_two_machines_send_once_whatever_becomes_of_prefect(machines: Machines, tmp_path: Path) -> None:
    one, folder = machines.programs[0], tmp_path / "prefect"
    port = int(str(make_url(one.settings["PREFECT_API_URL"]).port))
    with prefect_server(folder, port):
        said = one.run("deploy").out
        assert "advance/multiwave and run-wave/multiwave are registered" in said
        assert "of type process is new" in said
        other = one.try_("deploy", "--type", "docker")
        assert (other.code, "is of type process, not docker" in other.err) == (2, True)
        machines.begin()
        machines.until("the middle of the wave", lambda: len(machines.sent()) > NOTICE / 10)
    with prefect_server(folder, port):
        machines.until("the end of the wave", lambda: len(machines.sent()) >= NOTICE)
    shutil.rmtree(folder)
    machines.world.ledger.set_now(T0 + DAY + 2 * HOUR)
    with prefect_server(folder, port):
        one.run("deploy")
        machines.until("the end of the next wave", lambda: len(machines.sent()) >= NOTICE + LATER)
        machines.until("the last receipt", lambda: {row.state for row in machines.world.touches("later")} == {SENT})
    machines.end()
    machines.world.advance(T0 + 4 * DAY)  # the plan and the ledger are the same on one machine, without Prefect
    assert set(Counter(machines.sent()).values()) == {1}
    assert len(machines.sent()) == NOTICE + LATER
    found = one.json("status", "test")
    assert found["state"] == "finished"
    for wave in found["waves"]:
        assert (wave["state"], wave["balanced"], set(wave["states"])) == ("closed", True, {"sent"})
