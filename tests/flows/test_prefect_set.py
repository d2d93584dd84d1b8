"""The installed Prefect, FastAPI and SQLAlchemy together run a flow and fire a schedule; nothing else shows that."""

from __future__ import annotations

import json
import os
import re
import selectors
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

SCRIPT = """
import json
import sys

from prefect import flow, get_client, runtime, task


@task
def double(number: int) -> int:
    return number * 2


@flow(name="tick")
def tick(number: int = 21) -> int:
    answer = double(number)
    with get_client(sync_client=True) as client:
        run = client.read_flow_run(runtime.flow_run.id)
    seen = {"answer": answer, "scheduled": run.auto_scheduled, "deployed": run.deployment_id is not None}
    print("TICK " + json.dumps(seen), flush=True)
    return answer


if __name__ == "__main__":
    if sys.argv[1:] == ["serve"]:
        tick.serve(name="ticking", interval=2, limit=1)
    else:
        tick()
"""

QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_RUNNER_POLL_FREQUENCY": "1",
    "PREFECT_CLI_PROMPT": "false",
    "DO_NOT_TRACK": "1",
    "NO_PROXY": "127.0.0.1,localhost",
    "PYTHONUNBUFFERED": "1",
}
PATIENCE = 150.0
"""Seconds until a child that still says nothing counts as broken; a busy machine takes 30."""


class Children:
    """Child programs whose output is read as it comes; killed with all that they started."""

    def __init__(self, folder: Path) -> None:
        kept = {name: value for name, value in os.environ.items() if not name.startswith("PREFECT_")}
        self.environment = {**kept, **QUIET, "PREFECT_HOME": str(folder / "prefect")}
        self.folder = folder
        self.said = ""
        self._started: list[subprocess.Popen[bytes]] = []
        self._pipes = selectors.DefaultSelector()

    def start(self, *command: str, **environment: str) -> None:
        child = subprocess.Popen(
            [sys.executable, *command],
            cwd=self.folder,
            env={**self.environment, **environment},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._started.append(child)
        assert child.stdout is not None
        self._pipes.register(child.stdout, selectors.EVENT_READ)

    def until(self, pattern: str) -> str:
        """The first group of the pattern, once any child has said it."""
        deadline = time.monotonic() + PATIENCE
        while not (found := re.search(pattern, self.said)):
            ready = self._pipes.select(deadline - time.monotonic()) if self._pipes.get_map() else []
            assert ready, f"no child said {pattern!r}; they said:\n{self.said[-4000:]}"
            for key, _ in ready:
                text = os.read(key.fd, 65536).decode("utf-8", "replace")
                self.said += text
                if not text:
                    self._pipes.unregister(key.fileobj)
        return found.group(1)

    def kill(self) -> None:
        """End every child and whatever it started, newest first; a stopped parent cannot start another."""
        for child in reversed(self._started):
            if child.poll() is None:
                child.send_signal(signal.SIGSTOP)
                for grandchild in psutil.Process(child.pid).children(recursive=True):
                    with suppress(psutil.NoSuchProcess):
                        grandchild.kill()
                child.kill()
            child.wait()
            assert child.stdout is not None
            child.stdout.close()
        self._pipes.close()


@pytest.fixture
def children(tmp_path: Path) -> Iterator[Children]:
    (tmp_path / "ticking.py").write_text(SCRIPT)
    started = Children(tmp_path)
    yield started
    started.kill()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_flow_runs_embedded(children: Children) -> None:
    children.start("ticking.py", PREFECT_SERVER_EPHEMERAL_ENABLED="true")
    seen = json.loads(children.until(r"TICK (\{.*\})"))
    assert seen == {"answer": 42, "scheduled": False, "deployed": False}
    children.until(r"(Completed\(\))")


def test_a_schedule_fires(children: Children) -> None:
    port = free_port()
    server = ("-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port), "--log-level", "info")
    children.start(*server)
    children.until(r"(Application startup complete)")
    children.start("ticking.py", "serve", PREFECT_API_URL=f"http://127.0.0.1:{port}/api")
    seen = json.loads(children.until(r"TICK (\{.*\})"))
    assert seen == {"answer": 42, "scheduled": True, "deployed": True}
