"""The dead man's switch: people are told when ticks fail or do not come, once an incident, and when it is over."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Notice:
    """Something a person should hear of."""

    kind: Literal["late", "trouble", "recovered"]
    text: str


@dataclass
class Watchdog:
    """Watches the ticks of one engine; every `at` is in seconds of one steady clock."""

    late_after_s: float
    since: float
    """When a tick last came to its end, or a batch within one; at first when the watch began."""
    late: bool = False
    trouble: str | None = None

    @classmethod
    def begin(cls, late_after_s: float) -> Watchdog:
        """A watch that begins now."""
        return cls(late_after_s, time.monotonic())

    def worked(self, at: float) -> None:
        """A long tick goes on: it has finished another batch."""
        self.since = at

    def ticked(self, at: float) -> Notice | None:
        """A tick came to its end; told when that ends an incident."""
        was = self.late or self.trouble is not None
        self.since, self.late, self.trouble = at, False, None
        return Notice("recovered", "it advances again") if was else None

    def troubled(self, what: str) -> Notice | None:
        """A tick failed or the engine ended; told when it is not the trouble that was told last."""
        if what == self.trouble:
            return None
        self.trouble = what
        return Notice("trouble", what)

    def look(self, at: float) -> Notice | None:
        """Told once, when nothing was finished for `late_after_s`."""
        quiet = at - self.since
        if self.late or quiet <= self.late_after_s:
            return None
        self.late = True
        return Notice("late", f"it has not advanced for {quiet:.0f} s; what is due waits")
