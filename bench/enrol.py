"""Enrolment of a campaign's first wave: a million members on three channels, against SQL by hand (bench/by_hand.py).

The rate counts members: each gets a verdict, seven in eight of them one or two touches in batches of a thousand.
"""

from __future__ import annotations

from typing import Any

from bench.campaign import FIRST
from bench.race import race


def run(scale: float) -> list[dict[str, Any]]:
    """The rows of both databases."""
    return race(FIRST, max(1_000, round(1_000_000 * scale)))
