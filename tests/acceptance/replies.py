"""What the town answers: files of events, call results and sales, as providers, diallers and the shop send them."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

SCENARIOS: tuple[tuple[str, ...], ...] = (
    (),
    (),
    ("accepted",),
    ("in_transit", "accepted"),
    ("deferred", "accepted"),
    ("delivered",),
    ("delivered", "displayed"),
    ("delivered", "read"),
    ("read", "auto_replied"),
    ("clicked", "delivered"),
    ("connected", "clicked"),
    ("visited",),
    ("declined", "read"),
    ("callback_requested",),
    ("replied", "declined"),
    ("agreed", "replied"),
    ("canceled",),
    ("lapsed",),
    ("failed", "accepted"),
    ("failed!retry",),
    ("rejected",),
    ("rejected!drop_consent",),
    ("bounced_soft",),
    ("bounced_soft", "delivered"),
    ("bounced_soft!drop_address",),
    ("bounced_hard", "delivered"),
    ("bounced_hard",),
    ("bounced_hard!ok",),
    ("no_answer",),
    ("busy",),
    ("machine",),
    ("delivered", "unsubscribed"),
    ("complained", "read"),
    ("resubscribed", "unsubscribed"),
    ("unsubscribed", "resubscribed"),
    ("unknown", "in_transit"),
)
"""What comes back for one message, the last of them first to happen; `!` names an action that the report asks for."""
LATE = ("clicked", "declined", "unsubscribed", "bounced_hard", "delivered", "replied")
REASONS = {"bounced_hard": "address_gone", "rejected": "blocked", "failed": "carrier"}

DISPOSITIONS = [
    "sale",
    "promise",
    "interested",
    "callback_agreed",
    "callback_requested_untimed",
    "not_interested",
    "not_eligible",
    "already_customer",
    "language_barrier",
    "gatekeeper",
    "wrong_number",
    "deceased",
    "dnc_request",
    "connected_other",
    "hung_up",
    "abandoned",
    "machine",
    "machine_message_left",
    "fax",
    "no_answer",
    "busy",
    "invalid_number",
    "temporary_failure",
    "dead_air",
    "wrong_time",
    "suppressed_dnc",
    "suppressed_rule",
    "agent_error",
    "not_attempted",
]


@dataclass
class Town:
    """Everybody's answers, drawn by one pair of dice, with what is kept back for a later file."""

    dice: random.Random = field(default_factory=lambda: random.Random(11))
    number: int = 0
    late: list[dict[str, Any]] = field(default_factory=list)

    def events(self, lines: Iterable[dict[str, Any]], base: datetime) -> list[dict[str, Any]]:
        """Reports on these outbox lines, in no order, some of them twice, with some of strangers."""
        found = []
        for line in lines:
            words = SCENARIOS[self.number % len(SCENARIOS)]
            minutes = sorted(self.dice.sample(range(1, 600), len(words)), reverse=True)
            found += [self._event(line["token"], w, base, m) for w, m in zip(words, minutes, strict=True)]
            self.number += 1
            if self.number % 7 == 0:
                self.late.append(self._event(line["token"], LATE[self.number // 7 % len(LATE)], base, 700))
        strangers = [self._event(token, "clicked", base, 5) for token in ("A" * 20, "QUITE-STRANGE", "0123456789" * 2)]
        found += [*self.dice.sample(found, len(found) // 9), *strangers]
        self.dice.shuffle(found)
        return found

    def latecomers(self) -> list[dict[str, Any]]:
        """The reports kept back so far."""
        found, self.late = self.late, []
        return found

    def _event(self, token: str, words: str, base: datetime, minute: int) -> dict[str, Any]:
        outcome, _, action = words.partition("!")
        event: dict[str, Any] = {
            "token": token,
            "outcome": outcome,
            "at": (base + timedelta(minutes=minute)).isoformat(),
            "provider": "town",
            "provider_event_id": f"{token}-{words}-{minute}",
            "raw": {"from": "the town"},
        }
        if action:
            event["action"] = action
        if outcome in REASONS:
            event["reason"] = REASONS[outcome]
        return event


def calls(entries: Sequence[dict[str, str]], base: datetime, start: int = 0) -> list[dict[str, str]]:
    """Results of a dial list, newest first: most entries called once, every fifth twice, some not reached at all."""
    rows = []
    for place, entry in enumerate(entries, start):
        if place % 11 == 10:
            continue
        words = [DISPOSITIONS[place % len(DISPOSITIONS)]]
        if place % 5 == 0:
            words.append(DISPOSITIONS[(place * 7 + 3) % len(DISPOSITIONS)])
        rows += [_call(entry["token"], word, base, place, turn) for turn, word in enumerate(words)]
    strangers = [_call(token, "sale", base, place, 0) for place, token in enumerate(("B" * 20, "nobody"), 900)]
    return [*rows[::-1], *strangers, *rows[:4]]


def _call(token: str, word: str, base: datetime, place: int, turn: int) -> dict[str, str]:
    at = base + timedelta(minutes=3 * place + 40 * turn + 1)
    return {
        "token": token,
        "disposition": word,
        "at": at.isoformat(),
        "call_id": f"call-{place}-{turn}",
        "agent": f"agent-{place % 4}",
        "talk_s": "12.5",
    }


def sale(customer: str, at: datetime, goal: str = "signed", ident: str = "") -> dict[str, str]:
    """One row of a conversions file."""
    return {
        "customer": customer,
        "goal": goal,
        "at": at.isoformat(),
        "value": "120.50",
        "currency": "USD",
        "source": "shop",
        "source_id": ident or f"{customer}-{goal}-{at:%d%H%M}",
    }


def write_events(path: Path, events: Sequence[dict[str, Any]]) -> Path:
    """Events as JSON lines."""
    path.write_text("".join(json.dumps(event) + "\n" for event in events))
    return path


def write_table(path: Path, rows: Sequence[dict[str, str]]) -> Path:
    """Rows as a CSV file."""
    with path.open("w", newline="") as file:
        out = csv.DictWriter(file, list(rows[0]))
        out.writeheader()
        out.writerows(rows)
    return path


def read_table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file."""
    with path.open(newline="") as file:
        return list(csv.DictReader(file))
