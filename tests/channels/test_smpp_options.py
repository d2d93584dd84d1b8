"""What an SMSC's options may be, and what is said of those that may not."""

from __future__ import annotations

from typing import Any

import pytest

from channels.registry import CAPABILITIES
from channels.smpp import Smpp
from tests.standins.smsc import PASSWORD, PASSWORD_ENV, smpp_sender
from waves.errors import SendRefused
from waves.senders import Sender

ENVIRONMENT = {PASSWORD_ENV: PASSWORD}
WRONG = {
    "no password": ({}, {}, "MULTIWAVE_TEST_SMSC is not set; put the SMSC's password of sender smsc in it"),
    "a long password": ({}, {PASSWORD_ENV: "nine char"}, "MULTIWAVE_TEST_SMSC holds more than 8 characters"),
    "a plain line over the net": ({"host": "smsc.example.com"}, ENVIRONMENT, "without tls anybody on the way reads"),
    "a password in the file": ({"password_env": "hunter2"}, ENVIRONMENT, "write the NAME of an environment variable"),
    "a long name": ({"system_id": "a" * 16}, ENVIRONMENT, "write at most 15 characters of ASCII"),
    "a strange source": ({"source": "a name far too long"}, ENVIRONMENT, "write a number such as"),
    "no pause": ({"keep_alive": "0s"}, ENVIRONMENT, "write a time from 1s to 1h"),
}


@pytest.mark.parametrize("name", WRONG)
def test_wrong_options_are_told_and_no_secret_is_shown(name: str) -> None:
    options, environment, why = WRONG[name]
    with pytest.raises(SendRefused) as told:
        Smpp(CAPABILITIES["sms"], smpp_sender(2775, options=options), environment)
    assert why in str(told.value)
    assert "hunter2" not in str(told.value)
    assert "nine char" not in str(told.value)


SOURCES: dict[str, tuple[int, int]] = {"+15125550100": (1, 1), "40404": (0, 1), "Example": (5, 0)}


@pytest.mark.parametrize("source", SOURCES)
def test_a_source_tells_its_type_by_its_look(source: str) -> None:
    def kind(**more: Any) -> tuple[int, int]:
        sender: Sender = smpp_sender(2775, options={"source": source, **more})
        return Smpp(CAPABILITIES["sms"], sender, ENVIRONMENT).options.source_kind

    assert kind() == SOURCES[source]
    assert kind(source_ton=3, source_npi=8) == (3, 8)
