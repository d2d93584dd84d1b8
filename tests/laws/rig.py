"""A world that can be emptied and filled again in milliseconds, and channels whose every message is seen."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

from sqlalchemy import event, text

from channels.registry import CAPABILITIES
from config.bundle import Bundle
from flows import starting
from flows.room import Room
from ledger import campaigns
from ledger import tables as t
from ledger.store import Ledger
from tests.builders import World, make_world
from tests.laws.model import Books, Known
from waves.errors import SendInDoubt
from waves.message import BEGIN_WITHIN_S, Capabilities, Message, Receipt
from waves.outcomes import Action, Reason
from waves.tokens import Kind, read_token

KEPT = ("meta", "attribute")
MESSAGE_CHANNELS = ("web_push", "sms", "email")


class PowerCut(Exception):
    """The worker is killed here."""


@dataclass(frozen=True)
class Left:
    """One message that may have reached its customer."""

    token: str
    touch: int
    address: str
    campaign: str
    wave: str
    channel: str


@dataclass
class Desk:
    """What the scripted channels share: what left, what they answer, when the lights go out."""

    room: Room
    log: list[Left] = field(default_factory=list)
    answers: list[Receipt] = field(default_factory=lambda: [Receipt("", "accepted")])
    fuse: int | None = None
    cleared: set[int] = field(default_factory=set)
    """Touches that were judged when they were claimed, and leave a moment later."""
    asked: int = 0
    known: Known = field(default_factory=Known)
    knows: str = "all"
    """What the provider says when it is asked by token: see Wire.find."""
    alone: bool = True
    """Whether one worker at a time is at work, so that any open transaction is its own."""

    def judge(self, touches: Iterable[int], now: datetime) -> None:
        """Whether each may leave, by the ledger's rows of this moment and by what was received."""
        with self.room.ledger.read() as connection:
            books = Books.read(connection)
        hindered = {touch: why for touch in touches if (why := books.hindrances(touch, now, self.known))}
        assert not hindered, f"{hindered} at {now}"

    def answer(self, token: str) -> Receipt:
        self.asked += 1
        return replace(self.answers[self.asked % len(self.answers)], token=token)

    def sent_twice(self, resends: Mapping[int, int] | None = None) -> dict[int, int]:
        """Law 1: at most one send of each (wave, customer, channel), and one more for each resend of its plan."""
        allowed = resends or {}
        return {x: n for x, n in Counter(left.touch for left in self.log).items() if n > 1 + allowed.get(x, 0)}

    def no_transaction(self) -> None:
        """Nobody keeps a transaction open while a provider is on the line."""
        if self.alone:
            in_use = self.room.ledger.engine.pool.checkedout()  # type: ignore[attr-defined]
            assert in_use == 0, "a transaction is open while a provider is on the line"


@dataclass
class Wire:
    """A channel that answers by the desk's script and is cut off when its fuse has burnt down."""

    desk: Desk
    capabilities: Capabilities
    provider: str = "wire"
    chunk: int = 500

    def find(self, tokens: Sequence[str]) -> dict[str, Receipt] | None:
        """What left, as the provider tells it: all, with what it refused, or nothing; or it cannot tell, or is off."""
        desk = self.desk
        desk.no_transaction()
        if desk.fuse == 0:
            desk.fuse = None
            raise PowerCut
        if desk.knows == "off":
            raise SendInDoubt("nobody answers there")
        if desk.knows == "cannot":
            return None
        left = {sent.token for sent in desk.log}
        had = {token: Receipt(token, "accepted", provider_ref="ref") for token in tokens if token in left}
        no = {token: replace(NO, token=token) for token in tokens if token not in left}
        return {"all": had, "refused": had | no, "nothing": {}}[desk.knows]

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        desk = self.desk
        desk.no_transaction()
        named = {m.token: read_token(desk.room.token_key, m.token) for m in messages}
        assert all(kind is Kind.TOUCH for kind, _ in named.values())
        desk.judge({touch for _, touch in named.values()} - desk.cleared, now)
        receipts = []
        for m in messages:
            if desk.fuse is not None:
                if desk.fuse <= 0:
                    desk.fuse = None
                    raise PowerCut
                desk.fuse -= 1
            receipt = desk.answer(m.token)
            if receipt.result in ("accepted", "in_doubt"):
                channel = self.capabilities.channel
                desk.log.append(Left(m.token, named[m.token][1], m.address, m.campaign, m.wave, channel))
                desk.known.received.append((named[m.token][1], now))
            receipts.append(receipt)
        if desk.fuse == 0:
            desk.fuse = None
            raise PowerCut
        return receipts


KNOWS = ("all", "nothing", "nothing", "refused", "off", "cannot")
NO = Receipt("", "refused", reason=Reason.BLOCKED, action=Action.NEXT_CHANNEL)
ACCEPTED = Receipt("", "accepted")
REFUSALS = (Action.OK, Action.NEXT_CHANNEL, Action.DROP_ADDRESS, Action.DROP_CONSENT, Action.RETRY)
ANSWERS = (
    [ACCEPTED, Receipt("", "accepted", provider_ref="ref")],
    [Receipt("", "refused", reason=Reason.BLOCKED, action=action) for action in REFUSALS],
    [Receipt("", "not_sent", retry_after_s=600), Receipt("", "not_sent")],
    [Receipt("", "in_doubt", reason=Reason.PROVIDER)],
)
"""What a provider may say, by kind."""


def rig(home: Path, url: str) -> World:
    """A world for many examples, without the syncs that only a power cut needs."""
    world = make_world(home, url)
    engine = world.ledger.engine
    if engine.dialect.name == "sqlite":
        event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA synchronous = OFF"))
    else:
        with engine.connect() as connection:
            connection.execute(text(f"ALTER DATABASE {engine.url.database} SET synchronous_commit = off"))
            connection.commit()
    engine.dispose()
    return world


def empty(ledger: Ledger, tables: Iterable[str] | None = None) -> None:
    """Delete the rows of these tables, by default of all that hold customers or campaigns."""
    names = [name for name in t.metadata.tables if name not in KEPT] if tables is None else tables
    with ledger.write() as connection:
        for name in names:
            connection.execute(t.metadata.tables[name].delete())


def fresh(world: World, now: datetime, batch_size: int = 1000, enrol_range: int = 50_000) -> Desk:
    """Empty the world, cut its batches and ranges anew, and wire its channels."""
    empty(world.ledger)
    room = world.room
    room.settings = room.settings.model_copy(update={"batch_size": batch_size, "enrol_range": enrol_range})
    world.now = now
    desk = Desk(room)
    for name in MESSAGE_CHANNELS:
        room._channels[name] = Wire(desk, CAPABILITIES[name])
    return desk


def begin(world: World, bundle: Bundle) -> str:
    """Approve and start; the campaign's name."""
    with world.ledger.write() as connection:
        campaigns.approve(connection, bundle.plan.campaign, bundle.digest, "tester", world.now)
    starting.start(world.room, bundle, "tester", world.now)
    return bundle.plan.campaign
