"""Web push for a site's owner: the files to add, and where browsers subscribe, renew, end and tell what they showed.

No cookie and no login is looked at, so there is nothing for another site to abuse; what binds a browser to a customer
is a token that we signed. All the same only the sites of MULTIWAVE_SITE_ORIGINS are answered, by the Origin that a
page cannot choose, and whatever changes a subscription is asked for by a preflight first (its body is JSON).
"""

from __future__ import annotations

import hmac
import json
import os
import re
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from channels.own_pages import OWN, body_of, push_body
from channels.spool import Record
from channels.webpush_crypto import public_text
from channels.webpush_keys import KEY_FILE, read_key
from channels.webpush_options import WebpushOptions
from console.web.door import Door, answered
from console.web.door import body_of as body_of_request
from console.web.push_pages import file_of, page_of
from flows.room import Room
from waves.errors import MultiwaveError, SendRefused, TokenError
from waves.message import Event, PushChange
from waves.outcomes import Outcome, Side
from waves.senders import Sender
from waves.subscriptions import (
    BadSubscription,
    Subscription,
    check_endpoint,
    endpoint_in,
    subscription_of,
    unpadded,
)
from waves.tokens import Kind, read_customer_token, read_token

LONGEST = 8_000
"""Bytes of a request; a subscription is a few hundred."""
BEACONS: dict[str, int] = {
    "delivered": int(Outcome.DELIVERED),
    "shown": int(Outcome.DISPLAYED),
    "clicked": int(Outcome.CLICKED),
    "dismissed": int(Outcome.DISPLAYED),
    "unsubscribed": int(Side.UNSUBSCRIBED),
}
"""What the service worker tells of a push, by its token -> what that is."""
LOCAL = re.compile(r"(127\.0\.0\.1|localhost)(:\d{1,5})?")
BROWSER = "browser"


class Refused(Exception):
    """The answer to a request that is not as it should be."""

    def __init__(self, status: int, why: str) -> None:
        self.status = status
        super().__init__(why)


def router(door: Door) -> APIRouter:
    """GET /push/, /push/demo, /push/key and the files; POST /push/subscribe, renew, unsubscribe and beacon.

    A POST is answered 202 when it is on disk; 403 to a site that is not ours to answer or with a token that is not
    ours, 400 when it cannot be read, 413 when it is too large, 415 when it is no JSON, 503 when it could not be kept.
    """
    routes = APIRouter(prefix="/push")

    @routes.get("/")
    async def owner(request: Request) -> Response:
        return _page(door.room, request, "owner")

    @routes.get("/demo")
    async def demo(request: Request) -> Response:
        return _page(door.room, request, "demo")

    @routes.get("/{name}.js")
    async def script(name: str, request: Request) -> Response:
        text = file_of(f"{name}.js", _places(door.room, request))
        if text is None:
            return Response(status_code=404)
        return Response(text, media_type="text/javascript", headers=_open() | {"Service-Worker-Allowed": "/"})

    @routes.get("/key")
    async def key(request: Request) -> Response:
        found = public_key(door.room)
        if found is None:
            return Response("there is no key yet; make one with: multiwave keys\n", 404, media_type="text/plain")
        return Response(found, media_type="text/plain", headers=_open())

    for path, act in (("subscribe", _subscribed), ("renew", _renewed), ("unsubscribe", _ended), ("beacon", _told)):
        routes.post(f"/{path}")(_answering(door, act, plain=path == "beacon"))
        routes.options(f"/{path}")(_preflight(door))
    return routes


def public_key(room: Room) -> str | None:
    """The public half of the key that pushes are signed with: the sender's, else the home's; None without one."""
    sender = push_sender(room)
    try:
        if sender is not None:
            return public_text(WebpushOptions.of(sender).key(room.settings.home, os.environ))
        return public_text(read_key(room.settings.home / KEY_FILE))
    except SendRefused:
        return None


def push_sender(room: Room) -> Sender | None:
    """The sender of provider webpush that carries web_push, if one does."""
    try:
        sender = room.sender("web_push")
    except MultiwaveError:
        return None
    return sender if sender.provider == "webpush" else None


def _places(room: Room, request: Request) -> dict[str, str]:
    """What is filled into pages and files: where we are, by our settings or on this machine; the public key."""
    host = request.headers.get("host", "")
    local = f"http://{host}" if LOCAL.fullmatch(host) else ""  # any other Host is only what somebody says
    return {"server": room.settings.public_url or local, "key": public_key(room) or ""}


def _page(room: Room, request: Request, name: str) -> Response:
    sends = push_sender(room) is not None
    html = page_of(name, _places(room, request), room.settings.site_origins, sends)
    return Response(html, media_type="text/html", headers={"Cache-Control": "no-store", "X-Frame-Options": "DENY"})


def _open() -> dict[str, str]:
    """Headers of what is public, and may change with a key."""
    return {"Access-Control-Allow-Origin": "*", "Cache-Control": "no-cache"}


Act = Callable[[Room, dict[str, Any], datetime], Record]


def _answering(door: Door, act: Act, plain: bool) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        allowed = _allowed(door.room, request)
        try:
            if allowed is None:
                raise Refused(403, "this site is not among MULTIWAVE_SITE_ORIGINS")
            said = await _said(request, plain)
            record = act(door.room, said, door.clock())
        except Refused as error:
            return Response(f"{error}\n", error.status, allowed or {}, "text/plain")
        again = await door.keep(record)
        if again is not None:
            again.headers.update(allowed)
            return again
        return JSONResponse(_proof_for(door.room, record), 202, allowed)

    return answer


def _preflight(door: Door) -> Callable[[Request], Awaitable[Response]]:
    async def answer(request: Request) -> Response:
        allowed = _allowed(door.room, request)
        if allowed is None:
            return Response(status_code=403)
        may = {"Access-Control-Allow-Methods": "POST", "Access-Control-Allow-Headers": "content-type"}
        return Response(status_code=204, headers=allowed | may | {"Access-Control-Max-Age": "86400"})

    return answer


def _allowed(room: Room, request: Request) -> dict[str, str] | None:
    """The CORS headers for the site that asks, when it is one of ours: named, or the one we are under ourselves."""
    host = request.headers.get("host", "")
    here = [f"http://{host}"] if LOCAL.fullmatch(host) else []  # else a stranger's name that leads here
    return answered(room.settings, request.headers.get("origin", ""), *here)


async def _said(request: Request, plain: bool) -> dict[str, Any]:
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/json" and not (plain and kind == "text/plain"):
        raise Refused(415, "send JSON, with Content-Type: application/json")
    body = await body_of_request(request, LONGEST)
    if body is None:
        raise Refused(413, "too long")
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        raise Refused(400, "this is not JSON") from None
    if not isinstance(said, dict):
        raise Refused(400, "an object is expected")
    return said


def _subscribed(room: Room, said: dict[str, Any], now: datetime) -> Record:
    subscription = _subscription(room, said.get("subscription"))
    try:
        customer = read_customer_token(room.token_key, str(said.get("token")), now)
    except TokenError:
        raise Refused(403, "the customer's token is not ours, or its time is over: multiwave push-token") from None
    act: Literal["subscribe", "visit"] = "visit" if said.get("visit") is True else "subscribe"
    return _kept(PushChange(act, subscription.endpoint, now, subscription.text, customer))


def _renewed(room: Room, said: dict[str, Any], now: datetime) -> Record:
    subscription, old = _subscription(room, said.get("subscription")), _endpoint(room, said, "old")
    return _kept(PushChange("renew", old, now, subscription.text))


def _ended(room: Room, said: dict[str, Any], now: datetime) -> Record:
    return _kept(PushChange("unsubscribe", _endpoint(room, said, "endpoint"), now))


def proof_of(key: bytes, endpoint: str) -> str:
    """What we told the browser with this endpoint alone: to know its endpoint is not enough to end or move it."""
    return unpadded(hmac.digest(key, f"push subscription {endpoint}".encode(), "sha256")[:16])


def _proof_for(room: Room, record: Record) -> dict[str, str]:
    """What the browser keeps of a subscription that was kept; nothing after an end or a beacon."""
    value = json.loads(record.body)["value"] if record.sender == "push" else None
    return {"proof": proof_of(room.token_key, endpoint_in(value) or "")} if value else {}


def _told(room: Room, said: dict[str, Any], now: datetime) -> Record:
    """A beacon; what a repeated one tells is known already, but for an end, which may come again after a new start."""
    what, token = said.get("event"), str(said.get("token")).strip().upper()
    if not isinstance(what, str) or what not in BEACONS:
        raise Refused(400, f"event is none of {', '.join(BEACONS)}")
    try:
        kind, _ = read_token(room.token_key, token)
    except TokenError:
        raise Refused(403, "the token is not ours") from None
    if kind not in (Kind.TOUCH, Kind.TEST):
        raise Refused(403, "the token is none of a message")
    ident = f"{token}/{what}"
    if BEACONS[what] == Side.UNSUBSCRIBED:
        ident += f"/{now.astimezone(UTC):%Y%m%dT%H%M%S}"
    event = Event(token, BEACONS[what], now, BROWSER, ident, raw={"beacon": what})
    return Record(OWN, "event", now, {}, body_of([event]))


def _subscription(room: Room, said: object) -> Subscription:
    try:
        return subscription_of(said, _loopback(room))
    except BadSubscription as error:
        raise Refused(400, str(error)) from None


def _endpoint(room: Room, said: dict[str, Any], name: str) -> str:
    endpoint, proof = said.get(name), said.get("proof")
    if not isinstance(endpoint, str):
        raise Refused(400, "no endpoint")
    try:
        check_endpoint(endpoint, _loopback(room))
    except BadSubscription as error:
        raise Refused(400, str(error)) from None
    if not hmac.compare_digest(proof_of(room.token_key, endpoint).encode(), str(proof).encode("utf-8", "replace")):
        raise Refused(403, "the proof is not the one this browser was given")
    return endpoint


def _loopback(room: Room) -> bool:
    """Whether the sender takes push services on this machine, as tests do."""
    sender = push_sender(room)
    return sender is not None and WebpushOptions.of(sender).loopback


def _kept(change: PushChange) -> Record:
    return Record(OWN, "push", change.at, {}, push_body(change))
