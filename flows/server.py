"""Prefect's server as a child of ours, on loopback: `python -m flows.server PORT`; it ends with its parent.

Prefect's own temporary server outlives a parent that was killed, and goes on writing the database of the next one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection, HTTPException
from pathlib import Path

from filelock import FileLock

from flows.lifeline import follow_parent, spawn

HOST = "127.0.0.1"
ENDS_WITHIN_S = 5.0
PREDECESSOR_S = 30.0
"""How long a server waits for the one before it, which may still be writing the same database."""


def api_url(port: int) -> str:
    """Where a server on this port is asked."""
    return f"http://{HOST}:{port}/api"


def free_port(wanted: int | None = None) -> int:
    """The wanted port when nobody listens there, else any free one."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, wanted or 0))
        except OSError:
            return free_port()
        return int(probe.getsockname()[1])


SMALL = {"PREFECT_SERVER_UI_ENABLED": "false", "PREFECT__SERVER_EPHEMERAL": "1", "PREFECT__SERVER_FINAL": "1"}


def begin_server(port: int, ui: bool) -> subprocess.Popen[bytes]:
    """Start a server: with its pages and every service, or small and for one engine alone."""
    own = {"PREFECT_SERVER_API_HOST": HOST, "PREFECT_SERVER_API_PORT": str(port)}
    own |= {"PREFECT_SERVER_UI_ENABLED": "true", "PREFECT_SERVER_UI_API_URL": api_url(port)} if ui else SMALL
    return spawn("flows.server", str(port), env={**os.environ, **own})


def answers(port: int) -> bool:
    """Whether a server on this port says that it is well."""
    connection = HTTPConnection(HOST, port, timeout=5)
    try:
        connection.request("GET", "/api/health")
        return connection.getresponse().status == 200
    except (OSError, HTTPException):
        return False
    finally:
        connection.close()


def wait_until_it_answers(child: subprocess.Popen[bytes], port: int, patience_s: float) -> bool:
    """Whether the server came up before it ended and before the patience did."""
    deadline = time.monotonic() + patience_s
    while child.poll() is None and time.monotonic() < deadline:
        if answers(port):
            return True
        time.sleep(0.1)
    return False


def main() -> None:
    """Serve until the parent lets go; one server at a time over one database."""
    for ignored in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):  # the parent's word counts, it is needed to the last
        signal.signal(ignored, signal.SIG_IGN)
    let_go = threading.Event()
    follow_parent(let_go.set, ENDS_WITHIN_S)
    lock = FileLock(Path(os.environ["PREFECT_HOME"]) / "server.lock", mode=0o600)
    Path(lock.lock_file).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    lock.acquire(timeout=PREDECESSOR_S)
    import uvicorn
    from prefect.server.api.server import create_app

    class Server(uvicorn.Server):
        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

        async def on_tick(self, counter: int) -> bool:
            return let_go.is_set() or await super().on_tick(counter)

    config = uvicorn.Config(
        create_app(final=True),
        host=HOST,
        port=int(sys.argv[1]),
        log_level="error",
        lifespan="on",
        timeout_graceful_shutdown=1,
    )
    Server(config).run()


if __name__ == "__main__":
    main()
