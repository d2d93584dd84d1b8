"""The watch over abandoned calls: how a campaign stands by the house's rule and by that of each place it calls."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from config.abandonment import load_abandonment
from flows.room import Room
from flows.running import load_running
from ledger.answer_counts import CallCount, count_calls, first_call
from waves.abandonment import (
    COUNTED,
    MACHINES,
    AbandonmentRow,
    Answers,
    Limits,
    Standing,
    Word,
    answers_of,
    limits_of,
    standing,
    window_at,
)
from waves.dispositions import Disposition
from waves.errors import CampaignError
from waves.hours_set import EVERYWHERE, candidates

SEVERITY: Sequence[Word] = ("ok", "soft", "hard")


@dataclass(frozen=True, slots=True)
class Watched:
    """How a campaign stands by one rule: `place` is a row's, or everywhere for the house's own."""

    place: str
    since: datetime
    until: datetime
    answers: Answers
    limits: Limits
    standing: Standing


def watch(room: Room, campaign: str, now: datetime) -> list[Watched]:
    """The house's rule, then each row whose place was called, each over its own window at this moment.

    Counted anew from all calls that were returned by now. A campaign's 30 days begin with its first call. CampaignError
    for an unknown campaign, PlanError while the file of limits cannot be read.
    """
    rules = load_abandonment(room.settings.home / "config")
    running = load_running(room.ledger, campaign)
    zone = ZoneInfo(running.plan.starts.zone)
    found = []
    with room.ledger.read() as connection:
        began = first_call(connection, running.id) or now
        for row in (None, *rules.rows):
            limits = limits_of(rules.house, row)
            since, until = window_at(limits.window, began, now, zone)
            counted = count_calls(connection, running.id, COUNTED, since, until)
            answers = _answers(_there(counted, row))
            if row is None or answers != Answers(0, 0):
                place = row.place if row else EVERYWHERE
                found.append(Watched(place, since, until, answers, limits, standing(limits, answers)))
    return found


def worst(found: Iterable[Watched]) -> Word:
    """The strictest word of all rules: over `hard` no list is issued."""
    return max((each.standing.word for each in found), key=SEVERITY.index, default="ok")


def keep_below(room: Room, campaign: str, now: datetime) -> None:
    """CampaignError while a campaign abandons more than a hard limit: no list is issued then."""
    for each in watch(room, campaign, now):
        if each.standing.word == "hard":
            rate, limit = f"{each.standing.rate:.2%}", f"{each.limits.hard:.1%}"
            said = f"{rate} of its answered calls ({each.place}, since {each.since:%Y-%m-%d %H:%M} UTC) were abandoned"
            mend = "dial the lists that are out progressively, import what comes back, and see: dial-list abandonment"
            raise CampaignError(f"{campaign} gets no further list: {said}, and the limit is {limit}; {mend} {campaign}")


def _there(counted: Iterable[CallCount], row: AbandonmentRow | None) -> list[CallCount]:
    return [each for each in counted if row is None or row.place in candidates((), each.places)]


def _answers(counted: Iterable[CallCount]) -> Answers:
    calls: Counter[Disposition] = Counter()
    machines = 0
    for each in counted:
        calls[each.disposition] += each.calls
        machines += each.calls if each.by_agent and each.disposition in MACHINES else 0
    return answers_of(calls, machines)
