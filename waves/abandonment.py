"""Abandoned calls: how a region's law counts them, over which window, and when a campaign must dial slower or stop."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import Annotated, Literal

from pydantic import Field, model_validator

from waves.dispositions import EFFECTS, Disposition
from waves.hours_set import Place, Reviewed, candidates
from waves.outcomes import Outcome
from waves.plan import Duration, Record, Share

Measure = Literal["answered_by_live_person", "ofcom_acr"]
Window = Literal["each_30_days", "24_hours", "calendar_month"]
Word = Literal["ok", "soft", "hard"]
EACH = timedelta(days=30)
Z_95 = 1.6448536269514722
"""The normal quantile of a one-sided bound that holds in 95 of 100 cases."""

TALKED = (Outcome.AGREED, Outcome.CONNECTED, Outcome.CALLBACK_REQUESTED, Outcome.DECLINED)
HANDLED = frozenset(d for d, effect in EFFECTS.items() if effect.outcome in TALKED) | {Disposition.WRONG_NUMBER}
"""Dispositions of calls that a live person answered and an agent took."""

MACHINES = frozenset({Disposition.MACHINE, Disposition.MACHINE_MESSAGE_LEFT})
COUNTED = HANDLED | MACHINES | {Disposition.ABANDONED}
"""Every disposition that an abandonment rate is made of."""


class HouseLimits(Record):
    """The house's own gate: dial slower above `soft`, issue no list above `hard`, judge from so many answers on."""

    soft: Share
    hard: Share
    from_answered: int = Field(ge=1, le=100_000)

    @model_validator(mode="after")
    def _soft_comes_first(self) -> HouseLimits:
        if self.soft > self.hard:
            raise ValueError(f"soft ({self.soft:.1%}) is above hard ({self.hard:.1%}); it has to warn before")
        return self


class AbandonmentRow(Record):
    """What the law of a place says of abandoned calls; it can only make the house's limits stricter."""

    place: Place = Field(alias="for")
    limit: Share | None = None
    target: Share | None = None
    counts: Measure = "answered_by_live_person"
    window: Window
    connect: Duration | None = None
    min_ring: Duration | None = None
    notes: tuple[Annotated[str, Field(min_length=1, max_length=500)], ...] = ()
    source: str = Field(min_length=1, max_length=500)
    as_of: date
    confidence: Literal["high", "medium", "low"] | None = None
    reviewed: Reviewed


class AbandonmentRules(Record):
    """The house's gate and a row for each place whose law says more."""

    house: HouseLimits
    rows: tuple[AbandonmentRow, ...]


@dataclass(frozen=True, slots=True)
class Answers:
    """Calls of a window: live persons an agent took, abandoned ones, and machines that an agent took."""

    live: int
    abandoned: int
    machines: int = 0


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits in force: the strictest of the house's and of those that the law adds, and how calls are counted."""

    soft: float
    hard: float
    from_answered: int
    counts: Measure
    window: Window


@dataclass(frozen=True, slots=True)
class Standing:
    """How a campaign stands in a window: `word` soft: dial slower; hard: no list is issued."""

    word: Word
    rate: float
    upper: float
    """The rate it may truly have: a one-sided 95 % bound."""
    answered: float
    """The denominator."""


def row_for(rules: AbandonmentRules, place: str) -> AbandonmentRow | None:
    """The row that binds in a place: its own, else its country's; None where there is none."""
    rows = {row.place: row for row in rules.rows}
    found = [rows[each] for each in sorted(candidates((), (place,)), reverse=True) if each in rows]
    return next(iter(found), None)


def limits_of(house: HouseLimits, row: AbandonmentRow | None) -> Limits:
    """The strictest of the house's limits and a row's: its target for soft, its limit for hard."""
    if row is None:
        return Limits(house.soft, house.hard, house.from_answered, "answered_by_live_person", "each_30_days")
    hard = min(house.hard, house.hard if row.limit is None else row.limit)
    soft = min(house.soft, hard, house.soft if row.target is None else row.target)
    return Limits(soft, hard, house.from_answered, row.counts, row.window)


def window_at(window: Window, started: datetime, at: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """The window around a moment, half-open, in aware UTC like its arguments.

    `each_30_days`: successive 30 days from the campaign's start, so the whole of a shorter one; `24_hours`: those up
    to the moment and with it; `calendar_month`: by the calendar of `zone`.
    """
    if window == "24_hours":
        end = at + timedelta.resolution
        return end - timedelta(hours=24), end
    if window == "each_30_days":
        start = started + (at - started) // EACH * EACH
        return start, start + EACH
    local = at.astimezone(zone).replace(day=1, hour=0, minute=0, second=0, microsecond=0, fold=0)
    after = (local + timedelta(days=32)).replace(day=1)
    return local.astimezone(at.tzinfo), after.astimezone(at.tzinfo)


def answers_of(counts: Mapping[Disposition, int], machines: int = 0) -> Answers:
    """What a window's calls come to, by disposition; `machines` are those that an agent was given."""
    live = sum(count for disposition, count in counts.items() if disposition in HANDLED)
    return Answers(live, counts.get(Disposition.ABANDONED, 0), machines)


def abandoned_of(answers: Answers, counts: Measure) -> tuple[float, float]:
    """Abandoned calls, and the answered ones they are a share of.

    `ofcom_acr` takes from the abandoned those that were machines, by the share of machines among what agents took.
    """
    lost = float(answers.abandoned)
    if counts == "ofcom_acr" and answers.machines:
        lost *= 1 - answers.machines / (answers.machines + answers.live)
    return lost, lost + answers.live


def standing(limits: Limits, answers: Answers) -> Standing:
    """The window's rate with its bound and the gate's word; with too few answers to judge the word is ok."""
    lost, answered = abandoned_of(answers, limits.counts)
    rate = lost / answered if answered else 0.0
    word: Word = "hard" if _above(rate, limits.hard) else "soft" if _above(rate, limits.soft) else "ok"
    judged = answers.live + answers.abandoned >= limits.from_answered
    return Standing(word if judged else "ok", rate, upper_bound(lost, answered), answered)


def upper_bound(lost: float, answered: float, z: float = Z_95) -> float:
    """The upper end of Wilson's score interval (1927) of a share; 1 when there is nothing to judge by."""
    if not answered:
        return 1.0
    share, shrink = lost / answered, z * z / answered
    spread = z * math.sqrt(share * (1 - share) / answered + shrink / (4 * answered))
    return (share + shrink / 2 + spread) / (1 + shrink)


def _above(rate: float, limit: float) -> bool:
    """Whether a rate is above a limit, 7 of 250 being no more than 2.8 %."""
    return round(rate - limit, 9) > 0
