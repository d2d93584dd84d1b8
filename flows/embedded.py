"""Run the flows inside this process, over a Prefect server of its own, one process a home at a time."""

from __future__ import annotations

import atexit
import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from flows import lifeline, server
from flows.presence import engine_of_home, present
from flows.room import Room
from ledger.store import Advancing
from waves.errors import EngineBusy, EngineError

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
def advancing_alone(room: Room, patience_s: float = 0) -> Iterator[Advancing]:
    """Hold the right to advance, which dies with its process: the home's lock file, and on PostgreSQL the ledger's.

    EngineBusy when another process has it, on this machine or any other.
    """
    lock = FileLock(room.settings.home / "engine.lock", mode=0o600)
    try:
        lock.acquire(timeout=patience_s)
    except Timeout:
        raise EngineBusy("another multiwave process runs the flows of this home; wait for it or stop it") from None
    try:
        with room.ledger.advancing() as right:
            if right is None:
                raise EngineBusy("another machine runs the flows of this ledger; wait for it or stop it")
            yield right
    finally:
        lock.release()


@contextmanager
def engine_lock(room: Room, patience_s: float = 0) -> Iterator[Callable[[], None]]:
    """Be the engine of this home: nobody else advances, and whoever worked for it before is gone.

    Yields what raises a LedgerError once that is no longer so. EngineBusy when another process is it.
    """
    with (
        advancing_alone(room, patience_s) as right,
        present(room, engine_of_home(room), alone=True) as presence,
    ):
        assert presence is not None

        def check() -> None:
            right.check()
            presence.check()

        room.all_workers_gone = True
        try:
            yield check
        finally:
            room.all_workers_gone = False
