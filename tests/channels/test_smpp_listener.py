"""The receiver: what an SMSC delivers is on disk before it is answered, and comes again when it is not."""

from __future__ import annotations

import threading
from concurrent.futures import Future
from pathlib import Path

import pytest

from channels.callbacks import CALLBACKS
from channels.listeners import LISTENERS
from channels.opening import Opening
from channels.registry import CAPABILITIES, OPTIONS
from channels.smpp_listener import listen
from channels.smpp_receipts import read_delivery
from channels.spool import Record, Spool, taken, waiting
from tests.standins.smsc import PASSWORD_ENV, Smsc, ear, smpp_sender
from waves.errors import SendRefused
from waves.message import Came, Event, Inbound

NOT_NOW = 0x64
RECEIPT = b"id:m1 sub:001 dlvrd:001 submit date:2612010900 done date:2612010901 stat:DELIVRD err:000 text:Hello"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def kept(folder: Path) -> list[tuple[Record, Came]]:
    """The spool's records, and what each says."""
    found = []
    for path in waiting(folder):
        with taken(path) as contents:
            assert contents is not None
            found += [record for _, record in contents.records]
    sender = smpp_sender(1)
    return [(one, came) for one in found for came in read_delivery(sender, one.headers, one.body, one.at)]


def test_a_receipt_and_a_reply_are_on_disk_when_they_are_answered(centre: Smsc, folder: Path) -> None:
    spool = Spool(folder, held_s=60)
    with ear(smpp_sender(centre.port), spool) as listening:
        assert centre.wait("bound")["kind"] == "receiver"
        centre.deliver(source_addr="15125550123", source_addr_ton=1, esm_class=4, short_message=RECEIPT)
        assert centre.wait("delivered")["status"] == 0
        (path,) = waiting(folder)
        assert path.read_bytes().count(b"\n") == 1
        centre.deliver(
            source_addr="15125550123", source_addr_ton=1, short_message="Привіт".encode("utf-16-be"), data_coding=8
        )
        assert centre.wait("delivered")["status"] == 0
        assert path.read_bytes().count(b"\n") == 2
    spool.close()
    (one, receipt), (other, reply) = kept(folder)
    assert (one.provider, one.sender, one.headers) == ("smpp", "smsc", {"from": "+15125550123"})
    assert isinstance(receipt, Event)
    assert receipt.ref == "m1"
    assert isinstance(reply, Inbound)
    assert (reply.address, reply.text, reply.at) == ("+15125550123", "Привіт", other.at)
    assert len(centre.all("unbind")) == 1
    assert listening.said == ["receipts of smsc: a receiver is bound"]


class Full(Spool):
    """A spool whose disk is full."""

    def append(self, record: Record) -> Future[None]:
        kept: Future[None] = Future()
        kept.set_exception(OSError("no space"))
        return kept


def test_what_could_not_be_kept_is_not_taken(centre: Smsc, folder: Path) -> None:
    spool = Full(folder)
    with ear(smpp_sender(centre.port), spool):
        centre.wait("bound")
        centre.deliver(source_addr="15125550123", esm_class=4, short_message=RECEIPT)
        assert centre.wait("delivered")["status"] == NOT_NOW
    spool.close()
    assert waiting(folder) == []


def test_it_binds_again_whatever_ends_a_session(centre: Smsc, folder: Path) -> None:
    spool = Spool(folder)
    with ear(smpp_sender(centre.port), spool):
        centre.wait("bound")
        centre.ask({"do": "drop"})
        centre.wait("bound")
        assert centre.deliver(source_addr="15125550123", short_message=b"STOP") == 1
        assert centre.wait("delivered")["status"] == 0
    spool.close()
    assert [came.text for _, came in kept(folder) if isinstance(came, Inbound)] == ["STOP"]


def test_a_refused_bind_is_told_once_and_tried_again(centre: Smsc, folder: Path) -> None:
    centre.rules({"bind": "receiver", "status": 0x0E})
    spool = Spool(folder)
    with ear(smpp_sender(centre.port), spool) as listening:
        for _ in range(3):
            centre.wait("bind")
        centre.rules()
        centre.wait("bound")
        centre.deliver(source_addr="15125550123", short_message=b"Yes")
        assert centre.wait("delivered")["status"] == 0
    spool.close()
    assert listening.said == [
        "receipts of smsc: the SMSC refuses the bind with status 0x0E; it is tried again",
        "receipts of smsc: a receiver is bound",
    ]


def test_it_ends_while_it_waits_for_the_bind(centre: Smsc, folder: Path) -> None:
    centre.rules({"bind": "receiver", "fault": "hang"})
    spool = Spool(folder)
    with ear(smpp_sender(centre.port), spool) as listening:
        centre.wait("bind")
    spool.close()
    assert not [said for said in listening.said if "is bound" in said]


def test_a_sender_may_do_without(centre: Smsc, folder: Path) -> None:
    spool = Spool(folder)
    with ear(smpp_sender(centre.port, options={"receive": False}), spool) as listening:
        listening.thread.join()
    spool.close()
    assert centre.all("bind") == []


def test_without_its_password_it_says_so(folder: Path) -> None:
    spool = Spool(folder)
    opening = Opening(CAPABILITIES["sms"], smpp_sender(1), Path(), None, {})
    with pytest.raises(SendRefused, match=f"{PASSWORD_ENV} is not set"):
        listen(opening, spool, threading.Event(), print)
    spool.close()


def test_a_listener_is_a_provider_that_nobody_may_call_back() -> None:
    assert set(LISTENERS) <= set(OPTIONS)
    assert not set(LISTENERS) & set(CALLBACKS)  # what comes at the door is signed; what comes on a bound session is not
