"""Learn who answers and who converts: from imported history, from the calls of the ledger, anew as results arrive."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

from config.schema import load_schema
from flows.history_file import read_history
from flows.reports import in_chunks
from flows.room import Room
from flows.running import Running, load_running
from ledger.attributes import attribute_types
from ledger.call_history import CallGoal, Extent, newest, read_calls
from ledger.model_cards import MODELS, Card, Model, is_due, newest_cards, store_cards
from ledger.past_calls import Kept, record_past_calls
from segments.propensity import Fitted, learn
from segments.walk import STEP
from waves.dispositions import Disposition
from waves.errors import CampaignError


def import_history(room: Room, file: Path, now: datetime) -> Kept:
    """Store the calls of a file; InputError with every problem in it, and nothing of it is stored."""
    region = load_schema(room.settings.home / "config").region
    kept = Kept()
    for chunk in in_chunks(read_history(file, region, now)):
        with room.ledger.write() as connection:
            kept += record_past_calls(connection, chunk)
    return kept


def fit_wave(room: Room, running: Running, wave: str, by: str, now: datetime) -> Fitted:
    """Learn from every call there is now, test the models on the newest, and store a card of each."""
    with room.ledger.read() as connection:
        extent = newest(connection, now)
    return _fitted(room, running, wave, by, now, extent, {})


def fitted_for(room: Room, running: Running, wave: str, by: str, now: datetime) -> Fitted:
    """The models to rank a wave by: those of its newest cards, or new ones once 250 more of its calls were reported.

    Between two fits it takes the time of reading the calls and of one fit, as no test is made.
    """
    row = running.row(wave)
    with room.ledger.read() as connection:
        known = newest_cards(connection, row.id)
        due = is_due(connection, row.id, known, STEP)
    return (fit_wave if due else fitted_before)(room, running, wave, by, now)


def fitted_before(room: Room, running: Running, wave: str, by: str, now: datetime) -> Fitted:
    """The models of a wave's newest cards, made anew from what they were learnt from; KeyError without cards."""
    with room.ledger.read() as connection:
        known = newest_cards(connection, running.row(wave).id)
    return _fitted(room, running, wave, by, now, known["answer"].extent, known)


def call_wave(room: Room, campaign: str, wave: str) -> Running:
    """The campaign, if this is a call wave of it; CampaignError otherwise."""
    running = load_running(room.ledger, campaign)
    calls = [one.wave for one in running.plan.waves if "call_list" in one.channel_names]
    if wave not in calls:
        raise CampaignError(f"{campaign} has no call wave {wave!r}; its call waves: {', '.join(calls) or 'none'}")
    return running


def goal_of(running: Running) -> CallGoal:
    """What a call of the campaign is to bring."""
    goal = running.plan.goal
    return CallGoal(goal.event, tuple(int(Disposition[word.upper()]) for word in goal.dispositions), goal.within)


def _fitted(
    room: Room, running: Running, wave: str, by: str, now: datetime, extent: Extent, known: Mapping[Model, Card]
) -> Fitted:
    with room.ledger.read() as connection:
        types = attribute_types(connection)
        calls = read_calls(connection, goal_of(running), types, extent)
    fitted = learn(calls, types, extent, known)
    if fitted.cards is not known:
        with room.ledger.write() as connection:
            store_cards(connection, running.id, running.row(wave).id, [fitted.cards[k] for k in MODELS], by, now)
    return fitted
