"""An event loop in a thread of its own, which runs between the chunks too, for connections that all threads share."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Found = TypeVar("Found")


class OwnLoop:
    """Runs coroutines for any thread; begun with the first one, and anew in a forked child, which has no thread."""

    def __init__(self, name: str, begun: Callable[[], None]) -> None:
        """`begun` is called before a new loop runs: what belonged to another one must be forgotten."""
        self.name = name
        self._begun = begun
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._of = 0

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """What the coroutine returns or raises; the calling thread waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._begin()).result()

    def close(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the last coroutine, which closes the connections, and end the thread; nothing without a loop."""
        with self._guard:
            loop, thread = self._loop, self._thread
            self._loop = self._thread = None
        if loop is None or thread is None or self._of != os.getpid():
            return
        asyncio.run_coroutine_threadsafe(last(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _begin(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None or self._of != os.getpid():  # a forked child has the loop, and not its thread
                self._loop, self._of = asyncio.new_event_loop(), os.getpid()
                self._begun()
                self._thread = threading.Thread(target=self._loop.run_forever, name=self.name, daemon=True)
                self._thread.start()
            return self._loop


async def all_others_done() -> None:
    """Wait for every other task of this loop, however it ends."""
    await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)
