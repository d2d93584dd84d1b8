"""Kill switches as the engine asks them: the scopes of a wave's channel, and the segments that are halted."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from flows.carriers import carrier
from flows.room import Room
from flows.running import Running, local_day, segment_clause
from ledger.attributes import attribute_types
from ledger.campaigns import profiles
from ledger.gates import Halted
from ledger.kill_switches import SEGMENT, Switch, any_of, named_by_any, scopes, switches_on
from waves.errors import SendRefused
from waves.message import CHANNEL_CODES
from waves.plan import Plan, Wave
from waves.rules import parse_rule
from waves.senders import Sender


def scopes_of(room: Room, running: Running, wave: Wave, connection: Any, now: datetime) -> dict[int, tuple[str, ...]]:
    """Channel code to the switches that stop this wave there."""
    return {
        CHANNEL_CODES[name]: scopes_on(running.name, wave.wave, carrier(room, name, connection, now))
        for name in wave.channel_names
    }


def scopes_on(campaign: str, wave: str, sender: Sender) -> tuple[str, ...]:
    """The switches that stop a wave of a campaign on its sender's channel."""
    return scopes(campaign, wave, sender.channel, sender.sender, sender.provider)


def halted_segments(connection: Any, running: Running, now: datetime) -> Halted | None:
    """The halted segments as one question about a customer; None when no such switch is on.

    Who may be in a halted segment, a column of its rule being unknown, is halted too.
    """
    return _named_by(connection, switches_on(connection, now), running.plan, now)


def _named_by(connection: Any, switches: Sequence[Switch], plan: Plan, now: datetime) -> Halted | None:
    rules = [switch.rule for switch in switches if switch.scope.startswith(SEGMENT) and switch.rule]
    if not rules:
        return None
    types = attribute_types(connection)
    people, today = profiles(types), local_day(plan, now)
    return named_by_any(people, [segment_clause(parse_rule(text, types), people, today) for text in rules])


def refuse_halted(room: Room, plan: Plan, wave: str, channel: str, customer: int, now: datetime) -> Sender:
    """Who carries a message of this plan to this customer, whether it was started or not.

    SendRefused when a kill switch stops it.
    """
    with room.ledger.read() as connection:
        switches, sender = switches_on(connection, now), carrier(room, channel, connection, now)
        within = scopes_on(plan.campaign, wave, sender)
        named = _named_by(connection, switches, plan, now)
        stopping = [switch for switch in switches if switch.scope in within]
        if named is not None and any_of(connection, named, customer):
            stopping += [switch for switch in switches if switch.scope.startswith(SEGMENT)]
    if stopping:
        raise SendRefused(f"{stopping[0]}; nothing is sent while it is on")
    return sender


def switches_over(room: Room, running: Running, now: datetime) -> list[Switch]:
    """The switches that are on and stop something of a campaign, those of segments among them."""
    names = {name for wave in running.plan.waves for name in wave.channel_names}
    senders = [sender for name in sorted(names) for sender in room.senders_of(name)]
    within = {
        scope for wave in running.plan.waves for one in senders for scope in scopes_on(running.name, wave.wave, one)
    }
    with room.ledger.read() as connection:
        return [s for s in switches_on(connection, now) if s.scope in within or s.scope.startswith(SEGMENT)]
