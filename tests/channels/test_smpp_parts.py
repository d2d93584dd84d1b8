"""Provider `smpp`, texts of several parts: one message, begun once, whole where that is possible at all."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest

from channels.smpp_codes import STATUS
from tests.builders import T0
from tests.channels.smpp_desk import PATIENT_S, SOON, Open, message, opening_at, results
from tests.standins.smsc import Smsc, smsc

LONG = "long " * 50
"""Two parts."""


@pytest.fixture(scope="module")
def running() -> Iterator[Smsc]:
    with smsc() as made:
        yield made


@pytest.fixture
def centre(running: Smsc) -> Iterator[Smsc]:
    yield running
    running.forget()


@pytest.fixture
def opened(centre: Smsc) -> Iterator[Open]:
    with opening_at(centre) as open_one:
        yield open_one


LONG_TEXTS = {
    "two parts": (LONG, {}, [64, 64], 0),
    "Chinese": ("中文" * 50, {}, [64, 64], 8),
    "emoji": ("😀" * 40, {}, [64, 64], 8),
    "whole, for the SMSC to cut": (LONG, {"long_texts": "payload"}, [0], 0),
    "whole and wide": ("中文" * 100, {"long_texts": "payload"}, [0], 8),
    "short all the same": ("Hello", {"long_texts": "payload"}, [0], 0),
}


@pytest.mark.parametrize("name", LONG_TEXTS)
def test_a_long_text_is_one_message(centre: Smsc, opened: Open, name: str) -> None:
    text, options, classes, coding = LONG_TEXTS[name]
    (said,) = opened(options).send([message(1, text)], T0, PATIENT_S)
    parts = centre.all("accepted")
    assert "".join(part["text"] for part in parts) == f"{text} token1"
    assert [part["esm_class"] for part in parts] == classes
    assert {part["coding"] for part in parts} == {coding}
    assert (said.result, said.refs) == ("accepted", tuple(part["id"] for part in parts))
    assert said.provider_ref == parts[-1]["id"]


LATER_PARTS = {
    "throttled for longer than a message may take": {"from": 2, "fault": "status", "status": 0x58},
    "the queue is full": {"at": [2], "fault": "status", "status": 0x14},
    "refused": {"at": [2], "fault": "status", "status": 0x0B},
    "lost": {"at": [2], "fault": "hang"},
    "cut off": {"at": [2], "fault": "drop"},
}


@pytest.mark.parametrize("fault", LATER_PARTS)
def test_from_the_first_accepted_part_on_a_message_is_never_sent_again(centre: Smsc, opened: Open, fault: str) -> None:
    centre.rules(LATER_PARTS[fault])
    (said,) = opened(**(SOON if fault != "refused" else {})).send([message(1, LONG)], T0, PATIENT_S)
    (part,) = centre.all("accepted")
    assert (said.result, said.refs) == ("accepted", (part["id"],))


def test_a_later_part_that_comes_too_soon_comes_again(
    centre: Smsc, opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(STATUS, 0x58, replace(STATUS[0x58], retry_after_s=0.01))
    centre.rules({"at": [4, 5], "fault": "status", "status": 0x58})
    said = opened({"window": 1}).send([message(n, LONG) for n in range(1, 4)], T0, PATIENT_S)
    assert results(said) == ["accepted", "accepted", "not_sent rate_limited"]
    assert [len(one.refs) for one in said] == [2, 2, 0]
    assert "".join(part["text"] for part in centre.all("accepted")) == f"{LONG} token1{LONG} token2"


def test_a_first_part_that_is_refused_is_followed_by_none(centre: Smsc, opened: Open) -> None:
    centre.rules({"at": [1], "fault": "status", "status": 0x58})
    assert results(opened().send([message(1, LONG)], T0, PATIENT_S)) == ["not_sent rate_limited"]
    assert len(centre.all("submit")) == 1


def test_ids_are_kept_as_receipts_will_spell_them(centre: Smsc, opened: Open) -> None:
    centre.rules({"hex": True, "fault": "none", "at": []})
    (said,) = opened({"receipt_ids": "hex_to_decimal"}).send([message(1, LONG)], T0, PATIENT_S)
    ids = [part["id"] for part in centre.all("accepted")]
    assert said.refs == tuple(str(int(one, 16)) for one in ids)
    assert said.provider_ref == ids[-1]
