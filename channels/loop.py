"""An event loop in a thread of its own, for providers that keep connections from chunk to chunk."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

Found = TypeVar("Found")


class Loop:
    """Runs coroutines for any thread; it runs between them too, so that a closed connection is noticed in time.

    `begun` is called when the loop is a new one: whatever belonged to an older loop cannot be used any more.
    """

    def __init__(self, name: str, begun: Callable[[], None]) -> None:
        self._name = name
        self._begun = begun
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._of = 0

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """What the coroutine returns or raises; the calling thread waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._begin()).result()

    def end(self, last: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Run the last work and end the thread; nothing where none runs. The next `run` begins a new one."""
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
                self._thread = threading.Thread(target=self._loop.run_forever, name=self._name, daemon=True)
                self._thread.start()
            return self._loop
