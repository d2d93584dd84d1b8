"""The SDK's HTTP client over our own line: real timeouts, no second try, nothing followed, nothing logged.

The SDK's exceptions carry no headers and its client ignores its timeout; here each call keeps the answer as it came.
"""

from __future__ import annotations

import base64
import logging
import math
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlencode

from twilio.http import AsyncHttpClient
from twilio.http.response import Response

from channels.http_answers import Answer, UnreadableAnswer
from channels.http_line import Line, Post, Target

MOST = 1024 * 1024
"""Bytes of an answer that are read; a page of twenty messages has about 40,000."""
UNREADABLE = (OSError, UnreadableAnswer, ValueError, TypeError, AttributeError, LookupError, RecursionError)
"""No answer, or one that the SDK can make nothing of: whatever it was, Twilio may have acted on the request."""
SAID_BY_THE_LINE = frozenset({"accept", "content-type", "user-agent"})


@dataclass
class Call:
    """One request: by when it begins or never does, and the last answer to it."""

    begin_by: float = math.inf
    answer: Answer | None = None


CALL: ContextVar[Call] = ContextVar("twilio_call")
"""The call that this task is making."""


class LineClient(AsyncHttpClient):  # type: ignore[misc]  # the SDK has no types
    """What the SDK sends its requests with; NeverMade, TooLate, OSError and UnreadableAnswer come through it."""

    def __init__(self, line: Line, timeout_s: float) -> None:
        super().__init__(logging.getLogger(__name__), is_async=True, timeout=timeout_s)
        self._line, self._timeout_s = line, timeout_s

    async def request(
        self,
        method: str,
        uri: str,
        params: dict[str, object] | None = None,
        data: dict[str, object] | None = None,
        headers: dict[str, str] | None = None,
        auth: tuple[str, str] | None = None,
        timeout: float | None = None,
        allow_redirects: bool = False,
    ) -> Response:
        """The answer, whatever its status; the task's Call says by when it begins."""
        call = CALL.get()
        given = headers or {}
        content_type = given.get("Content-Type") if data is not None else None
        target = _fixed(uri, method, content_type) if not params else Target.of(_with(uri, params), method, None)
        lines = [f"{name}: {value}\r\n" for name, value in given.items() if name.lower() not in SAID_BY_THE_LINE]
        if auth is not None:
            lines.append(f"Authorization: Basic {_basic(*auth)}\r\n")
        body = urlencode(data, doseq=True).encode() if data else b""
        call.answer = await self._line.post(Post(target, "".join(lines), body, call.begin_by), MOST, self._timeout_s)
        return Response(call.answer.status, call.answer.content.decode("utf-8", "replace"), call.answer.headers)


def _with(uri: str, params: dict[str, Any]) -> str:
    return f"{uri}?{urlencode(params, doseq=True)}"


@lru_cache(maxsize=64)
def _fixed(uri: str, method: str, content_type: str | None) -> Target:
    return Target.of(uri, method, content_type)


@lru_cache(maxsize=64)
def _basic(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()
