"""Ask the ledger for a page that somebody waits for: in a thread, and not for long."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TypeVar

from waves.errors import LedgerError

T = TypeVar("T")


async def asked(question: Callable[[], T], patience_s: float) -> T:
    """The answer; LedgerError when there is none within the time."""
    try:
        return await asyncio.wait_for(asyncio.to_thread(question), patience_s)
    except TimeoutError:
        raise LedgerError("the ledger does not answer now") from None
