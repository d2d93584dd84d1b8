"""The demo's simulated world: what comes back of a message or a call, who opens a deposit. Only `y` is real.

Every draw is a hash of the seed, the customer and what is drawn, so that neither order nor token keys change an answer.
"""

from __future__ import annotations

import csv
import gzip
import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from statistics import NormalDist

from config import PACKAGED
from console.demo.odds import MessageOdds, Odds, load_odds
from waves.errors import InputError

DEMO = PACKAGED / "demo"
ANSWERS = "bank-additional-full.csv.gz"
FIRST, LAST = 20_001, 41_188
"""The rows of the data that are the demo's customers."""
PROVIDER = "demo"
GOAL = "deposit_opened"
NUMBERED = re.compile(r"Customer (\d{1,9})")


@dataclass(frozen=True, slots=True)
class World:
    """The odds, and the numbers of the customers who would say yes: the data's `y`."""

    odds: Odds
    would: frozenset[int]

    def draw(self, *names: object) -> float:
        """A number from 0 to below 1 that these names alone decide."""
        text = "\x1f".join(map(str, (self.odds.seed, *names)))
        return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") / 2**64

    def pick(self, shares: Mapping[str, float], *names: object) -> str:
        """One of the words, by its share; the shares add up to 1."""
        left = self.draw(*names)
        for word, share in shares.items():
            left -= share
            if left < 0:
                return word
        return word


def load_world(folder: Path = DEMO) -> World:
    """The world of this folder: world.yaml and the real answers."""
    with gzip.open(folder / ANSWERS, "rt", encoding="utf-8", newline="") as file:
        rows = csv.DictReader(file, delimiter=";")
        would = frozenset(number for number, row in enumerate(rows, 1) if row["y"] == "yes")
    return World(load_odds(folder / "world.yaml"), would)


def customer_key(number: int) -> str:
    """The key of the customer made from row `number` of the data."""
    return f"bank-{number}"


def number_of(record: Mapping[str, object]) -> int:
    """The row number behind an outbox line or a dial list row, by its name; InputError when it is not of the demo."""
    match = NUMBERED.fullmatch(str(record.get("name")))
    if not match:
        raise InputError("this message or call is not to a customer of the demo; run the demo in a home of its own")
    return int(match[1])


def deposit(world: World, number: int) -> int:
    """What this customer would put in, in whole tens of the currency."""
    odds = world.odds.customers.value
    normal = NormalDist(0, odds.spread).inv_cdf(max(world.draw(number, "value"), 1e-12)) if odds.spread else 0.0
    return max(10, round(odds.median * math.exp(normal) / 10) * 10)


def respond(world: World, line: Mapping[str, object]) -> list[dict[str, object]]:
    """The events that come back of one outbox line, in order of time, as the lines of an events file."""
    number, channel = number_of(line), str(line["channel"])
    odds = world.odds.messages[channel]  # type: ignore[index]
    sent, token = datetime.fromisoformat(str(line["at"])), str(line["token"])
    touch = (number, channel, line["campaign"], line["wave"])

    def event(outcome: str, after_s: float, **more: str) -> dict[str, object]:
        at = (sent + timedelta(seconds=round(after_s))).isoformat()
        ident = f"{token}-{outcome}"
        return {"token": token, "outcome": outcome, "at": at, "provider": PROVIDER, "provider_event_id": ident, **more}

    arrived = 2 + 90 * world.draw(*touch, "arrives")
    if world.draw(number, channel, "bounced_hard") < odds.bounced_hard:
        return [event("bounced_hard", arrived, reason="address_gone")]
    fate = world.draw(*touch, "fate")
    if fate < odds.bounced_soft:
        return [event("bounced_soft", arrived, reason="unreachable")]
    if fate < odds.bounced_soft + odds.silent:
        return []
    seen = arrived + 60 + 6 * 3600 * world.draw(*touch, "sees") ** 2
    events = [event("delivered", arrived)]
    for outcome, wait_s in _reactions(world, odds, number, touch):
        events.append(event(outcome, seen + wait_s, **({"scope": "channel"} if outcome in SCOPED else {})))
    return sorted(events, key=lambda e: str(e["at"]))


SCOPED = frozenset({"unsubscribed", "complained"})


def _reactions(world: World, odds: MessageOdds, number: int, touch: tuple[object, ...]) -> list[tuple[str, float]]:
    """What a customer does who got the message: the word and how many seconds after seeing it."""
    if world.draw(*touch, "seen") >= odds.seen:
        return []
    click = odds.clicked.would if number in world.would else odds.clicked.would_not
    shares = {
        "clicked": click,
        "replied": odds.replied,
        "unsubscribed": odds.unsubscribed,
        "complained": odds.complained,
    }
    done = [(odds.seen_as, 0.0)] if odds.seen_as else []
    return done + [
        (word, 5 + 900 * world.draw(*touch, word, "after"))
        for word, share in shares.items()
        if world.draw(*touch, word) < share
    ]


def call(world: World, row: Mapping[str, str], attempt: int, at: datetime) -> dict[str, str]:
    """What comes of dialling one row of a dial list for the `attempt`th time (from 1), as a row of dispositions."""
    number = number_of(row)
    word = _disposition(world, number, attempt)
    talk = 0.0
    if word in ("sale", *world.odds.calls.would_not):
        talk = 40 + (420 if word == "sale" else 160) * world.draw(number, "call", attempt, "talk")
    return {
        "token": row["token"],
        "disposition": word,
        "at": at.isoformat(timespec="seconds"),
        "call_id": f"{row['token']}-{attempt}",
        "number": row["phone"],
        "agent": f"{row['team']}-{1 + int(8 * world.draw(number, 'call', attempt, 'agent')):02}",
        "ring_s": f"{4 + 22 * world.draw(number, 'call', attempt, 'ring'):.0f}",
        "talk_s": f"{talk:.0f}",
        "wrap_s": f"{20 + 30 * world.draw(number, 'call', attempt, 'wrap'):.0f}",
    }


def _disposition(world: World, number: int, attempt: int) -> str:
    odds = world.odds.calls
    fact = world.draw(number, "number")
    if fact < odds.invalid_number:
        return "invalid_number"
    if fact < odds.invalid_number + odds.wrong_number:
        return "wrong_number"
    word = world.pick(odds.attempt, number, "call", attempt, "answers")
    if word != "right_party":
        return word
    return "sale" if number in world.would else world.pick(odds.would_not, number, "call", attempt, "says")


def prompted(world: World, number: int, reached: datetime) -> dict[str, str] | None:
    """The conversion of a customer who was reached at that time (clicked), within six hours; None when `y` is no."""
    if number not in world.would:
        return None
    return _conversion(world, number, reached + timedelta(seconds=round(300 + 21_300 * world.draw(number, "opens"))))


def unprompted(world: World, number: int, start: datetime, end: datetime) -> dict[str, str] | None:
    """The conversion, between start and end, of a customer whom nobody reached; None for nearly all."""
    if number not in world.would or world.draw(number, "unprompted") >= world.odds.conversions.unprompted:
        return None
    return _conversion(world, number, start + (end - start) * world.draw(number, "unprompted", "when"))


def _conversion(world: World, number: int, at: datetime) -> dict[str, str]:
    """A row of a conversions file; its source_id is the customer, so that the ledger keeps one for each."""
    return {
        "customer": customer_key(number),
        "goal": GOAL,
        "at": at.isoformat(timespec="seconds"),
        "value": str(deposit(world, number)),
        "currency": world.odds.conversions.currency,
        "source": PROVIDER,
        "source_id": str(number),
        "product": "term_deposit",
    }
