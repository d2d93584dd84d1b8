"""Run the flows inside this process, over a Prefect server of its own, one process a home at a time."""

from __future__ import annotations

import atexit
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flows import lifeline, server
from flows.room import Room
from waves.errors import EngineError, LedgerError

QUIET: dict[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    # One by one, the recorder stalls on "database is locked".
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
    "DO_NOT_TRACK": "1",
}


STARTS_WITHIN_S = 120.0


class OwnServer:
    """This process's Prefect server: begun when it is first needed, again on its port when it died meanwhile."""

    child: subprocess.Popen[bytes] | None = None
    port: int = 0

    @classmethod
    def ensure(cls) -> None:
        """Wait until it answers; EngineError when it does not come up."""
        if cls.child is not None and cls.child.poll() is None:
            return
        if cls.child is None:
            cls.port = server.free_port()
            atexit.register(cls.end)  # before Prefect registers its own, so that its last log lines still arrive
        cls.child = server.begin_server(cls.port, ui=False)
        if not server.wait_until_it_answers(cls.child, cls.port, STARTS_WITHIN_S):
            lifeline.end(cls.child, 0)
            raise EngineError("Prefect's server did not start; the next `advance` tries again")
        os.environ["PREFECT_API_URL"] = server.api_url(cls.port)

    @classmethod
    def end(cls) -> None:
        """Let it go, and wait until it is gone."""
        if cls.child is not None:
            lifeline.end(cls.child, 2 * server.ENDS_WITHIN_S)


def set_environment(home: Path) -> None:
    """Set Prefect's environment for an embedded run; what the caller's environment says already stays."""
    os.environ.setdefault("PREFECT_HOME", str((home / "prefect").resolve()))
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


def prepare(home: Path) -> None:
    """Have a Prefect server to run flows over: the one that PREFECT_API_URL names, else one of our own."""
    set_environment(home)
    if OwnServer.child is not None or "PREFECT_API_URL" not in os.environ:
        OwnServer.ensure()


@contextmanager
def engine_lock(room: Room, patience_s: float = 0) -> Iterator[None]:
    """Hold the home's engine lock, which dies with its process; LedgerError when another process runs the flows."""
    lock = FileLock(room.settings.home / "engine.lock", mode=0o600)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout:
        raise LedgerError("another multiwave process runs the flows of this home; wait for it or stop it") from None
    room.all_workers_gone = True
    try:
        yield
    finally:
        room.all_workers_gone = False
        lock.release()
