"""Long work over the customers of a wave: found in reads that keep nobody waiting, changed in short transactions."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from sqlalchemy import Connection

from ledger.store import Ledger
from waves.stride import Stride

Find = Callable[[Connection, int, int], Sequence[int]]
"""The next customers past one, in order, at most so many, of whom something is to be changed."""
Change = Callable[[Connection, Sequence[int]], int]
"""Changes what is still to be changed of these customers; how many rows."""


def in_strides(
    ledger: Ledger, most: int, find: Find, change: Change, is_over: Callable[[], bool] = lambda: False
) -> int:
    """Change whatever `find` finds, `most` customers a transaction or as many as a second allows; how many rows.

    Killed in the middle, or ended early because it `is_over`, it goes on when it is called again: only what is left is
    found.
    """
    stride, low, changed = Stride.up_to(most), -1, 0
    while not is_over():
        with ledger.read() as connection:
            customers = find(connection, low, stride.size)
        if not customers:
            break
        with ledger.write() as connection:
            began = time.monotonic()
            changed += change(connection, customers)
        took, low = time.monotonic() - began, customers[-1]
        stride = stride.after(took)
        ledger.give_way(took)
    return changed
