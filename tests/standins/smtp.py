"""A mail server on loopback for tests: aiosmtpd, with faults by the turn of a mail and a record of what it took."""

from __future__ import annotations

import asyncio
import email
import email.policy
import re
import ssl
import warnings
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Literal

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from waves.senders import Sender

USER, PASSWORD = "news", "a password of the tests alone"
SECRET_ENV = "MULTIWAVE_TEST_SMTP_SECRET"
MESSAGE_ID = re.compile(rb"(?im)^Message-ID: <([^@>]+)@")


@dataclass(frozen=True)
class Fault:
    """Where a mail goes wrong: at a command, within its text, at its end, or once it is taken."""

    at: Literal["mail", "rcpt", "data", "text", "end", "taken"]
    says: str | None = None
    """The reply; None: the connection is cut."""
    hangs: bool = False
    """Whether it says nothing at all, for ever."""


@dataclass
class MailServer:
    """A running server: its faults by the turn of a MAIL command (from 1), else `always`; what it took, in order."""

    faults: dict[int, Fault] = field(default_factory=dict)
    always: Fault | None = None
    pipelines: bool = True
    taken: list[tuple[str, bytes]] = field(default_factory=list)
    """(recipient, bytes) of every mail that was taken."""
    port: int = 0
    turns: int = 0
    logins: int = 0
    opened: int = 0
    refuses_login: str | None = None
    greets_after_s: float = 0.0

    def tokens(self) -> Counter[str]:
        """Token to how often a mail with it was taken."""
        return Counter(MESSAGE_ID.search(content)[1].decode() for _, content in self.taken)  # type: ignore[index]

    def mails(self) -> list[EmailMessage]:
        """What was taken, as a mail program reads it."""
        return [email.message_from_bytes(content, policy=email.policy.default) for _, content in self.taken]  # type: ignore[misc]

    def well(self) -> None:
        """No faults and no record from now on."""
        self.faults, self.always, self.turns, self.opened, self.logins = {}, None, 0, 0, 0
        self.pipelines, self.refuses_login, self.greets_after_s = True, None, 0.0
        self.taken.clear()

    async def handle_EHLO(
        self, server: SMTP, session: Session, envelope: Envelope, hostname: str, responses: list[str]
    ) -> list[str]:
        session.host_name = hostname
        return [responses[0], *(["250-PIPELINING"] if self.pipelines else []), *responses[1:]]

    async def handle_MAIL(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        self.turns += 1
        session.fault = self.faults.get(self.turns, self.always)  # type: ignore[attr-defined]
        said = await met(server, "mail")
        if said is None:
            envelope.mail_from = address
        return said or "250 2.1.0 OK"

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        said = await met(server, "rcpt")
        if said is None:
            envelope.rcpt_tos.append(address)
        return said or "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        said = await met(server, "end")
        if said is not None:
            return said
        self.taken.append((envelope.rcpt_tos[0], bytes(envelope.original_content or b"")))
        return await met(server, "taken") or "250 2.0.0 taken"

    def login(self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: Any) -> AuthResult:
        """Whether a user may send; counted."""
        self.logins += 1
        known = isinstance(given, LoginPassword) and given == LoginPassword(USER.encode(), PASSWORD.encode())
        if known and self.refuses_login is None:
            return AuthResult(success=True)
        return AuthResult(success=False, handled=False, message=self.refuses_login)


async def met(server: SMTP, at: str) -> str | None:
    """The reply of the fault that this mail meets here; None without one. Cut and hanging connections end here."""
    fault: Fault | None = getattr(server.session, "fault", None)
    if fault is None or fault.at != at:
        return None
    if fault.hangs:
        await asyncio.Event().wait()
    if fault.says is None:
        cut(server)
    return fault.says


def cut(server: SMTP) -> None:
    """Close the connection as a dying server does."""
    server.transport.abort()  # type: ignore[union-attr]
    raise ConnectionResetError


class Faulty(SMTP):
    """aiosmtpd, which can also fail before a text and in it."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.event_handler.opened += 1
        begin, wait = super().connection_made, self.event_handler.greets_after_s
        self.loop.call_later(wait, begin, transport) if wait else begin(transport)

    async def smtp_DATA(self, arg: str) -> None:
        said = await met(self, "data")
        if said is not None:
            await self.push(said)
            return
        fault = getattr(self.session, "fault", None)
        if fault is not None and fault.at == "text":
            await self.push("354 go on")
            await self._reader.readuntil(b"\r\n")
            cut(self)
        await super().smtp_DATA(arg)


class Door(Controller):
    """Serves Faulty on a free port."""

    def factory(self) -> SMTP:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Requiring AUTH while not requiring TLS")
            return Faulty(self.handler, **self.SMTP_kwargs)

    def _trigger_server(self) -> None:
        self.handler.port = self.port = self.server.sockets[0].getsockname()[1]  # type: ignore[union-attr]
        super()._trigger_server()


@contextmanager
def mail_server(
    login: bool = False, tls: ssl.SSLContext | None = None, implicit: bool = False, largest: int | None = None
) -> Iterator[MailServer]:
    """A server that runs; with `login` it lets USER in with PASSWORD, with `tls` only by STARTTLS, or `implicit`."""
    made = MailServer()
    more: dict[str, Any] = {"data_size_limit": largest} if largest else {"data_size_limit": None}
    if login:
        more |= {"auth_required": True, "auth_require_tls": False, "authenticator": made.login}
    if tls is not None:
        more |= {"ssl_context": tls} if implicit else {"tls_context": tls, "require_starttls": True}
    door = Door(made, hostname="127.0.0.1", port=0, **more)
    door.start()
    made.opened = 0
    try:
        yield made
    finally:
        door.stop()


def certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate of 127.0.0.1 that signs itself, in a file to trust, and a server's side of it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mail.example.com")]), datetime.now(UTC)
    day = timedelta(days=1)
    made = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now - day, now + day)
    made = made.add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
    trusted, secret = folder / "cert.pem", folder / "key.pem"
    trusted.write_bytes(made.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
    kind = serialization.PrivateFormat.PKCS8
    secret.write_bytes(key.private_bytes(serialization.Encoding.PEM, kind, serialization.NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(trusted, secret)
    return trusted, context


def smtp_sender(port: int, options: Mapping[str, object] = {}, **more: Any) -> Sender:
    """A sender of provider smtp for this server."""
    own = {"host": "127.0.0.1", "port": port, "tls": "none", "mail_from": "Example <news@example.com>", **options}
    return Sender(**{"sender": "mailer", "channel": "email", "provider": "smtp", "options": own, **more})
