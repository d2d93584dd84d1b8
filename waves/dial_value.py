"""What a call is worth to the agent who makes it: the index that a call wave is ranked by (dialling.md, section 4).

Every amount may be a float or an array of floats of one shape; p is above 0.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

HOUR_S = 3600.0


@dataclass(frozen=True, slots=True)
class CallTimes:
    """Seconds of an agent's time: a handled conversation, looking at the record, ringing until an answer or in vain."""

    handle: float
    preview: float = 0.0
    ring: float = 12.0
    no_answer: float = 25.0


def value_by_preview(p: Any, c: Any, v: Any, times: CallTimes) -> Any:
    """Money an agent hour earns on this customer when the agent waits through the dialling (preview or progressive).

    p = P(a person answers in this slot), c = P(converts | answered), v = margin less the cost of annoyance, in money:
    p·c·v / (p·AHT + t), t = preview + p·ring + (1 - p)·no answer, in seconds.
    """
    waiting = times.preview + p * times.ring + (1.0 - p) * times.no_answer
    return HOUR_S * p * c * v / (p * times.handle + waiting)


def value_by_dialler(p: Any, c: Any, v: Any, times: CallTimes, dial_cost: float = 0.0) -> Any:
    """Money an agent hour earns when a predictive dialler does the waiting: (c·v - dial cost / p) / AHT.

    An answer takes 1 / p dials, each at `dial_cost`; the agent's own waiting is small and left out.
    """
    return HOUR_S * (c * v - dial_cost / p) / times.handle
