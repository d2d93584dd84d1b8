"""Holdouts and variants: arithmetic on a customer's bucket, which the ledger repeats in SQL."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

BUCKETS = 2_147_483_647
"""2^31 - 1, a prime: (bucket * a + b) % BUCKETS permutes the buckets and fits a 64-bit integer."""


def bucket_of(key: str) -> int:
    """The 31-bit hash of a customer's key, from 0 to BUCKETS - 1."""
    return int.from_bytes(hashlib.blake2b(key.encode(), digest_size=8).digest(), "big") % BUCKETS


@dataclass(frozen=True, slots=True)
class Draw:
    """One independent lottery over the buckets; its name alone decides it, never batches, order or re-runs."""

    a: int
    b: int

    @classmethod
    def named(cls, *names: str) -> Draw:
        """The lottery of these names; other names make an independent one."""
        digest = hashlib.sha256("\x1f".join(names).encode()).digest()
        return cls(
            int.from_bytes(digest[:8], "big") % (BUCKETS - 1) + 1,
            int.from_bytes(digest[8:16], "big") % BUCKETS,
        )

    def ticket(self, bucket: int) -> int:
        """The customer's number in this lottery, from 0 to BUCKETS - 1; below `threshold(share)` it is drawn."""
        return (bucket * self.a + self.b) % BUCKETS


def threshold(share: float) -> int:
    """The first ticket that is NOT drawn for a share from 0 to 1."""
    return round(share * BUCKETS)
