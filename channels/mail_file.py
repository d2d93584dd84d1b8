"""One e-mail as the bytes of an .eml file, built without the standard library's slower message objects.

RFC 5322 (lines, headers), RFC 2047 (words that are not ASCII in headers), RFC 2045 (quoted-printable bodies).
"""

from __future__ import annotations

import binascii
import re
from datetime import datetime
from email.header import Header
from email.utils import format_datetime, formataddr, parseaddr

CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]")
"""What no header may hold: a line end in any of its spellings would begin a header of the writer's own."""
PLAIN_BODY = re.compile(r"[\t\n\x20-\x7e]*")
PLAIN_HEADER = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]{0,64}[\x21-\x7e])?")
ADDRESS = re.compile(r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64}@[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")
LONGEST_NAME = 60
LONGEST_LINE = 900


def is_sender(sender: str) -> bool:
    """Whether `Name <address>` or a bare address can stand in the From header."""
    return not CONTROL.search(sender) and ADDRESS.fullmatch(parseaddr(sender)[1]) is not None


def _subject(text: str) -> str:
    if PLAIN_HEADER.fullmatch(text) and "=?" not in text:
        return text
    return Header(text, "utf-8", maxlinelen=76, header_name="Subject").encode(linesep="\r\n")


def _to(name: str | None, address: str) -> str:
    if not name or len(name) > LONGEST_NAME or CONTROL.search(name) or "=?" in name:
        return address
    return formataddr((name, address))


def _body(text: str) -> tuple[str, bytes]:
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if PLAIN_BODY.fullmatch(text) and max(map(len, text.split("\n"))) <= LONGEST_LINE:
        return "7bit", text.encode("ascii")
    return "quoted-printable", binascii.b2a_qp(text.encode())


def head_of(sender: str, now: datetime) -> str:
    """The headers that all mails of a chunk share."""
    name, address = parseaddr(sender)
    return (
        f"From: {formataddr((name, address))}\r\nDate: {format_datetime(now)}\r\nMIME-Version: 1.0\r\n"
        'Content-Type: text/plain; charset="utf-8"\r\n'
    )


def mail_bytes(head: str, domain: str, token: str, to: tuple[str | None, str], subject: str, body: str) -> bytes:
    """The mail; the caller has refused control characters in `subject` and impossible addresses."""
    encoding, content = _body(body)
    top = (
        f"{head}To: {_to(*to)}\r\nSubject: {_subject(subject)}\r\nMessage-ID: <{token}@{domain}>\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    )
    return top.encode("ascii") + content.replace(b"\n", b"\r\n") + (b"" if content.endswith(b"\n") else b"\r\n")
