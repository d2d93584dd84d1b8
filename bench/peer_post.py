"""How the peers that bring no HTTP client post one message: http.client over a connection that each thread keeps."""

from __future__ import annotations

import http.client
import json
import threading

HEADERS = {"Content-Type": "application/json"}
_own = threading.local()


def body_of(number: int) -> str:
    return f"Hello customer {number}. t{number}"


def post(port: int, number: int) -> None:
    """One message to the sink, taken or RuntimeError."""
    line = getattr(_own, "line", None)
    if line is None:
        line = _own.line = http.client.HTTPConnection("127.0.0.1", port)
    message = {"token": f"t{number}", "address": f"+1202555{number % 10_000:04}", "fields": {"body": body_of(number)}}
    line.request("POST", "/messages", json.dumps({"sender": "sms", "messages": [message]}), HEADERS)
    answer = line.getresponse()
    answer.read()
    if answer.status != 200:
        raise RuntimeError(f"the sink answered {answer.status}")
