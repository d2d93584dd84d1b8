"""Erlang's formulas and two of their kin: lines that block, calls that wait, callers who lose patience.

`load` is offered traffic in erlangs, arrivals a second times the mean handling time; times are in one unit throughout.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

NEGLIGIBLE = 1e-15
"""A state this much less likely than all before it together ends a sum over the queue."""

LEVEL = 1e-7
"""Exponents below this are taken for 0 where a difference is divided by them."""


def erlang_b(servers: int, load: float) -> float:
    """The share of calls that find all servers taken and are lost (Erlang B)."""
    blocked = 1.0
    for n in range(1, servers + 1):
        blocked = load * blocked / (n + load * blocked)
    return blocked


def lines_for(load: float, blocking: float) -> int:
    """The fewest lines on which at most this share, above 0, of the calls is blocked."""
    lines, blocked = 0, 1.0
    while blocked > blocking:
        lines += 1
        blocked = load * blocked / (lines + load * blocked)
    return lines


def load_at(servers: int, blocking: float) -> float:
    """The erlangs at which one or more servers block this share, below 1, of the calls."""
    low, high = 0.0, 1.0
    while erlang_b(servers, high) < blocking:
        high *= 2
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if erlang_b(servers, middle) < blocking else (low, middle)
    return (low + high) / 2


@dataclass(frozen=True, slots=True)
class Queue:
    """What callers and agents meet in the long run; waits and the queue count those who give up too."""

    must_wait: float
    """The share of the calls that is not taken at once."""
    abandoned: float
    """The share of the calls that gives up."""
    mean_wait: float
    in_queue: float
    """Calls that wait at a moment, on average."""
    occupancy: float
    """The share of their time in which agents handle calls."""


@dataclass(frozen=True, slots=True)
class PatientQueue(Queue):
    """A queue that nobody leaves, whose waits are exponential past zero."""

    drains: float
    """How fast waits fall off: the agents' rate less the arrivals'."""

    def answered_within(self, wait: float) -> float:
        """The service level: the share of the calls taken within a wait."""
        return 1 - self.must_wait * math.exp(-self.drains * wait)

    def wait_of(self, share: float) -> float:
        """The wait that this share of the calls stays within."""
        return max(0.0, math.log(self.must_wait / (1 - share)) / self.drains)


def erlang_c(servers: int, arrivals: float, handling: float) -> PatientQueue:
    """Callers who wait for ever (Erlang C, M/M/n); ValueError when more arrives than is handled."""
    load = arrivals * handling
    if load >= servers:
        raise ValueError(f"{load:g} erlangs are too much for {servers} agents: the queue would grow for ever")
    blocked, used = erlang_b(servers, load), load / servers
    must_wait = blocked / (1 - used * (1 - blocked))
    drains = servers / handling - arrivals
    wait = must_wait / drains
    return PatientQueue(must_wait, 0.0, wait, arrivals * wait, used, drains)


def erlang_a(servers: int, arrivals: float, handling: float, patience: float) -> Queue:
    """Callers with exponential patience of this mean (Erlang A, M/M/n+M; Garnett, Mandelbaum and Reiman 2002)."""
    blocked = erlang_b(servers, arrivals * handling)
    state, waiting, total, weighted = 1.0, 0, 1.0, 0.0
    while state > NEGLIGIBLE * total or arrivals > servers / handling + waiting / patience:
        waiting += 1
        state *= arrivals / (servers / handling + waiting / patience)
        total += state
        weighted += waiting * state
    normal = 1 / blocked + total - 1
    in_queue = weighted / normal
    abandoned = in_queue / patience / arrivals
    used = arrivals * (1 - abandoned) * handling / servers
    return Queue(total / normal, abandoned, in_queue / arrivals, in_queue, used)


def deterministic_patience(servers: int, arrivals: float, handling: float, patience: float) -> Queue:
    """Callers who all give up after the same wait (M/M/n+D): the two-second rule of a dialler's abandoned calls.

    From the density of the virtual wait, exp((arrivals - servers / handling) x) up to the patience and falling by the
    agents' rate past it (Zeltyn and Mandelbaum 2005).
    """
    rate = servers / handling
    surplus = arrivals - rate
    growth = math.exp(surplus * patience)
    level = abs(surplus * patience) < LEVEL
    area = patience if level else math.expm1(surplus * patience) / surplus
    moment = patience * patience / 2 if level else (patience * growth - area) / surplus
    idle = 1 / erlang_b(servers - 1, arrivals * handling)
    density = area + growth / rate
    normal = idle + arrivals * density
    abandoned = (1 + surplus * density) / normal
    wait = arrivals * (moment + patience * growth / rate) / normal
    used = arrivals * (1 - abandoned) * handling / servers
    return Queue(arrivals * density / normal, abandoned, wait, arrivals * wait, used)
