"""What a dialler is told of the calls to a customer so far."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from waves.dispositions import LIVE
from waves.recycling import DialRules, Made, Tried, attempts_left


@dataclass(frozen=True, slots=True)
class Tries:
    """The attempts on one customer, over all campaigns and numbers: what counts against the caps, and nothing else."""

    total: int
    today: int
    """Since midnight where the customer lives; of several time zones the one with the most."""
    left: int
    """How many more the caps of the person and of the number allow now."""
    last: Tried | None
    agent: str | None
    """Who spoke to them last, of the calls that this ledger's lists led to."""


def tries_of(
    calls: Collection[Made],
    to_number: Collection[Tried],
    asked: bool,
    zones: Sequence[str],
    rules: DialRules,
    now: datetime,
) -> Tries:
    """The tries of a customer who `asked` for this call or not; `calls`: all to them, imported ones too."""
    made = [one.call for one in calls if rules.is_attempt(one.call.disposition)]
    ours = [one.call for one in calls if one.wave is not None]
    spoke = [call for call in ours if call.agent and call.disposition in LIVE]
    return Tries(
        total=len(made),
        today=max(_today(made, ZoneInfo(zone), now) for zone in zones or ("UTC",)),
        left=min(
            attempts_left(made, rules.person, rules, now, asked),
            attempts_left(to_number, rules.number, rules, now, asked),
        ),
        last=max(made, key=_when, default=None),
        agent=max(spoke, key=_when).agent if spoke else None,
    )


def _today(calls: Collection[Tried], zone: ZoneInfo, now: datetime) -> int:
    day = now.astimezone(zone).date()
    return sum(call.at.astimezone(zone).date() == day for call in calls)


def _when(call: Tried) -> tuple[datetime, str]:
    return call.at, call.call_id
