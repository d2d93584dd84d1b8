"""What every page and door of `serve` has at hand: the room, the spool, the clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from fastapi import Request, Response
from starlette.requests import ClientDisconnect

from channels.spool import Record, Spool
from config.settings import Settings
from flows.room import Room
from waves.subscriptions import origin_of

AGAIN = {"Retry-After": "30"}
LONGEST_BODY = 1_000_000
"""Bytes of one request; a provider with more to say makes several."""
BODY_WITHIN_S = 30.0
"""How long a body may take to come: whoever is slower keeps a place that others wait for."""


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True)
class Door:
    """What a request is answered with."""

    room: Room
    spool: Spool
    clock: Callable[[], datetime] = field(default=_now)
    patience_s: float = 5.0
    """How long somebody waits for the ledger before they are told to come again."""

    async def keep(self, record: Record) -> Response | None:
        """None once the record is on disk; the answer to give, so that it comes again, when it could not be kept."""
        try:
            await asyncio.wrap_future(self.spool.append(record))
        except OSError:
            return Response(status_code=503, headers=AGAIN)
        return None


def answered(settings: Settings, origin: str, *more: str) -> dict[str, str] | None:
    """CORS headers for a page of this origin; None when that is no site of ours, nor our own address, nor `more`."""
    own = [origin_of(settings.public_url)] if settings.public_url else []
    if origin not in (*settings.site_origins, *own, *more):
        return None
    return {"Access-Control-Allow-Origin": origin, "Vary": "Origin"}


async def body_of(request: Request, most: int = LONGEST_BODY, within_s: float = BODY_WITHIN_S) -> bytes | None:
    """The body; None, read no further, when it is too large or too slow, or its sender went away before its end."""
    parts, size = list[bytes](), 0
    try:
        async with asyncio.timeout(within_s):
            async for part in request.stream():
                size += len(part)
                if size > most:
                    return None
                parts.append(part)
    except (ClientDisconnect, TimeoutError):
        return None
    return b"".join(parts)
