"""Enrolment of a second wave whose `enter` reads the outcomes of the first, against SQL by hand (bench/by_hand.py).

The rate counts members: each gets a verdict, a third of them go.
"""

from __future__ import annotations

from typing import Any

from bench.campaign import SECOND
from bench.race import race


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases."""
    return race(SECOND, max(1_000, round(1_000_000 * scale)))
