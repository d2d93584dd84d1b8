"""The SMSC of the tests (tests/node/smsc.js) as a test holds it: told its faults, asked what it accepted."""

from __future__ import annotations

import json
import queue
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from channels.opening import Opening
from channels.registry import CAPABILITIES
from channels.smpp_listener import listen
from channels.spool import Spool
from waves.senders import Sender

NODE = Path(__file__).parents[1] / "node"
PASSWORD_ENV, PASSWORD = "MULTIWAVE_TEST_SMSC", "loopback"
PATIENCE_S = 20.0
PAUSES_S = (0.01, 0.02)
"""Of a listener between two tries."""
Seen = dict[str, Any]


@dataclass
class Smsc:
    """A running SMSC."""

    running: subprocess.Popen[str]
    port: int = 0
    seen: list[Seen] = field(default_factory=list)
    """Everything it told since it was last asked to forget, in order."""
    _told: queue.SimpleQueue[Seen | None] = field(default_factory=queue.SimpleQueue)

    def rules(self, *rules: Seen) -> None:
        """From now on: these faults; none, to be well again."""
        self.ask({"do": "rules", "rules": rules})

    def ask(self, what: Seen) -> int:
        """Have it do something; how many sessions that touched."""
        assert self.running.stdin
        self.running.stdin.write(json.dumps(what) + "\n")
        self.running.stdin.flush()
        return int(self.wait("done")["count"])

    def deliver(self, **fields: Any) -> int:
        """A deliver_sm to every receiver, its content as bytes; how many there were."""
        shown = {name: value.hex() if isinstance(value, bytes) else value for name, value in fields.items()}
        return self.ask({"do": "deliver", "deliver": shown})

    def wait(self, saw: str, **more: Any) -> Seen:
        """The next thing of this kind that it tells, or that it told and nobody waited for."""
        while True:
            found = self._told.get(timeout=PATIENCE_S)
            assert found is not None, "the SMSC ended"
            self.seen.append(found)
            if found["saw"] == saw and more.items() <= found.items():
                return found

    def forget(self) -> None:
        """Well again, no session left, and nothing seen yet."""
        self.rules()
        self.ask({"do": "drop"})
        self.seen.clear()

    def all(self, saw: str) -> list[Seen]:
        """What it told of this kind until now."""
        self.ask({"do": "nothing"})
        return [one for one in self.seen if one["saw"] == saw]

    def accepted(self) -> Counter[str]:
        """Token to how often it was accepted: the last word of each text."""
        return Counter(one["text"].split()[-1] for one in self.all("accepted"))

    def stop(self) -> None:
        """End it."""
        assert self.running.stdin
        assert self.running.stdout
        self.running.stdin.close()
        self.running.wait()
        self.running.stdout.close()

    def listen(self) -> None:
        """Read what it tells, in a thread, until it ends."""
        assert self.running.stdout
        for line in self.running.stdout:
            self._told.put(json.loads(line))
        self._told.put(None)


@contextmanager
def smsc(*tls: Path) -> Iterator[Smsc]:
    """An SMSC on a free port; with a certificate and its key it speaks TLS."""
    if not (NODE / "node_modules" / "smpp").is_dir() or shutil.which("node") is None:
        pytest.fail("the SMSC of the tests is not installed; run: make test")
    command = ["node", str(NODE / "smsc.js"), *map(str, tls)]
    made = Smsc(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
    reading = threading.Thread(target=made.listen)
    reading.start()
    try:
        made.port = made.wait("listening")["port"]
        yield made
    finally:
        made.stop()
        reading.join()


def smpp_sender(port: int, sender: str = "smsc", options: Seen | None = None, **more: Any) -> Sender:
    """A sender of provider smpp for an SMSC on this machine."""
    given = {"host": "127.0.0.1", "port": port, "tls": False, "system_id": "tests", "source": "+15125550100"}
    own = {**given, "password_env": PASSWORD_ENV, **(options or {})}
    return Sender(sender=sender, channel="sms", provider="smpp", options=own, **more)


class Ear:
    """The receiver that `multiwave serve` keeps, in a thread."""

    def __init__(self, sender: Sender, spool: Spool) -> None:
        self.stop, self.said = threading.Event(), list[str]()
        opening = Opening(CAPABILITIES["sms"], sender, Path(), None, {PASSWORD_ENV: PASSWORD})
        self.thread = threading.Thread(target=listen, args=(opening, spool, self.stop, self.said.append, PAUSES_S))
        self.thread.start()

    def end(self) -> None:
        """As when `serve` ends."""
        self.stop.set()
        self.thread.join(PATIENCE_S)
        assert not self.thread.is_alive(), "the receiver does not end"


@contextmanager
def ear(sender: Sender, spool: Spool) -> Iterator[Ear]:
    """A receiver bound within."""
    made = Ear(sender, spool)
    try:
        yield made
    finally:
        made.end()
