"""How many customers long work takes in one transaction, by how long the last one took."""

from __future__ import annotations

from dataclasses import dataclass, replace

SLOW_S, FAST_S = 0.7, 0.2
LEAST = 1_000


@dataclass(frozen=True, slots=True)
class Stride:
    """A number of customers between LEAST and `most`; below LEAST only where `most` is."""

    most: int
    size: int

    @classmethod
    def up_to(cls, most: int) -> Stride:
        """The first one: half of the most, since nobody knows yet how fast the ledger is."""
        return cls(most, max(most // 2, min(most, LEAST)))

    def after(self, seconds: float) -> Stride:
        """The next one: halved until it would have taken 0.7 s at most, doubled when it took less than 0.2 s."""
        size = self.size
        while seconds > SLOW_S and size > LEAST:
            size, seconds = max(size // 2, LEAST), seconds / 2
        return replace(self, size=min(2 * size, self.most) if seconds < FAST_S else size)
