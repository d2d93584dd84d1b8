"""How long a dial list holds its people, and where it stands: leased, loaded, attempted, recalled, expired, returned.

A file cannot be undownloaded, so people of a list that is over stay with it until somebody says that the dialler has
them no more, or until a shift of grace has passed: by then whoever dials from yesterday's file has gone home.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

SHIFT = timedelta(hours=8)
"""The least grace: a list that was cut short, as by the end of its wave, may lie in a dialler for a whole shift."""


def held_until(pulled_at: datetime, valid_until: datetime) -> datetime:
    """When a list that nobody returned lets go of its people: as long after its end as it was to be dialled."""
    return valid_until + max(valid_until - pulled_at, SHIFT)


@dataclass(frozen=True, slots=True)
class Lease:
    """What decides where a list stands: its times, and how many entries it holds, recalled ones, and called ones."""

    valid_until: datetime
    returned_at: datetime | None
    let_go_at: datetime | None
    loaded_at: datetime | None
    held: int
    recalled: int
    called: int


def life(lease: Lease, now: datetime) -> str:
    """Where a list stands: leased, acknowledged, attempted, recalled (all it holds), expired, let_go or returned."""
    if lease.let_go_at is not None:
        return "let_go"
    if lease.returned_at is not None:
        return "returned"
    if lease.valid_until <= now:
        return "expired"
    if lease.held and lease.recalled == lease.held:
        return "recalled"
    if lease.called:
        return "attempted"
    return "leased" if lease.loaded_at is None else "acknowledged"
