"""The door for providers' callbacks: verify, put on disk, answer; what they say is read into the ledger afterwards."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from fastapi import FastAPI, Request, Response

from channels.callbacks import CALLBACKS, Callback
from channels.spool import Record, Spool
from waves.errors import MultiwaveError, WebhookRejected
from waves.senders import Sender

AGAIN = {"Retry-After": "30"}
LONGEST_BODY = 1_000_000
"""Bytes of one request; a provider with more to say makes several."""


def make_app(
    senders: Mapping[str, Sender],
    spool: Spool,
    callbacks: Mapping[str, Callback] = CALLBACKS,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> FastAPI:
    """The application: POST /callbacks/PROVIDER/SENDER and GET /healthz.

    202 when the request is on disk; 401 when it is not the sender's own, 400 when it cannot be read, 404 when there is
    no such sender, 413 when it is too large, 503 when it could not be kept, so that the provider sends it again.
    """
    app = FastAPI(title="multiwave", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    @app.post("/callbacks/{provider}/{sender}")
    async def callback(provider: str, sender: str, request: Request) -> Response:
        known, found = callbacks.get(provider), senders.get(sender)
        if known is None or found is None or found.provider != provider:
            return Response(status_code=404)
        body = await _body(request)
        if body is None:
            return Response(status_code=413)
        headers = {name: request.headers[name] for name in known.headers if name in request.headers}
        now = clock()
        try:
            known.read(found, headers, body, now)
        except WebhookRejected as error:
            return Response(status_code=error.status)
        except MultiwaveError:  # such as a secret that is not in our environment: ours to mend, theirs to send again
            return Response(status_code=503, headers=AGAIN)
        try:
            await asyncio.wrap_future(spool.append(Record(provider, sender, now, headers, body)))
        except OSError:
            return Response(status_code=503, headers=AGAIN)
        return Response(status_code=202)

    return app


async def _body(request: Request) -> bytes | None:
    """The body; None, read no further, when it is too large."""
    parts, size = list[bytes](), 0
    async for part in request.stream():
        size += len(part)
        if size > LONGEST_BODY:
            return None
        parts.append(part)
    return b"".join(parts)
