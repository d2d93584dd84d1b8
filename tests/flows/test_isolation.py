"""A provider that fails one campaign holds up no other."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

import pytest

from channels.registry import CAPABILITIES
from tests.builders import T0, make_world, plan_text, put, reachable
from waves.errors import SendInDoubt
from waves.message import BEGIN_WITHIN_S, Message, Receipt

SMS = "  - {wave: first, channels: [sms], message: hello, listen: 1d}\n"
MAIL = "  - {wave: second, channels: [email], message: hello, listen: 1d}\n"


class DeadLine:
    """A provider whose connection is cut in the middle of every chunk."""

    provider = "dead"
    chunk = 500
    capabilities = CAPABILITIES["sms"]

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        raise SendInDoubt("the line went dead")

    def find(self, tokens: Sequence[str]) -> None:
        """Nobody can ask here."""


def test_the_other_campaign_moves_and_the_failure_is_raised_after(tmp_path: Path, sqlite_url: str) -> None:
    world = make_world(tmp_path / "home", sqlite_url)
    put(world.ledger, [reachable(n) for n in range(5)])
    world.start(plan_text(SMS, name="by-sms"))
    world.start(plan_text(MAIL, name="by-mail"))
    world.room._channels["sms"] = DeadLine()
    with pytest.raises(SendInDoubt):
        world.advance(T0)
    assert len(world.outbox("email")) == 5
    assert not world.outbox("sms")
