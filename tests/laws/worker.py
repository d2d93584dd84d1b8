"""One worker, transaction by transaction: whoever stops calling `step` has killed it there."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from flows.render import Around, render
from flows.running import gates_of, load_running
from ledger import touches
from ledger.recipients import recipients
from tests.builders import World
from tests.laws.rig import Desk, PowerCut
from waves.message import CHANNEL_NAMES, Receipt
from waves.tokens import Kind, make_token


@dataclass
class Worker:
    """A worker between two of its transactions."""

    world: World
    desk: Desk
    leased: touches.Leased
    campaign: str
    wave: str
    claimed: list[touches.Claimed] = field(default_factory=list)
    claimed_at: datetime | None = None
    receipts: list[tuple[int, Receipt]] = field(default_factory=list)

    def step(self, size: int) -> bool:
        """Claim, send, settle or finish, whatever comes next; False when there is nothing more to do, or it died."""
        now, ledger, owner = self.world.now, self.world.ledger, self.leased.owner
        if self.receipts:
            with ledger.write() as connection:
                touches.settle(connection, owner, self.receipts, "outbox", None, now)
            self.claimed, self.receipts = [], []
        elif self.claimed and self.claimed_at == now:
            return self.send()
        elif self.claimed:  # too slow to begin
            with ledger.write() as connection:
                touches.give_back(connection, owner, [c.touch for c in self.claimed], now)
            self.claimed = []
        elif not self.claim(size):
            with ledger.write() as connection:
                touches.finish(connection, self.leased, now)
            return False
        return True

    def claim(self, size: int) -> bool:
        """Claim a chunk, each of which may leave by law 5; False when the batch has none left."""
        running, now = load_running(self.world.ledger, self.campaign), self.world.now
        gates = gates_of(running, running.plan.wave(self.wave), now)
        with self.world.ledger.write() as connection:
            claimed = touches.claim(connection, self.leased, gates, running.types, size, now)
        self.claimed, self.claimed_at = claimed or [], now
        if claimed:
            assert self.leased.until > now
            self.desk.judge([touch.touch for touch in claimed], now)
        return claimed is not None

    def send(self) -> bool:
        """Hand the chunk over; False when the lights went out meanwhile."""
        running = load_running(self.world.ledger, self.campaign)
        wave, templates = running.plan.wave(self.wave), running.bundle.open_templates()
        with self.world.ledger.read() as connection:
            known = recipients(connection, [c.touch for c in self.claimed], running.bundle.types)
        channel, key, messages = CHANNEL_NAMES[self.leased.channel], self.world.room.token_key, []
        for c in self.claimed:
            token = make_token(key, Kind.TOUCH, c.touch)
            to = known[c.touch]
            messages.append(render(running.bundle, wave, templates, channel, c.variant, token, to, Around()))
        self.desk.cleared = {c.touch for c in self.claimed}  # judged when claimed, and heard for 1.5 s more
        try:
            said = self.world.room.channel(channel).send(messages, self.world.now)
        except PowerCut:
            return False
        finally:
            self.desk.cleared = set()
        self.receipts = [(c.touch, receipt) for c, receipt in zip(self.claimed, said, strict=True)]
        return True
