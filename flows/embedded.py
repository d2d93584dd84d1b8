"""Run the flows inside this process, over Prefect's ephemeral server, one process a home at a time."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flows.room import Room
from waves.errors import LedgerError

QUIET: dict[str, str] = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "PREFECT_SERVER_EPHEMERAL_ENABLED": "true",
    # The default 20 s is missed on a fresh database.
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "120",
    # One by one, the recorder stalls on "database is locked".
    "PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE": "100",
    "PREFECT_LOGGING_LEVEL": "INFO",
    "PREFECT_LOGGING_SERVER_LEVEL": "ERROR",
    "PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL": "ERROR",
    "DO_NOT_TRACK": "1",
}


def prepare(home: Path) -> None:
    """Set Prefect's environment for an embedded run; what the caller's environment says already stays."""
    os.environ.setdefault("PREFECT_HOME", str((home / "prefect").resolve()))
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)


@contextmanager
def engine_lock(room: Room) -> Iterator[None]:
    """Hold the home's engine lock, which dies with its process; LedgerError when another process runs the flows."""
    lock = FileLock(room.settings.home / "engine.lock", mode=0o600)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise LedgerError("another multiwave process runs the flows of this home; wait for it or stop it") from None
    room.all_workers_gone = True
    try:
        yield
    finally:
        room.all_workers_gone = False
        lock.release()
