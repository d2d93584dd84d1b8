"""Kill switches as the engine asks them: the scopes of a wave's channel, and the segments that are halted."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from flows.room import Room
from flows.running import Running, local_day, segment_clause
from ledger.attributes import attribute_types
from ledger.campaigns import profiles
from ledger.kill_switches import SEGMENT, named_by_any, scopes, switches_on
from waves.message import CHANNEL_CODES
from waves.plan import Wave
from waves.rules import parse_rule

Halted = Callable[[Any], Any]
"""Whether the customer of a column is in a halted segment."""


def scopes_of(room: Room, running: Running, wave: Wave) -> dict[int, tuple[str, ...]]:
    """Channel code to the switches that stop this wave there."""
    found = {}
    for name in wave.channel_names:
        sender = room.sender(name)
        found[CHANNEL_CODES[name]] = scopes(running.name, wave.wave, name, sender.sender, sender.provider)
    return found


def halted_segments(connection: Any, running: Running, now: datetime) -> Halted | None:
    """The halted segments as one question about a customer; None when no such switch is on.

    Who may be in a halted segment, a column of its rule being unknown, is halted too.
    """
    rules = [switch.rule for switch in switches_on(connection, now) if switch.scope.startswith(SEGMENT) and switch.rule]
    if not rules:
        return None
    types = attribute_types(connection)
    people, today = profiles(types), local_day(running.plan, now)
    return named_by_any(people, [segment_clause(parse_rule(text, types), people, today) for text in rules])
