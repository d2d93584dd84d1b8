"""The door for a shop's conversions: a key, JSON, all or nothing; kept on disk before it is answered."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from channels.conversions_http import kept_body, read_posted
from channels.own_pages import OWN
from channels.spool import Record
from console.web.asking import asked
from console.web.door import AGAIN, Door, body_of
from flows.links import Links
from ledger.api_keys import key_name
from waves.errors import InputError, LedgerError
from waves.tokens import LENGTH

ASKED_FOR = {"WWW-Authenticate": "Bearer"}
LONGEST_KEY = 200


def router(door: Door, links: Links) -> APIRouter:
    """POST /conversions with `Authorization: Bearer KEY`.

    202 when all of it is on disk; 400 with what is wrong with which item; 401 without a live key, 413 when it is too
    large, 503 while the ledger does not answer or the disk refuses.
    """
    routes = APIRouter()

    def name_of(key: str) -> str | None:
        with door.room.ledger.read() as connection:
            return key_name(connection, key)

    def ours(text: str) -> str | None:
        token = text.strip().upper()[:LENGTH] if len(text.strip()) <= LENGTH + 2 else ""
        return token if links.touch(token) is not None else None

    @routes.post("/conversions")
    async def conversions(request: Request) -> Response:
        scheme, _, key = request.headers.get("authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not 0 < len(key) <= LONGEST_KEY:
            return JSONResponse({"error": "write Authorization: Bearer KEY"}, 401, ASKED_FOR)
        try:
            source = await asked(lambda: name_of(key.strip()), door.patience_s)
        except LedgerError:
            return Response(status_code=503, headers=AGAIN)
        if source is None:
            return JSONResponse({"error": "no such key, or a revoked one"}, 401, ASKED_FOR)
        body = await body_of(request)
        if body is None:
            return JSONResponse({"error": "too large; send fewer conversions in one request"}, 413)
        try:
            read = read_posted(body, source, ours)
        except InputError as error:
            return JSONResponse({"error": str(error).splitlines()}, 400)
        refused = await door.keep(Record(OWN, "conversion", door.clock(), {}, kept_body(read)))
        return refused or JSONResponse({"kept": len(read)}, 202)

    return routes
