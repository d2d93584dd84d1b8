"""The application that `serve` runs: the providers' door, and whether it is well."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import FastAPI

from channels.callbacks import CALLBACKS, Callback
from console.web import callbacks, conversions, inbox, push, redirects, unsubscribing
from console.web.door import Door
from flows.links import Links


def make_app(door: Door, readers: Mapping[str, Callback] = CALLBACKS) -> FastAPI:
    """GET /healthz, and the routes of each file beside this one."""
    app = FastAPI(title="multiwave", docs_url=None, redoc_url=None, openapi_url=None)

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ok": True}

    app.include_router(callbacks.router(door, readers))
    links = Links(door.room)
    for pages in (unsubscribing, redirects, conversions):
        app.include_router(pages.router(door, links))
    app.include_router(inbox.router(door))
    app.include_router(push.router(door))
    return app
