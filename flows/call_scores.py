"""What each waiting customer of a call wave is worth to an agent, when to call them, and who a list would take."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from filelock import FileLock

from flows.history import fit_wave, fitted_before, fitted_for
from flows.room import Room
from flows.running import Running, load_running, score_of
from ledger.attributes import attribute_types
from ledger.call_history import calls_after
from ledger.call_scores import RANGE, begin_scoring, end_scoring, keep_scores, kept_score, last_scored
from ledger.dial_choice import Score
from ledger.model_cards import newest_cards, newest_fit
from ledger.waiting_calls import open_call_waves, read_waiting
from segments.answering import Ints
from segments.call_rows import candidates
from segments.capture import Floats
from segments.propensity import Fitted
from segments.walk import STEP
from waves.call_slots import SLOTS, slot_of
from waves.dial_value import CallTimes
from waves.exploration import LEAST
from waves.outcomes import State

HANDLE_S = 180.0
"""Seconds of a handled call where the plan's capacity does not say."""


@dataclass(frozen=True, slots=True)
class Scored:
    """One customer who waits for a list, by key; `value` and `score` are None where the plan's rank has none.

    In a wave without a rank everybody is worth 1.
    """

    customer: str
    answer: float
    convert: float
    best_hour: str
    """The slot of the customer's own clock in which they answer likeliest."""
    best_answer: float
    value: float | None
    score: float | None


@dataclass(frozen=True, slots=True)
class _Waiting:
    """Customers of a call wave and what was worked out of them, in one order."""

    rows: Sequence[Any]
    answer: Floats
    convert: Floats
    best_slot: Ints
    best_answer: Floats
    value: Floats
    score: Floats


def call_scores(room: Room, running: Running, wave: str, by: str, now: datetime) -> tuple[Fitted, list[Scored]]:
    """The customers of a wave who wait for a list, best first, by the models of its newest fit (a new one when due)."""
    fitted = fitted_for(room, running, wave, by, now)
    made = _worked_out(room, running, wave, fitted, now, (State.QUEUED,))
    found = [
        (row.bucket, Scored(row.key, float(p), float(c), SLOTS[hour], float(top), _known(v), _known(s)))
        for row, p, c, hour, top, v, s in zip(
            made.rows, made.answer, made.convert, made.best_slot, made.best_answer, made.value, made.score, strict=True
        )
    ]
    found.sort(key=lambda one: (one[1].score is None, -(one[1].score or 0.0), one[0]))
    return fitted, [one for _, one in found]


def keep_call_scores(room: Room, running: Running, wave: str, fitted: Fitted, by: str, now: datetime) -> int:
    """Keep the scores of everybody in a wave whose call is not over, for lists to rank by; how many they are.

    Waits while somebody else keeps scores of the wave, and goes by the newest fit when that is another one by then.
    """
    with _alone(room, running, wave):
        with room.ledger.read() as connection:
            newest = newest_cards(connection, running.row(wave).id)
        if newest["answer"].digest != fitted.cards["answer"].digest:
            fitted = fitted_before(room, running, wave, by, now)
        return _keep(room, running, wave, fitted, now)


@contextmanager
def _alone(room: Room, running: Running, wave: str) -> Iterator[None]:
    number, folder = running.row(wave).id, room.settings.home / "dial-lists"
    folder.mkdir(exist_ok=True)
    with FileLock(folder / f".scores-{number}.lock", mode=0o600), room.ledger.scoring(number):
        yield


def _keep(room: Room, running: Running, wave: str, fitted: Fitted, now: datetime) -> int:
    made = _worked_out(room, running, wave, fitted, now, (State.QUEUED, State.LISTED))
    number = running.row(wave).id
    with room.ledger.write() as connection:
        begin_scoring(connection, number)
    for start in range(0, len(made.rows), RANGE):
        part = slice(start, start + RANGE)
        columns = (made.answer[part], made.convert[part], made.best_slot[part], made.score[part])
        rows = [
            {
                "wave": number,
                "customer": row.customer,
                "answer": float(p),
                "convert": float(c),
                "best_slot": int(slot),
                "score": _known(score),
                "scored_at": now,
            }
            for row, p, c, slot, score in zip(made.rows[part], *columns, strict=True)
        ]
        with room.ledger.write() as connection:
            keep_scores(connection, rows)
    with room.ledger.write() as connection:
        end_scoring(connection, number, now)
    return len(made.rows)


@dataclass(frozen=True, slots=True)
class Ranking:
    """What a list is ranked by, None: by lot; and the card of the model behind it, None: it is the plan's own rank."""

    score: Score | None
    card: int | None = None

    def explore(self, planned: float | None) -> float:
        """The share of the list that is drawn by lot: as planned, else the least there is of what a model ranks."""
        return (LEAST if self.card else 0.0) if planned is None else planned


def call_rank(room: Room, running: Running, wave: str, by: str, now: datetime) -> Ranking:
    """What a list of the wave is ranked by now: the kept scores, or the plan's own rank while no model ranks anybody.

    Nothing is learnt here. Everybody is scored anew after a fit, and in another part of the plan's day than the last
    time, which at a million customers takes a minute; otherwise it costs two small reads.
    """
    row = running.row(wave)
    with room.ledger.read() as connection:
        known = newest_cards(connection, row.id)
    if not any(card.beats for card in known.values()):
        return Ranking(score_of(running, running.plan.wave(wave), now))
    if _old(room, running, wave, now):
        with _alone(room, running, wave):
            if _old(room, running, wave, now):  # nobody else scored meanwhile
                _keep(room, running, wave, fitted_before(room, running, wave, by, now), now)
    with room.ledger.read() as connection:
        card = newest_fit(connection, row.id)
    return Ranking(kept_score(row.id), card)


def _old(room: Room, running: Running, wave: str, now: datetime) -> bool:
    """Whether the kept scores are not all of the newest fit and of this part of the day."""
    number = running.row(wave).id
    with room.ledger.read() as connection:
        learnt, last = newest_cards(connection, number)["answer"].extent.until, last_scored(connection, number)
    return last is None or last < learnt or _part(running, last) != _part(running, now)


def learn(room: Room, by: str, now: datetime, undone: datetime | None = None) -> list[str]:
    """Refit the models of every open call wave of which 250 more calls were reported; what came of it, in sentences.

    And those that may have learnt from a file that came in at `undone`, and was undone since.
    """
    said = []
    with room.ledger.read() as connection:
        waves = open_call_waves(connection)
    for campaign, wave, number in waves:
        with room.ledger.read() as connection:
            known = newest_cards(connection, number)
            new = calls_after(connection, number, known["answer"].extent.event if known else 0)
        misled = bool(known) and undone is not None and known["answer"].extent.until >= undone
        if new < STEP and not misled:
            continue
        running = load_running(room.ledger, campaign)
        fitted = fit_wave(room, running, wave, by, now)
        if len(fitted.ranks_by) > 1:
            keep_call_scores(room, running, wave, fitted, by, now)
        from_what = "anew without the undone calls" if misled else f"from {new:,} more calls"
        said.append(f"{campaign}, wave {wave}: learnt {from_what}; lists are ranked by {_by(fitted.ranks_by)}")
    return said


def _by(ranks: Sequence[str]) -> str:
    if len(ranks) == 1:
        return "value alone, as no model beats the rate of the calls just before"
    return " and ".join(ranks)


def _worked_out(
    room: Room, running: Running, wave: str, fitted: Fitted, now: datetime, states: Collection[State]
) -> _Waiting:
    plan_wave = running.plan.wave(wave)
    rule = score_of(running, plan_wave, now)
    with room.ledger.read() as connection:
        types = attribute_types(connection)
        rows = read_waiting(connection, running.id, running.row(wave).id, types, rule, states)
    asked = candidates(rows, types, now)
    value = np.array([row.value for row in rows], np.float64) if rule else np.ones(len(rows))
    handle = plan_wave.capacity.handle_time.total_seconds() if plan_wave.capacity else HANDLE_S
    answer, convert = fitted.answer(asked), fitted.convert(asked)
    score = fitted.worth(answer, convert, value, CallTimes(handle))
    return _Waiting(rows, answer, convert, *fitted.best_slot(asked), value, score)


def _part(running: Running, at: datetime) -> tuple[date, int]:
    local = at.astimezone(ZoneInfo(running.plan.starts.zone))
    return local.date(), slot_of(local)


def _known(value: float) -> float | None:
    """The number, None for nan."""
    return None if math.isnan(value) else float(value)
