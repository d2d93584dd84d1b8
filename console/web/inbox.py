"""The inbox for a site or an app: a customer's messages, and what their page tells of them.

Who asks names a customer by a token that we signed and that ends; no cookie is looked at. A page on another site is
answered only when its origin is one of MULTIWAVE_SITE_ORIGINS; a server or an app sends no Origin.
"""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from channels.own_pages import OWN, body_of
from channels.robots import robot
from channels.spool import Record
from console.web.asking import asked
from console.web.door import AGAIN, Door, answered
from console.web.door import body_of as body_of_request
from flows.inbox import BEACONS, PROVIDER, Shown, beacon_ident, link_of, messages_for, messages_for_seed
from waves.errors import LedgerError, TokenError
from waves.message import Event
from waves.tokens import Kind, read_customer_token, read_seed_token, read_token

CLIENT = Path(__file__).parent / "static" / "inbox.js"
LONGEST = 2_000
"""Bytes of a beacon; one is about a hundred."""
NOT_KEPT = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer", "X-Content-Type-Options": "nosniff"}


def router(door: Door) -> APIRouter:
    """GET /inbox, /inbox/go/TOKEN, /inbox/client.js; POST /inbox/beacon.

    401 for a token that names no customer now, 403 to a site that is not ours to answer, 404 for a link that leads
    nowhere (any more), 400 for a beacon that cannot be read, 413 for one that is too long, 503 when the ledger does
    not answer or the beacon could not be kept.
    """
    routes = APIRouter(prefix="/inbox")

    @routes.get("")
    async def inbox(request: Request) -> Response:
        allowed = _allowed(door, request)
        if allowed is None:
            return Response(status_code=403)
        now, token = door.clock(), _customer_token(request)
        seed = read_seed_token(door.room.token_key, token)
        try:
            if seed is not None:
                found = await asked(partial(messages_for_seed, door.room, seed, now), door.patience_s)
            else:
                customer = read_customer_token(door.room.token_key, token, now)
                found = await asked(partial(messages_for, door.room, customer, now), door.patience_s)
        except TokenError:
            return Response(status_code=401, headers=allowed | NOT_KEPT)
        except LedgerError:
            return Response(status_code=503, headers=allowed | AGAIN)
        base = door.room.settings.public_url or ""
        return JSONResponse({"messages": [_as_json(one, base) for one in found]}, headers=allowed | NOT_KEPT)

    @routes.post("/beacon")
    async def beacon(request: Request) -> Response:
        allowed = _allowed(door, request)
        if allowed is None:
            return Response(status_code=403)
        body = await body_of_request(request, LONGEST)
        if body is None:
            return Response(status_code=413, headers=allowed)
        event = _told(door, body)
        if event is None:
            return Response(status_code=400, headers=allowed)
        return await _keep(door, event) or Response(status_code=202, headers=allowed)

    @routes.get("/go/{token}")
    async def go(token: str, request: Request) -> Response:
        try:
            link = await asked(partial(link_of, door.room, token, door.clock()), door.patience_s)
        except LedgerError:
            return Response(status_code=503, headers=AGAIN)
        if link is None:
            return Response("this message is over\n", 404, media_type="text/plain", headers=NOT_KEPT)
        if robot(request.method, request.headers):  # such as a browser that looks ahead: nobody clicked
            return RedirectResponse(link, 302, headers=NOT_KEPT)
        event = _event(door, token.strip().upper(), "clicked")
        return await _keep(door, event) or RedirectResponse(link, 302, headers=NOT_KEPT)

    @routes.get("/client.js")
    async def client() -> Response:
        headers = {"Cache-Control": "max-age=300", "X-Content-Type-Options": "nosniff"}
        return Response(CLIENT.read_bytes(), media_type="text/javascript", headers=headers)

    @routes.options("")
    @routes.options("/beacon")
    async def preflight(request: Request) -> Response:
        allowed = _allowed(door, request)
        if not allowed:
            return Response(status_code=403)
        may = {
            "Access-Control-Allow-Methods": "GET, POST",
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Max-Age": "600",
        }
        return Response(status_code=204, headers=allowed | may)

    return routes


def _allowed(door: Door, request: Request) -> dict[str, str] | None:
    """Headers that let the asking page read the answer; none for who is no page; None: refused."""
    origin = request.headers.get("origin")
    return {} if origin is None else answered(door.room.settings, origin)


def _customer_token(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token if scheme.lower() == "bearer" else request.query_params.get("customer", "")


def _as_json(one: Shown, base: str) -> dict[str, object]:
    return {
        "token": one.token,
        "campaign": one.campaign,
        "wave": one.wave,
        "language": one.language,
        "title": one.title,
        "body": one.body,
        "link": f"{base}/inbox/go/{one.token}" if one.link else None,
        "until": one.until.isoformat(),
    }


def _told(door: Door, body: bytes) -> Event | None:
    """The report in a beacon; None: it is none, or of no message of ours."""
    try:
        said = json.loads(body)
        token, what = str(said["token"]).strip().upper(), said["event"]
        if what not in BEACONS or read_token(door.room.token_key, token)[0] not in (Kind.TOUCH, Kind.TEST):
            return None
    except (ValueError, LookupError, TypeError, RecursionError, TokenError):
        return None
    return _event(door, token, what)


def _event(door: Door, token: str, what: str) -> Event:
    return Event(token, int(BEACONS[what]), door.clock(), PROVIDER, beacon_ident(token, what), raw={"page": what})


async def _keep(door: Door, event: Event) -> Response | None:
    return await door.keep(Record(OWN, "event", event.at, {}, body_of([event])))
