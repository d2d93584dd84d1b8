"""What each fault of a provider leaves behind, through the real engine; whatever happened, nobody was taken twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from flows.room import Room
from ledger import health
from tests.builders import DAY, HOUR, T0, World, make_world, plan_text, put, reachable
from tests.chaos.provider_faults import PEOPLE, PROVIDERS, THIRD, Provider, Running
from waves.outcomes import Reason, State, word

WAVE = "  - {wave: notice, channels: [CHANNEL], message: hello, release: 2h, listen: 1d}\n"
EVERY = [(name, fault) for name, provider in PROVIDERS.items() for fault in provider.faults]
CUT_OFF = ("reset, not taken", "reset, taken", "503, taken", "all resets")
"""Faults that every provider has."""
MINUTES = (3, 12, 30)


@dataclass
class Case:
    """A world whose messages go to a provider's stand-in."""

    world: World
    provider: Provider
    running: Running
    assumed: set[str] = field(default_factory=set)
    """Addresses that were in doubt once: the plan may have counted them as sent."""

    def send_by(self, url: str, **more: Any) -> None:
        self.hang_up()
        room, sender = self.world.room, self.provider.sender(url, **more)
        self.world.room = Room(room.settings, room.ledger, room.token_key, senders={sender.sender: sender})

    def hang_up(self) -> None:
        for channel in self.world.room._channels.values():
            channel.close()  # type: ignore[attr-defined]

    def states(self) -> dict[str, int]:
        """`state reason` of the touches, counted."""
        rows = self.world.touches("notice")
        words = [f"{word(State(r.state))} {word(Reason(r.reason)) if r.reason else ''}".strip() for r in rows]
        return dict(Counter(words))

    def addresses(self, *states: State) -> set[str]:
        """The addresses of the touches in these states."""
        keys = [row.key for row in self.world.touches("notice") if row.state in states]
        return {reachable(int(key[1:]), [self.provider.channel]).addresses[0][1] for key in keys}

    def meet(self, fault: str) -> None:
        """The first round, in which the fault happens; then the provider is well, and the wave runs to its end."""
        rule, states = self.provider.faults[fault]
        if "hang" in rule["fault"]:
            self.send_by(self.running.url, timeout=timedelta(seconds=1))
        self.running.fail({**THIRD, **rule})
        self.world.advance(T0)
        assert self.states() == states
        self.assumed |= self.addresses(State.IN_DOUBT)
        self.running.fail()

    def finish(self) -> None:
        for minute in MINUTES:
            self.world.advance(T0 + minute * timedelta(minutes=1))
        self.world.advance(T0 + DAY + 3 * HOUR)

    def check_the_books(self) -> None:
        """Nobody twice, nobody lost; what was provably not sent went out, what was cut off and taken was found."""
        self.running.check()
        accepted = self.running.accepted()
        assert set(accepted.values()) <= {1}
        assert not self.addresses(State.QUEUED, State.CLAIMED, State.EXPIRED)
        assert set(accepted) <= self.addresses(State.SENT)
        assert self.addresses(State.SENT) - set(accepted) <= self.assumed
        assert len(self.world.touches("notice")) == PEOPLE
        with self.world.ledger.read() as connection:
            assert [(book.now, book.as_closed) for book in health.books(connection)] == [(True, True)]


Make = Callable[..., Case]


@pytest.fixture
def make(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Make]:
    made: list[Case] = []

    def begin(name: str, url: str, in_doubt: str = "assume_sent", template: str | None = None) -> Case:
        provider = PROVIDERS[name]
        for variable, text in provider.environment.items():
            monkeypatch.setenv(variable, text)
        world = make_world(tmp_path / "home", url)
        if template is not None:
            (world.config / "templates" / f"hello.{provider.channel}.j2").write_text(template)
        put(world.ledger, [reachable(n, [provider.channel]) for n in range(PEOPLE)])
        plan = plan_text(WAVE.replace("CHANNEL", provider.channel))
        world.start(plan.replace("hours: house\n", f"hours: house\nin_doubt: {in_doubt}\n"))

        def clock() -> datetime:
            return world.now

        case = Case(world, provider, provider.start(clock))
        made.append(case)
        case.send_by(case.running.url)
        return case

    yield begin
    for case in made:
        case.hang_up()
        case.running.stop()
        case.world.ledger.close()


@pytest.mark.parametrize(("name", "fault"), EVERY)
def test_a_fault_leaves_these_states_and_nobody_twice(make: Make, sqlite_url: str, name: str, fault: str) -> None:
    case = make(name, sqlite_url)
    case.meet(fault)
    case.finish()
    case.check_the_books()


@pytest.mark.parametrize("fault", CUT_OFF)
@pytest.mark.parametrize("name", PROVIDERS)
def test_a_plan_that_resends_what_it_does_not_find_sends_nothing_twice(
    make: Make, sqlite_url: str, name: str, fault: str
) -> None:
    case = make(name, sqlite_url, "resend")
    case.meet(fault)
    case.finish()
    case.check_the_books()
    assert sum(case.running.accepted().values()) == PEOPLE


@pytest.mark.parametrize("name", PROVIDERS)
@pytest.mark.parametrize("fault", ["reset, taken", "429"])
def test_it_does_so_on_either_database(make: Make, ledger_url: str, name: str, fault: str) -> None:
    case = make(name, ledger_url)
    case.meet(fault)
    case.finish()
    case.check_the_books()


@pytest.mark.parametrize(("name", "fault"), [("twilio", "reset, taken"), ("twilio", "500")])
def test_without_a_link_of_its_own_a_message_is_found_by_its_moment(
    make: Make, sqlite_url: str, name: str, fault: str
) -> None:
    case = make(name, sqlite_url, "resend", "Hello {{ name | default('') }}")
    case.meet(fault)
    case.finish()
    case.check_the_books()
    assert sum(case.running.accepted().values()) == PEOPLE


@pytest.mark.parametrize("name", PROVIDERS)
def test_a_connection_never_made_leaves_all_queued(make: Make, sqlite_url: str, name: str) -> None:
    case: Any = make(name, sqlite_url)
    case.send_by("http://127.0.0.1:9")
    case.world.advance(T0)
    states = case.states()
    assert states == {"queued provider": PEOPLE}
    case.send_by(case.running.url)
    case.finish()
    case.check_the_books()
    assert sum(case.running.accepted().values()) == PEOPLE
