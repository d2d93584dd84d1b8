"""The demo that a newcomer runs first, with few members."""

from __future__ import annotations

from subprocess import Popen

import pytest

from tests.acceptance.program import PATIENCE_S, Program

pytestmark = pytest.mark.acceptance


def test_the_demo_ends_with_every_wave_balanced(demo: tuple[Program, Popen[bytes]]) -> None:
    program, child = demo
    assert child.wait(PATIENCE_S) == 0
    status = program.json("status", "term-deposit")
    assert (status["state"], status["members"]) == ("finished", 600)
    for wave in status["waves"]:
        assert (wave["state"], wave["balanced"]) == ("closed", True), wave["wave"]
        assert sum(wave["verdicts"].values()) == 600
        assert sum(wave["parts"].values()) == wave["verdicts"]["go"] > 0
    assert sum(arm["treated_converted"] for arm in status["conversion"]) > 0
    lines = program.outbox("sms") + program.outbox("email") + program.outbox("web_push")
    keys = [(line["wave"], line["name"], line["channel"]) for line in lines]
    assert len(keys) == len(set(keys)) > 500
