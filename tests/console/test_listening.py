"""`multiwave serve` with a sender of provider smpp: bound while it runs, what came is in the ledger when it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select

from channels.spool import backlog
from flows.upkeep import upkeep
from ledger import tables as t
from ledger.channel_tables import early_report
from ledger.provider_refs import keep_refs
from tests.builders import T0, World, make_world, plan_text, put, reachable
from tests.standins.smsc import PASSWORD, PASSWORD_ENV, Smsc, smsc
from waves.outcomes import Outcome

WAVES = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
SENDERS = """\
carrier:
  channel: sms
  provider: smpp
  smpp: {{host: 127.0.0.1, port: {port}, tls: false, system_id: tests, password_env: {env}, source: "40404"}}
"""


@pytest.fixture(scope="module")
def centre() -> Iterator[Smsc]:
    with smsc() as made:
        yield made


@pytest.fixture
def world(tmp_path: Path, centre: Smsc) -> Iterator[World]:
    made = make_world(tmp_path / "home")
    put(made.ledger, [reachable(n, ["sms"]) for n in range(2)])
    made.start(plan_text(WAVES))
    made.advance(T0)
    text = SENDERS.format(port=centre.port, env=PASSWORD_ENV)
    (made.config / "senders.yaml").write_text(text)
    yield made
    made.ledger.close()


@dataclass
class Served:
    """A `multiwave serve` that answers."""

    child: subprocess.Popen[str]

    def line(self) -> str:
        assert self.child.stdout
        return self.child.stdout.readline()

    def end(self) -> None:
        """In order, with nothing more to say."""
        self.child.send_signal(signal.SIGTERM)
        assert self.child.communicate(timeout=60) == ("", "")
        assert self.child.returncode == 0


@contextmanager
def serving(world: World, **more: str) -> Iterator[Served]:
    root = str(Path(__file__).parents[2])
    program = "from console.cli import main; main()"
    command = [sys.executable, "-c", program, "serve", "--home", str(world.room.settings.home), "--port", "0"]
    env = os.environ | {"PYTHONPATH": root, "PYTHONUNBUFFERED": "1", **more}
    made = Served(subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env))
    try:
        url = made.line().split()[2].removesuffix("/callbacks/PROVIDER/SENDER")
        assert httpx.get(f"{url}/healthz", trust_env=False).json() == {"ok": True}
        yield made
    finally:
        made.child.kill()
        made.child.communicate()


def test_receipts_reach_the_ledger_while_serve_runs(world: World, centre: Smsc) -> None:
    touch, later = (row.id for row in world.touches("notice"))
    with world.ledger.write() as connection:
        keep_refs(connection, "carrier", [("m1", touch)])
    with serving(world, **{PASSWORD_ENV: PASSWORD}) as served:
        centre.wait("bound")
        assert served.line() == "receipts of carrier: a receiver is bound\n"
        for ident in ("m1", "m2"):
            counts = "sub:001 dlvrd:001 submit date:2612010900 done date:2612010901"
            receipt = f"id:{ident} {counts} stat:DELIVRD err:000 text:"
            centre.deliver(source_addr="15125550123", source_addr_ton=1, esm_class=4, short_message=receipt.encode())
            assert centre.wait("delivered")["status"] == 0
        served.end()
    assert len(centre.all("unbind")) == 1
    assert backlog(world.room.settings.spool_folder).files == 0
    with world.ledger.read() as connection:
        assert connection.execute(select(t.event.c.touch, t.event.c.outcome)).all() == [(touch, Outcome.DELIVERED)]
        assert connection.scalars(select(early_report.c.ref)).all() == ["m2"]
    with world.ledger.write() as connection:
        keep_refs(connection, "carrier", [("m2", later)])
    upkeep(world.room, world.ledger.now())
    assert [row.outcome for row in world.touches("notice")] == [Outcome.DELIVERED] * 2


def test_without_the_password_the_door_is_open_and_says_what_is_missing(world: World) -> None:
    with serving(world) as served:
        assert served.line().startswith(f"nothing is heard of carrier: {PASSWORD_ENV} is not set")
        served.end()
