"""A push service of Firefox's kind on loopback: a websocket to the browser, an endpoint for each of its subscriptions.

start() -> where it is; POST to an endpoint goes to the browser that holds it, as Mozilla's autopush does.
"""

from __future__ import annotations

import asyncio
import base64
import secrets
import threading
from dataclasses import dataclass, field
from typing import Any

from aiohttp import WSMsgType, web


@dataclass
class BrowserPushService:
    """A running service; what browsers acknowledged, and what they could not handle, is kept."""

    acks: list[dict[str, Any]] = field(default_factory=list)
    nacks: list[dict[str, Any]] = field(default_factory=list)
    posts: list[dict[str, str]] = field(default_factory=list)
    registered: int = 0
    known: bool = True

    def __post_init__(self) -> None:
        self.channels: dict[str, str] = {}
        self.socket: web.WebSocketResponse | None = None
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, name="push-service", daemon=True)
        self.thread.start()
        self.port = self._run(self._start())

    @property
    def url(self) -> str:
        """Where the browser connects to: its preference dom.push.serverURL."""
        return f"ws://127.0.0.1:{self.port}/"

    def stop(self) -> None:
        self._run(self.runner.cleanup())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join()
        self.loop.close()

    def forget(self) -> None:
        """Lose the browser's identity, as a service does after months: it is given another when it comes back."""
        self.channels.clear()
        self.known = False
        if self.socket is not None:
            self._run(self.socket.close())

    def _run(self, work: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(20)

    async def _start(self) -> int:
        app = web.Application()
        app.router.add_get("/", self._browser)
        app.router.add_post("/push/{ident}", self._push)
        self.runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await self.runner.setup()
        site = web.TCPSite(self.runner, "127.0.0.1", 0)
        await site.start()
        return int(self.runner.addresses[0][1])

    async def _browser(self, request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(protocols=["push-notification"])
        await socket.prepare(request)
        self.socket = socket
        async for message in socket:
            if message.type is WSMsgType.TEXT:
                answer = self._answer(message.json() if message.data != "ping" else {})
                if answer is not None:
                    await socket.send_json(answer)
        if self.socket is socket:
            self.socket = None
        return socket

    def _answer(self, said: dict[str, Any]) -> dict[str, Any] | None:
        kind, channel = said.get("messageType"), said.get("channelID", "")
        if kind == "hello":
            uaid = said.get("uaid") if self.known else None
            uaid, self.known = uaid or secrets.token_hex(16), True
            return {"messageType": "hello", "uaid": uaid, "status": 200, "use_webpush": True, "broadcasts": {}}
        if kind == "register":
            self.registered += 1
            ident = secrets.token_urlsafe(24)
            self.channels[ident] = channel
            endpoint = f"http://127.0.0.1:{self.port}/push/{ident}"
            return {"messageType": "register", "channelID": channel, "status": 200, "pushEndpoint": endpoint}
        if kind == "unregister":
            self.channels = {ident: known for ident, known in self.channels.items() if known != channel}
            return {"messageType": "unregister", "channelID": channel, "status": 200}
        if kind == "ack":
            self.acks += said["updates"]
        elif kind == "nack":
            self.nacks.append(said)
        return {} if kind is None else None

    async def _push(self, request: web.Request) -> web.Response:
        channel = self.channels.get(request.match_info["ident"])
        if channel is None:
            return web.Response(status=404)
        if self.socket is None:
            return web.Response(status=410)
        body = await request.read()
        self.posts.append(dict(request.headers))
        version = secrets.token_urlsafe(12)
        await self.socket.send_json(
            {
                "messageType": "notification",
                "channelID": channel,
                "version": version,
                "data": base64.urlsafe_b64encode(body).rstrip(b"=").decode(),
                "headers": {"encoding": request.headers["Content-Encoding"]},
            }
        )
        return web.Response(
            status=201, headers={"Location": f"http://127.0.0.1:{self.port}/m/{version}", "TTL": request.headers["TTL"]}
        )
