"""`up`: keep one engine running, and Prefect's pages if asked; restart what dies, tell people, end in order."""

from __future__ import annotations

import json
import os
import queue
import signal
import subprocess
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from logging import Logger
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from flows import lifeline, server
from flows.alerts import Alerts
from flows.embedded import set_environment
from flows.engine import ENDS_WITHIN_S
from flows.watchdog import Notice, Watchdog
from waves.errors import LedgerError

LONGEST_PAUSE_S = 60.0
LOOKS_EVERY_S = 1.0
PAGES_WITHIN_S = 60.0
ALERTS_WITHIN_S = 10.0


@dataclass
class Child:
    """A program that is begun again when it dies: at once, then after 1, 2, 4 ... 60 s until it is well again."""

    name: str
    begin: Callable[[], subprocess.Popen[bytes]]
    running: subprocess.Popen[bytes] | None = None
    deaths: int = 0
    due: float = field(default_factory=time.monotonic)

    def ended(self, now: float) -> float:
        """Note its death; in how many seconds it is begun again."""
        pause = min(2.0 ** (self.deaths - 1), LONGEST_PAUSE_S) if self.deaths else 0.0
        self.running, self.deaths, self.due = None, self.deaths + 1, now + pause
        return pause


@dataclass
class Supervisor:
    """One engine of one home, and what it says."""

    home: Path
    watchdog: Watchdog
    alerts: Alerts
    log: Logger
    steps: tuple[str, ...] = ()
    ui_port: int | None = None
    inbox: queue.SimpleQueue[tuple[str, Any]] = field(default_factory=queue.SimpleQueue)

    def run(self) -> int:
        """Until SIGTERM, SIGINT or SIGHUP, or the engine's own end: 0 when it ended in order, else 1."""
        for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(asked, lambda number, _: self.inbox.put(("stop", number)))
        os.environ.setdefault("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")  # the engine tells us of trouble
        set_environment(self.home)
        children = [Child("engine", self._begin_engine)]
        if self.ui_port is not None:
            os.environ["PREFECT_API_URL"] = server.api_url(self.ui_port)
            children.insert(0, Child("pages", self._begin_pages))
        self.log.info("up pid=%d home=%s", os.getpid(), self.home)
        try:
            return self._watch({child.name: child for child in children})
        finally:
            for child in reversed(children):
                if child.running is not None:
                    lifeline.end(child.running, server.ENDS_WITHIN_S * 2)
            self.alerts.wait(ALERTS_WITHIN_S)
            self.log.info("down")

    def _watch(self, children: dict[str, Child]) -> int:
        while True:
            now = time.monotonic()
            for child in children.values():
                if child.running is None and now >= child.due and self._may_begin(child, children.get("pages"), now):
                    child.running = child.begin()
                    self.log.info("%s begun pid=%d", child.name, child.running.pid)
                    threading.Thread(target=self.listen, args=(child.name, child.running), daemon=True).start()
            self._tell(self.watchdog.look(now))
            try:
                what, said = self.inbox.get(timeout=LOOKS_EVERY_S)
            except queue.Empty:
                continue
            if what == "stop":
                self.log.info("asked to end by %s", signal.Signals(said).name)
                return self._end(children["engine"])
            if what == "said":
                self._hear(said, children["engine"])
            elif what == "engine" and said == 0:
                return 0
            else:
                self._bury(children[what], said)

    def _may_begin(self, child: Child, pages: Child | None, now: float) -> bool:
        """An engine waits a minute at most for the pages, which are its Prefect too; without them it says so."""
        if child is pages or pages is None or self.ui_port is None:
            return True
        return server.answers(self.ui_port) or now > pages.due + PAGES_WITHIN_S

    def listen(self, name: str, child: subprocess.Popen[bytes]) -> None:
        """Hear a child out to its end."""
        if child.stdout is not None:
            with child.stdout:
                for line in child.stdout:
                    if line.endswith(b"\n"):  # the last one may be cut off by a kill
                        self.inbox.put(("said", json.loads(line)))
        self.inbox.put((name, child.wait()))

    def _hear(self, said: dict[str, Any], engine: Child) -> None:
        now = time.monotonic()
        if said["event"] == "trouble":
            self._tell(self.watchdog.troubled(said["what"]))
        elif said["event"] == "told":
            self._tell(Notice("trouble", said["what"]))
        elif said["event"] == "worked":
            self.watchdog.worked(now)
        else:
            engine.deaths = 0
            for move in said["moves"]:
                told = (said["now"], move["campaign"], move["wave"], move["before"], move["after"])
                self.log.info("advanced now=%s campaign=%s wave=%s before=%s after=%s", *told)
            self._tell(self.watchdog.ticked(now))

    def _bury(self, child: Child, code: int) -> None:
        how = f"killed by {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        pause = child.ended(time.monotonic())
        self.log.warning("%s ended (%s); begun again in %.0f s", child.name, how, pause)
        if child.name == "engine":
            self._tell(self.watchdog.troubled(f"the engine ended ({how})") if self.watchdog.trouble is None else None)

    def _end(self, engine: Child) -> int:
        if engine.running is None:
            return 0
        code = lifeline.end(engine.running, ENDS_WITHIN_S)
        engine.running = None
        return 0 if code == 0 else 1

    def _tell(self, notice: Notice | None) -> None:
        if notice is None:
            return
        line = self.log.info if notice.kind == "recovered" else self.log.error
        line("%s: %s", notice.kind, notice.text)
        self.alerts.tell(f"multiwave {notice.kind}", f"{self.home.name}: {notice.text}")

    def _begin_engine(self) -> subprocess.Popen[bytes]:
        return lifeline.spawn("flows.engine", str(self.home), *self.steps, env=os.environ, heard=True)

    def _begin_pages(self) -> subprocess.Popen[bytes]:
        assert self.ui_port is not None
        return server.begin_server(self.ui_port, ui=True)


def only_one(home: Path) -> FileLock:
    """The lock that keeps a home to one `up`, held until this process ends; LedgerError when another holds it."""
    lock = FileLock(home / "up.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LedgerError(f"multiwave up runs already for {home}; its log is {home / 'log' / 'up.log'}") from None
    return lock
