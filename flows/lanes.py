"""Work that waits for different senders goes on side by side, in threads of this process."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

MOST = 64
"""Lanes at once. A campaign that waits for its sender keeps its lane for a turn, so there is one for each."""
Found = TypeVar("Found")


def side_by_side(works: Sequence[Callable[[], Found]], alone: bool = False) -> Iterator[Found]:
    """What each work returned, in their order; with `alone` one is begun after the other.

    The first error is raised when everything has ended.
    """
    if alone or len(works) < 2:
        for work in works:
            yield work()
        return
    with ThreadPoolExecutor(min(MOST, len(works)), thread_name_prefix="lane") as lanes:
        ended = [lanes.submit(contextvars.copy_context().run, work) for work in works]
    for one in ended:
        yield one.result()
