"""PDUs: ours are read alike by smpplib, its are read alike by us, and nonsense is told apart."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import smpp as theirs

from channels.smpp_pdu import (
    Command,
    Delivery,
    Pdu,
    Place,
    Submit,
    Tag,
    UnreadablePdu,
    bind_body,
    first_of,
    message_id,
    text_field,
    tlv,
)

FROM, TO = Place("15125550100", 1, 1), Place("15125550123", 1, 1)
SUBMITS = {
    "plain": Submit(FROM, TO, 0, b"Hello"),
    "from letters, until a time": Submit(Place("Example", 5, 0), TO, 8, b"\x4e\x2d", valid_until="261202090000000+"),
    "one part of several": Submit(FROM, TO, 0, b"\x05\x00\x03\x07\x02\x01Hi", with_header=True, service_type="CMT"),
    "a payload": Submit(FROM, TO, 0, b"a" * 300, as_payload=True),
}


def parsed(pdu: Pdu) -> Any:
    return theirs.parse_pdu(pdu.written(), sequence=0, allow_unknown_opt_params=True)


@pytest.mark.parametrize("name", SUBMITS)
def test_a_submit_is_what_smpplib_reads(name: str) -> None:
    made = SUBMITS[name]
    read = parsed(Pdu(Command.SUBMIT_SM, 0, 7, made.written()))
    assert (read.command, read.status, read.sequence) == ("submit_sm", 0, 7)
    assert (read.source_addr, read.source_addr_ton, read.source_addr_npi) == (
        made.source.address.encode(),
        made.source.ton,
        made.source.npi,
    )
    assert (read.destination_addr, read.dest_addr_ton, read.dest_addr_npi) == (b"15125550123", 1, 1)
    assert (read.data_coding, read.registered_delivery) == (made.coding, 1)
    assert read.esm_class == (0x40 if made.with_header else 0)
    assert read.service_type == made.service_type.encode()
    assert read.validity_period == made.valid_until.encode()
    assert (read.message_payload if made.as_payload else read.short_message) == made.content


def test_a_bind_is_what_smpplib_reads() -> None:
    read = parsed(Pdu(Command.BIND_TRANSMITTER, 0, 1, bind_body("me", "secret", "SMPP")))
    assert (read.command, read.system_id, read.password, read.system_type) == (
        "bind_transmitter",
        b"me",
        b"secret",
        b"SMPP",
    )
    assert read.interface_version == 0x34


def test_a_delivery_of_smpplib_is_read() -> None:
    made = theirs.make_pdu("deliver_sm", sequence=0, source_addr="15125550123", source_addr_ton=1, source_addr_npi=1)
    made.destination_addr, made.esm_class, made.short_message = "15125550100", 4, b"id:m1 stat:DELIVRD"
    made.message_state, made.receipted_message_id = 2, "m1"
    buffer = bytearray(made.generate() + b"rest")
    pdu = first_of(buffer)
    assert pdu is not None
    assert (pdu.command, bytes(buffer)) == (Command.DELIVER_SM, b"rest")
    read = Delivery.of(pdu.body)
    assert (read.source, read.to) == (TO, Place("15125550100", 0, 0))
    assert (read.esm_class, read.coding, read.content) == (4, 0, b"id:m1 stat:DELIVRD")
    assert read.tags == {Tag.MESSAGE_STATE: b"\2", Tag.RECEIPTED_MESSAGE_ID: b"m1\0"}


def test_a_payload_goes_before_the_short_message() -> None:
    body = Submit(FROM, TO, 0, b"short").written() + tlv(Tag.MESSAGE_PAYLOAD, b"long")
    assert Delivery.of(body).content == b"long"


def test_a_field_is_never_cut_without_a_word() -> None:
    assert text_field("12345678", 9) == b"12345678\0"
    for text in ("123456789", "a\0b", "ü"):
        with pytest.raises(ValueError):  # noqa: PT011 - a UnicodeEncodeError is one
            text_field(text, 9)


@pytest.mark.parametrize(
    ("body", "ident"),
    [
        (b"m1\0", "m1"),
        (b"", ""),
        (b"\0", ""),
        (b"m1", "m1"),
        (b" m1 \0x", "m1"),
        (b"m" * 64, "m" * 64),
        (b"m" * 65, ""),
    ],
)
def test_the_id_of_an_answer(body: bytes, ident: str) -> None:
    assert message_id(body) == ident


@pytest.mark.parametrize("length", [0, 15, 70_001, 0xFFFFFFFF])
def test_a_length_that_no_pdu_has_is_an_error(length: int) -> None:
    with pytest.raises(UnreadablePdu):
        first_of(bytearray(length.to_bytes(4, "big") + bytes(12)))


def test_half_a_pdu_is_waited_for() -> None:
    whole = Pdu(Command.ENQUIRE_LINK, 0, 3).written()
    for end in range(len(whole)):
        assert first_of(bytearray(whole[:end])) is None


@given(st.binary(max_size=120))
def test_nonsense_is_unreadable_and_nothing_else(body: bytes) -> None:
    try:
        Delivery.of(body)
    except UnreadablePdu:
        return
    assert len(body) > 15
