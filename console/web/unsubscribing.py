"""Where a person unsubscribes: the page asks, the POST does it (RFC 8058); to look at it changes nothing."""

from __future__ import annotations

from datetime import datetime
from urllib.parse import parse_qs

from fastapi import APIRouter, Request, Response

from channels.own_pages import OWN, body_of
from channels.spool import Record
from console.web.asking import asked
from console.web.door import Door
from console.web.door import body_of as read_body
from console.web.page import page
from console.web.words import words_for
from flows.links import Links
from waves.errors import LedgerError, TokenError
from waves.message import Event
from waves.outcomes import Action, Side
from waves.tokens import Kind, read_seed_token, read_token


def router(door: Door, links: Links) -> APIRouter:
    """GET and POST /u/TOKEN.

    A POST with a token of ours is answered 200 every time, without cookie, login or redirect; 404 for any other token,
    413 for a body too large, 503 when it could not be kept.
    """
    routes = APIRouter()

    @routes.api_route("/u/{token}", methods=["GET", "HEAD"])
    async def show(token: str, request: Request) -> Response:
        accepted = request.headers.get("accept-language")
        if _kind(door, token) is None:
            return _lost(accepted)
        language, words = words_for(await _language(links, token, door.patience_s), accepted)
        form = (
            '<form method="post">'
            f'<button class="first" name="scope" value="channel">{words.one}</button>'
            f'<button name="scope" value="all">{words.every}</button></form>'
        )
        return page(language, words.title, words.ask, form)

    @routes.post("/u/{token}")
    async def unsubscribe(token: str, request: Request) -> Response:
        kind, accepted = _kind(door, token), request.headers.get("accept-language")
        if kind is None:
            return _lost(accepted)
        body = await read_body(request)
        if body is None:
            return Response(status_code=413)
        everything = _says_all(body)
        # a test message has no customer in the campaign to speak for; a seed speaks for itself
        if kind is Kind.TOUCH or read_seed_token(door.room.token_key, token.strip()) is not None:
            event = _event(token.strip().upper(), everything, door.clock())
            refused = await door.keep(Record(OWN, "event", event.at, {}, body_of([event])))
            if refused:
                return refused
        language, words = words_for(await _language(links, token, door.patience_s), accepted)
        return page(language, words.done, words.done_every if everything else words.done_one)

    return routes


def _kind(door: Door, token: str) -> Kind | None:
    """What a token names that somebody may unsubscribe with; None for any other."""
    try:
        kind, _ = read_token(door.room.token_key, token)
    except TokenError:
        return None
    return kind if kind in (Kind.TOUCH, Kind.TEST) else None


async def _language(links: Links, token: str, patience_s: float) -> str | None:
    """The customer's language; None where nobody can tell now: the page is shown all the same."""
    touch = links.touch(token)
    if touch is None:
        return None
    try:
        place = await asked(lambda: links.place(touch), patience_s / 10)
    except LedgerError:
        return None
    return None if place is None else place.language


def _says_all(body: bytes) -> bool:
    """Whether the person chose everything; a mail program's one click means this channel."""
    try:
        return parse_qs(body.decode("ascii"), max_num_fields=10).get("scope") == ["all"]
    except ValueError:
        return False


def _event(token: str, everything: bool, now: datetime) -> Event:
    scope = "all" if everything else "channel"
    # Once a second: who starts again and stops again is heard again, and a storm of requests is not kept as one.
    ident = f"u/{token}/{scope}/{int(now.timestamp())}"
    return Event(token, int(Side.UNSUBSCRIBED), now, OWN, ident, action=Action.DROP_CONSENT, raw={"scope": scope})


def _lost(accepted: str | None) -> Response:
    language, words = words_for(None, accepted)
    return page(language, words.lost, words.lost_said, status=404)
