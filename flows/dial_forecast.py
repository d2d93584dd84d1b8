"""When a list that is out runs dry, by what came back from it so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Any

from flows.room import Room
from ledger.dial_blocks import OnList, on_list
from waves.dispositions import DIALS
from waves.errors import PlanError
from waves.exhaustion import ROUNDS, Dialable, exhaustion
from waves.recycling import DialRules, Tried, again_from, said

FEWEST, SHORTEST = 30, timedelta(minutes=15)
"""Dials, and the time from the first to the last of them, below which a list tells no pace."""
ENTRIES, LEAST = 200_000, 20
"""So many records are played in all, in so many rounds at least: a long list needs fewer to say the same."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """The moments by which a list has run dry in a tenth, half and nine tenths of the rounds; None: not before its end.

    `why` says what it rests on, or why nothing can be said.
    """

    p10: datetime | None
    p50: datetime | None
    p90: datetime | None
    why: str
    known: bool = True


def runs_dry(room: Room, connection: Any, number: int, ends: datetime, now: datetime) -> Forecast:
    """When a list that is dialled until `ends` has fewer records to dial than its dialler dials, at its pace so far."""
    try:
        rules, mine = room.dial_rules(), on_list(connection, number)
    except PlanError as error:
        return Forecast(None, None, None, str(error), known=False)
    dials = sorted(call.at for one in mine for call in one.calls if call.disposition in DIALS)
    if len(dials) < FEWEST or dials[-1] - dials[0] < SHORTEST:
        why = f"{len(dials)} dials came back; {FEWEST} over {SHORTEST / timedelta(minutes=1):.0f} minutes tell its pace"
        return Forecast(None, None, None, why, known=False)
    an_hour = len(dials) / ((dials[-1] - dials[0]) / timedelta(hours=1))
    pool = [record for one in mine if (record := _dialable(one, rules, now)) is not None]
    outcomes = [_again_s(call, rules) for one in mine for call in one.calls if call.disposition in DIALS]
    rounds = max(LEAST, min(ROUNDS, ENTRIES // max(1, len(pool))))
    found = exhaustion(pool, an_hour, outcomes, (ends - now).total_seconds(), Random(number).random, rounds)
    moments = [None if at is None else now + timedelta(seconds=at) for at in (found.p10, found.p50, found.p90)]
    return Forecast(
        *moments, f"{len(pool):,} records, {an_hour:,.0f} dials an hour as in the {len(dials):,} that came back"
    )


def _dialable(one: OnList, rules: DialRules, now: datetime) -> Dialable | None:
    """A record that the dialler may dial (again) from this list."""
    again = again_from(one.calls, rules) if said(one.calls) else now
    left = rules.person.day - sum(rules.is_attempt(call.disposition) for call in one.calls)
    if not one.held or again is None:
        return None
    return Dialable((again - now).total_seconds(), (one.call_until - now).total_seconds(), left)


def _again_s(call: Tried, rules: DialRules) -> float | None:
    rule = rules.after(call.disposition)
    return None if rule is None else rule.after.total_seconds()
