"""The next sender takes what the one before surely did not, or while that one is stopped; never what is in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path

import pytest

from channels.meanings import receipt
from channels.registry import CAPABILITIES
from channels.twilio_codes import NOT_LET_IN
from flows.doubting import clear_doubts
from flows.halting import scopes_on
from flows.running import gates_of, load_running
from flows.samples import send_test
from flows.sending import next_batch
from ledger import touches
from ledger.deciding import say_not_sent
from ledger.kill_switches import lift, switch_on, switches_on
from ledger.owners import new_owner
from ledger.restored import take_up
from tests.builders import T0, World, make_world, plan_text, put, reachable
from tests.steps import hold_back, suppress
from waves.message import BEGIN_WITHIN_S, Message, Receipt
from waves.outcomes import Action, Reason, State
from waves.senders import Sender

WAVE = "  - {wave: notice, channels: [sms], message: hello, release: 2h, listen: 1d}\n"
MINUTE = timedelta(minutes=1)
TAKEN = Receipt("", "accepted")
UNREACHED = Receipt("", "not_sent", None, Reason.PROVIDER, Action.RETRY, 60.0)
STOPPED = Receipt("", "refused", None, Reason.ACCOUNT, Action.STOP_PROVIDER)
NOT_LET_IN_NOW = receipt("", NOT_LET_IN)
TOO_FAST = Receipt("", "not_sent", None, Reason.RATE_LIMITED, Action.RETRY, 600.0)
BAD_NUMBER = Receipt("", "refused", None, Reason.INVALID_ADDRESS, Action.DROP_ADDRESS)
CUT_OFF = Receipt("", "in_doubt", None, Reason.PROVIDER, Action.RECONCILE)
PEOPLE = 8


@dataclass
class Line:
    """A provider that answers as it is told, and knows what it took."""

    answer: Receipt = TAKEN
    provider: str = "http"
    chunk: int = 4
    capabilities: object = CAPABILITIES["sms"]
    given: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def send(self, messages: Sequence[Message], now: object, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        self.given += [message.token for message in messages]
        return [replace(self.answer, token=message.token) for message in messages]

    def find(self, tokens: Sequence[str]) -> Mapping[str, Receipt] | None:
        self.asked += tokens
        return {}


@dataclass
class Pair:
    """A world whose sms goes by `main` and then by `spare`."""

    world: World
    main: Line
    spare: Line

    def begin(self, **options: str) -> None:
        put(self.world.ledger, [reachable(number) for number in range(PEOPLE)])
        doubt = options.get("in_doubt", "assume_sent")
        self.world.start(plan_text(WAVE).replace("hours: house\n", f"hours: house\nin_doubt: {doubt}\n"))

    def tick(self, minutes: float = 0) -> None:
        self.world.now += timedelta(minutes=minutes)
        self.world.advance()

    def states(self) -> Counter[tuple[str, str | None]]:
        return Counter((State(row.state).name.lower(), row.provider) for row in self.world.touches("notice"))

    def scopes(self) -> set[str]:
        with self.world.ledger.read() as connection:
            return {switch.scope for switch in switches_on(connection, self.world.now)}


def make_pair(home: Path, url: str, **settings: object) -> Pair:
    world = make_world(home, url, providers={"sms": ["main", "spare"]}, **settings)
    world.room.senders = {name: Sender(sender=name, channel="sms", provider="http") for name in ("spare", "main")}
    main, spare = Line(), Line()
    world.room._channels.update({"sms": main, "sms/spare": spare})  # type: ignore[dict-item]
    return Pair(world, main, spare)


@pytest.fixture
def pair(tmp_path: Path, ledger_url: str) -> Iterator[Pair]:
    made = make_pair(tmp_path / "home", ledger_url)
    yield made
    made.world.ledger.close()


def test_the_first_carries_while_it_can(pair: Pair) -> None:
    pair.begin()
    pair.tick()
    assert pair.states() == {("sent", "main"): PEOPLE}
    assert not pair.spare.given


@pytest.mark.parametrize("answer", [UNREACHED, STOPPED, NOT_LET_IN_NOW], ids=["unreached", "stopped", "account"])
def test_what_the_first_did_not_take_goes_by_the_next(pair: Pair, answer: Receipt) -> None:
    pair.main.answer = answer
    pair.begin()
    pair.tick()
    pair.tick(0.2)
    assert pair.states() == {("sent", "spare"): PEOPLE}
    assert 0 < len(pair.main.given) <= pair.main.chunk, "it went on asking a sender that cannot"
    assert sorted(pair.spare.given) == sorted(set(pair.spare.given))
    assert pair.scopes() == (set() if answer is UNREACHED else {"sender:main"})


def test_the_first_rests_longer_than_a_tick(tmp_path: Path, sqlite_url: str) -> None:
    """Else each tick would ask it again, and the next would never have its turn."""
    pair = make_pair(tmp_path / "home", sqlite_url, tick=timedelta(minutes=2))
    pair.main.answer = UNREACHED
    pair.begin()
    pair.tick()
    pair.tick(2)
    assert pair.states() == {("sent", "spare"): PEOPLE}
    pair.world.ledger.close()


def test_who_cannot_be_opened_is_told_once_and_passed_over(pair: Pair) -> None:
    """As without its secret; nothing of it gets as far as a lease."""
    told = list[str]()
    pair.world.room.tell = told.append
    pair.world.room._channels.pop("sms")
    pair.begin()
    pair.tick()
    pair.tick(0.2)
    assert pair.states() == {("sent", "spare"): PEOPLE}
    assert [line.startswith("the sender main cannot send: ") for line in told] == [True]


@pytest.mark.parametrize("policy", ["never", "not_sent"])
def test_a_channel_whose_senders_cannot_be_opened_waits(pair: Pair, policy: str) -> None:
    room = pair.world.room
    room.settings = room.settings.model_copy(update={"failover": {"sms": policy}})
    room._channels.pop("sms")
    if policy != "never":
        room._channels.pop("sms/spare")
    pair.begin()
    pair.tick()
    assert pair.states() == {("queued", None): PEOPLE}
    room._channels.update({"sms": pair.main, "sms/spare": pair.spare})  # type: ignore[dict-item]
    pair.tick(0.2)
    assert pair.states() == {("sent", "main"): PEOPLE}


def test_a_suppression_holds_whoever_carries_it(pair: Pair) -> None:
    """It came after the first had its chance, and the next does not get to see the message."""
    pair.main.answer = UNREACHED
    pair.begin()
    pair.tick()
    assert pair.states()["queued", None] > 0
    waiting = {row.customer for row in pair.world.touches("notice") if row.state == int(State.QUEUED)}
    for number in range(PEOPLE):
        suppress(pair.world, f"c{number}", "sms")
    pair.tick(0.2)
    left = {row.customer: State(row.state) for row in pair.world.touches("notice") if row.customer in waiting}
    assert set(left.values()) == {State.WITHDRAWN}
    assert len(pair.spare.given) == PEOPLE - len(waiting)


def test_a_long_wait_is_not_sat_out(pair: Pair) -> None:
    """What was asked to wait itself waits; what comes after it does not, be the machine as busy as it likes."""
    pair.main.answer = TOO_FAST
    pair.begin()
    pair.tick()
    for _ in range(4):
        pair.tick(0.2)
    assert pair.states() == {("sent", "spare"): PEOPLE - 4, ("queued", None): 4}


def test_a_bad_number_is_bad_for_everyone(pair: Pair) -> None:
    pair.main.answer = BAD_NUMBER
    pair.begin()
    pair.tick()
    assert pair.states() == {("refused", "main"): PEOPLE}
    assert not pair.spare.given


@pytest.mark.parametrize("in_doubt", ["assume_sent", "hold", "resend"])
def test_what_is_in_doubt_is_never_the_next_ones(pair: Pair, in_doubt: str) -> None:
    """Even sent again by the plan's word, and with its sender stopped, it waits for that sender."""
    pair.main.answer = CUT_OFF
    pair.begin(in_doubt=in_doubt)
    pair.tick()
    doubted = set(pair.main.given)
    with pair.world.ledger.write() as connection:
        switch_on(connection, "sender:main", "trouble", "a test", pair.world.now)
    for _ in range(4):
        pair.tick(15)
        clear_doubts(pair.world.room, pair.world.now)
    assert doubted
    assert not doubted & set(pair.spare.given)
    assert pair.states()["sent", "spare"] == PEOPLE - len(doubted)
    with pair.world.ledger.write() as connection:
        lift(connection, "sender:main", "a test", pair.world.now)
    pair.main.answer = TAKEN
    pair.tick(1)
    again = Counter(pair.main.given)
    assert set(again.values()) == ({2} if in_doubt == "resend" else {1})


def test_a_stopped_sender_is_passed_over_until_it_is_back(pair: Pair) -> None:
    pair.begin()
    with pair.world.ledger.write() as connection:
        switch_on(connection, "sender:main", "trouble", "a test", pair.world.now)
    pair.world.room.settings = pair.world.room.settings.model_copy(update={"failover": {"sms": "stopped"}})
    pair.tick()
    assert pair.states() == {("sent", "spare"): PEOPLE}
    with pair.world.ledger.write() as connection:
        lift(connection, "sender:main", "a test", pair.world.now)
    running = load_running(pair.world.ledger, "test")
    assert next_batch(pair.world.room, running, running.plan.wave("notice"), 2, pair.world.now, None) is None
    assert "sender:main" in scopes_on("test", "notice", pair.world.room.sender("sms"))


def test_a_test_goes_by_whoever_carries_and_not_by_the_one_that_is_stopped(pair: Pair) -> None:
    pair.begin()
    with pair.world.ledger.write() as connection:
        switch_on(connection, "sender:main", "trouble", "a test", pair.world.now)
    bundle = pair.world.bundle(plan_text(WAVE, name="later"))
    assert send_test(pair.world.room, bundle, "c1", "ann", pair.world.now)[0][-1] == "accepted"
    assert (len(pair.main.given), len(pair.spare.given)) == (0, 1)


def test_when_both_are_stopped_everything_waits(pair: Pair) -> None:
    pair.begin()
    with pair.world.ledger.write() as connection:
        for name in ("main", "spare"):
            switch_on(connection, f"sender:{name}", "trouble", "a test", pair.world.now)
    pair.tick()
    assert pair.states() == {("queued", None): PEOPLE}
    assert not pair.main.given + pair.spare.given


@pytest.mark.parametrize(
    ("policy", "answer", "states"),
    [
        ("never", UNREACHED, {("queued", None): PEOPLE}),
        ("never", STOPPED, {("refused", "main"): 4, ("queued", None): 4}),
        ("stopped", UNREACHED, {("queued", None): PEOPLE}),
        ("stopped", STOPPED, {("sent", "spare"): PEOPLE}),
        ("stopped", NOT_LET_IN_NOW, {("sent", "spare"): PEOPLE}),
    ],
)
def test_the_policy_of_the_channel(
    tmp_path: Path, sqlite_url: str, policy: str, answer: Receipt, states: dict[tuple[str, str | None], int]
) -> None:
    pair = make_pair(tmp_path / "home", sqlite_url, failover={"sms": policy})
    pair.main.answer = answer
    pair.begin()
    pair.tick()
    pair.tick(0.2)
    assert pair.states() == states
    pair.world.ledger.close()


def test_an_account_that_is_refused_costs_no_message_and_another_one_tries_it_again(
    tmp_path: Path, sqlite_url: str
) -> None:
    """One that its provider's firewall alone objects to must not hold up those behind it."""
    pair = make_pair(tmp_path / "home", sqlite_url, failover={"sms": "never"})
    pair.main.answer = NOT_LET_IN_NOW
    pair.begin()
    pair.tick()
    assert pair.states() == {("queued", None): PEOPLE}
    met = set(pair.main.given)
    pair.tick(10.5)
    assert len(pair.main.given) == len(met) + 1
    assert pair.main.given[-1] not in met
    pair.main.answer = TAKEN
    for _ in range(3):
        pair.tick(10.5)
    assert pair.states() == {("sent", "main"): PEOPLE}
    pair.world.ledger.close()


def test_when_both_refuse_the_message_is_refused(pair: Pair) -> None:
    pair.main.answer = pair.spare.answer = STOPPED
    pair.begin()
    pair.tick()
    pair.tick(0.2)
    assert pair.states() == {("refused", "spare"): 4, ("queued", None): 4}
    assert pair.scopes() == {"sender:main", "sender:spare"}


@pytest.mark.parametrize("restored", [False, True], ids=["swept", "restored"])
def test_after_a_kill_the_one_it_was_handed_to_is_asked(pair: Pair, restored: bool) -> None:
    pair.begin()
    hold_back(pair.world, "notice")
    running = load_running(pair.world.ledger, "test")
    with pair.world.ledger.write() as connection:
        batch = pair.world.touches("notice")[0].batch
        leased = touches.lease(connection, batch, new_owner("spare"), T0, pair.world.room.settings.lease)
        assert leased is not None
        gates = gates_of(running, running.plan.wave("notice"), T0)
        assert touches.claim(connection, leased, gates, running.types, 4, T0)
        if restored:
            take_up(connection, T0, "ann", T0)
    pair.tick(3)
    assert pair.states()["in_doubt", "spare"] == 4
    assert len(pair.spare.asked) == 4
    assert len(pair.main.asked) == (4 if restored else 0), "what was queued may have been sent since by the first"


def test_who_replaced_a_sender_after_a_kill_gets_none_of_its_doubts(pair: Pair) -> None:
    """Even where that one was alone: it is asked, and what its plan sends again waits for it."""
    world = pair.world
    world.room.settings = world.room.settings.model_copy(update={"providers": {"sms": ["main"]}})
    pair.begin(in_doubt="resend")
    hold_back(world, "notice")
    running = load_running(world.ledger, "test")
    leased = next_batch(world.room, running, running.plan.wave("notice"), 2, T0, None)
    assert leased is not None
    with world.ledger.write() as connection:
        gates = gates_of(running, running.plan.wave("notice"), T0)
        assert touches.claim(connection, leased, gates, running.types, 4, T0)
    world.room.settings = world.room.settings.model_copy(update={"providers": {"sms": ["spare"]}})
    world.room._channels = {"sms": pair.spare, "sms/main": pair.main}  # type: ignore[dict-item]
    for _ in range(3):
        pair.tick(15)
        clear_doubts(world.room, world.now)
    assert (len(set(pair.main.asked)), pair.spare.asked) == (4, [])
    assert pair.states() == {("sent", "spare"): PEOPLE - 4, ("queued", "main"): 4}


def test_what_its_sender_surely_did_not_take_is_anybodys_again(pair: Pair) -> None:
    """A worker that is late to say so, and a person who knows it."""
    pair.begin(in_doubt="hold")
    hold_back(pair.world, "notice")
    running = load_running(pair.world.ledger, "test")
    leased = next_batch(pair.world.room, running, running.plan.wave("notice"), 2, T0, None)
    assert leased is not None
    with pair.world.ledger.write() as connection:
        gates = gates_of(running, running.plan.wave("notice"), T0)
        claimed = touches.claim(connection, leased, gates, running.types, 2, T0)
        switch_on(connection, "sender:main", "trouble", "a test", T0)
    assert claimed
    for _ in range(2):
        pair.tick(15)
        clear_doubts(pair.world.room, pair.world.now)
    assert pair.states()["in_doubt", "main"] == 2
    with pair.world.ledger.write() as connection:
        touches.give_back(connection, leased.owner, [claimed[0].touch], pair.world.now)
        assert say_not_sent(connection, "test", [claimed[1].touch], "ann", pair.world.now) == (1, 0)
    pair.tick(1)
    assert pair.states() == {("sent", "spare"): PEOPLE}
