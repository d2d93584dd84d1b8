"""A floor of agents and a dialler, played through: how busy agents are, and how many who answer find nobody.

Every shift begins with nobody on the line; the shifts' differences give the standard errors. `luck` is the next number
in [0, 1) of a seeded generator, such as `random.Random(7).random`: the same seed, the same result.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush

from waves.pacing import FEWEST_ANSWERS, Calls, dials_now, lines_to_add

Luck = Callable[[], float]
WARM_UP_S = 3600.0


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean and its standard error, None when there was nothing to take it of."""

    value: float
    error: float | None


@dataclass(frozen=True, slots=True)
class Played:
    """What came of the shifts."""

    must_wait: Estimate
    """The share of the answered calls that found no agent at once."""
    abandoned: Estimate
    """The share of the answered calls that found none in time."""
    occupancy: Estimate
    """The share of their time in which agents handle calls."""
    dials: Estimate
    """Dials an agent and hour."""


class Steady:
    """So many lines ring for each idle agent: 1 is progressive."""

    def __init__(self, lines: float = 1.0) -> None:
        self._lines = lines

    def dials(self, idle: int, busy: int, ringing: int) -> int:
        """How many numbers to dial at this tick."""
        return lines_to_add(idle, ringing, self._lines)

    def heard(self, answered: int, abandoned: int) -> None:
        """What the last tick brought changes nothing."""


class Controlled:
    """As fast as a target abandonment rate allows: `dials_now`, its tolerance led so that the decayed rate meets it.

    Progressive until the day's first 50 answers.
    """

    MEMORY = 0.99
    """What an answered call leaves of the weight of those before."""
    GAIN = 0.002
    """How far one answered call moves the tolerance, by how far the rate is from its target."""
    WIDEST = 0.5

    def __init__(self, calls: Calls, target: float) -> None:
        self._calls, self._target, self._tolerance = calls, target, target
        self._heard = 0
        self._answered = self._abandoned = 0.0

    def dials(self, idle: int, busy: int, ringing: int) -> int:
        """How many numbers to dial at this tick."""
        if self._heard < FEWEST_ANSWERS:
            return lines_to_add(idle, ringing)
        return dials_now(self._calls, idle, busy, ringing, self._tolerance)

    def heard(self, answered: int, abandoned: int) -> None:
        """Lead the tolerance by what the last tick brought: calls answered, and earlier ones abandoned."""
        if self._heard >= FEWEST_ANSWERS and (answered or abandoned):
            kept = self.MEMORY**answered
            self._answered = self._answered * kept + answered
            self._abandoned = self._abandoned * kept + abandoned
            off = 1 - self._abandoned / (self._answered * self._target) if self._answered else 0.0
            self._tolerance = min(self.WIDEST, self._tolerance * math.exp(self.GAIN * answered * off))
        self._heard += answered


Pace = Steady | Controlled


def play_dialler(agents: int, calls: Calls, pace: Callable[[], Pace], hours: float, shifts: int, luck: Luck) -> Played:
    """Two or more shifts of so many hours, a dialler of this pace in each, that never runs out of numbers to dial."""
    return _told([_shift(_Floor(agents, calls.handle_s, luck), calls, pace(), hours, luck) for _ in range(shifts)])


def play_queue(
    agents: int, arrivals: float, handle_s: float, patience: Callable[[], float], hours: float, shifts: int, luck: Luck
) -> Played:
    """Two or more shifts of calls that come in at random, so many a second, to the floor that diallers are played on.

    `patience` gives each caller's, in seconds: with it the queues of waves.erlang are played. They know no beginning,
    so that an hour more is played before anything counts.
    """
    floors = [_Floor(agents, handle_s, luck) for _ in range(shifts)]
    for floor in floors:
        now = _exponential(luck, 1 / arrivals)
        for end in (WARM_UP_S, WARM_UP_S + hours * 3600):
            floor.begin()
            while now < end:
                floor.dialled += 1
                floor.arrive(now, patience())
                now += _exponential(luck, 1 / arrivals)
            floor.advance(end)
    return _told(floors)


class _Floor:
    """Agents, and calls that wait for them in the order in which they came."""

    def __init__(self, agents: int, handle_s: float, luck: Luck) -> None:
        self.agents, self.idle, self.clock = agents, agents, 0.0
        self.begin()
        self._handle_s, self._luck = handle_s, luck
        self._ends: list[float] = []
        self._waiting: deque[float] = deque()

    def begin(self) -> None:
        """Count from now on."""
        self.answered = self.waited = self.abandoned = self.dialled = 0
        self.since, self.busy_s = self.clock, 0.0

    def arrive(self, at: float, patience: float) -> None:
        """Somebody is on the line, and stays so long when no agent is free."""
        self.advance(at)
        self.answered += 1
        if self.idle:
            self.idle -= 1
            self._take(at)
        else:
            self.waited += 1
            self._waiting.append(at + patience)

    def advance(self, until: float) -> None:
        """Let agents finish up to this moment, each taking the first who still waits."""
        ends, waiting = self._ends, self._waiting
        while ends and ends[0] <= until:
            at = heappop(ends)
            self._pass(at)
            self._give_up(at)
            if waiting:
                waiting.popleft()
                self._take(at)
            else:
                self.idle += 1
        self._give_up(until)
        self._pass(until)

    def _give_up(self, at: float) -> None:
        while self._waiting and self._waiting[0] < at:
            self._waiting.popleft()
            self.abandoned += 1

    def _pass(self, at: float) -> None:
        self.busy_s += (self.agents - self.idle) * (at - self.clock)
        self.clock = at

    def _take(self, at: float) -> None:
        heappush(self._ends, at + _exponential(self._luck, self._handle_s))


def _shift(floor: _Floor, calls: Calls, pace: Pace, hours: float, luck: Luck) -> _Floor:
    """One shift of a dialler on a floor: each tick hears what came of the dials, then dials."""
    lines = list[tuple[float, bool]]()
    for tick in range(1, round(hours * 3600 / calls.tick_s) + 1):
        now = tick * calls.tick_s
        answered, abandoned = floor.answered, floor.abandoned
        while lines and lines[0][0] <= now:
            at, answers = heappop(lines)
            if answers:
                floor.arrive(at, calls.connect_s)
        floor.advance(now)
        pace.heard(floor.answered - answered, floor.abandoned - abandoned)
        for _ in range(pace.dials(floor.idle, floor.agents - floor.idle, len(lines))):
            floor.dialled += 1
            answers = luck() < calls.answer_rate
            rings = max(0.0, calls.ring_s + calls.ring_sd_s * _normal(luck)) if answers else calls.no_answer_s
            heappush(lines, (now + rings, answers))
    return floor


def _told(floors: Sequence[_Floor]) -> Played:
    answered = [floor.answered for floor in floors]
    time = [floor.agents * (floor.clock - floor.since) for floor in floors]
    return Played(
        _ratio([floor.waited for floor in floors], answered),
        _ratio([floor.abandoned for floor in floors], answered),
        _ratio([floor.busy_s for floor in floors], time),
        _ratio([floor.dialled for floor in floors], [seconds / 3600 for seconds in time]),
    )


def _ratio(parts: Sequence[float], wholes: Sequence[float]) -> Estimate:
    """Sum over sum, and its standard error from how the shifts differ (Cochran, Sampling Techniques, 6.4)."""
    whole, n = sum(wholes), len(wholes)
    if not whole:
        return Estimate(0.0, None)
    value = sum(parts) / whole
    squares = sum((part - value * each) ** 2 for part, each in zip(parts, wholes, strict=True))
    return Estimate(value, math.sqrt(n / (n - 1) * squares) / whole)


def _exponential(luck: Luck, mean: float) -> float:
    return -mean * math.log(1 - luck())


def _normal(luck: Luck) -> float:
    """One standard normal of two numbers (Box and Muller 1958)."""
    return math.sqrt(-2 * math.log(1 - luck())) * math.cos(math.tau * luck())
