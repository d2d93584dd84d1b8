"""A provider on loopback, in a thread of its own: it keeps every exchange, and fails as it is told.

A rule is {"fault": NAME, "requests": [2, 3]} or {"fault": NAME, "from": 1}; requests that send something are numbered
from 1 since the last `fail`, others (a query, say) are always answered. The faults:

    reset              the connection is reset, nothing accepted      accept_then_reset   ... after accepting
    hang               no answer, nothing accepted                    accept_then_hang    ... after accepting
    say                `status`, `headers`, `body`, nothing accepted  accept_then_say     ... after accepting
    half               half of the answer, after accepting            slow                the answer after `seconds`
    accept_then_die    ... and nobody listens there any more, until `fail`
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from tests.openapi.checker import Asked, Said, check_answer, check_request

Respond = Callable[[Asked, bool], Said]
"""The provider's own answer to a request; what it sends is accepted where the second argument says so."""


def json_answer(status: int, value: object, kind: str = "application/json", **headers: str) -> Said:
    return Said(status, {"Content-Type": kind, **headers}, json.dumps(value).encode())


@dataclass
class Standin:
    """A running stand-in."""

    respond: Respond
    sends: Callable[[Asked], bool]
    """Whether a request is one that rules count."""
    exchanges: list[tuple[Asked, Said | None]] = field(default_factory=list)
    """Every request, with the answer where it was the provider's own."""
    url: str = ""
    _rules: list[dict[str, Any]] = field(default_factory=list)
    _seen: int = 0

    def __post_init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._begin(), self._loop).result()

    @property
    def requests(self) -> int:
        """Requests that sent something, since the last `fail`."""
        return self._seen

    def fail(self, *rules: dict[str, Any]) -> None:
        """From now on these faults; none, to be well again."""
        self._rules, self._seen = list(rules), 0
        asyncio.run_coroutine_threadsafe(self._revive(), self._loop).result()

    def check(self) -> int:
        """Check what was exchanged against the provider's own description, and forget it; how much that was."""
        checked, self.exchanges = self.exchanges, []
        for asked, said in checked:
            check_request(asked)
            if said is not None:
                check_answer(asked, said)
        return len(checked)

    def stop(self) -> None:
        """End it; whoever waits for an answer is hung up on."""
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _begin(self) -> None:
        self._over = asyncio.Event()
        self._runner = web.ServerRunner(web.Server(self._handle, access_log=None), shutdown_timeout=0.1)
        await self._runner.setup()
        await self._listen(0)
        self.url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _listen(self, port: int) -> None:
        self._site: web.TCPSite | None = web.TCPSite(self._runner, "127.0.0.1", port)
        await self._site.start()

    async def _revive(self) -> None:
        if self._site is None:
            await self._listen(int(self.url.rpartition(":")[2]))

    async def _end(self) -> None:
        self._over.set()
        await self._runner.cleanup()

    def _rule(self) -> dict[str, Any]:
        self._seen += 1
        for rule in self._rules:
            if self._seen in rule.get("requests", ()) or self._seen >= rule.get("from", self._seen + 1):
                return rule
        return {"fault": "none"}

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        asked = Asked(request.method, str(request.url), dict(request.headers), await request.read())
        rule = self._rule() if self.sends(asked) else {"fault": "none"}
        fault = rule["fault"]
        accepts = fault in ("none", "slow", "half") or fault.startswith("accept_then_")
        said = self.respond(asked, accepts)
        is_own = fault in ("none", "slow")
        self.exchanges.append((asked, said if is_own else None))
        if fault.endswith("die") and self._site is not None:
            site, self._site = self._site, None
            await site.stop()
        if fault.endswith(("reset", "die")):
            return self._hang_up(request)
        if fault.endswith("hang") or fault == "slow":
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), rule.get("seconds", 30))
            if fault != "slow" or self._over.is_set():
                return self._hang_up(request)
        if fault == "half":
            return await self._half(request, said)
        if fault.endswith("say"):
            body = rule.get("body", "")
            content = body.encode() if isinstance(body, str) else json.dumps(body).encode()
            said = Said(rule["status"], {"Content-Type": "application/json", **rule.get("headers", {})}, content)
        return web.Response(status=said.status, headers=dict(said.headers), body=said.body)

    def _hang_up(self, request: web.BaseRequest) -> web.StreamResponse:
        if request.transport is not None:
            request.transport.abort()
        return web.Response()

    async def _half(self, request: web.BaseRequest, said: Said) -> web.StreamResponse:
        answer = web.StreamResponse(status=said.status, headers={**said.headers, "Content-Length": str(len(said.body))})
        await answer.prepare(request)
        await answer.write(said.body[: len(said.body) // 2])
        return self._hang_up(request)
