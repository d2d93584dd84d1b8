"""A clock for what must begin soon or never: it goes on while the machine sleeps, where the system has one."""

from __future__ import annotations

import time

# Linux stops CLOCK_MONOTONIC during a suspend: who wakes up would believe that no time has passed.
_CLOCK = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


def steady() -> float:
    """Seconds since some moment in the past; never set back."""
    return time.clock_gettime(_CLOCK)
