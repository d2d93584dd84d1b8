"""A worker whose ledger goes away while its provider is on the line writes down what it heard when it is back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from threading import Event, Thread

import psycopg
import pytest
from sqlalchemy import make_url

from channels.registry import CAPABILITIES
from tests.builders import World, make_world, plan_text, put, reachable
from tests.steps import touch_words
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt

WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"


@dataclass
class Outage:
    """A provider that takes everything, the database of this address being shut meanwhile for half a second."""

    url: str
    capabilities: Capabilities = CAPABILITIES["sms"]
    provider: str = "outage"
    chunk: int = 500
    asked: list[str] = field(default_factory=list)
    opening: list[Thread] = field(default_factory=list)

    def find(self, tokens: Sequence[str]) -> None:
        """Nobody answers there."""

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        self.asked += [message.token for message in messages]
        self.alter("false")
        self.opening.append(Thread(target=self.open_again))
        self.opening[-1].start()
        return [Receipt(message.token, "accepted") for message in messages]

    def open_again(self) -> None:
        Event().wait(0.5)
        self.alter("true")

    def alter(self, allowed: str) -> None:
        url = make_url(self.url).set(drivername="postgresql")
        server = url.set(database="postgres").render_as_string(hide_password=False)
        with psycopg.connect(server, autocommit=True) as connection:
            connection.execute(f"ALTER DATABASE {url.database} WITH ALLOW_CONNECTIONS {allowed}")
            if allowed == "false":
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [url.database]
                )


@pytest.fixture
def world(tmp_path: Path, ledger_url: str) -> Iterator[World]:
    world = make_world(tmp_path / "home", ledger_url)
    yield world
    world.ledger.close()


@pytest.mark.parametrize("ledger_url", ["postgresql"], indirect=True)
def test_receipts_outlive_a_restart_of_the_database(world: World, ledger_url: str) -> None:
    put(world.ledger, [reachable(number) for number in range(5)])
    outage = Outage(ledger_url)
    world.room._channels["sms"] = outage
    world.start(plan_text(WAVE))
    world.advance()
    for thread in outage.opening:
        thread.join()
    assert len(outage.asked) == 5
    assert {tuple(rows) for rows in touch_words(world, "notice").values()} == {(("sms", "sent", None, None),)}
