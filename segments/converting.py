"""P(converts | answered, customer): boosted trees over what was known of the customer before the call."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import repeat
from typing import Any, Literal

import numpy as np

from segments.capture import Floats

Kind = Literal["number", "word"]
Rows = Mapping[str, Sequence[Any]]
"""Columns by name, all of one length; None is an unknown cell."""
RAREST = 20
"""A word in fewer rows than this is no category of its own."""
AT_ONCE = 100_000
"""Rows scored in one go, so that a million takes no more memory than these."""
SETTINGS: Mapping[str, Any] = {
    "learning_rate": 0.05,
    "max_leaf_nodes": 15,
    "min_samples_leaf": 40,
    "l2_regularization": 1.0,
    "early_stopping": False,
    "random_state": 0,
}
"""Those of the reference (measurement.md, section 10): histogram boosting, ordinal categories."""
ROUNDS, FEWEST_ROUNDS, CALLS_A_ROUND = 200, 30, 33
"""The reference's trees, and fewer of them for fewer calls than it had: they would learn the calls by heart."""
KNOWN_AFTERWARDS = frozenset(
    (
        "duration",
        "call_duration",
        "disposition",
        "outcome",
        "result",
        "status_after",
        "ring_s",
        "talk_s",
        "wrap_s",
        "hold_s",
        "talk_time",
        "ring_time",
        "handle_time",
        "call_seconds",
        "agent",
        "wrap_up",
        "wrapup",
        "converted",
        "answered",
        "sale",
        "sold",
        "y",
    )
)
"""Columns that are never learnt from: a call has them only when it is over."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """Turns rows into numbers, word by word as it was learnt; a word that was rare or not there is an unknown one."""

    kinds: Mapping[str, Kind]
    codes: Mapping[str, Mapping[str, float]]

    def matrix(self, rows: Rows, begin: int, end: int) -> Floats:
        """The rows from one place to another, of shape (rows, features); nan where nothing is known."""
        made = np.empty((end - begin, len(self.kinds)))
        for place, (name, kind) in enumerate(self.kinds.items()):
            cells, codes = rows[name][begin:end], self.codes.get(name, {})
            if kind == "word":
                made[:, place] = np.fromiter(map(codes.get, cells, repeat(np.nan)), np.float64, end - begin)
            else:
                made[:, place] = np.array(cells, dtype=np.float64)
        return made


@dataclass(frozen=True, slots=True)
class Boosted:
    """What was learnt of one window of calls."""

    encoder: Encoder
    trees: Any
    """sklearn's HistGradientBoostingClassifier; None where the window held one outcome alone."""
    rate: float

    def probability(self, rows: Rows, begin: int = 0, end: int | None = None) -> Floats:
        """The probabilities of the rows from one place to another, not yet calibrated."""
        stop = len(next(iter(rows.values()))) if end is None else end
        if self.trees is None:
            return np.full(stop - begin, self.rate)
        made = np.empty(stop - begin)
        with _one_thread():
            for at in range(begin, stop, AT_ONCE):
                until = min(at + AT_ONCE, stop)
                made[at - begin : until - begin] = self.trees.predict_proba(self.encoder.matrix(rows, at, until))[:, 1]
        return made


def features_of(kinds: Mapping[str, Kind]) -> dict[str, Kind]:
    """The columns that may be learnt from, sorted: those that a call has only when it is over are left out."""
    return {name: kinds[name] for name in sorted(kinds) if name.lower() not in KNOWN_AFTERWARDS}


def boost(rows: Rows, outcomes: Floats, kinds: Mapping[str, Kind], begin: int, end: int) -> Boosted:
    """Learn from the rows from one place to another; `outcomes` is 1.0 or 0.0 a row. The same rows give the same."""
    from sklearn.ensemble import HistGradientBoostingClassifier  # 2 s to import, which most commands do not need

    encoder = _encoder(rows, features_of(kinds), begin, end)
    told = outcomes[begin:end]
    rate = float(told.mean())
    if not encoder.kinds or rate in (0.0, 1.0):
        return Boosted(encoder, None, rate)
    rounds = min(ROUNDS, max(FEWEST_ROUNDS, (end - begin) // CALLS_A_ROUND))
    with _one_thread():
        trees = HistGradientBoostingClassifier(max_iter=rounds, **SETTINGS).fit(encoder.matrix(rows, begin, end), told)
    return Boosted(encoder, trees, rate)


def _encoder(rows: Rows, kinds: Mapping[str, Kind], begin: int, end: int) -> Encoder:
    """Of the columns in which anything is known: the trees cannot be given one that is empty."""
    codes: dict[str, dict[str, float]] = {}
    for name in (name for name, kind in kinds.items() if kind == "word"):
        counted = Counter(cell for cell in rows[name][begin:end] if cell is not None)
        often = sorted(cell for cell, count in counted.items() if count >= RAREST)
        codes[name] = {cell: float(code) for code, cell in enumerate(often)}
    numbers = (name for name, kind in kinds.items() if kind == "number")
    told = {name for name in numbers if any(cell is not None for cell in rows[name][begin:end])}
    told |= {name for name, words in codes.items() if words}
    return Encoder({name: kind for name, kind in kinds.items() if name in told}, codes)


def _one_thread() -> Any:
    """OpenMP on one thread: on a machine that has other work several wait for each other, eight times as long."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(1, "openmp")
