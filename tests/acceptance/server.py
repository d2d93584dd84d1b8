"""One Prefect server for the runs that need none of their own: each embedded one costs seconds to start."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from flows.server import free_port
from tests.acceptance.program import environment

APP = "prefect.server.api.server:create_app"
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_SERVER_UI_ENABLED": "false",
    "PREFECT_LOGGING_SERVER_LEVEL": "INFO",  # Prefect silences uvicorn with its own loggers, and we wait for its word
    "DO_NOT_TRACK": "1",
}


@dataclass(frozen=True, slots=True)
class Server:
    """Where the server listens, and the folder of its database."""

    url: str
    folder: Path

    @property
    def settings(self) -> dict[str, str]:
        """What makes the program use this server."""
        return {"PREFECT_API_URL": self.url}


@contextmanager
def prefect_server(folder: Path, port: int | None = None) -> Iterator[Server]:
    """Start a server and wait until it answers; kill it afterwards, so that the next one may go on in its folder."""
    chosen = str(port or free_port())
    command = ["-m", "uvicorn", "--factory", APP, "--host", "127.0.0.1", "--port", chosen, "--no-access-log"]
    child = subprocess.Popen(
        [sys.executable, *command],
        env=environment(PREFECT_HOME=str(folder), **QUIET),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert child.stderr is not None
    said = ""
    while "Application startup complete" not in said:
        line = child.stderr.readline()
        assert line, f"the Prefect server ended:\n{said}"
        said += line
    rest = threading.Thread(target=child.stderr.read, daemon=True)
    rest.start()
    try:
        yield Server(f"http://127.0.0.1:{chosen}/api", folder)
    finally:
        child.kill()
        child.wait()
        rest.join()
        child.stderr.close()
