"""One worker of the chaos runs, a process of its own: `python -m tests.chaos.worker HOME`, until somebody kills it.

It does what an engine does, over and over: sweep up, then everything that is due. An error that multiwave knows is
told and the next round tries again; any other ends the worker, and so the run.
"""

from __future__ import annotations

import faulthandler
import os
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from threading import Event

from config.settings import load_settings
from flows.campaign import advance
from flows.room import Room, open_room
from flows.sending import send_batch
from flows.upkeep import upkeep
from flows.wave import live
from ledger.close import Balance
from tests.chaos import on_prefect
from waves.errors import MultiwaveError

ROUND_S = 0.1
"""How long a worker rests between two rounds."""


def launch(room: Room, campaign: str, wave: str, now: datetime) -> Balance | None:
    """A wave on plain functions, as Prefect's flow would run it."""
    return live(room, campaign, wave, now, send_batch)


def work(home: Path) -> None:
    """Round after round; other workers live, so no claim is taken for a dead one's before its lease is over."""
    room, rest = _opened(home), Event()
    while True:
        try:
            now = room.ledger.now()
            upkeep(room, now)
            for moved in advance(room, now, launch):
                print(moved, flush=True)
        except MultiwaveError as error:
            print(type(error).__name__, error, flush=True)
        rest.wait(ROUND_S)


def _opened(home: Path) -> Room:
    """The room, once its database answers: a worker that is started beside it waits."""
    while True:
        try:
            return open_room(load_settings(home))
        except MultiwaveError as error:
            print(type(error).__name__, error, flush=True)
            Event().wait(ROUND_S)


def forked(home: str, environment: Mapping[str, str], log: str) -> None:
    """The same in a child that a fork server made, which has everything imported already."""
    os.environ.update(environment)
    out = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    os.dup2(out, 1)
    os.dup2(out, 2)
    faulthandler.enable()
    if "PREFECT_API_URL" in environment:
        on_prefect.work(Path(home), ROUND_S)
    else:
        work(Path(home))


if __name__ == "__main__":
    work(Path(sys.argv[1]))
