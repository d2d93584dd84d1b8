"""Stop a wave that people complain of, pause a campaign whose texts carriers filter; each once, and staff are told."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from flows.ending import withdraw_stopped
from flows.room import Room
from flows.running import Running
from ledger import campaigns, pausing
from ledger.audit import record
from ledger.hygiene import FILTERED, GATES, Gate, Share, counted, note
from waves.errors import CampaignError
from waves.plan import Wave

WARNED, ACTED = "warned", "acted"


def watch_senders(room: Room, running: Running, wave: Wave, now: datetime) -> bool:
    """Judge an open wave's complaints and filtered texts; True when the campaign was paused."""
    row, paused = running.row(wave.wave), False
    for gate in GATES:
        if not set(gate.channels) & set(wave.channel_names):
            continue
        with room.ledger.read() as connection:
            found = counted(connection, row.id, gate, now)
        if found is not None:
            paused = _judge(room, running, wave, gate, found, now) or paused
    return paused


def _judge(room: Room, running: Running, wave: Wave, gate: Gate, found: Share, now: datetime) -> bool:
    settings, row = room.settings, running.row(wave.wave)
    limit = settings.filtered_pause if gate is FILTERED else settings.complaint_stop
    warns_at = limit if gate is FILTERED else settings.complaint_warn
    level = ACTED if found.share >= limit else WARNED if found.share >= warns_at else None
    name, said = f"{running.name} {wave.wave}", found.said(gate)
    try:
        with room.ledger.write() as connection:
            new = note(connection, row.id, gate, found, level, now)
            paused = new and level == ACTED and _act(connection, running, wave, gate, now)
            if new:
                record(connection, now, "advance", f"{gate.name} {level}", name, after=said)
    except CampaignError:  # the wave ended, or a person paused it, since it was read
        return False
    if not new:
        return False
    did = "" if level == WARNED else "; the campaign is paused" if gate is FILTERED else "; the wave is stopped"
    room.tell(f"{name}: {said}{did}")
    if level == ACTED and gate is not FILTERED:
        withdraw_stopped(room, row.id, now)
    return paused


def _act(connection: Any, running: Running, wave: Wave, gate: Gate, now: datetime) -> bool:
    """Stop the wave, or pause the campaign (True)."""
    if gate is FILTERED:
        campaigns.set_state(connection, running.name, "paused", ("running",), "advance", now)
        return True
    pausing.stop_wave(connection, running.name, wave.wave, "advance", now)
    return False
