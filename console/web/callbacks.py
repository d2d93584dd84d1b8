"""The door for providers' callbacks: verify, put on disk, answer; what they say is read into the ledger afterwards."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter, Request, Response

from channels.callbacks import CALLBACKS, URL, Callback, is_storable
from channels.spool import Record
from console.web.door import AGAIN, Door, body_of
from waves.errors import MultiwaveError, WebhookRejected


def router(door: Door, callbacks: Mapping[str, Callback] = CALLBACKS) -> APIRouter:
    """POST /callbacks/PROVIDER/SENDER.

    202, or what the provider wants to hear, when the request is on disk; 401 or 403 when it is not the sender's own,
    400 when it cannot be read, 404 when there is no such sender, 413 when it is too large, 503 when it could not be
    kept, so that the provider sends it again. What a signature lets in is kept before it is read: nonsense in it goes
    to the spool's folder `aside`.
    """
    routes = APIRouter()

    @routes.post("/callbacks/{provider}/{sender}")
    async def callback(provider: str, sender: str, request: Request) -> Response:
        known, found = callbacks.get(provider), door.room.senders.get(sender)
        if known is None or found is None or found.provider != provider:
            return Response(status_code=404)
        body = await body_of(request, known.longest)
        if body is None:
            return Response(status_code=413)
        headers = {name: request.headers[name] for name in known.headers if name in request.headers}
        if known.looks_at_url:
            headers[URL] = f"{door.room.settings.public_url or ''}{_path(request)}"
        now = door.clock()
        try:
            known.verify(found, headers, body, now)
            if not known.large and not is_storable(known.read(found, headers, body, now)):
                return Response(status_code=400)
        except WebhookRejected as error:
            return Response(status_code=error.status)
        except MultiwaveError:  # such as a secret that is not in our environment: ours to mend, theirs to send again
            return Response(status_code=503, headers=AGAIN)
        again = await door.keep(Record(provider, sender, now, headers, body))
        status, media_type, said = known.answer
        return again or Response(said, status, media_type=media_type)

    return routes


def _path(request: Request) -> str:
    """Path and query as they were sent, not decoded: that is what a provider signed."""
    raw = request.scope.get("raw_path") or request.url.path.encode()
    query = request.scope.get("query_string") or b""
    return (raw.split(b"?")[0] + (b"?" + query if query else b"")).decode("latin-1")
