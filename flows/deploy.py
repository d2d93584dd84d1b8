"""The Prefect flows: thin decorators over plain functions; parameters are names, ids and times, never personal data."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, tags, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, get_current_settings, temporary_settings

from config.settings import load_settings
from flows import campaign as campaigns
from flows.driver import note_advanced
from flows.embedded import advancing_alone
from flows.launching import launch_runs, tags_of
from flows.presence import one_of_many, present
from flows.room import Room, open_room
from flows.running import Running, load_running
from flows.sending import Sent, send_batch
from flows.upkeep import upkeep
from flows.wave import live
from ledger.close import Balance
from ledger.touches import Leased
from waves.errors import EngineBusy

SHOWN_TOKENS = 20
_rooms: dict[str, Room] = {}


def room_at(home: str) -> Room:
    """The open room of a home, opened once in this process."""
    if home not in _rooms:
        _rooms[home] = open_room(load_settings(Path(home)))
    return _rooms[home]


def room_here() -> Room:
    """The room of this machine's own settings: a deployment knows no home, its worker does."""
    room = room_at(str(load_settings().home))
    room.spread = True
    return room


def enter(room: Room) -> str:
    """Let the flows of this process use an open room; returns the home that names it."""
    home = str(room.settings.home)
    _rooms[home] = room
    return home


@task(name="dispatch-batch", task_run_name="batch-{leased.batch}", cache_policy=NO_CACHE, retries=0)
def dispatch_batch(home: str, campaign: str, wave: str, leased: Leased, now: datetime) -> Sent:
    """Send one batch; never retried by Prefect, the ledger knows what was claimed."""
    room = room_at(home)
    sent = send_batch(room, load_running(room.ledger, campaign), wave, leased, now)
    log = get_run_logger()
    log.info("batch %s: %s", leased.batch, dict(sent.receipts))
    if sent.tokens:
        log.warning("batch %s, not accepted: %s", leased.batch, " ".join(sent.tokens[:SHOWN_TOKENS]))
    return sent


@flow(name="run-wave", flow_run_name="campaign-{campaign}-wave-{wave}")
def run_wave(campaign: str, wave: str, home: str | None = None, now: datetime | None = None) -> Balance | None:
    """Take one wave as far as it gets at `now`; a table artifact keeps its balance when it closes.

    Without a home it is one of several workers on the wave, over the ledger of the machine it runs on.
    """
    if home is not None and now is not None:
        return _live(room_at(home), campaign, wave, now)
    room = room_here()
    log = get_run_logger()
    row = load_running(room.ledger, campaign).row(wave)
    with present(room, one_of_many(room), row.id, room.settings.wave_workers) as presence:
        if presence is None:
            log.info("wave %s of %s has its %s workers", wave, campaign, room.settings.wave_workers)
            return None
        if presence.warning:
            log.warning(presence.warning)
        moment = room.ledger.now()
        due = campaigns.due_wave(room, campaign, moment)  # it may have been paused or moved since the launch
        balance = _live(room, campaign, wave, moment) if due and due.wave == wave else None
        presence.check()
        return balance


def _live(room: Room, campaign: str, wave: str, now: datetime) -> Balance | None:
    home = enter(room)

    def dispatch(_room: Room, _running: Running, _wave: str, leased: Leased, at: datetime) -> Sent:
        return dispatch_batch(home, campaign, wave, leased, at)

    with TagsContext(current_tags=set()):  # for each new set of tags on a task Prefect keeps a thread and a client
        balance = live(room, campaign, wave, now, dispatch)
    if balance is not None:
        get_run_logger().info("wave %s of %s closed, balanced: %s", wave, campaign, balance.balanced)
        keep_balance(campaign, wave, balance)
    return balance


def keep_balance(campaign: str, wave: str, balance: Balance) -> None:
    """The closed wave's books as a table artifact; its key is `campaign-wave` in Prefect's alphabet."""
    rows = [
        {"book": book, "word": word, "count": count}
        for book, counts in (
            ("verdict", balance.verdicts),
            ("state", balance.states),
            ("outcome", balance.outcomes),
            ("part", balance.parts),
        )
        for word, count in counts.items()
    ]
    key = f"{campaign}-{wave}".replace("_", "-")
    create_table_artifact(rows, key=key, description=f"{balance.members} members, balanced: {balance.balanced}")


@flow(name="upkeep", flow_run_name="upkeep")
def run_upkeep(home: str, now: datetime) -> int:
    """Sweep up after lost workers."""
    swept = upkeep(room_at(home), now)
    if swept:
        get_run_logger().warning("%s touches of lost workers swept up", swept)
    return swept


@flow(name="advance", flow_run_name="advance")
def run_advance(home: str | None = None, now: datetime | None = None) -> list[dict[str, Any]]:
    """Everything that is due at `now`, wave by wave.

    Without a home it is the clock of the ledger of the machine it runs on, and the waves are flow runs of their own;
    while another `advance` is under way it does nothing.
    """
    if home is not None and now is not None:
        run_upkeep(home, now)
        return _advance(room_at(home), now)
    room = room_here()
    log = get_run_logger()
    try:
        with advancing_alone(room), present(room, one_of_many(room)) as presence:
            if presence and presence.warning:
                log.warning(presence.warning)
            moment = room.ledger.now()
            swept = upkeep(room, moment)
            if swept:
                log.warning("%s touches of lost workers swept up", swept)
            moves = _advance(room, moment)
            note_advanced(room, moment, len(moves))
            return moves
    except EngineBusy as busy:
        log.info("nothing to do: %s", busy)
        return []


def _advance(room: Room, now: datetime) -> list[dict[str, Any]]:
    moves = []
    for move in campaigns.advance(room, now, launch_wave):
        moves.append({"campaign": move.campaign, "wave": move.wave, "before": move.before, "after": move.after})
        get_run_logger().info("%s: wave %s is %s", move.campaign, move.wave, move.after)
    return moves


def launch_wave(room: Room, campaign: str, wave: str, now: datetime) -> Balance | None:
    """Run one wave: here and now, or as flow runs of its own where the room's waves are spread over machines."""
    if room.stopping:
        return None
    if room.spread:
        launched = launch_runs(room, campaign, wave, now)
        get_run_logger().info("%s: wave %s: %s flow runs launched", campaign, wave, launched)
        return None
    with tags(*tags_of(campaign, wave)):
        return run_wave(campaign, wave, str(room.settings.home), now)


def be_quick() -> None:
    """Without Prefect's heartbeat thread a flow costs 0.1 s instead of 1.1 s; no environment variable says so.

    It holds for this thread from now on. Settings made anew for each tick would leave clients behind, 2 MB each time.
    """
    if get_current_settings().flows.heartbeat_frequency is not None:
        setting: Callable[..., Any] = temporary_settings
        _entered.append(setting({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        _entered[-1].__enter__()


_entered: list[Any] = []
