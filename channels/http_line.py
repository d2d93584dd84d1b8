"""The event loop of one gateway, in a thread of its own, with the connections that all threads share.

It runs between the chunks too: only so is it noticed in time that the gateway closed an idle connection. A POST on a
connection found closed too late would be in doubt for nothing.
"""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Coroutine
from typing import Any, TypeVar

import aiohttp

Found = TypeVar("Found")


class Line:
    """Runs coroutines for any thread; idle connections are kept for `keep_s` seconds."""

    def __init__(self, keep_s: float) -> None:
        self.keep_s = keep_s
        self._guard = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._session: aiohttp.ClientSession | None = None
        self._of = 0

    def run(self, work: Coroutine[Any, Any, Found]) -> Found:
        """What the coroutine returns or raises; the calling thread waits for it."""
        return asyncio.run_coroutine_threadsafe(work, self._begin()).result()

    async def session(self) -> aiohttp.ClientSession:
        """The session of this loop. No cookies, no proxy from the environment, answers as they were sent."""
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(limit=0, keepalive_timeout=self.keep_s, ttl_dns_cache=60),
                cookie_jar=aiohttp.DummyCookieJar(),
                headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "multiwave"},
                auto_decompress=False,
                trust_env=False,
            )
        return self._session

    def close(self) -> None:
        """Close the connections and end the thread."""
        with self._guard:
            loop, thread, session = self._loop, self._thread, self._session
            self._loop = self._thread = self._session = None
        if loop is None or thread is None or self._of != os.getpid():
            return
        if session is not None:
            asyncio.run_coroutine_threadsafe(session.close(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()

    def _begin(self) -> asyncio.AbstractEventLoop:
        with self._guard:
            if self._loop is None or self._of != os.getpid():  # a forked child has the loop, and not its thread
                self._loop, self._session, self._of = asyncio.new_event_loop(), None, os.getpid()
                self._thread = threading.Thread(target=self._loop.run_forever, name="http-line", daemon=True)
                self._thread.start()
            return self._loop
