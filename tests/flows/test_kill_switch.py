"""Law 5, kill switches, pauses and aborts: nothing begins later than the bound after the commit; nothing is lost."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from threading import Event

import pytest

from channels.registry import CAPABILITIES
from flows.campaign import anything_due
from flows.samples import send_test
from flows.switching import Halt, halt, scope_of
from ledger import campaigns, kill_switches
from tests.builders import DAY, T0, World, make_world, plan_text, put, reachable
from waves.errors import CampaignError, InputError, SendRefused
from waves.message import BEGIN_WITHIN_S, Message, Receipt
from waves.outcomes import State

SMS = "  - {wave: notice, channels: [sms], message: hello, release: 12h, listen: 1d}\n"
SCOPES = (
    ("everything", ""),
    ("channel", "sms"),
    ("provider", "outbox"),
    ("sender", "outbox"),
    ("segment", "everybody"),
    ("campaign", "test"),
    ("wave", "test/notice"),
)
PEOPLE, PATIENCE_S = 48, 30


@dataclass
class SlowChannel:
    """Takes its time in the middle of every chunk, and notes when each message began."""

    provider: str = "outbox"
    chunk: int = 3
    capabilities: object = CAPABILITIES["sms"]
    began: list[tuple[str, float]] = field(default_factory=list)
    within: list[float] = field(default_factory=list)
    on_the_line: Event = field(default_factory=Event)
    stopped: Event = field(default_factory=Event)

    def send(self, messages: Sequence[Message], now: object, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        begin_by = time.monotonic() + within_s
        self.within.append(within_s)
        receipts = []
        for message in messages:
            if time.monotonic() > begin_by:
                receipts.append(Receipt(message.token, "not_sent", retry_after_s=0.0))
                continue
            self.began.append((message.token, time.monotonic()))
            self.on_the_line.set()
            self.stopped.wait(PATIENCE_S)
            receipts.append(Receipt(message.token, "accepted"))
        return receipts

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        return None


@pytest.fixture
def slow(tmp_path: Path, ledger_url: str) -> tuple[World, SlowChannel]:
    world = make_world(tmp_path / "home", ledger_url, batch_size=8)
    put(world.ledger, [reachable(number) for number in range(PEOPLE)])
    channel = SlowChannel()
    world.room._channels["sms"] = channel  # type: ignore[assignment]
    world.start(plan_text(SMS))
    return world, channel


@contextmanager
def sending(world: World, channel: SlowChannel) -> Iterator[None]:
    """A worker in the middle of a chunk; at the end it is let go on, and heard out."""
    channel.on_the_line.clear()
    channel.stopped.clear()
    with ThreadPoolExecutor(1) as pool:
        worker = pool.submit(world.advance)
        assert channel.on_the_line.wait(PATIENCE_S)
        try:
            yield
        finally:
            channel.stopped.set()
            worker.result(PATIENCE_S)


def committed(world: World, scope: str) -> bool:
    with world.ledger.read() as connection:
        return any(switch.scope == scope for switch in kill_switches.switches_on(connection, world.now))


def switched_on(world: World, channel: SlowChannel, scope: str) -> tuple[Halt, float]:
    """What `kill-switch on` found with a chunk in the air, and a moment not before its commit."""
    looked = Event()
    with sending(world, channel), ThreadPoolExecutor(1) as pool:
        said: Future[Halt] = pool.submit(halt, world.room, scope, "a wrong text", "ann", lambda done, of: looked.set())
        assert looked.wait(PATIENCE_S)
        assert committed(world, scope)
        channel.stopped.set()
        done = said.result(PATIENCE_S)
        ended = time.monotonic()
    return done, ended - done.settled_after_s


def states(world: World) -> Counter[State]:
    return Counter(State(row.state) for row in world.touches("notice"))


def test_nothing_begins_after_a_switch_and_nothing_is_lost(slow: tuple[World, SlowChannel]) -> None:
    """Each scope in turn, with a worker in the middle of a chunk; then all goes out, once."""
    world, channel = slow
    for kind, name in SCOPES:
        scope = scope_of(world.room, kind, name) if name else kind
        done, commit = switched_on(world, channel, scope)
        assert done.switched
        assert (done.went_out, done.in_the_air) != (0, 0)
        late = [at - commit for _, at in channel.began if at > commit + BEGIN_WITHIN_S]
        assert not late, (scope, late)
        sent = len(channel.began)
        world.advance(world.now + timedelta(seconds=1))
        assert len(channel.began) == sent
        assert states(world)[State.QUEUED] + states(world)[State.SENT] == PEOPLE
        assert not anything_due(world.room, world.now), scope
        with world.ledger.write() as connection:
            kill_switches.lift(connection, scope, "ann", world.now)
        assert anything_due(world.room, world.now), scope
    channel.stopped.set()
    world.advance(world.now + timedelta(minutes=1))
    assert states(world) == {State.SENT: PEOPLE}
    assert max(Counter(token for token, _ in channel.began).values()) == 1
    assert all(0 < within <= BEGIN_WITHIN_S for within in channel.within)
    world.ledger.close()


@pytest.mark.parametrize("word", ["paused", "aborted"])
def test_a_pause_and_an_abort_keep_the_same_promise(slow: tuple[World, SlowChannel], word: str) -> None:
    world, channel = slow
    with sending(world, channel):
        with world.ledger.write() as connection:
            if word == "paused":
                campaigns.set_state(connection, "test", "paused", ("running",), "ann", world.now)
            else:
                campaigns.abort(connection, "test", "ann", world.now)
        commit = time.monotonic()
        sent = len(channel.began)
    assert not [at for _, at in channel.began if at > commit + BEGIN_WITHIN_S]
    assert len(channel.began) <= sent + channel.chunk
    left = {
        State.SENT: len(channel.began),
        State.QUEUED if word == "paused" else State.WITHDRAWN: PEOPLE - len(channel.began),
    }
    assert states(world) == left
    world.ledger.close()


def test_a_switch_on_a_segment_stops_its_people_alone(slow: tuple[World, SlowChannel]) -> None:
    """Who may be in it, a column being unknown, is stopped too; no tick stirs for them; lifted, they go."""
    world, channel = slow
    channel.stopped.set()
    put(world.ledger, [reachable(100, age=70), reachable(101, value=None)])
    old = world.config / "segments" / "old.yaml"
    old.write_text("segment: old\ntitle: Old\nwhere: age > 60 or value > 5\n")
    halt(world.room, scope_of(world.room, "segment", "old"), "why", "ann", lambda done, of: None)
    old.unlink()  # it is remembered in the switch
    second = plan_text(SMS, name="second")
    world.start(second)
    world.advance()
    waiting = {row.key for row in world.touches("notice", state=int(State.QUEUED))}
    assert waiting == {"c100", "c101"}
    assert not anything_due(world.room, world.now)
    with world.ledger.write() as connection:
        kill_switches.lift(connection, "segment:old", "ann", world.now)
    world.advance()
    assert not world.touches("notice", state=int(State.QUEUED))
    world.ledger.close()


def test_no_list_is_cut_and_no_test_is_sent_under_a_switch(tmp_path: Path, sqlite_url: str) -> None:
    world = make_world(tmp_path / "home", sqlite_url)
    ids = put(world.ledger, [reachable(1), reachable(2, age=70)])
    plan = plan_text("  - {wave: call, channels: [call_list], listen: 3d}\n")
    world.start(plan)
    world.advance()
    bundle = world.bundle(plan_text(SMS, name="later"))
    (world.config / "segments" / "old.yaml").write_text("segment: old\ntitle: Old\nwhere: age > 60\n")

    def test_sends(key: str) -> str:
        return send_test(world.room, bundle, key, "ann", world.now)[0][-1]

    for scope, listed, sent in [
        ("everything", False, False),
        ("channel:call_list", False, True),
        ("provider:generic_csv", False, True),
        ("campaign:test", False, True),
        ("wave:test/call", False, True),
        ("channel:sms", True, False),
        ("sender:outbox", True, False),
        ("campaign:later", True, False),
    ]:
        with world.ledger.write() as connection:
            kill_switches.switch_on(connection, scope, "why", "ann", world.now)
        if not listed:
            with pytest.raises(CampaignError, match="no list is cut while it is on"):
                world.pull("call")
        if sent:
            assert test_sends("c1") == "accepted"
        else:
            with pytest.raises(SendRefused, match=f"kill switch {scope} is on"):
                test_sends("c1")
        with world.ledger.write() as connection:
            kill_switches.lift(connection, scope, "ann", world.now)
    done = halt(world.room, "segment:old", "why", "ann", lambda done, of: None)
    assert done.lists_out == ()
    with pytest.raises(SendRefused, match="segment:old"):
        test_sends("c2")
    assert test_sends("c1") == "accepted"
    assert [entry.customer for entry in world.pull("call").entries] == [ids["c1"]]
    assert halt(world.room, "everything", "why", "ann", lambda done, of: None).lists_out == (1,)
    world.ledger.close()


def test_who_says_stop_is_not_overruled_by_the_end_of_a_breaker(ledger_url: str, tmp_path: Path) -> None:
    world = make_world(tmp_path / "home", ledger_url)
    soon = T0 + timedelta(minutes=10)
    with world.ledger.write() as connection:
        assert kill_switches.switch_on(connection, "sender:one", "failures", "breaker", T0, soon)
        assert kill_switches.switch_on(connection, "sender:one", "a person", "ann", T0)
        assert not kill_switches.switch_on(connection, "sender:one", "failures", "breaker", T0, soon)
        assert not kill_switches.switch_on(connection, "sender:one", "again", "bob", T0)
        (switch,) = kill_switches.switches_on(connection, T0 + DAY)
        assert (switch.by, switch.until) == ("ann", None)
        kill_switches.lift(connection, "sender:one", "ann", T0)
        with pytest.raises(CampaignError, match="on are: none"):
            kill_switches.lift(connection, "sender:one", "ann", T0)
        assert kill_switches.switch_on(connection, "sender:one", "failures", "breaker", T0, soon)
        assert kill_switches.switches_on(connection, soon) == []
        assert kill_switches.switch_on(connection, "sender:one", "failures", "breaker", soon, soon + DAY)
    world.ledger.close()


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("channel", "smss", "write sms"),
        ("provider", "outbx", "write outbox"),
        ("sender", "nobody", "there is no sender"),
        ("segment", "everbody", "write everybody"),
        ("campaign", "tst", "write test"),
        ("campaign", "test/notice", "the name alone"),
        ("wave", "test", "CAMPAIGN/WAVE"),
        ("wave", "test/notise", "write notice"),
    ],
)
def test_an_unknown_scope_is_an_error_with_the_nearest(
    tmp_path: Path, sqlite_url: str, kind: str, name: str, said: str
) -> None:
    world = make_world(tmp_path / "home", sqlite_url)
    put(world.ledger, [reachable(1)])
    world.start(plan_text(SMS))
    with pytest.raises(InputError, match=said):
        scope_of(world.room, kind, name)
    world.ledger.close()


def test_a_segment_with_a_wrong_rule_is_an_error(tmp_path: Path, sqlite_url: str) -> None:
    world = make_world(tmp_path / "home", sqlite_url)
    put(world.ledger, [reachable(1)])
    (world.config / "segments" / "bad.yaml").write_text("segment: bad\ntitle: Bad\nwhere: agee > 60\n")
    with pytest.raises(InputError, match=r"bad\.yaml: .*age"):
        halt(world.room, "segment:bad", "why", "ann", lambda done, of: None)
    world.ledger.close()
