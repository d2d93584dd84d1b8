"""HTTP as uvicorn speaks it, but not for ever: who keeps a place and sends no request loses it."""

from __future__ import annotations

import asyncio

from uvicorn.protocols.http.h11_impl import H11Protocol

LOOKS_EVERY_S = 20.0


class Patient(H11Protocol):
    """A connection that is closed once it has sent neither a whole request nor nothing at all between two looks.

    uvicorn itself closes one that is silent after an answer; before the first request, and in the middle of one, it
    waits without end, and a thousand such connections would keep everybody else out.
    """

    looks_every_s = LOOKS_EVERY_S

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to look."""
        super().connection_made(transport)
        self._next: asyncio.TimerHandle | None = None
        self._look(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Look no more, so that nothing of it stays in memory."""
        super().connection_lost(exc)
        if self._next is not None:
            self._next.cancel()

    def _look(self, last: object) -> None:
        if self.transport.is_closing():
            return
        asks = self.cycle is not None and not self.cycle.response_complete
        silent = self.timeout_keep_alive_task is not None  # uvicorn's own patience is running
        if self.cycle is last and not asks and not silent:
            self.transport.close()
            return
        self._next = self.loop.call_later(self.looks_every_s, self._look, self.cycle)
