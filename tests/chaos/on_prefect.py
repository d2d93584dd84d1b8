"""The work of a chaos worker over Prefect's flows, and the Prefect server they share, which can be killed.

The worker is what `prefect worker` makes of the deployment `run-wave` again and again: the flow itself, in a process
that may be killed. While the server is gone its flows fail, and the next round tries again.
"""

from __future__ import annotations

import os
from contextlib import ExitStack
from pathlib import Path
from threading import Event

from flows.server import free_port
from tests.acceptance.server import QUIET, prefect_server
from tests.chaos.home import CAMPAIGN, WAVE
from waves.errors import MultiwaveError

CLIENT = QUIET | {
    "PREFECT_CLIENT_MAX_RETRIES": "1",
    "MULTIWAVE_WAVE_WORKERS": "100",  # the dead count until they have missed a few beats
}


class PrefectServer:
    """A Prefect server on one port and over one folder, however often it is killed."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.port = folder, free_port()
        folder.mkdir()
        self.start()

    @property
    def environment(self) -> dict[str, str]:
        """What makes a worker use it."""
        home = str(self.folder / "client")
        return CLIENT | {"PREFECT_API_URL": f"http://127.0.0.1:{self.port}/api", "PREFECT_HOME": home}

    def start(self) -> None:
        """Wait until it answers; its database is the one of the server before it."""
        self._held = ExitStack()
        self._held.enter_context(prefect_server(self.folder / "server", self.port))

    def kill(self) -> None:
        """Signal 9."""
        self._held.close()


def work(home: Path, rest_s: float) -> None:
    """Flow run after flow run; an error of the ledger's or of Prefect's ends one of them, any other ends the worker."""
    os.environ["MULTIWAVE_HOME"] = str(home)
    import httpx  # in here: a process that does without Prefect need not read its settings
    from prefect.context import refresh_global_settings_context
    from prefect.exceptions import PrefectException

    from flows.deploy import room_here, run_wave
    from flows.upkeep import upkeep

    refresh_global_settings_context()  # the fork server imported Prefect in another environment
    rest = Event()
    while True:
        try:
            room = room_here()
            upkeep(room, room.ledger.now())
            run_wave(CAMPAIGN, WAVE)
        except (MultiwaveError, PrefectException, httpx.HTTPError, RuntimeError) as error:
            print(type(error).__name__, error, flush=True)
        rest.wait(rest_s)
