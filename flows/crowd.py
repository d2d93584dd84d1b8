"""The customers of a rehearsal's world: what comes back of a message or a call, and who meets the goal.

Every draw is a hash of the seed, the customer's key and the names of what is drawn: neither the order in which the
engine asks nor its tokens, batches and ids change an answer.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import Any
from zoneinfo import ZoneInfo

from config.world import DISPOSITIONS, RIGHT_PARTY, CallOdds, MessageOdds, changed_by, factors
from config.world_file import WorldFile
from ledger.people import Person
from waves.dispositions import EFFECTS, Disposition
from waves.outcomes import Outcome, Reason, Side

ENGAGING = (Outcome.CLICKED, Outcome.REPLIED)
ALMOST_ZERO = 1e-12


@dataclass(frozen=True, slots=True)
class Said:
    """One report of the world about one message."""

    outcome: Outcome | Side
    at: datetime
    reason: Reason | None = None


@dataclass(frozen=True, slots=True)
class Called:
    """What came of dialling somebody once, and how long it kept an agent busy."""

    disposition: Disposition
    ring_s: int
    talk_s: int
    wrap_s: int

    @property
    def busy_s(self) -> int:
        """Seconds of one agent."""
        return self.ring_s + self.talk_s + self.wrap_s


@lru_cache(maxsize=256)
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


class Crowd:
    """A world's customers under one seed; `zone` is the local time of those whose own is not known."""

    def __init__(self, file: WorldFile, zone: str, seed: int | None = None) -> None:
        self.world = file.world
        self.keys = file.keys
        self.zone = zone
        self.seed = file.world.seed if seed is None else seed
        self._odds: dict[tuple[str, tuple[str, ...]], Any] = {}

    def draw(self, *names: object) -> float:
        """A number from 0 to below 1 that the seed and these names alone decide."""
        text = "\x1f".join(map(str, (self.seed, *names)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64

    def pick(self, shares: Mapping[str, float], *names: object) -> str:
        """One of the words by its share; the shares add up to 1."""
        left = self.draw(*names)
        for word, share in shares.items():
            left -= share
            if left < 0:
                return word
        return word

    def local_hour(self, person: Person, at: datetime) -> int:
        """The hour of the person's day, in the first zone where they may be."""
        return at.astimezone(_zone(person.zone or self.zone)).hour

    def refuses(self, person: Person, channel: str, *touch: str) -> bool:
        """Whether the provider says no to this message at once."""
        odds = self._message_odds(person, channel)
        return odds.refused > 0 and self.draw(person.key, channel, *touch, "refused") < odds.refused

    def answers(self, person: Person, channel: str, sent: datetime, *touch: str) -> list[Said]:
        """What comes back of a message that was accepted, in order of time; `touch` names its campaign and wave."""
        odds, names = self._message_odds(person, channel), (person.key, channel, *touch)
        arrived = sent + self._after(self.world.delays.delivered, *names, "arrives")
        if self.draw(person.key, channel, "bounced_hard") < odds.bounced_hard:
            return [Said(Outcome.BOUNCED_HARD, arrived, Reason.ADDRESS_GONE)]
        fate = self.draw(*names, "fate")
        if fate < odds.bounced_soft:
            return [Said(Outcome.BOUNCED_SOFT, arrived, Reason.UNREACHABLE)]
        if fate < odds.bounced_soft + odds.silent:
            return []
        found = [Said(Outcome.DELIVERED, arrived)]
        if self.draw(*names, "sees") < odds.seen * factors(odds.hours)[self.local_hour(person, sent)]:
            found += self._reactions(odds, arrived + self._after(self.world.delays.seen, *names, "seen"), names)
        return sorted(found, key=lambda said: said.at)

    def _reactions(self, odds: MessageOdds, seen: datetime, names: tuple[str, ...]) -> list[Said]:
        found = [Said(Outcome[odds.seen_as.upper()], seen)] if odds.seen_as else []
        shares: tuple[tuple[Outcome | Side, float], ...] = (
            (Outcome.CLICKED, odds.clicked),
            (Outcome.REPLIED, odds.replied),
            (Side.UNSUBSCRIBED, odds.unsubscribed),
            (Side.COMPLAINED, odds.complained),
        )
        for word, share in shares:
            if share and self.draw(*names, word.name) < share:
                found.append(Said(word, seen + self._after(self.world.delays.answered, *names, word.name, "after")))
        return found

    def call(self, person: Person, attempt: int, at: datetime, *touch: str) -> Called:
        """What comes of dialling this person for the `attempt`th time (from 1) in the campaign."""
        if self.world.calls is None:
            raise LookupError("the world says nothing of calls")
        odds: CallOdds = self._of(person, "calls", self.world.calls)
        names = (person.key, *touch, attempt)
        word = self._disposition(odds, person, attempt, at, names)
        spoke = odds.talk_s if EFFECTS[DISPOSITIONS[word]].right_party else 0.0
        seconds = [
            round(mean * (0.5 + self.draw(*names, what)))
            for what, mean in (("ring", odds.ring_s), ("talk", spoke), ("wrap", odds.wrap_s))
        ]
        return Called(DISPOSITIONS[word], *seconds)

    def _disposition(
        self, odds: CallOdds, person: Person, attempt: int, at: datetime, names: tuple[object, ...]
    ) -> str:
        fact = self.draw(person.key, "number")
        if fact < odds.invalid_number:
            return "invalid_number"
        if fact < odds.invalid_number + odds.wrong_number:
            return "wrong_number"
        later = [number for number in odds.attempts if number <= attempt]
        shares = odds.attempts[max(later)] if later else odds.answers
        there = shares.get(RIGHT_PARTY, 0.0)
        reached = there * factors(odds.hours)[self.local_hour(person, at)]
        others = (1 - reached) / (1 - there) if there < 1 else 0.0
        turned = {word: reached if word == RIGHT_PARTY else share * others for word, share in shares.items()}
        word = self.pick(turned, *names, "answers")
        return self.pick(odds.says, *names, "says") if word == RIGHT_PARTY else word

    def prompted(self, person: Person, how: str, at: datetime, *campaign: str) -> datetime | None:
        """When a person who was `engaged`, or said yes on the phone (`after_sale`), meets the goal; None when never."""
        share = getattr(self._of(person, "conversions", self.world.conversions), how)
        if self.draw(person.key, *campaign, how) >= share:
            return None
        return at + self._after(self.world.delays.converted, person.key, *campaign, how, "when")

    def unprompted(self, person: Person, start: datetime, window: timedelta, *campaign: str) -> datetime | None:
        """When a person whom nobody asked meets the goal within the window; None for nearly all."""
        share = self._of(person, "conversions", self.world.conversions).unprompted
        if self.draw(person.key, *campaign, "unprompted") >= share:
            return None
        return start + window * self.draw(person.key, *campaign, "unprompted", "when")

    @property
    def anyone_unprompted(self) -> bool:
        """Whether somebody meets the goal though nobody asked."""
        odds = self.world.conversions
        return bool(odds.unprompted) or any(change.unprompted for change in odds.segments.values())

    def worth(self, key: str) -> tuple[Decimal, str] | None:
        """What a conversion of this customer is worth, to the cent, and its currency; None when the world says not."""
        odds = self.world.conversions.value
        if odds is None:
            return None
        deviation = NormalDist().inv_cdf(max(self.draw(key, "value"), ALMOST_ZERO)) * odds.spread
        return Decimal(f"{odds.median * math.exp(deviation):.2f}"), odds.currency

    def _after(self, median: timedelta, *names: object) -> timedelta:
        """Exponential with this median, in whole seconds."""
        return timedelta(seconds=round(-median.total_seconds() * math.log2(1 - self.draw(*names))))

    def _message_odds(self, person: Person, channel: str) -> MessageOdds:
        odds: MessageOdds = self._of(person, channel, self.world.channels[channel])
        return odds

    def _of(self, person: Person, what: str, odds: Any) -> Any:
        """The odds for this person; those of a combination of segments are worked out once."""
        if not odds.segments:
            return odds
        names = self.segments_of(person)
        if (what, names) not in self._odds:
            self._odds[what, names] = changed_by(odds, names)
        return self._odds[what, names]

    def segments_of(self, person: Person) -> tuple[str, ...]:
        """The world's segments that the person is in, in the world's order."""
        return tuple(name for name in self._names if name in person.groups or person.key in self.keys.get(name, ()))

    @cached_property
    def _names(self) -> tuple[str, ...]:
        return tuple(self.world.segments)
