"""When a list runs dry: the first moment at which fewer records may be dialled than the team dials, as a range."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from waves.dial_simulation import Luck

Waiting = tuple[float, int]
"""When a record closes, and how many dials it has left."""

ROUNDS = 100
STEP_S = 900.0


@dataclass(frozen=True, slots=True)
class Dialable:
    """A record on the list, in seconds from now: callable from and until when, and how many dials it has left."""

    opens_s: float
    closes_s: float
    dials_left: int


@dataclass(frozen=True, slots=True)
class Exhaustion:
    """Seconds from now until the list runs dry, in a tenth, half and nine tenths of the rounds; None: not in time."""

    p10: float | None
    p50: float | None
    p90: float | None


def exhaustion(
    pool: Sequence[Dialable],
    dials_per_hour: float,
    outcomes: Sequence[float | None],
    within_s: float,
    luck: Luck,
    rounds: int = ROUNDS,
    step_s: float = STEP_S,
) -> Exhaustion:
    """When the pool no longer fills a step of dialling, up to `within_s` seconds from now.

    `outcomes`, one at least, are what dials came to: seconds until the record may be dialled again, None when it is
    done with. Each round draws as many of them with replacement (the bootstrap), then each of its dials from these;
    who has waited longest is dialled first.
    """
    steps = math.ceil(within_s / step_s)
    opening: list[list[Waiting]] = [[] for _ in range(steps)]
    for each in pool:
        step = max(0, math.ceil(each.opens_s / step_s))
        if each.dials_left > 0 and step < steps and step * step_s < each.closes_s:
            opening[step].append((each.closes_s, each.dials_left))
    closing = sorted({each.closes_s for each in pool})
    found = sorted(
        _runs_dry(opening, closing, dials_per_hour, _drawn(outcomes, luck), luck, step_s) for _ in range(rounds)
    )
    p10, p50, p90 = (found[min(rounds - 1, math.floor(share * rounds))] for share in (0.1, 0.5, 0.9))
    return Exhaustion(*(None if at == math.inf else at for at in (p10, p50, p90)))


def _drawn(outcomes: Sequence[float | None], luck: Luck) -> list[float | None]:
    return [outcomes[int(luck() * len(outcomes))] for _ in outcomes]


def _runs_dry(
    opening: Sequence[Sequence[Waiting]],
    closing: Sequence[float],
    dials_per_hour: float,
    outcomes: Sequence[float | None],
    luck: Luck,
    step_s: float,
) -> float:
    """One round: the start of the first step that cannot be filled; infinite when all can."""
    back: dict[int, list[Waiting]] = {}
    ready = deque[Waiting]()
    kinds, dialled, closed = len(outcomes), 0, 0
    for step, new in enumerate(opening):
        now = step * step_s
        ready.extend(new)
        ready.extend(back.pop(step, ()))
        if closed < len(closing) and closing[closed] <= now:
            closed = bisect_right(closing, now)
            ready = deque(each for each in ready if each[0] > now)
        wanted = math.floor(round(dials_per_hour * (now + step_s) / 3600, 6)) - dialled
        if len(ready) < wanted:
            return now
        dialled += wanted
        for _ in range(wanted):
            closes, left = ready.popleft()
            after = outcomes[int(luck() * kinds)]
            if after is not None and left > 1 and now + after < closes:
                back.setdefault(max(step + 1, math.ceil((now + after) / step_s)), []).append((closes, left - 1))
    return math.inf
