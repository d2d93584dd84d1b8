"""How soon and how often somebody is dialled again: caps, gaps, and what each disposition allows.

The values and their sources stand in rules/dialling.yaml. Windows roll: a day is the last 24 hours, so that no midnight
lets two days' calls meet.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum
from zoneinfo import ZoneInfo

from pydantic import Field, field_validator

from waves.call_slots import slot_of
from waves.dispositions import DIALS, EFFECTS, LIVE, SAYING, Disposition, strength
from waves.outcomes import word
from waves.plan import Duration, Record

DAY = timedelta(days=1)
WEEK = timedelta(days=7)
PUNCTUAL = timedelta(minutes=15)
"""How much sooner or later than promised a call is still the one that was promised."""
PARTS_FOR = timedelta(hours=36)
"""So long a call asks for another part of the day: a team of mornings would never call them again."""
NAMES = {word(code): code for code in Disposition}


class Often(Record):
    """At most so many attempts in any 24 hours, in any 7 days, and in all."""

    day: int = Field(ge=1, le=100)
    week: int = Field(ge=1, le=100)
    ever: int = Field(ge=1, le=1000)


class Again(Record):
    """After one disposition: how soon the next attempt, and how many of them."""

    after: Duration
    times: int = Field(ge=1, le=20)
    other_part: bool = False
    """Not in the same part of the same kind of day, until PARTS_FOR after the call."""
    attempt: bool = True
    """Whether the call counts against the caps and the gap."""
    places: dict[str, Duration] = Field(default_factory=dict)
    """Jurisdictions where it takes longer."""


class Home(Record):
    """What holds for all who share a household."""

    gap: Duration


class DialRules(Record):
    """The house's rules of dialling again."""

    person: Often
    number: Often
    gap: Duration
    household: Home | None = None
    again: dict[str, Again]

    @field_validator("again")
    @classmethod
    def _known(cls, value: dict[str, Again]) -> dict[str, Again]:
        for name in value:
            if name not in NAMES:
                raise ValueError(f"{name} is no disposition; write one such as no_answer")
        return value

    def after(self, disposition: Disposition) -> Again | None:
        """What a disposition allows; None: nobody is dialled again in this wave after it."""
        return self.again.get(word(disposition))

    def is_attempt(self, disposition: Disposition) -> bool:
        """Whether a call that ended so counts against the caps and the gap."""
        rule = self.after(disposition)
        return EFFECTS[disposition].rang and (rule is None or rule.attempt)


@dataclass(frozen=True, slots=True)
class Tried:
    """One call that was made: when, how it ended, on which number (None: nobody said), by whom, what it promised."""

    at: datetime
    disposition: Disposition
    call_id: str = ""
    number: str | None = None
    agent: str | None = None
    callback_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Made:
    """A call, the wave that made it (None: it is imported), and whether that wave is open and may call again."""

    wave: int | None
    runs: bool
    call: Tried


class Held(IntEnum):
    """Why a person or a number is not dialled just now."""

    GAP = 1
    CAP = 2
    SAME_PART = 3
    HOUSEHOLD_GAP = 4
    LOCKED_OUT = 5


def again_from(calls: Collection[Tried], rules: DialRules, places: Iterable[str] = ()) -> datetime | None:
    """When a customer may be listed again in a wave whose calls these are; None: not in this wave.

    In whatever order they came: the call that counts (`waves.dispositions.strength`, then the latest) has to allow
    another, and the latest one says when, or the one whose promise stands.
    """
    known = said(calls)
    if not known:
        return None
    counts = max(known, key=lambda call: (strength(call.disposition), call.at, call.call_id))
    latest = promised(known) or _latest(known)
    rule = rules.after(latest.disposition)
    if rule is None or rules.after(counts.disposition) is None:
        return None
    if sum(call.disposition is latest.disposition for call in known) > rule.times:
        return None
    if latest.disposition is Disposition.CALLBACK_AGREED and latest.callback_at is not None:
        return max(latest.at, latest.callback_at - PUNCTUAL)
    return latest.at + max([rule.after, *(rule.places[place] for place in places if place in rule.places)])


def said(calls: Iterable[Tried]) -> list[Tried]:
    """Those of the calls that say something of the customer: not what was never tried, or an agent's mistake."""
    return [call for call in calls if call.disposition in SAYING]


def _latest(calls: Iterable[Tried]) -> Tried:
    return max(calls, key=lambda call: (call.at, call.call_id))


def promised(calls: Collection[Tried]) -> Tried | None:
    """The call of a wave that promised another at a time, while nobody reached them since nor dialled at that time.

    None: nobody waits for one. Who was dialled sooner, and did not answer, waits still.
    """
    known = sorted(said(calls), key=lambda call: (call.at, call.call_id))
    for place, call in reversed([*enumerate(known)]):
        if call.disposition is Disposition.CALLBACK_AGREED and call.callback_at is not None:
            due = call.callback_at - PUNCTUAL
            return None if any(one.at >= due and one.disposition in DIALS for one in known[place + 1 :]) else call
        if call.disposition in LIVE:
            return None
    return None


def held_back(
    calls: Collection[Tried],
    often: Often,
    rules: DialRules,
    now: datetime,
    asked: datetime | None = None,
    places: Collection[str] = (),
) -> Held | None:
    """What keeps a person, or a number, from one more call now, by all calls to it in every campaign.

    Who `asked` for it, and when, is kept neither by the day's cap nor by the gap to calls before that. `places`: the
    jurisdictions they may be in, whose own rests after a call hold whatever campaign made it.
    """
    for call in calls:
        rule = rules.after(call.disposition)
        if rule and any(now < call.at + rest for place, rest in rule.places.items() if place in places):
            return Held.LOCKED_OUT
    made = [call.at for call in calls if rules.is_attempt(call.disposition)]
    if _within(rules.gap, [at for at in made if asked is None or at > asked], now):
        return Held.GAP
    day, week = (sum(at > now - within for at in made) for within in (DAY, WEEK))
    capped = (day >= often.day and asked is None) or week >= often.week or len(made) >= often.ever
    return Held.CAP if capped else None


def household_rests(calls: Iterable[Tried], rules: DialRules, now: datetime) -> bool:
    """Whether an attempt on anybody of a household is too short a time ago for another, by all calls to it."""
    made = [call.at for call in calls if rules.is_attempt(call.disposition)]
    return rules.household is not None and _within(rules.household.gap, made, now)


def _within(gap: timedelta, made: Iterable[datetime], now: datetime) -> bool:
    return any(abs(now - at) < gap for at in made)


def attempts_left(calls: Iterable[Tried], often: Often, rules: DialRules, now: datetime, asked: bool = False) -> int:
    """How many more attempts a cap allows now, by all calls to a person or number; one who `asked` has one today."""
    made = [call.at for call in calls if rules.is_attempt(call.disposition)]
    day, week = (sum(at > now - within for at in made) for within in (DAY, WEEK))
    today = max(often.day - day, int(asked))
    return max(0, min(today, often.week - week, often.ever - len(made)))


def same_part(calls: Collection[Tried], zones: Sequence[str], rules: DialRules, now: datetime) -> bool:
    """Whether the latest of a wave's calls asks for another part of the day than it is now (waves.call_slots)."""
    known = said(calls)
    if not known:
        return False
    latest = _latest(known)
    rule = rules.after(latest.disposition)
    if rule is None or not rule.other_part or now - latest.at > PARTS_FOR:
        return False
    return any(slot_of(latest.at.astimezone(one)) == slot_of(now.astimezone(one)) for one in map(ZoneInfo, zones))
