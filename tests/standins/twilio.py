"""Twilio's Messages resource on loopback: what its documentation says a request is answered with, and no more.

    python -m tests.standins.twilio

prints its address and answers until it is killed.
"""

from __future__ import annotations

import base64
import itertools
import re
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs, parse_qsl, urlsplit

from tests.openapi.checker import Asked, Said
from tests.standins.scripted import Standin, json_answer

ACCOUNT, SERVICE, NUMBER = "AC" + "a1" * 16, "MG" + "b2" * 16, "+15125550100"
TOKEN_ENV, TOKEN = "MULTIWAVE_TEST_TWILIO", "12345"
PATH = re.compile(r"/2010-04-01/Accounts/(AC[0-9a-fA-F]{32})/Messages(?:/((?:SM|MM)[0-9a-fA-F]{32}))?\.json")
DATE = "%a, %d %b %Y %H:%M:%S +0000"


def error(status: int, code: int, message: str = "as the documentation has it") -> Said:
    more = f"https://www.twilio.com/docs/errors/{code}"
    return json_answer(status, {"code": code, "message": message, "more_info": more, "status": status})


def _now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Account:
    """The messages of the accounts whose auth token is TOKEN, newest last."""

    messages: list[dict[str, Any]] = field(default_factory=list)
    clock: Callable[[], datetime] = _now
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def accepted(self) -> Counter[str]:
        """How often each address was taken for."""
        return Counter(message["to"] for message in self.messages)

    def respond(self, asked: Asked, accepts: bool) -> Said:
        """Twilio's answer; a message that would be taken is kept only where the script says so."""
        parts, headers = urlsplit(asked.url), {name.lower(): value for name, value in asked.headers.items()}
        matched = PATH.fullmatch(parts.path)
        if matched is None:
            return error(404, 20404)
        account, sid = matched.groups()
        if not self._lets_in(headers.get("authorization", "")):
            return error(401, 20003)
        if sid is None and asked.method == "GET":
            return self._list(account, parse_qs(parts.query))
        if sid is None and asked.method == "POST":
            return self._create(account, dict(parse_qsl(asked.body.decode(), keep_blank_values=True)), accepts)
        found = next((one for one in self.messages if one["sid"] == sid), None)
        if found is None:
            return error(404, 20404)
        if asked.method == "DELETE":
            self.messages.remove(found)
            return Said(204)
        return json_answer(200, found) if asked.method in ("GET", "POST") else error(405, 20004)

    def _lets_in(self, said: str) -> bool:
        try:
            return base64.b64decode(said.removeprefix("Basic ")).decode().endswith(f":{TOKEN}")
        except ValueError:
            return False

    def _create(self, account: str, form: dict[str, str], accepts: bool) -> Said:
        wrong = _wrong_with(form)
        if wrong is not None:
            return error(400, wrong)
        sid, now = f"SM{next(self._numbers):032x}", self.clock().strftime(DATE)
        made = {
            "sid": sid,
            "account_sid": account,
            "api_version": "2010-04-01",
            "body": form.get("Body", ""),
            "to": form["To"],
            "from": form.get("From"),
            "messaging_service_sid": form.get("MessagingServiceSid"),
            "status": "accepted" if "MessagingServiceSid" in form else "queued",
            "direction": "outbound-api",
            "date_created": now,
            "date_updated": now,
            "date_sent": None,
            "error_code": None,
            "error_message": None,
            "num_media": "0",
            "num_segments": "0" if "MessagingServiceSid" in form else "1",
            "price": None,
            "price_unit": None,
            "uri": f"/2010-04-01/Accounts/{account}/Messages/{sid}.json",
            "subresource_uris": {"media": f"/2010-04-01/Accounts/{account}/Messages/{sid}/Media.json"},
        }
        if accepts:
            self.messages.append(made)
        return json_answer(201, made)

    def _list(self, account: str, query: dict[str, list[str]]) -> Said:
        size = query.get("PageSize", ["50"])[0]
        if not re.fullmatch(r"[0-9]{1,4}", size) or not 1 <= int(size) <= 1000:
            return error(400, 20001)
        to = query.get("To", [None])[0]
        kept = [one for one in reversed(self.messages) if to is None or one["to"] == to][: int(size)]
        first = f"/2010-04-01/Accounts/{account}/Messages.json?PageSize={size}&Page=0"
        paging = {"page": 0, "page_size": int(size), "start": 0, "end": max(len(kept) - 1, 0)}
        uris = {"uri": first, "first_page_uri": first, "next_page_uri": None, "previous_page_uri": None}
        return json_answer(200, {**paging, **uris, "messages": kept})


def _wrong_with(form: dict[str, str]) -> int | None:
    """The code that Twilio answers a bad create call with."""
    to = form.get("To", "").removeprefix("whatsapp:")
    if not to:
        return 21604
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", to):
        return 21211
    if not form.get("From") and not form.get("MessagingServiceSid"):
        return 21603
    if not re.fullmatch(r"(MG[0-9a-fA-F]{32})?", form.get("MessagingServiceSid", "")):
        return 21705
    if not form.get("Body") and not form.get("ContentSid") and not form.get("MediaUrl"):
        return 21602
    if len(form.get("Body", "")) > 1600:
        return 21617
    callback = urlsplit(form.get("StatusCallback", "https://example.com/"))
    if callback.scheme not in ("http", "https") or not callback.hostname or "_" in callback.hostname:
        return 21609
    validity = form.get("ValidityPeriod", "36000")
    return None if re.fullmatch(r"[0-9]{1,5}", validity) and 1 <= int(validity) <= 36_000 else 21619


def start_twilio(account: Account | None = None) -> tuple[Standin, Account]:
    """A stand-in on a free port, and what it keeps."""
    kept = account or Account()
    return Standin(kept.respond, lambda asked: asked.method == "POST"), kept


if __name__ == "__main__":
    print(start_twilio()[0].url, flush=True)
    threading.Event().wait()
