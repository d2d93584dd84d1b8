"""Our short links: the click is kept, then its person led on; only to addresses of templates that were approved."""

from __future__ import annotations

from datetime import datetime

from fastapi import APIRouter, Request, Response

from channels.own_pages import OWN, body_of
from channels.robots import robot
from channels.spool import Record
from console.web.asking import asked
from console.web.door import AGAIN, Door
from console.web.page import page
from console.web.words import words_for
from flows.links import Links
from waves.errors import LedgerError, TokenError
from waves.links import read_link
from waves.message import Event
from waves.outcomes import Action, Outcome

LED_ON = {"Referrer-Policy": "no-referrer", "Cache-Control": "no-store", "X-Robots-Tag": "noindex"}


def router(door: Door, links: Links) -> APIRouter:
    """GET /c/CODE: 302 to the address of that link; 404 for any other code, 503 while the ledger does not answer.

    A HEAD and a request that says it is a machine's are led on alike, and marked.
    """
    routes = APIRouter()

    @routes.api_route("/c/{code}", methods=["GET", "HEAD"])
    async def follow(code: str, request: Request) -> Response:
        try:
            token, number = read_link(code)
        except TokenError:
            return _lost(request)
        touch = links.touch(token)
        if touch is None:
            return _lost(request)
        try:
            where = await asked(lambda: links.leads_to(touch, token, number), door.patience_s)
        except LedgerError:
            return Response(status_code=503, headers=AGAIN)
        if where is None:
            return _lost(request)
        event = _event(token, number, robot(request.method, request.headers), door.clock())
        # A disk that refuses loses a click, and keeps nobody from where they wanted to go.
        await door.keep(Record(OWN, "event", event.at, {}, body_of([event])))
        return Response(status_code=302, headers={"Location": where, **LED_ON})

    return routes


def _event(token: str, number: int, machine: str | None, now: datetime) -> Event:
    ident = f"c/{token}/{number}/{'bot/' if machine else ''}{int(now.timestamp())}"
    if machine is None:
        return Event(token, int(Outcome.CLICKED), now, OWN, ident, raw={"link": number})
    raw = {"link": number, "bot": True, "why": machine}
    return Event(token, int(Outcome.DELIVERED), now, OWN, ident, action=Action.OK, raw=raw)


def _lost(request: Request) -> Response:
    language, words = words_for(None, request.headers.get("accept-language"))
    return page(language, words.lost, words.lost_said, status=404)
