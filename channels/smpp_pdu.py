"""The few PDUs of SMPP 3.4 that we speak, to bytes and back.

Our own, checked against smpplib in the tests: that one cuts long fields without a word, writes a backquote as a
section sign, and takes the last letter of a TLV text that comes without its NUL, as some centres send it.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple, Self

from waves.errors import MultiwaveError

HEADER = struct.Struct(">IIII")
ANSWERS = 0x80000000
"""The bit that makes a command its own response (5.1.2.1)."""
LONGEST = 70_000
"""Bytes of a PDU: a message_payload of 64 KB and the fields around it."""
LONGEST_ID = 65
"""Octets of a message's id with its NUL."""
LAST_NUMBER = 0x7FFFFFFF
"""Sequence numbers go from 1 to here (3.2)."""
VERSION = 0x34


class UnreadablePdu(MultiwaveError):
    """Bytes that are no PDU; the message shows nothing of them."""


class Command(IntEnum):
    """Command ids (5.1.2.1)."""

    GENERIC_NACK = ANSWERS
    BIND_RECEIVER = 0x01
    BIND_TRANSMITTER = 0x02
    SUBMIT_SM = 0x04
    DELIVER_SM = 0x05
    UNBIND = 0x06
    ENQUIRE_LINK = 0x15


class Tag(IntEnum):
    """Optional parameters (5.3.2)."""

    RECEIPTED_MESSAGE_ID = 0x001E
    SAR_MSG_REF_NUM = 0x020C
    SAR_TOTAL_SEGMENTS = 0x020E
    SAR_SEGMENT_SEQNUM = 0x020F
    MESSAGE_PAYLOAD = 0x0424
    MESSAGE_STATE = 0x0427


class Pdu(NamedTuple):
    """One PDU; the body as it came."""

    command: int
    status: int
    number: int
    body: bytes = b""

    def written(self) -> bytes:
        """As it goes over the line."""
        return HEADER.pack(HEADER.size + len(self.body), self.command, self.status, self.number) + self.body

    @property
    def is_answer(self) -> bool:
        """Whether it answers a request of ours."""
        return bool(self.command & ANSWERS)


def first_of(buffer: bytearray) -> Pdu | None:
    """Take the first whole PDU off the buffer; None while it is not all there. UnreadablePdu when it never can be."""
    if len(buffer) < HEADER.size:
        return None
    length, command, status, number = HEADER.unpack_from(buffer)
    if not HEADER.size <= length <= LONGEST:
        raise UnreadablePdu("a length that no PDU has")
    if len(buffer) < length:
        return None
    body = bytes(buffer[HEADER.size : length])
    del buffer[:length]
    return Pdu(command, status, number, body)


def text_field(text: str, most: int) -> bytes:
    """A C-octet string; ValueError when with its NUL it is longer than the field's `most` bytes, or not ASCII."""
    content = text.encode("ascii")
    if len(content) >= most or b"\0" in content:
        raise ValueError(f"longer than {most - 1} characters")
    return content + b"\0"


@dataclass(frozen=True, slots=True)
class Place:
    """An address with its type of number and its numbering plan (5.2.5, 5.2.6)."""

    address: str
    ton: int
    npi: int

    def written(self) -> bytes:
        """The three fields."""
        return bytes((self.ton, self.npi)) + text_field(self.address, 21)


def bind_body(system_id: str, password: str, system_type: str) -> bytes:
    """The body of a bind (4.1.1); the range of addresses is the centre's own affair."""
    named = text_field(system_id, 16) + text_field(password, 9) + text_field(system_type, 13)
    return named + bytes((VERSION, 0, 0, 0))


@dataclass(frozen=True, slots=True)
class Submit:
    """The fields of a submit_sm (4.4.1) that we set; the other ones are zero."""

    source: Place
    to: Place
    coding: int
    content: bytes
    with_header: bool = False
    """Whether the content begins with a user data header."""
    as_payload: bool = False
    """Whether the content goes into message_payload, where it may be longer."""
    service_type: str = ""
    valid_until: str = ""
    """A time in SMPP's own spelling (7.1.1), or nothing."""

    def written(self) -> bytes:
        """The body; a delivery receipt is asked for, of success and failure."""
        short, longer = (b"", tlv(Tag.MESSAGE_PAYLOAD, self.content)) if self.as_payload else (self.content, b"")
        return b"".join(
            (
                text_field(self.service_type, 6),
                self.source.written(),
                self.to.written(),
                bytes((0x40 if self.with_header else 0, 0, 0, 0)),  # esm_class, protocol, priority, no schedule
                text_field(self.valid_until, 17),
                bytes((1, 0, self.coding, 0, len(short))),  # registered_delivery, replace, coding, canned text
                short,
                longer,
            )
        )


def tlv(tag: int, content: bytes) -> bytes:
    """One optional parameter."""
    return struct.pack(">HH", tag, len(content)) + content


@dataclass(frozen=True, slots=True)
class Delivery:
    """What a deliver_sm (4.6.1) says that we look at."""

    source: Place
    to: Place
    esm_class: int
    coding: int
    content: bytes
    tags: dict[int, bytes] = field(default_factory=dict)

    @classmethod
    def of(cls, body: bytes) -> Self:
        """Read the body of one; UnreadablePdu when it ends too early."""
        reader = _Reader(body)
        reader.text()
        source, to = reader.place(), reader.place()
        esm_class, _, _ = reader.number(), reader.number(), reader.number()
        reader.text()
        reader.text()
        _, _, coding, _, length = (reader.number() for _ in range(5))
        content = reader.take(length)
        tags = dict(reader.tags())
        return cls(source, to, esm_class, coding, tags.get(Tag.MESSAGE_PAYLOAD, content), tags)


def message_id(body: bytes) -> str:
    """The id in the body of a submit_sm_resp, empty where there is none, or one longer than any may be (4.4.2)."""
    named = body.partition(b"\0")[0]
    return named.decode("latin-1").strip() if len(named) < LONGEST_ID else ""


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body, self._at = body, 0

    def take(self, length: int) -> bytes:
        part = self._body[self._at : self._at + length]
        if len(part) < length:
            raise UnreadablePdu("a PDU that ends within a field")
        self._at += length
        return part

    def number(self) -> int:
        return self.take(1)[0]

    def text(self) -> str:
        end = self._body.find(b"\0", self._at)
        if end < 0:
            raise UnreadablePdu("a text without its end")
        return self.take(end + 1 - self._at)[:-1].decode("latin-1")

    def place(self) -> Place:
        ton, npi = self.number(), self.number()
        return Place(self.text(), ton, npi)

    def tags(self) -> list[tuple[int, bytes]]:
        found = []
        while self._at < len(self._body):
            tag, length = struct.unpack(">HH", self.take(4))
            found.append((tag, self.take(length)))
        return found
