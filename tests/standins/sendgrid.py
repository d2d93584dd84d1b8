"""A stand-in for SendGrid on loopback: it takes mail as SendGrid says it does, fails as it is told, and counts.

Each request and each answer of its own is checked against SendGrid's descriptions (tests.openapi); what is wrong with
them is in `wrong`. What a fault accepted is recorded before the fault happens. `python -m tests.standins.sendgrid` runs
it alone, without the checks, and prints its port.
"""

from __future__ import annotations

import json
import re
import socket
import struct
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.openapi.checker import Asked, NotAsDescribed, Said, check_answer, check_request

KEY_ENV, KEY = "MULTIWAVE_TEST_SENDGRID_KEY", "SG.a-key-of-the-tests.alone"
MOST, SUBSTITUTIONS, RESERVED = 1000, 10_000, {"subject", "to", "from", "reply-to", "cc", "bcc", "received"}
ADDRESS = re.compile(r"[^@\s,;]+@[^@\s,;]+\.[^@\s,;]+")
PAGE = 500
Answer = tuple[int, dict[str, str], Any]
"""Status, headers, what is JSON (None: nothing)."""


@dataclass(frozen=True)
class Mail:
    """One mail as its recipient would read it."""

    token: str
    to: Mapping[str, str]
    subject: str
    body: str
    headers: Mapping[str, str]
    ident: str
    """SendGrid's id of the message, which begins with that of the request."""


@dataclass
class Standin:
    """A running stand-in: what it was told to do wrong, and everything it took."""

    checked: bool = True
    faults: dict[int, dict[str, Any]] = field(default_factory=dict)
    """By the number of the send request, from 1; 0: all of them."""
    bad: set[str] = field(default_factory=set)
    """Addresses that it refuses by name."""
    silent: set[str] = field(default_factory=set)
    """Addresses that it refuses without a name."""
    mails: list[Mail] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    """The bodies of send requests."""
    paths: list[str] = field(default_factory=list)
    lists: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Suppression lists by name, newest last; `group` is that of the unsubscribe groups."""
    added: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    says: Answer | None = None
    """The answer to everything but a send, where one is set."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    hung: threading.Event = field(default_factory=threading.Event)
    url: str = ""

    def accepted(self) -> Counter[str]:
        """Token to how often it was accepted."""
        with self.lock:
            return Counter(mail.token for mail in self.mails)

    def well(self) -> None:
        """No fault from now on."""
        self.faults, self.says = {}, None


@contextmanager
def running(checked: bool = True, port: int = 0, again: Standin | None = None) -> Iterator[Standin]:
    """A stand-in that answers while this lasts; `again` is one that died, with its address and all that it took."""
    standin = again or Standin(checked)
    port = int(standin.url.rpartition(":")[2]) if again else port
    standin.hung.clear()
    handler = type("Handler", (_Handler,), {"standin": standin})
    server = ThreadingHTTPServer(("127.0.0.1", port), handler)
    server.daemon_threads = False  # so that all of them, and their sockets, are gone when this ends
    standin.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield standin
    finally:
        standin.hung.set()
        server.shutdown()
        server.server_close()
        thread.join()


class _Handler(BaseHTTPRequestHandler):
    standin: ClassVar[Standin]
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    timeout = 5

    def do_GET(self) -> None:
        self._serve("GET")

    def do_POST(self) -> None:
        self._serve("POST")

    def log_message(self, *_: object) -> None:
        return None

    def _serve(self, method: str) -> None:
        path, size = urlsplit(self.path).path, int(self.headers.get("Content-Length") or 0)
        sends = path == "/v3/mail/send" and method == "POST"
        fault: dict[str, Any] = {}
        with self.standin.lock:
            self.standin.paths.append(path)
            if sends:
                number = self.standin.paths.count(path)
                fault = self.standin.faults.get(number) or self.standin.faults.get(0) or {}
        if fault.get("fault") in ("reset_before_reading", "hang_unread"):
            self._break_off(fault)
            return
        asked = Asked(method, self.path, dict(self.headers), self.rfile.read(size))
        answer = self._answer(asked, fault)
        if fault.get("fault") in ("accept_then_reset", "accept_then_die", "hang"):
            self._break_off(fault)
            return
        if "seconds" in fault:
            self.standin.hung.wait(fault["seconds"])
        self._say(asked, answer, fault)

    def _answer(self, asked: Asked, fault: Mapping[str, Any]) -> Answer:
        if self.headers.get("Authorization") != f"Bearer {KEY}":
            return 401, {}, _errors(("authorization required", None))
        if self.standin.checked:
            try:
                check_request(asked)
            except NotAsDescribed as error:
                self.standin.wrong.append(str(error))
        if urlsplit(asked.url).path != "/v3/mail/send":
            return self.standin.says or asks(self.standin, asked)
        if fault.get("fault") == "status":
            return fault["status"], fault.get("headers", {}), fault.get("body")
        answer = takes(self.standin, asked.body)
        return (
            (500, {}, _errors(("internal server error", None))) if fault.get("fault") == "accept_then_500" else answer
        )

    def _say(self, asked: Asked, answer: Answer, fault: Mapping[str, Any]) -> None:
        status, headers, said = answer
        body = b"" if said is None else json.dumps(said).encode()
        headers = {**({"Content-Type": "application/json"} if body else {}), **headers}
        sandbox = status == 200 and asked.url == "/v3/mail/send"  # documented, and not in the description
        if self.standin.checked and not fault and not sandbox:
            try:
                check_answer(asked, Said(status, headers, body))
            except NotAsDescribed as error:
                self.standin.wrong.append(str(error))
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        short = fault.get("fault") == "half_a_body"
        self.send_header("Content-Length", str(len(body) + (100 if short else 0)))
        self.end_headers()
        self.wfile.write(body)
        self.close_connection = self.close_connection or short

    def _break_off(self, fault: Mapping[str, Any]) -> None:
        if fault["fault"].startswith("hang"):
            self.standin.hung.wait(fault.get("seconds", 5))
        else:
            if fault["fault"] == "accept_then_die":  # nobody listens there any more
                self.server.shutdown()
                self.server.server_close()
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True


def takes(standin: Standin, content: bytes) -> Answer:
    """What SendGrid says to a request to send, by its documentation of errors; 202 records the mails."""
    try:
        asked = json.loads(content)
    except ValueError:
        return 400, {}, _errors(("Bad Request", None))
    people = asked.get("personalizations") if isinstance(asked, dict) else None
    if not isinstance(people, list) or not 1 <= len(people) <= MOST or not isinstance(asked.get("from"), dict):
        return 400, {}, _errors(("The personalizations or the from are not what they must be.", "personalizations"))
    wrong = [found for number, one in enumerate(people) if (found := _wrong(standin, number, one))]
    addresses = [_address(one) for one in people]
    if len(set(addresses)) < len(addresses):
        wrong.append(("Each unique email address should only be included once.", "personalizations"))
    if any(address in standin.silent for address in addresses):
        wrong.append(("invalid request", None))
    if len(asked.get("categories", ())) > 10 or not asked.get("content"):
        wrong.append(("At most 10 categories, at least one content.", "categories"))
    if wrong:
        return 400, {}, _errors(*wrong)
    if (asked.get("mail_settings", {}).get("sandbox_mode") or {}).get("enable"):
        return 200, {}, None
    with standin.lock:
        ident = f"{len(standin.requests):022d}"
        standin.requests.append(asked)
        standin.mails += [_mail(asked, one, f"{ident}.filter.{n}") for n, one in enumerate(people)]
    return 202, {"X-Message-Id": ident}, None


def _address(one: Any) -> str:
    to = one.get("to") if isinstance(one, dict) else None
    first = to[0] if isinstance(to, list) and to and isinstance(to[0], dict) else {}
    return str(first.get("email", "")).lower()


def _wrong(standin: Standin, number: int, one: Any) -> tuple[str, str] | None:
    where = f"personalizations.{number}"
    if not isinstance(one, dict) or not ADDRESS.fullmatch(_address(one)) or _address(one) in standin.bad:
        return "Does not contain a valid address.", f"{where}.to.0.email"
    if re.search(r"[;,]", str(one["to"][0].get("name", ""))):
        return "The to.name holds ; or ,", f"{where}.to.0.name"
    if sum(len(f"{k}{v}".encode()) for k, v in (one.get("substitutions") or {}).items()) > SUBSTITUTIONS:
        return "Substitutions are limited to 10000 bytes.", f"{where}.substitutions"
    if RESERVED & {str(name).lower() for name in one.get("headers") or {}}:
        return "The headers hold a reserved one.", f"{where}.headers"
    return None


def _mail(asked: Mapping[str, Any], one: Mapping[str, Any], ident: str) -> Mail:
    """As SendGrid puts a mail together: tags in the subject and the content are replaced, over and over."""
    body, subject = asked["content"][0]["value"], one.get("subject") or asked.get("subject", "")
    for tag, text in (one.get("substitutions") or {}).items():
        body, subject = body.replace(tag, text), subject.replace(tag, text)
    token = (one.get("custom_args") or {}).get("multiwave", "")
    return Mail(token, one["to"][0], subject, body, one.get("headers") or {}, ident)


def asks(standin: Standin, asked: Asked) -> Answer:
    """The answer to everything but a send."""
    parts = urlsplit(asked.url)
    query = {name: values[0] for name, values in parse_qs(parts.query).items()}
    for pattern, method, answer in ROUTES:
        found = re.fullmatch(pattern, parts.path)
        if found and method == asked.method:
            return answer(standin, query, _json(asked.body), *found.groups())
    return 404, {}, _errors(("not found", None))


def _json(body: bytes) -> Any:
    try:
        return json.loads(body) if body else {}
    except ValueError:
        return {}


def _activity(standin: Standin, query: Mapping[str, str], _: Any) -> Answer:
    tokens = set(re.findall(r"unique_args\['multiwave'\]=\"([^\"]+)\"", query.get("query", "")))
    if not tokens:
        return 400, {}, {"errors": [{"message": "invalid syntax"}]}
    counts = {"opens_count": 0, "clicks_count": 0, "last_event_time": "2026-12-01T09:00:00Z"}
    found = [
        {"from_email": "news@example.com", "msg_id": m.ident, "subject": m.subject, "to_email": m.to["email"]}
        | {"status": "processed", **counts}
        for m in standin.mails
        if m.token in tokens
    ]
    return 200, {}, {"messages": found[: int(query.get("limit", 10))]}


def _logs(standin: Standin, _: Mapping[str, str], body: Any) -> Answer:
    match = re.search(r"to_email = (['\"])(.+?)\1", str(body.get("query", "") if isinstance(body, dict) else ""))
    if not match:
        return 400, {}, {"errors": [{"message": "invalid query", "field": "query"}]}
    said = {"from_email": "news@example.com", "status": "processed", "sg_message_id_created_at": "2026-12-01T09:00:00Z"}
    found = [
        {**said, "sg_message_id": m.ident, "subject": m.subject, "to_email": m.to["email"]}
        for m in standin.mails
        if m.to["email"] == match[2]
    ]
    return 200, {}, {"messages": found[: body.get("limit", 10)]}


def _log(standin: Standin, _: Mapping[str, str], __: Any, ident: str) -> Answer:
    for m in standin.mails:
        if m.ident == ident:
            event = {"event": "processed", "email": m.to["email"], "sg_message_id": ident, "sg_event_id": f"e{ident}"}
            event |= {"timestamp": 1796115600, "smtp-id": "<1@example.com>", "custom_args": {"multiwave": m.token}}
            said = {"from_email": "news@example.com", "to_email": m.to["email"], "subject": m.subject}
            said |= {"api_key_id": "key", "client_ip": "192.0.2.1", "status": "processed", "sg_message_id": ident}
            return 200, {}, said | {"events": [event]}
    return 404, {}, {"errors": [{"message": "not found"}]}


def _list(standin: Standin, query: Mapping[str, str], _: Any, name: str) -> Answer:
    try:
        low, high = int(query.get("start_time", 0)), int(query.get("end_time", 2**40))
        limit, offset = int(query.get("limit", PAGE)), int(query.get("offset", 0))
    except ValueError:
        return 400, {}, _errors(("not a number", None))
    found = [one for one in standin.lists.get(name, ()) if low <= one["created"] <= high]
    return 200, {}, found[offset : offset + limit]


def _groups(standin: Standin, _: Mapping[str, str], __: Any) -> Answer:
    return 200, {}, standin.lists.get("group", [])


def _add(standin: Standin, _: Mapping[str, str], body: Any, *group: str) -> Answer:
    emails = body.get("recipient_emails") if isinstance(body, dict) else None
    if not isinstance(emails, list) or not all(isinstance(one, str) for one in emails):
        return 400, {}, _errors(("recipient_emails is required", "recipient_emails"))
    standin.added += [one.lower() for one in emails]
    return 201, {}, {"recipient_emails": emails}


ROUTES: list[tuple[str, str, Callable[..., Answer]]] = [
    (r"/v3/messages", "GET", _activity),
    (r"/v3/logs", "POST", _logs),
    (r"/v3/logs/([^/]+)", "GET", _log),
    (r"/v3/suppression/(bounces|blocks|invalid_emails|spam_reports|unsubscribes)", "GET", _list),
    (r"/v3/asm/suppressions", "GET", _groups),
    (r"/v3/asm/suppressions/global", "POST", _add),
    (r"/v3/asm/groups/(\d+)/suppressions", "POST", _add),
]


def _errors(*found: tuple[str, str | None]) -> dict[str, Any]:
    """Errors as SendGrid says them; its descriptions have no null."""
    return {"errors": [{"message": text} | ({"field": name} if name else {}) for text, name in found]}


if __name__ == "__main__":
    with running(checked=False) as alone:
        print(alone.url.rpartition(":")[2], flush=True)
        threading.Event().wait()
