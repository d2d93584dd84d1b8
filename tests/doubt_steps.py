"""Steps of the tests of doubt: a channel that knows what it is told to, a worker that is lost with its chunk."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update

from channels.registry import CAPABILITIES
from flows.running import gates_of, load_running
from flows.upkeep import upkeep
from ledger import tables as t
from ledger import touches
from ledger.engine_tables import doubt
from tests.builders import T0, World, plan_text, put, reachable
from tests.steps import as_words, hold_back, touch_of
from waves.message import BEGIN_WITHIN_S, Message, Receipt
from waves.outcomes import Action

MINUTE = timedelta(minutes=1)
LOST = T0 + 3 * MINUTE
RIPE = T0 + 10 * MINUTE
WAVES = """\
  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 2d}
"""
FIRST_OF = WAVES.replace("[sms]", "[{first_of: [sms, email]}]")


@dataclass
class Line:
    """A channel that takes every message and knows of them what it is told to."""

    channel: str = "sms"
    knows: Any = None
    """A receipt for every token, {} for none, None: it cannot be asked, or an error that it raises."""
    taken: list[str] = field(default_factory=list)
    asked: int = 0
    answers: str = "accepted"
    provider: str = "line"
    chunk: int = 500

    def __post_init__(self) -> None:
        self.capabilities = CAPABILITIES[self.channel]

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        self.taken += [message.token for message in messages]
        action = Action.NEXT_CHANNEL if self.answers == "refused" else Action.OK
        return [Receipt(message.token, self.answers, action=action) for message in messages]  # type: ignore[arg-type]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        self.asked += 1
        if isinstance(self.knows, Exception):
            raise self.knows
        if isinstance(self.knows, Receipt):
            return dict.fromkeys(tokens, self.knows)
        found: Mapping[str, Receipt] | None = self.knows
        return found


def wire(world: World, **lines: Any) -> Line:
    """The sms of this world goes over a line of its own."""
    line = Line(**lines)
    world.room._channels["sms"] = line
    return line


def claimed(
    world: World, policy: str = "assume_sent", people: int = 1, waves: str = WAVES, more: str = ""
) -> list[int]:
    """Messages in the hands of a worker called `lost`."""
    put(world.ledger, [reachable(n) for n in range(people)])
    world.start(plan_text(waves).replace("hours: house\n", f"hours: house\nin_doubt: {policy}\n{more}"))
    hold_back(world, "notice")
    running = load_running(world.ledger, "test")
    batch = world.touches("notice")[0].batch
    with world.ledger.write() as connection:
        leased = touches.lease(connection, batch, "lost", T0, world.room.settings.lease)
        assert leased is not None
        gates = gates_of(running, running.plan.wave("notice"), T0)
        taken = touches.claim(connection, leased, gates, running.types, 100, T0)
    return [one.touch for one in taken or []]


def tend(world: World, now: datetime, gone: bool = False) -> None:
    """One round of upkeep."""
    world.now, world.room.all_workers_gone = now, gone
    upkeep(world.room, now)


def settled(world: World, number: int, receipt: Receipt, now: datetime, owner: str = "lost") -> None:
    with world.ledger.write() as connection:
        touches.settle(connection, owner, [(number, receipt)], "outbox", None, now)


def doubt_row(world: World, number: int) -> Any:
    with world.ledger.read() as connection:
        return connection.execute(select(doubt).where(doubt.c.touch == number)).one()


def close_wave(world: World) -> None:
    with world.ledger.write() as connection:
        connection.execute(update(t.wave).values(state="closed", closed=LOST))


def stands(world: World, key: str = "c0") -> tuple[str, str | None]:
    """(state, reason) of a customer's sms."""
    _, state, _, reason = as_words(touch_of(world, "notice", key, "sms"))
    return state, reason
