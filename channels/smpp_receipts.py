"""What an SMSC delivers to us: receipts of our messages, which name its own id, and what people write."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from datetime import datetime

from channels.meanings import events
from channels.smpp_codes import STAT, STATE_WORDS, state_meaning
from channels.smpp_options import SmppOptions
from channels.smpp_pdu import Delivery, Place, Tag, UnreadablePdu
from channels.smpp_text import text_of, without_header
from waves.errors import WebhookRejected
from waves.message import Came, Event, Inbound
from waves.senders import Sender

KIND, RECEIPTS = 0x3C, (0x04, 0x20)
"""Bits of esm_class that say what a delivery is: an SMSC's receipt, an intermediate notification (5.2.12)."""
HEADED = 0x40
INTERNATIONAL, UNKNOWN = 1, 0
SHORTEST_NUMBER = 8
"""Digits from which on a number of unknown type is taken for an international one; fewer are a short code."""
ID = re.compile(r"\bid:\s*([^\s]{1,65})", re.IGNORECASE)
STATED = re.compile(r"\bstat:\s*([A-Za-z]{5,8})", re.IGNORECASE)
SUBMITTED = re.compile(r"\bsubmit date:\s*([0-9]{6,14})", re.IGNORECASE)
"""By the SMSC's own clock: good for nothing but telling two messages apart."""
FAULT = re.compile(r"\berr:\s*([0-9A-Za-z]{1,5})", re.IGNORECASE)


def read_delivery(sender: Sender, headers: Mapping[str, str], body: bytes, at: datetime) -> list[Came]:
    """The report or the text in a deliver_sm's body; WebhookRejected for what is no deliver_sm.

    The time is ours: the dates in a receipt are by the SMSC's own clock, in a zone that it does not name.
    """
    try:
        delivery = Delivery.of(body)
    except UnreadablePdu as error:
        raise WebhookRejected(f"no deliver_sm: {error}", 400) from None
    options, said = SmppOptions.of(sender), delivery.content.decode("latin-1")
    if _is_marked(delivery) or (options.unmarked_receipts and _reads_like_one(said)):
        return list(_receipt(sender, options, delivery, said, at))
    if _reads_like_one(said):
        raise WebhookRejected("it reads like a receipt and is not marked as one (unmarked_receipts)", 400)
    return [_inbound(sender, delivery, body, at)]


def _is_marked(delivery: Delivery) -> bool:
    """Whether the SMSC says that it is a receipt, by its kind or a parameter, which nobody can write on a phone."""
    return delivery.esm_class & KIND in RECEIPTS or Tag.RECEIPTED_MESSAGE_ID in delivery.tags


def _reads_like_one(said: str) -> bool:
    return bool(ID.match(said) and STATED.search(said))


def _receipt(sender: Sender, options: SmppOptions, delivery: Delivery, said: str, at: datetime) -> list[Event]:
    """The report on one message. Its text is not kept: it begins with the message's own."""
    stated, tag = STATED.search(said), delivery.tags.get(Tag.MESSAGE_STATE)
    state = tag[0] if tag else STAT.get(stated[1].upper()[:7], 0) if stated else 0
    ref = _named(delivery, said, options.receipt_ids == "hex_to_decimal")
    if not ref:
        raise WebhookRejected("a receipt that names no message", 400)
    word = STATE_WORDS.get(state) or (stated[1].upper() if stated else str(state))
    fault = FAULT.search(said)
    raw = {"message_id": ref, "stat": word} | ({"err": fault[1]} if fault else {})
    # Some SMSCs count their ids anew from 1: the same id and word at another time is another message's report.
    submitted = SUBMITTED.search(said)
    ident = f"{ref}/{word}" + (f"/{submitted[1]}" if submitted else "")
    return events(state_meaning(state), "", at, sender.sender, ident, raw, ref)


def _named(delivery: Delivery, said: str, decimal: bool) -> str:
    """The message's id. Where receipts spell it another way than answers do, that is in their text."""
    tag, text = delivery.tags.get(Tag.RECEIPTED_MESSAGE_ID), ID.search(said)
    tagged = tag.rstrip(b"\0").decode("latin-1").strip() if tag else ""
    if not decimal:
        return tagged or (text[1] if text else "")
    if text:
        return str(int(text[1])) if text[1].isascii() and text[1].isdigit() else text[1]
    try:
        return str(int(tagged, 16))
    except ValueError:
        return tagged


def _inbound(sender: Sender, delivery: Delivery, body: bytes, at: datetime) -> Inbound:
    """What a person wrote; of a long text each part comes as its own, and says which it is."""
    content, piece = delivery.content, None
    if delivery.esm_class & HEADED:
        content, piece = without_header(content)
    piece = piece or _numbered(delivery)
    raw: dict[str, object] = {"to": delivery.to.address, "coding": delivery.coding}
    if piece is not None:
        raw |= {"number": piece[0], "parts": piece[1], "part": piece[2]}
    # A text has no id. One that the SMSC delivers again counts again: to hear a STOP twice does no harm, to take a
    # person's second STOP for the first one would.
    ident = "mo/" + hashlib.sha256(at.isoformat().encode() + body).hexdigest()[:24]
    text = text_of(content, delivery.coding).replace("\0", "")
    return Inbound("sms", address_of(delivery.source), text, at, sender.sender, ident, raw=raw)


def _numbered(delivery: Delivery) -> tuple[int, int, int] | None:
    """The same from the optional parameters that some SMSCs make of the header."""
    tags = (Tag.SAR_MSG_REF_NUM, Tag.SAR_TOTAL_SEGMENTS, Tag.SAR_SEGMENT_SEQNUM)
    found = [int.from_bytes(delivery.tags[tag], "big") for tag in tags if tag in delivery.tags]
    return (found[0], found[1], found[2]) if len(found) == len(tags) else None


def address_of(place: Place) -> str:
    """A person's number as the ledger spells it: with its +, where it is an international one."""
    digits = place.address.strip()
    if not (digits.isascii() and digits.isdigit()):
        return digits
    is_whole = place.ton == INTERNATIONAL or (place.ton == UNKNOWN and len(digits) >= SHORTEST_NUMBER)
    return f"+{digits.removeprefix('00')}" if is_whole else digits
