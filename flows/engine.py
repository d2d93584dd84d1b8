"""The engine as a child of `up`: `python -m flows.engine HOME [STEP_S UNTIL]`; a line of JSON for whatever happens.

The ticks run in a thread. Prefect turns SIGTERM into an exception in the middle of a flow, but in the main thread
alone; there it is heard here instead, and the engine ends after the chunk in hand.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from config.settings import load_settings
from flows.driver import advance_locked, note_advanced
from flows.embedded import engine_lock
from flows.lifeline import follow_parent
from flows.room import Room, open_room
from waves.errors import MultiwaveError

ENDS_WITHIN_S = 60.0
"""How long the chunk in hand may take after the engine was asked to end."""
PREDECESSOR_S = 10.0
LONGEST_PAUSE_S = 60.0
TURN_S = 20.0
"""So long a tick may send before it asks anew what is due: a slow sender's campaign keeps no other from opening."""
Say = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Steps:
    """How a simulated clock is moved: so far a tick, up to a moment."""

    step: timedelta
    until: datetime


@dataclass
class Engine:
    """A room, and the ticks in it until it is asked to stop."""

    room: Room
    say: Say
    stop: threading.Event
    steps: Steps | None = None

    def run(self) -> None:
        """Tick after tick under the engine's lock; a tick that fails is told and tried again, with growing pauses."""
        self.room.tick = self._worked()
        self.room.tell = lambda what: self.say({"event": "told", "what": what})
        failures = 0
        while not self.stop.is_set():
            try:
                with engine_lock(self.room, PREDECESSOR_S) as still_alone:
                    self._freeze()
                    while not self.stop.is_set():
                        still_alone()
                        last = self._tick()
                        failures = 0
                        if last:
                            return
                        if self.steps is None and not self.room.is_over:
                            self.stop.wait(self.room.settings.tick.total_seconds())
            except (MultiwaveError, OSError) as error:
                failures += 1
                self.say({"event": "trouble", "what": one_line(error)})
                self.stop.wait(min(0.5 * 2**failures, LONGEST_PAUSE_S))

    def ask_to_stop(self) -> None:
        """End after the chunk in hand, at once when it waits."""
        self.room.stopping = True
        self.stop.set()

    def _freeze(self) -> None:
        if self.steps is not None:
            self.room.ledger.set_now(self.room.ledger.now())

    def _tick(self) -> bool:
        """One `advance`, and a step of a simulated clock after it; whether that was the last."""
        room = self.room
        now = room.ledger.now()
        room.turn_ends = None if room.ledger.simulated else time.monotonic() + TURN_S
        moves = advance_locked(room, now)
        if room.stopping:
            return False
        note_advanced(room, now, len(moves))
        self.say({"event": "ticked", "now": now.isoformat(), "moves": moves})
        if self.steps is None:
            return False
        if now >= self.steps.until:
            return True
        room.ledger.set_now(min(now + self.steps.step, self.steps.until))
        return False

    def _worked(self) -> Callable[[str, int, int], None]:
        said = 0.0

        def tick(what: str, done: int, total: int) -> None:
            nonlocal said
            if time.monotonic() - said > 1:
                said = time.monotonic()
                self.say({"event": "worked", "wave": what, "batches": done, "of": total})

        return tick


def one_line(error: BaseException) -> str:
    """An error's message on one line; of an operating system's error no path but the one it is about."""
    if isinstance(error, OSError):
        return f"{error.strerror or type(error).__name__}{f': {error.filename}' if error.filename else ''}"
    return "; ".join(str(error).splitlines())


def where(error: BaseException) -> str:
    """The kind of an error nobody foresaw and the lines it came by; not its message, which may hold a person."""
    frames = traceback.extract_tb(error.__traceback__)[-6:]
    return " < ".join(
        [type(error).__name__, *(f"{Path(f.filename).name}:{f.lineno} {f.name}" for f in reversed(frames))]
    )


def main() -> None:
    """Run until it is told to end, or until a simulated clock's last step."""
    out = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)  # what libraries print is no line of ours
    talking = threading.Lock()

    def say(line: dict[str, Any]) -> None:
        with talking, suppress(BrokenPipeError):  # the lifeline tells of a parent that is gone
            out.write(json.dumps(line) + "\n")

    home, *steps = sys.argv[1:]
    try:
        room = open_room(load_settings(Path(home)))
    except MultiwaveError as error:
        say({"event": "trouble", "what": one_line(error)})
        sys.exit(1)
    moves = Steps(timedelta(seconds=float(steps[0])), datetime.fromisoformat(steps[1])) if steps else None
    engine = Engine(room, say, threading.Event(), moves)
    failed: list[BaseException] = []
    threading.excepthook = lambda args: failed.append(args.exc_value) if args.exc_value else None
    for asked in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(asked, lambda *_: engine.ask_to_stop())
    follow_parent(engine.ask_to_stop, ENDS_WITHIN_S)
    ticks = threading.Thread(target=engine.run, name="engine")
    ticks.start()
    ticks.join()
    if failed:
        say({"event": "trouble", "what": f"the engine broke: {where(failed[0])}"})
    room.ledger.close()
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
