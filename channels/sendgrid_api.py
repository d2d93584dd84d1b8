"""SendGrid's SDK over our transport: it makes each request and each error, and no byte leaves but by our Line.

Its own transport opens a connection for every request, without a timeout; and its log holds the API key and every
address, so that log is switched off.
"""

from __future__ import annotations

import io
import json
import logging
import math
import urllib.error
import urllib.request
from email.message import Message as Headers
from functools import cache
from typing import Any

import sendgrid
from python_http_client.client import Client
from python_http_client.exceptions import HTTPError, handle_error

from channels.http_answers import Answer, UnreadableAnswer, read_json
from channels.http_line import Line, NeverMade, Post, Target, TooLate
from waves.errors import MultiwaveError

KEEP_S = 4.0
"""Idle connections are closed after so long, before a proxy on the way does it unseen."""
LONGEST_ANSWER = 32 * 1024 * 1024
"""Bytes; the suppressions of all groups come as one page."""
CUT_OFF = (OSError, UnreadableAnswer)
encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode

logging.getLogger("python_http_client.client").addFilter(lambda record: False)  # `disabled` is undone by dictConfig


class NoAnswer(MultiwaveError):
    """A question that was not answered, or not as it should be; its text holds nothing of the answer."""


class _Made(Exception):
    """The request that the SDK would have sent."""

    def __init__(self, request: urllib.request.Request) -> None:
        self.request = request


class _Draws(Client):  # type: ignore[misc]  # it has no types
    """The SDK's client up to the moment of sending."""

    def _build_client(self, name: str | None = None) -> _Draws:
        path = [*self._url_path, name] if name else self._url_path
        return _Draws(self.host, dict(self.request_headers), self._version, path, self.append_slash)

    def _make_request(self, opener: object, request: urllib.request.Request, timeout: float | None = None) -> None:
        raise _Made(request)


class Api:
    """One account at SendGrid; its connections are kept and shared by all threads."""

    def __init__(self, key: str, base_url: str, timeout_s: float) -> None:
        self._sdk = sendgrid.SendGridAPIClient(key, host=base_url)
        self._sdk.client = _Draws(base_url, self._sdk.client.request_headers, 3)
        self.line = Line(KEEP_S)
        self.timeout_s = timeout_s
        self._drawn = cache(self._draw)

    async def post(self, path: str, body: object, begin_by: float = math.inf) -> Answer:
        """The answer to one POST; nothing is tried twice. NeverMade, TooLate, OSError and UnreadableAnswer of Line."""
        target, headers = self._drawn("post", path)
        content = encode(body).encode()
        return await self.line.post(Post(target, headers, content, begin_by), LONGEST_ANSWER, self.timeout_s)

    async def get(self, path: str, query: dict[str, Any]) -> Answer:
        """The answer to one GET."""
        target, headers = self._draw("get", path, query)
        return await self.line.post(Post(target, headers, b"", math.inf), LONGEST_ANSWER, self.timeout_s)

    async def ask(self, path: str, query: dict[str, Any] | None = None, body: object = None) -> Any:
        """The JSON of a 2xx answer to a question; NoAnswer for everything else, whose `__cause__` is the SDK's."""
        try:
            answer = await (self.get(path, query or {}) if body is None else self.post(path, body))
            raise_for(answer)
            return read_json(answer.content)
        except HTTPError as error:
            raise NoAnswer(f"SendGrid answers {error.status_code} to /v3/{path}") from error
        except (*CUT_OFF, NeverMade, TooLate) as error:
            said = str(error) if isinstance(error, UnreadableAnswer) else type(error).__name__
            raise NoAnswer(f"no answer from SendGrid to /v3/{path}: {said}") from None

    def close(self) -> None:
        """Close the connections."""
        self.line.close()

    def _draw(self, method: str, path: str, query: dict[str, Any] | None = None) -> tuple[Target, str]:
        """Where the SDK sends such a request, and the headers it adds to ours."""
        client = self._sdk.client
        for step in path.split("/"):
            client = client._(step)
        try:
            getattr(client, method)(query_params=query)
        except _Made as made:
            request = made.request
        target = Target.of(request.full_url, method.upper(), "application/json" if method == "post" else None)
        own = {"user-agent", "accept", "content-type"}
        lines = [f"{name}: {value}\r\n" for name, value in request.header_items() if name.lower() not in own]
        return target, "".join(lines)


def raise_for(answer: Answer) -> None:
    """The SDK's own exception for an answer that is not 2xx."""
    if not 200 <= answer.status < 300:
        headers = Headers()
        for name, value in answer.headers.items():
            headers[name] = value
        raise handle_error(
            urllib.error.HTTPError(
                "", answer.status, "", headers, io.BytesIO(answer.content)
            )  # the address is not kept
        )
