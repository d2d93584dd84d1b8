"""What the fault matrices share: a world of one wave whose provider meets a fault, is well again, and is counted."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

import pytest

from ledger import health
from tests.builders import DAY, HOUR, T0, World
from waves.outcomes import Reason, State, word
from waves.senders import Breaker
from waves.tokens import Kind, make_token

MINUTE = timedelta(minutes=1)
MINUTES = (2, 4, 11, 13, 15, 30)
"""After the opening: when what waits for a minute, for the breaker or for the provider's answer is due."""
ONE_BY_ONE: dict[str, Any] = {"concurrency": 1, "breaker": Breaker(of=100_000)}
"""Of a sender: the faults come in order, and its breaker leaves what they do to be seen."""

SILENT = frozenset({"hang", "hang_unread", "accept_then_hang", "slow", "wrong_answer"})
"""Faults that are known by the time that passes."""

PATIENT = timedelta(seconds=10)
"""A sender's timeout that no busy machine's pause reaches."""

Said = Mapping[str, int]
"""`state reason` of the wave's touches, counted."""

on_sqlite = pytest.mark.parametrize("ledger_url", ["sqlite"], indirect=True)
"""For a test whose point is no matter of the database."""


def each_fault(faults: Iterable[str], *on_both: str) -> pytest.MarkDecorator:
    """For a test of every fault, on SQLite; these also on PostgreSQL: one for each way in which touches are settled."""
    cases = [(fault, "sqlite") for fault in faults] + [(fault, "postgresql") for fault in on_both]
    return pytest.mark.parametrize(("fault", "ledger_url"), cases, indirect=["ledger_url"])


def patience(fault: str | None) -> timedelta:
    """A sender's timeout: short where it is the fault to be waited for."""
    return timedelta(seconds=2) if fault in SILENT else PATIENT


def wave(channel: str, name: str = "notice") -> str:
    """The YAML of a plan's wave."""
    return f"  - {{wave: {name}, channels: [{channel}], message: hello, release: 2h, listen: 1d}}\n"


@dataclass(kw_only=True)
class Case(ABC):
    """A world whose wave `notice` goes to a provider's stand-in."""

    can_be_asked: ClassVar[bool] = True
    """Whether the provider finds what it took; where it does not, who is in doubt stays so."""
    world: World
    people: int
    """How many touches the wave has."""
    assumed: set[str] = field(default_factory=set)
    """Who was in doubt; the plan assumes that they were sent to."""

    @abstractmethod
    def accepted(self) -> Mapping[str, int]:
        """How often the stand-in took something for each of `who`."""

    def states(self) -> Said:
        rows = self.world.touches("notice")
        words = [f"{word(State(r.state))} {word(Reason(r.reason)) if r.reason else ''}".strip() for r in rows]
        return dict(Counter(words))

    def who(self, *states: State) -> set[str]:
        """Whom the touches in these states are for, as the stand-in tells them apart: by their tokens."""
        key = self.world.room.token_key
        return {make_token(key, Kind.TOUCH, r.id) for r in self.world.touches("notice") if r.state in states}

    def open(self) -> Said:
        """Open the wave, and send what can be sent at once; the states."""
        self.world.advance(T0)
        self.assumed |= self.who(State.IN_DOUBT)
        return self.states()

    def finish(self, expired: int = 0) -> None:
        """Advance to the end of the wave, and look at the books; so many were to expire unsent.

        Nobody twice, nobody lost, all that was surely not sent went out once, and the ledger balances.
        """
        for minute in MINUTES:
            self.world.advance(T0 + minute * MINUTE)
        self.world.advance(T0 + DAY + 3 * HOUR)
        accepted, sent, in_doubt = self.accepted(), self.who(State.SENT), self.who(State.IN_DOUBT)
        assert set(accepted.values()) <= {1}
        assert sent == set(accepted) - in_doubt
        assert in_doubt == (self.assumed - set(accepted) if self.can_be_asked else self.assumed)
        assert len(self.who(State.EXPIRED)) == expired
        assert not self.who(State.QUEUED, State.CLAIMED)
        assert len(self.world.touches("notice")) == self.people
        with self.world.ledger.read() as connection:
            assert [(book.now, book.as_closed) for book in health.books(connection)] == [(True, True)]
