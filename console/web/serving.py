"""Run the door: uvicorn for the requests, a thread that merges the spool behind them."""

from __future__ import annotations

import logging
import signal
import socket
import threading
import traceback
from collections.abc import Callable
from functools import partial

import uvicorn

from channels.listeners import LISTENERS, Listen
from channels.opening import Opening
from channels.registry import CAPABILITIES
from channels.spool import Spool
from console.web.app import make_app
from console.web.door import Door
from console.web.patience import Patient
from flows.room import Room
from flows.spooling import merge_spool
from waves.errors import MultiwaveError

MERGES_EVERY_S = 1.0
MOST_AT_ONCE = 1000
"""Requests in hand at most; further ones are told to come again (503)."""


class Discreet(logging.Filter):
    """Says of a request that failed what failed and where; the text of an error can hold what somebody sent."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Every record passes, without its traceback."""
        error = record.exc_info[1] if record.exc_info else None
        if error is not None:
            (*_, last) = traceback.extract_tb(error.__traceback__) or [None]
            where = f" at {last.filename}:{last.lineno}" if last else ""
            record.msg, record.args = f"a request failed: {type(error).__name__}{where}", ()
            record.exc_info = record.exc_text = None
        return True


def serve(room: Room, host: str, port: int, say: Callable[[str], None]) -> None:
    """Answer until SIGTERM or Ctrl-C, then merge what is left; OSError when the address is taken."""
    bound = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET, backlog=2048)
    spool = Spool(room.settings.spool_folder)
    over = threading.Event()
    merging = threading.Thread(target=_keep_merging, args=(room, over, say), name="merging")
    merging.start()
    logging.getLogger("uvicorn.error").addFilter(Discreet())
    config = uvicorn.Config(
        make_app(Door(room, spool)),
        access_log=False,  # a line per request would tell when each person did what
        log_config=None,
        lifespan="off",
        http=Patient,
        ws="none",
        limit_concurrency=MOST_AT_ONCE,
        timeout_keep_alive=75,
    )
    say(f"callbacks at http://{host}:{bound.getsockname()[1]}/callbacks/PROVIDER/SENDER")
    server = uvicorn.Server(config)
    for asked in (signal.SIGTERM, signal.SIGINT):
        signal.signal(asked, partial(_end, server))  # until uvicorn sets its own, and when it raises it anew at its end
    listening = _listeners(room, spool, hung_up := threading.Event(), say)
    try:
        server.run(sockets=[bound])
    finally:
        hung_up.set()
        for one in listening:
            one.join()
        spool.close()
        over.set()
        merging.join()
        bound.close()


def _end(server: uvicorn.Server, *_: object) -> None:
    server.should_exit = True


def _listeners(room: Room, spool: Spool, over: threading.Event, say: Callable[[str], None]) -> list[threading.Thread]:
    """A thread for each sender whose provider speaks on a connection of its own."""
    threads = []
    for sender in room.senders.values():
        known = LISTENERS.get(sender.provider)
        if known is not None:
            opening = Opening(CAPABILITIES[sender.channel], sender, room.settings.home, room.settings.public_url)
            args = (known.listen, opening, spool, over, say)
            threads.append(threading.Thread(target=_listen, args=args, name=f"listening-{sender.sender}"))
            threads[-1].start()
    return threads


def _listen(listen: Listen, opening: Opening, spool: Spool, over: threading.Event, say: Callable[[str], None]) -> None:
    """Listen until it is over; what is wrong with one sender's options keeps the door open for the others."""
    try:
        listen(opening, spool, over, say)
    except MultiwaveError as error:
        say(f"nothing is heard of {opening.sender.sender}: {error}")


def _keep_merging(room: Room, over: threading.Event, say: Callable[[str], None]) -> None:
    """Merge every second, and once more at the end; a ledger that does not answer is told once and tried again."""
    told = ""
    while True:
        last = over.wait(MERGES_EVERY_S)
        try:
            merged = merge_spool(room, room.ledger.now())
            told = ""
            if merged.aside:
                say(f"{merged.aside} callbacks could not be read and are kept aside; multiwave doctor tells more")
        except (MultiwaveError, OSError) as error:
            what = str(error).splitlines()[0] if isinstance(error, MultiwaveError) else str(error.strerror)
            if what != told:
                say(f"callbacks wait in the spool: {what}")
            told = what
        if last:
            return
