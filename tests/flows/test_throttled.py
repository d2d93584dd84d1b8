"""A sender's limits in the engine: nobody else waits, nothing is lost, no tick stirs in vain."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event

import pytest
from sqlalchemy import select

from channels.registry import CAPABILITIES
from config.settings import Settings
from flows.campaign import advance, anything_due
from flows.lanes import side_by_side
from flows.room import Room, make_token_key, read_token_key
from ledger.engine_tables import sender as sender_table
from ledger.kill_switches import switches_on
from ledger.store import create_ledger
from ledger.types import EPOCH
from tests.builders import DAY, T0, TEMPLATES, World, make_world, plan_text, put, reachable, write_config
from waves.errors import LedgerError
from waves.message import BEGIN_WITHIN_S, Message, Receipt
from waves.outcomes import Reason, State
from waves.senders import Sender

SMS = "  - {wave: slow, channels: [sms], message: hello, release: 12h, listen: 1d}\n"
EMAIL = "  - {wave: fast, channels: [email], message: hello, release: 12h, listen: 1d}\n"
PATIENCE_S = 30
ACCEPTED = Receipt("", "accepted")


@dataclass
class Scripted:
    """A channel that answers as it is told."""

    answer: Receipt = ACCEPTED
    provider: str = "outbox"
    chunk: int = 50
    capabilities: object = CAPABILITIES["sms"]
    chunks: list[list[str]] = field(default_factory=list)

    def send(self, messages: Sequence[Message], now: object, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        self.chunks.append([message.token for message in messages])
        return [replace(self.answer, token=message.token) for message in messages]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        return None


def limited(world: World, **more: object) -> Scripted:
    """The world's sms goes through a sender with limits."""
    one = Sender.model_validate({"sender": "one", "channel": "sms", "provider": "outbox", **more})
    world.room.senders = {"one": one}
    channel = Scripted()
    world.room._channels["sms"] = channel  # type: ignore[assignment]
    return channel


def real_world(home: Path, url: str, **settings: object) -> World:
    """A world on the wall clock."""
    home.mkdir()
    make_token_key(home)
    chosen = Settings.model_validate({"home": home, "database_url": url, **settings})
    room = Room(chosen, create_ledger(url), read_token_key(chosen))
    return World(room, write_config(home / "config"), now=datetime.now(UTC))


def until(said: Callable[[], bool]) -> None:
    for _ in range(20 * PATIENCE_S):
        if said():
            return
        Event().wait(0.05)
    raise AssertionError("it did not happen")


def states(world: World, wave: str) -> Counter[State]:
    return Counter(State(row.state) for row in world.touches(wave))


def test_a_slow_sender_keeps_no_other_campaign_waiting(tmp_path: Path, ledger_url: str) -> None:
    """The second campaign is through while the first has begun; told to end, it ends after the chunk in hand."""
    world = real_world(tmp_path / "home", ledger_url)
    channel = limited(world, rate="1/s")
    put(world.ledger, [reachable(number) for number in range(60)])
    world.start(plan_text(SMS, name="first", starts=world.now - DAY))
    world.start(plan_text(EMAIL, name="second", starts=world.now - DAY))
    with ThreadPoolExecutor(1) as pool:
        ticking = pool.submit(world.advance)
        try:
            until(lambda: states(world, "fast")[State.SENT] == 60)
            until(lambda: states(world, "slow")[State.QUEUED] > 0)
            assert not ticking.done()
        finally:
            world.room.stopping = True
        ticking.result(PATIENCE_S)
    sent = len(channel.chunks)
    assert states(world, "slow") == Counter({State.SENT: sent, State.QUEUED: 60 - sent})  # which may be none yet
    world.ledger.close()


def test_a_turn_ends_though_a_sender_is_slow(tmp_path: Path, sqlite_url: str) -> None:
    world = real_world(tmp_path / "home", sqlite_url)
    channel = limited(world, rate="4/s")
    put(world.ledger, [reachable(number) for number in range(60)])
    world.start(plan_text(SMS, starts=world.now - DAY))
    world.room.turn_ends = 0.0  # long ago
    assert world.advance() == []
    assert not channel.chunks
    world.ledger.close()


def test_a_batch_that_outlives_its_lease_is_taken_again(tmp_path: Path, ledger_url: str) -> None:
    """Its sender's timeout leaves half a second of the lease for sending."""
    world = real_world(tmp_path / "home", ledger_url, lease="10s")
    channel = limited(world, rate="8/s", timeout="6s")
    world.room.senders = {"one": world.room.senders["one"].model_copy(update={"timeout": timedelta(seconds=6.5)})}
    put(world.ledger, [reachable(number) for number in range(12)])
    world.start(plan_text(SMS, starts=world.now - DAY))
    world.advance()
    first = sum(map(len, channel.chunks))
    assert 0 < first < 12
    assert states(world, "slow") == {State.SENT: first, State.QUEUED: 12 - first}
    for _ in range(12):
        world.advance(datetime.now(UTC))
    assert states(world, "slow") == {State.SENT: 12}
    tokens = Counter(token for chunk in channel.chunks for token in chunk)
    assert max(tokens.values()) == 1
    world.ledger.close()


def test_a_cap_spreads_a_wave_over_days_and_no_tick_stirs_between(tmp_path: Path, ledger_url: str) -> None:
    world = make_world(tmp_path / "home", ledger_url, batch_size=4)
    channel = limited(world, daily_cap=5)
    put(world.ledger, [reachable(number) for number in range(12)])
    world.start(plan_text(SMS.replace("12h", "4d")))
    for day, sent in enumerate((5, 10, 12)):
        world.advance(T0 + day * DAY)
        assert sum(map(len, channel.chunks)) == sent
        assert not anything_due(world.room, T0 + day * DAY + timedelta(hours=1))
    world.ledger.close()


def test_the_breaker_pauses_a_sender_says_why_and_tries_again(tmp_path: Path, ledger_url: str) -> None:
    world = make_world(tmp_path / "home", ledger_url, batch_size=25)
    channel = limited(world, daily_cap=100_000, breaker={"failures": 0.5, "of": 10, "pause": "10m"})
    told: list[str] = []
    world.room.tell = told.append
    put(world.ledger, [reachable(number) for number in range(100)])
    world.start(plan_text(SMS))
    channel.answer = Receipt("", "not_sent", reason=Reason.PROVIDER)
    world.advance()
    assert len(channel.chunks) == 1
    assert told == ["the sender one is paused until 09:10 UTC: 25 of its last 25 attempts failed (provider)"]
    with world.ledger.read() as connection:
        (switch,) = switches_on(connection, world.now)
    assert (switch.scope, switch.by, switch.until) == ("sender:one", "breaker", T0 + timedelta(minutes=10))
    assert not anything_due(world.room, T0 + timedelta(minutes=5))
    world.advance(T0 + timedelta(minutes=11))
    assert [len(chunk) for chunk in channel.chunks[1:]] == [1]
    assert told[1].endswith("it still fails after its pause (provider)")
    channel.answer = ACCEPTED
    world.advance(T0 + timedelta(minutes=22))
    world.advance(T0 + timedelta(minutes=30))
    assert [len(chunk) for chunk in channel.chunks[2:4]] == [1, 24]
    assert states(world, "slow") == {State.SENT: 100}
    world.ledger.close()


def test_long_texts_are_charged_by_their_segments(tmp_path: Path, sqlite_url: str) -> None:
    world = make_world(tmp_path / "home", sqlite_url)
    limited(world, rate="1/s", per="unit")
    (world.config / "templates" / "hello.sms.j2").write_text(TEMPLATES["hello.sms.j2"] + " x" * 100)
    put(world.ledger, [reachable(number) for number in range(3)])
    world.start(plan_text(SMS))
    world.advance()
    with world.ledger.read() as connection:
        free_at = connection.scalar(select(sender_table.c.free_at))
    assert free_at == EPOCH + timedelta(seconds=3)  # three texts of two segments: one more each
    world.ledger.close()


def test_an_error_in_one_lane_is_raised_when_the_others_have_ended() -> None:
    go, ended = Event(), list[str]()

    def fails() -> str:
        go.set()
        raise LedgerError("the first")

    def works() -> str:
        assert go.wait(PATIENCE_S)
        ended.append("done")
        return "second"

    with pytest.raises(LedgerError, match="the first"):
        list(side_by_side([fails, works]))
    assert ended == ["done"]


def test_every_live_campaign_has_a_lane_of_its_own(tmp_path: Path, sqlite_url: str) -> None:
    world = real_world(tmp_path / "home", sqlite_url)
    limited(world, rate="1/s")
    put(world.ledger, [reachable(number) for number in range(3)])
    for number in range(10):
        world.start(plan_text(EMAIL, name=f"c{number}", starts=world.now - DAY))
    met: list[str] = []
    everybody = Event()

    def launch(room: Room, name: str, wave: str, now: datetime) -> None:
        met.append(name)
        if len(met) == 10:
            everybody.set()
        assert everybody.wait(PATIENCE_S)

    list(advance(world.room, world.now, launch))
    assert len(set(met)) == 10
    world.ledger.close()
