"""Who answers when, and who then converts: learnt from the ledger's calls, tested on calls not seen, said as cards."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np
from sqlalchemy import Connection

from ledger.call_history import CallGoal, Extent, read_calls
from ledger.model_cards import Card, Model
from ledger.types import EPOCH, MICROSECOND
from segments.answering import SHRINK, AnswerRates, Ints, answer_rates
from segments.call_rows import Candidates, Learnable, candidate_rows, kinds_of, learnable, slots
from segments.capture import Floats, area, beats, bins, capture_within, trailing
from segments.converting import SETTINGS, Boosted, boost
from segments.walk import FEWEST, RECENT, STEP, WINDOW, Calibration, Learn, walk
from waves.call_slots import SLOTS
from waves.dial_value import CallTimes, value_by_dialler, value_by_preview

TESTED = 4_000
"""A card tells how a model ranked so many of the newest calls at most, each before its result was known."""
FIRST_GUESS = 0.05
"""The share of answered calls that converts, before there is any; it counts for SHRINK calls."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """What was learnt for a wave, with its two cards; a model that does not beat the trailing rate ranks nobody."""

    answers: AnswerRates
    converts: Boosted | None
    rate: float
    """The share of answered calls that converts, for everybody when `converts` is None or not to be trusted."""
    types: Mapping[str, str]
    learnt: Learnable
    cards: Mapping[Model, Card]

    @property
    def ranks_by(self) -> tuple[str, ...]:
        """What a list is ranked by: `value`, and before it the models that beat the trailing rate within lists."""
        return (*(kind for kind, card in self.cards.items() if card.beats), "value")

    def answer(self, asked: Candidates) -> Floats:
        """P(a person answers) of a call to each candidate at `asked.at`, an array as long as the candidates."""
        at = [(asked.at - EPOCH) // MICROSECOND] * len(asked)
        return self._answer(self._numbers(asked), slots(at, asked.zones), _attempts(asked))

    def convert(self, asked: Candidates) -> Floats:
        """P(converts | answered) of each candidate, an array as long as the candidates.

        It is the same rate for everybody when the model does not beat the trailing rate within lists.
        """
        if self.converts is None or not self.cards["convert"].beats or not len(asked):
            return np.full(len(asked), self.rate)
        rows = candidate_rows(asked, self.types, self.learnt.before)
        return _calibration(self.cards["convert"]).apply(self.converts.probability(rows))

    def best_slot(self, asked: Candidates) -> tuple[Ints, Floats]:
        """The slot (a code of waves.call_slots) in which each candidate answers likeliest, and how likely there."""
        numbers, attempts = self._numbers(asked), _attempts(asked)
        best = np.zeros(len(asked), np.int64)
        chance = np.full(len(asked), -1.0)
        for code in range(len(SLOTS)):
            found = self._answer(numbers, np.full(len(asked), code, np.int64), attempts)
            better = found > chance
            best[better], chance[better] = code, found[better]
        return best, chance

    def score(
        self, asked: Candidates, value: Floats, times: CallTimes, predictive: bool = False, dial_cost: float = 0.0
    ) -> Floats:
        """What the list is ranked by, highest first: the worth of an agent hour (waves.dial_value) on each candidate.

        `value` is the margin of a conversion less the cost of annoyance, nan where unknown. A model that does not beat
        the trailing rate gives everybody the same chance; when neither does, the score is the value alone.
        """
        return self.worth(self.answer(asked), self.convert(asked), value, times, predictive, dial_cost)

    def worth(
        self, p: Floats, c: Floats, value: Floats, times: CallTimes, predictive: bool = False, dial_cost: float = 0.0
    ) -> Floats:
        """The same of candidates whose chances are worked out: `p` by `answer`, `c` by `convert`."""
        if not any(card.beats for card in self.cards.values()):
            return value
        if not self.cards["answer"].beats:
            p = np.full(len(p), p.mean())
        made = value_by_dialler(p, c, value, times, dial_cost) if predictive else value_by_preview(p, c, value, times)
        return np.asarray(made)

    def _numbers(self, asked: Candidates) -> Ints:
        return np.fromiter(map(self.learnt.numbers.get, asked.number, repeat(-1)), np.int64, len(asked))

    def _answer(self, number: Ints, slot: Ints, attempt: Ints) -> Floats:
        return _calibration(self.cards["answer"]).apply(self.answers.probability(number, slot, attempt))


def _attempts(asked: Candidates) -> Ints:
    return np.array(asked.attempt, np.int64)


@dataclass(frozen=True, slots=True)
class _Question:
    """One model to test: its calls' times and outcomes, how it learns, from how many at most, and from what."""

    kind: Model
    at: Ints
    outcomes: Floats
    learn: Learn
    window: int
    features: tuple[str, ...]
    digest: str


def fit(
    connection: Connection,
    goal: CallGoal,
    types: Mapping[str, str],
    extent: Extent,
    known: Mapping[Model, Card] | None = None,
) -> Fitted:
    """Learn from every call in `extent`; `types` are the attributes (name to type word) that may be learnt from.

    It takes seconds: where others wait for the connection, read_calls with it and learn without it.
    """
    return learn(read_calls(connection, goal, types, extent), types, extent, known)


def learn(
    calls: Sequence[Any], types: Mapping[str, str], extent: Extent, known: Mapping[Model, Card] | None = None
) -> Fitted:
    """What the rows of read_calls tell.

    With the `known` cards of an earlier fit of the same extent nothing is tested again: the same models are made anew,
    in the time of one fit, and keep the verdict and the calibration of those cards; unless what they learnt from is no
    longer the same, as when customers were imported anew. The same calls give the same cards.
    """
    learnt = learnable(calls, types)
    tries, rows, converted, kinds = learnt.tries, learnt.rows, learnt.converted, kinds_of(types)
    first, count = max(0, len(converted) - WINDOW), len(converted)
    boosted = boost(rows, converted, kinds, first, count) if count >= FEWEST else None
    seen = boosted.encoder.matrix(rows, first, count) if boosted else np.empty(0)
    questions = (
        _Question(
            "answer",
            learnt.at,
            tries.answered,
            lambda begin, end: partial(answer_rates(tries.part(begin, end)).of, tries),
            len(tries.answered),
            ("number", "slot", "attempt"),
            _digest(SHRINK, tries.number, tries.slot, tries.attempt, tries.answered),
        ),
        _Question(
            "convert",
            learnt.answered_at,
            converted,
            lambda begin, end: partial(boost(rows, converted, kinds, begin, end).probability, rows),
            WINDOW,
            tuple(kinds),
            _digest(sorted(SETTINGS.items()), sorted(kinds), seen, converted[first:]),
        ),
    )
    same = known and all(q.kind in known and known[q.kind].digest == q.digest for q in questions)
    cards = known if known and same else {q.kind: _card(q, extent) for q in questions}
    recent = converted[-RECENT:]
    rate = (SHRINK * FIRST_GUESS + float(recent.sum())) / (SHRINK + len(recent))
    return Fitted(answer_rates(tries), boosted, rate, types, learnt, cards)


def _card(asked: _Question, extent: Extent) -> Card:
    outcomes, count = asked.outcomes, len(asked.outcomes)
    begin = max(FEWEST, count - TESTED)
    walked = walk(outcomes, asked.learn, begin, asked.window) if count >= FEWEST + STEP else None
    scores = walked.scores if walked else np.empty(0)
    told = outcomes[begin:] if walked else scores
    within = capture_within(scores, told, 0.5)
    rival = capture_within(trailing(outcomes)[begin:], told, 0.5) if walked else math.nan
    line = walked.calibration if walked else Calibration()
    times = [EPOCH + int(at) * MICROSECOND for at in asked.at[[0, -1]]] if count else [None, None]
    return Card(
        kind=asked.kind,
        window_from=times[0],
        window_to=times[1],
        n=count,
        positives=int(outcomes.sum()),
        tested=len(scores),
        features=asked.features,
        auc=_known(area(scores, told)),
        within50=_known(within),
        within20=_known(capture_within(scores, told, 0.2)),
        trailing50=_known(rival),
        beats=beats(within, rival, float(told.sum())),
        bins=tuple((one.predicted, one.observed, one.n) for one in bins(scores, told)),
        shift=line.shift,
        slope=line.slope,
        extent=extent,
        digest=asked.digest,
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else round(value, 6)


def _calibration(card: Card) -> Calibration:
    return Calibration(card.shift, card.slope)


def _digest(*parts: Any) -> str:
    made = hashlib.sha256()
    for part in parts:
        made.update(part.tobytes() if isinstance(part, np.ndarray) else repr(part).encode())
    return made.hexdigest()
