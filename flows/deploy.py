"""The Prefect flows: thin decorators over plain functions; parameters are names, ids and times, never personal data."""

from __future__ import annotations

from collections import Counter
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
from flows.room import Room, open_room
from flows.running import Running, load_running
from flows.sending import Sent, send_batch
from flows.upkeep import upkeep
from flows.wave import live
from ledger.close import Balance
from ledger.touches import Leased

SHOWN_TOKENS = 20
_rooms: dict[str, Room] = {}


def room_at(home: str) -> Room:
    """The open room of a home, opened once in this process."""
    if home not in _rooms:
        _rooms[home] = open_room(load_settings(Path(home)))
    return _rooms[home]


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
def run_wave(home: str, campaign: str, wave: str, now: datetime) -> Balance | None:
    """Take one wave as far as it gets at `now`; a table artifact keeps its balance when it closes."""
    room = room_at(home)

    def dispatch(_room: Room, _running: Running, _wave: str, leased: Leased, at: datetime) -> Sent:
        return Sent(Counter()) if room.is_over else dispatch_batch(home, campaign, wave, leased, at)

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
def run_advance(home: str, now: datetime) -> list[dict[str, Any]]:
    """Everything that is due at `now`, wave by wave."""
    run_upkeep(home, now)
    room = room_at(home)
    moves = []
    for move in campaigns.advance(room, now, _launch):
        moves.append({"campaign": move.campaign, "wave": move.wave, "before": move.before, "after": move.after})
        get_run_logger().info("%s: wave %s is %s", move.campaign, move.wave, move.after)
    return moves


def _launch(room: Room, campaign: str, wave: str, now: datetime) -> Balance | None:
    if room.stopping:
        return None
    with tags("multiwave", f"campaign:{campaign}", f"wave:{wave}"):
        return run_wave(str(room.settings.home), campaign, wave, now)


def be_quick() -> None:
    """Without Prefect's heartbeat thread a flow costs 0.1 s instead of 1.1 s; no environment variable says so.

    It holds for this thread from now on. Settings made anew for each tick would leave clients behind, 2 MB each time.
    """
    if get_current_settings().flows.heartbeat_frequency is not None:
        setting: Callable[..., Any] = temporary_settings
        _entered.append(setting({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}))
        _entered[-1].__enter__()


_entered: list[Any] = []
