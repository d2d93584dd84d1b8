"""What an SMSC delivers: every state and word of a receipt, ids as they are spelt, texts that people wrote."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.smpp_codes import STAT, STATE, STATUS, status_meaning
from channels.smpp_pdu import Place, Submit, Tag, tlv
from channels.smpp_receipts import address_of, read_delivery
from tests.builders import T0
from tests.standins.smsc import smpp_sender
from waves.errors import WebhookRejected
from waves.message import Event, Inbound
from waves.outcomes import Action, Outcome, Reason, Side
from waves.senders import Sender

SENDER = smpp_sender(2775)
UNMARKED = smpp_sender(2775, options={"unmarked_receipts": True})
DECIMAL = smpp_sender(2775, options={"receipt_ids": "hex_to_decimal"})
PERSON, OURS = Place("15125550123", 1, 1), Place("15125550100", 1, 1)
TEXT = "id:{id} sub:001 dlvrd:001 submit date:2612010900 done date:2612010901 stat:{stat} err:{err} text:Dear Ada"


def delivery(content: bytes, esm_class: int = 0, coding: int = 0, source: Place = PERSON, tags: bytes = b"") -> bytes:
    """The body of a deliver_sm: laid out like a submit_sm."""
    made = bytearray(Submit(source, OURS, coding, content).written())
    place = 1 + len(source.written()) + len(OURS.written())
    made[place] = esm_class
    return bytes(made) + tags


def receipt(stat: str, ident: str = "m1", err: str = "000", **more: Any) -> bytes:
    return delivery(TEXT.format(id=ident, stat=stat, err=err).encode(), more.pop("esm_class", 4), **more)


def read(body: bytes, sender: Sender = SENDER) -> Any:
    (one,) = read_delivery(sender, {}, body, T0)
    return one


def tags(state: int, ident: bytes = b"m1\0") -> bytes:
    return tlv(Tag.RECEIPTED_MESSAGE_ID, ident) + tlv(Tag.MESSAGE_STATE, bytes((state,)))


STATES: dict[str, tuple[int, Outcome | Side, Reason | None, Action]] = {
    "ENROUTE": (1, Outcome.IN_TRANSIT, None, Action.OK),
    "DELIVRD": (2, Outcome.DELIVERED, None, Action.OK),
    "EXPIRED": (3, Outcome.LAPSED, Reason.UNREACHABLE, Action.NEXT_CHANNEL),
    "DELETED": (4, Outcome.CANCELED, None, Action.OK),
    "UNDELIV": (5, Outcome.BOUNCED_SOFT, Reason.UNREACHABLE, Action.NEXT_CHANNEL),
    "ACCEPTD": (6, Outcome.IN_TRANSIT, None, Action.OK),
    "UNKNOWN": (7, Side.UNKNOWN, None, Action.OK),
    "REJECTD": (8, Outcome.REJECTED, Reason.BLOCKED, Action.NEXT_CHANNEL),
}


def test_the_tables_have_a_case_each() -> None:
    assert set(STATES) == set(STAT)
    assert {state for state, *_ in STATES.values()} == set(STATE)


@pytest.mark.parametrize("stat", STATES)
@pytest.mark.parametrize("by", ["text", "parameters", "both, and they differ"])
def test_a_state_becomes_an_outcome(stat: str, by: str) -> None:
    state, outcome, reason, action = STATES[stat]
    body = {
        "text": receipt(stat),
        "parameters": delivery(b"", 4, tags=tags(state)),
        "both, and they differ": receipt("ENROUTE", tags=tags(state)),
    }[by]
    event = read(body)
    assert isinstance(event, Event)
    assert (event.token, event.ref, event.provider, event.at) == ("", "m1", "smsc", T0)
    assert (event.outcome, event.reason, event.action) == (outcome, reason, action)
    assert event.provider_event_id == f"m1/{stat}" + ("" if by == "parameters" else "/2612010900")


STATUSES: dict[int, tuple[Outcome, Reason | None, Action, float | None]] = {
    0: (Outcome.ACCEPTED, None, Action.OK, None),
    1: (Outcome.FAILED, Reason.TOO_LARGE, Action.BUG, None),
    8: (Outcome.DEFERRED, Reason.PROVIDER, Action.RETRY, 60),
    10: (Outcome.FAILED, Reason.SENDER, Action.PAUSE_SENDER, None),
    11: (Outcome.BOUNCED_HARD, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS, None),
    13: (Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER, None),
    14: (Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER, None),
    15: (Outcome.FAILED, Reason.ACCOUNT, Action.STOP_PROVIDER, None),
    20: (Outcome.DEFERRED, Reason.QUEUE_FULL, Action.PAUSE_SENDER, 60),
    69: (Outcome.FAILED, Reason.PROVIDER, Action.RETRY, 60),
    88: (Outcome.DEFERRED, Reason.RATE_LIMITED, Action.PAUSE_SENDER, 1),
    0x400: (Outcome.FAILED, Reason.OTHER, Action.NEXT_CHANNEL, None),
    0xFF: (Outcome.FAILED, Reason.OTHER, Action.NEXT_CHANNEL, None),
}


@pytest.mark.parametrize("status", STATUSES)
def test_a_status_means_what_the_projects_table_says(status: int) -> None:
    meaning = status_meaning(status)
    assert (meaning.outcome, meaning.reason, meaning.action, meaning.retry_after_s) == STATUSES[status]


def test_every_status_that_says_no_has_a_reason() -> None:
    assert all(meaning.reason for status, meaning in STATUS.items() if status)


IDS: dict[str, tuple[Sender, bytes, str]] = {
    "as the text spells it": (SENDER, receipt("DELIVRD", "0A1b"), "0A1b"),
    "the parameter goes first": (SENDER, receipt("DELIVRD", "99", tags=tags(2, b"0a\0")), "0a"),
    "a parameter without its NUL": (SENDER, delivery(b"", 4, tags=tags(2, b"m12")), "m12"),
    "decimal of hexadecimal": (DECIMAL, receipt("DELIVRD", "0011206656"), "11206656"),
    "the parameter as in the answer": (DECIMAL, delivery(b"", 4, tags=tags(2, b"AB0000\0")), "11206656"),
    "no number after all": (DECIMAL, receipt("DELIVRD", "x-1"), "x-1"),
    "nor in the parameter": (DECIMAL, delivery(b"", 4, tags=tags(2, b"x-1\0")), "x-1"),
    "spaced": (SENDER, delivery(b"ID: m7  STAT: DELIVRD ", 4), "m7"),
    "not marked, where none is": (UNMARKED, receipt("DELIVRD", "m8", esm_class=0), "m8"),
    "marked all the same": (UNMARKED, receipt("DELIVRD", "m8"), "m8"),
    "an intermediate one": (SENDER, receipt("ENROUTE", "m9", esm_class=0x20), "m9"),
    "marked by its parameter alone": (SENDER, delivery(b"", 0, tags=tags(2)), "m1"),
}


@pytest.mark.parametrize("name", IDS)
def test_a_receipt_names_its_message(name: str) -> None:
    sender, body, ref = IDS[name]
    assert read(body, sender).ref == ref


def test_a_receipt_keeps_no_word_of_the_message() -> None:
    event = read(receipt("UNDELIV", err="06b"))
    assert event.raw == {"message_id": "m1", "stat": "UNDELIV", "err": "06b"}


def test_a_word_nobody_knows_is_kept_as_unknown() -> None:
    event = read(receipt("SKIPPED"))
    assert (event.outcome, event.provider_event_id) == (Side.UNKNOWN, "m1/SKIPPED/2612010900")


def test_an_id_that_is_used_again_is_another_report_and_the_same_told_again_is_one() -> None:
    first, again = receipt("DELIVRD"), receipt("DELIVRD", tags=tags(2))
    later = first.replace(b"submit date:2612010900", b"submit date:2701020900")
    assert [read(body).provider_event_id for body in (first, again, later)] == [
        "m1/DELIVRD/2612010900", "m1/DELIVRD/2612010900", "m1/DELIVRD/2701020900",
    ]  # fmt: skip


@pytest.mark.parametrize("body", [b"", b"CMT\0\1", delivery(b"no id here", 4), receipt("DELIVRD")[:-3]])
def test_what_is_no_delivery_is_rejected(body: bytes) -> None:
    with pytest.raises(WebhookRejected):
        read_delivery(SENDER, {}, body, T0)


def test_nobody_forges_a_receipt_by_what_they_write() -> None:
    with pytest.raises(WebhookRejected, match="not marked as one"):
        read(receipt("UNDELIV", "m8", esm_class=0))


def test_a_text_that_looks_like_half_a_receipt_is_a_text() -> None:
    assert isinstance(read(delivery(b"my id: 17, please call")), Inbound)


def test_what_a_person_wrote_is_theirs() -> None:
    said = read(delivery(b"Yes \x1be", 0))
    assert (said.channel, said.address, said.text) == ("sms", "+15125550123", "Yes €")
    assert (said.provider, said.at) == ("smsc", T0)
    assert said.raw == {"to": "15125550100", "coding": 0}


@pytest.mark.parametrize(
    ("content", "coding", "text"),
    [("Так".encode("utf-16-be"), 8, "Так"), (b"STOP\0", 1, "STOP"), (b"\x01\x02", 4, "")],
)
def test_it_is_read_by_its_coding(content: bytes, coding: int, text: str) -> None:
    assert read(delivery(content, 0, coding)).text == text


def test_each_part_of_a_long_text_says_which_it_is() -> None:
    headed = read(delivery(b"\x05\x00\x03\x07\x02\x01Hi", 0x40))
    assert (headed.text, headed.raw["number"], headed.raw["parts"], headed.raw["part"]) == ("Hi", 7, 2, 1)
    sar = tlv(Tag.SAR_MSG_REF_NUM, b"\0\x09") + tlv(Tag.SAR_TOTAL_SEGMENTS, b"\2") + tlv(Tag.SAR_SEGMENT_SEQNUM, b"\2")
    tagged = read(delivery(b"ho", 0, tags=sar))
    assert (tagged.text, tagged.raw["number"], tagged.raw["parts"], tagged.raw["part"]) == ("ho", 9, 2, 2)


def test_a_stop_said_twice_is_two() -> None:
    body = delivery(b"STOP")
    (first,), (again,) = read_delivery(SENDER, {}, body, T0), read_delivery(SENDER, {}, body, T0)
    (later,) = read_delivery(SENDER, {}, body, T0.replace(minute=1))
    assert isinstance(first, Inbound)
    assert isinstance(again, Inbound)
    assert isinstance(later, Inbound)
    assert first.provider_event_id == again.provider_event_id != later.provider_event_id
    assert "15125550123" not in first.provider_event_id


@pytest.mark.parametrize(
    ("place", "address"),
    [
        (Place("15125550123", 1, 1), "+15125550123"),
        (Place("15125550123", 0, 1), "+15125550123"),
        (Place("0015125550123", 0, 1), "+15125550123"),
        (Place("+15125550123", 1, 1), "+15125550123"),
        (Place("5125550123", 2, 1), "5125550123"),
        (Place("40404", 0, 1), "40404"),
        (Place("40404", 3, 0), "40404"),
        (Place("Example", 5, 0), "Example"),
    ],
)
def test_an_address_is_spelt_as_the_ledger_does(place: Place, address: str) -> None:
    assert address_of(place) == address


@given(st.binary(max_size=160), st.sampled_from([0, 4, 0x20, 0x40, 0x44]), st.sampled_from([0, 1, 3, 4, 8, 0xF0]))
def test_hostile_content_is_read_or_rejected(content: bytes, esm_class: int, coding: int) -> None:
    try:
        found = read_delivery(SENDER, {}, delivery(content, esm_class, coding), T0)
    except WebhookRejected:
        return
    assert len(found) == 1
