"""The providers of the story of real channels, on loopback: what each took, and how each speaks to `serve`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

import httpx

from tests.channels.twilio_desk import signature
from tests.openapi.checker import Asked, Said
from tests.standins import sendgrid
from tests.standins.scripted import Standin
from tests.standins.sendgrid_signature import signed
from tests.standins.smtp import MailServer, mail_server
from tests.standins.twilio import ACCOUNT, Account, error
from tests.standins.webpush import PushStandin

BROWSER = {"User-Agent": "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"}
SCANNER = {"User-Agent": "Mozilla/5.0 (compatible; Barracuda Link Scanner)"}
LINK = re.compile(r"https?://\S+/c/[0-9A-Z]+")


@dataclass(frozen=True)
class Got:
    """One message as somebody holds it in their hands."""

    channel: str
    provider: str
    address: str
    text: str
    headers: Mapping[str, str] = field(default_factory=dict)
    ident: str = ""
    token: str = ""

    @property
    def link(self) -> str:
        """The path of our short link in it."""
        return urlsplit(LINK.findall(self.text)[0]).path


@dataclass
class Providers:
    """Twilio, SendGrid, a mail server and a push service, and the public address by which they know us."""

    texts: Standin
    account: Account
    news: sendgrid.Standin
    mailer: MailServer
    push: PushStandin
    public: str
    opted_out: set[str]
    door: httpx.Client = field(init=False)

    def __post_init__(self) -> None:
        # They know us by https; the proxy that would take TLS off is left out.
        self.door = httpx.Client(base_url=self.public.replace("https", "http"), trust_env=False, timeout=30)

    def got(self) -> list[Got]:
        """Every message that any provider took, in no order that means anything."""
        callbacks = self._callbacks()
        texts = [
            Got("sms", "main_texts", m["to"], m["body"], {"callback": callbacks[m["to"], m["body"]]}, m["sid"])
            for m in self.account.messages
        ]
        news = [Got("email", "news", m.to["email"], m.body, m.headers, m.ident, m.token) for m in list(self.news.mails)]
        mails = [
            Got("email", "mailer", to, mail.get_content(), dict(mail.items()))
            for (to, _), mail in zip(self.mailer.taken, self.mailer.mails(), strict=True)
        ]
        pushes = [Got("web_push", "browsers", p["token"], p["body"], {}, "", p["token"]) for p in self.push.payloads]
        return [*texts, *news, *mails, *pushes]

    def _callbacks(self) -> dict[tuple[str, str], str]:
        """(number, text) to the address that Twilio was told to call."""
        forms = [dict(parse_qsl(a.body.decode())) for a, _ in self.texts.exchanges if a.method == "POST"]
        return {(form["To"], form["Body"]): form["StatusCallback"].partition("#")[0] for form in forms}

    def twilio_says(self, text: Got, status: str, code: int | None = None) -> int:
        """A status callback as Twilio makes it; the answer's code."""
        form = {"MessageSid": text.ident, "MessageStatus": status, "To": text.address, "AccountSid": ACCOUNT}
        return self._signed(text.headers["callback"], {**form, **({"ErrorCode": str(code)} if code else {})})

    def writes_back(self, text: Got, words: str, number: int) -> int:
        """A reply to a text, as Twilio passes it on."""
        sid = f"SM{number:032x}"
        form = {"MessageSid": sid, "SmsStatus": "received", "From": text.address, "Body": words, "AccountSid": ACCOUNT}
        return self._signed(f"{self.public}/callbacks/twilio/main_texts", form)

    def _signed(self, url: str, form: Mapping[str, str], key: str | None = None) -> int:
        body = urlencode(form)
        made = signature(body, url) if key is None else signature(body, url, key)
        head = {"Content-Type": "application/x-www-form-urlencoded", "X-Twilio-Signature": made}
        return self.door.post(url.removeprefix(self.public), content=body, headers=head).status_code

    def forged(self, text: Got) -> int:
        """A report that somebody else signed."""
        form = {"MessageSid": text.ident, "MessageStatus": "undelivered", "ErrorCode": "30005"}
        return self._signed(text.headers["callback"], form, "another token")

    def sendgrid_says(self, events: Sequence[tuple[Got, str, Mapping[str, Any]]]) -> int:
        """A batch of the signed event webhook; the same events again have the same idents."""
        now = datetime.now(UTC)
        said = [
            {
                "email": mail.address,
                "event": event,
                "timestamp": int(now.timestamp()),
                "sg_event_id": f"{event}-{mail.token}",
                "sg_message_id": mail.ident,
                "multiwave": mail.token,
                "ip": "192.0.2.7",
                **more,
            }
            for mail, event, more in events
        ]
        body = json.dumps(said).encode()
        return self.door.post("/callbacks/sendgrid/news", content=body, headers=signed(body, now)).status_code

    def follows(self, message: Got, headers: Mapping[str, str] = BROWSER) -> httpx.Response:
        """Somebody opens the short link in a message; where it leads is not followed."""
        return self.door.get(message.link, headers=dict(headers))

    def one_click(self, mail: Got) -> list[int]:
        """A mail program shows the page of the header, then posts as RFC 8058 says; both answers."""
        assert mail.headers["List-Unsubscribe-Post"] == "List-Unsubscribe=One-Click"
        url = re.findall(r"<(https?://[^>]+)>", mail.headers["List-Unsubscribe"])[0]
        path = url.removeprefix(self.public)
        posted = self.door.post(path, data={"List-Unsubscribe": "One-Click"})
        return [self.door.get(path).status_code, posted.status_code]


@contextmanager
def providers(public: str) -> Iterator[Providers]:
    """All of them while this lasts; SendGrid dies when it has taken its second request."""
    opted_out: set[str] = set()
    account = Account()

    def respond(asked: Asked, accepts: bool) -> Said:
        to = dict(parse_qsl(asked.body.decode())).get("To")
        return error(400, 21610) if asked.method == "POST" and to in opted_out else account.respond(asked, accepts)

    texts, push = Standin(respond, lambda asked: asked.method == "POST"), PushStandin()
    with ExitStack() as open_:
        open_.callback(texts.stop)
        open_.callback(push.stop)
        news = open_.enter_context(sendgrid.running())
        news.faults = {2: {"fault": "accept_then_die"}}
        mailer = open_.enter_context(mail_server())
        made = Providers(texts, account, news, mailer, push, public, opted_out)
        open_.callback(made.door.close)
        yield made
