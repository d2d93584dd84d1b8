"""A plan rehearsed: the real engine on a scratch copy of the ledger, its only channel a simulated world.

Nothing in here can send: the room answers every channel with the world, opens no provider and knows no setting of one.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from multiprocessing import get_context
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

from channels.call_list.rows import DispositionRow
from channels.conversions_file import ConversionRow
from channels.registry import CAPABILITIES
from config.bundle import Bundle
from config.settings import Settings
from config.world_file import WorldFile
from flows import starting
from flows.campaign import Moved, advance_campaign
from flows.crowd import Crowd
from flows.hours import BANS, bans_today
from flows.play import PROVIDER, Play, SentMessage
from flows.reports import record_dispositions, record_reports, record_sales
from flows.room import Room, Tick
from flows.running import load_running
from flows.sending import send_batch
from flows.tally import Run, tally
from flows.wave import live
from ledger import campaigns
from ledger.close import Balance
from ledger.scratch import Scratch, copy_ledger, customer_count
from ledger.store import open_ledger, write_meta
from waves.errors import CampaignError
from waves.message import BEGIN_WITHIN_S, Channel, Event, Message, Receipt
from waves.outcomes import Action, Reason
from waves.senders import Sender

TOKEN_KEY = b"a rehearsal's tokens open nothing"
WORTH_A_POOL_S = 6.0
"""Seconds of work left from which on more processes are started: each costs one or two to begin."""


class WorldChannel:
    """A channel whose messages go nowhere but to the simulated customers."""

    provider = PROVIDER
    chunk = 500

    def __init__(self, name: str, play: Play) -> None:
        self.capabilities = CAPABILITIES[name]
        self.play = play

    def send(self, messages: Sequence[Message], now: datetime, within_s: float = BEGIN_WITHIN_S) -> list[Receipt]:
        """A receipt for each message; what its customer will answer waits in the play."""
        receipts = []
        for person, message in self.play.addressees(messages):
            if self.play.crowd.refuses(person, message.channel, message.campaign, message.wave):
                receipts.append(_refused(message.token))
            else:
                self.play.answer(person, SentMessage(message.token, message.channel, message.wave), now)
                receipts.append(Receipt(message.token, "accepted"))
        return receipts

    def find(self, tokens: Sequence[str]) -> None:
        """No world is in doubt."""
        return None


def _refused(token: str) -> Receipt:
    return Receipt(token, "refused", reason=Reason.PROVIDER, action=Action.NEXT_CHANNEL)


class Stage(Room):
    """A room without providers: every channel it is asked for is the world."""

    play: Play

    def open_sender(self, sender: Sender) -> Channel:
        """The world, whatever the settings say."""
        return WorldChannel(sender.channel, self.play)


@dataclass(frozen=True, slots=True)
class Straight:
    """Reports go into the ledger as they are."""

    room: Room

    def hand_in(
        self, events: list[Event], calls: list[DispositionRow], sales: list[ConversionRow], now: datetime
    ) -> None:
        """Record these reports."""
        if events:
            record_reports(self.room, events, now)
        if calls:
            record_dispositions(self.room, calls, now, PROVIDER)
        if sales:
            record_sales(self.room, sales)


@dataclass(frozen=True, slots=True)
class Scene:
    """All that a run needs, as another process can be told it."""

    original: Path
    settings: Settings
    world: WorldFile
    campaign: str
    share: float
    step: timedelta


class Theatre:
    """Plays one scene again and again, each time with another seed, on a copy of its own in the scene's folder."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        folder = Path(mkdtemp(dir=scene.original.parent))
        self.settings = scene.settings.model_copy(update={"home": folder})
        self.scratch = Scratch(scene.original, folder / "live.db")

    def run(self, seed: int) -> Run:
        """One campaign from its start to its end."""
        room = Stage(self.settings, self.scratch.fresh(), TOKEN_KEY, all_workers_gone=True)
        name = self.scene.campaign
        crowd = Crowd(self.scene.world, load_running(room.ledger, name).plan.starts.zone, seed)
        play = room.play = Play(
            room,
            crowd,
            name,
            Straight(room),
            lambda now: _advance(room, name, now),
            share=self.scene.share,
            step=self.scene.step,
        )
        finished = play.run()
        return tally(room, name, seed, finished, play.agent_hours)


def _advance(room: Room, campaign: str, now: datetime) -> Iterator[Moved]:
    """Only the rehearsed campaign moves: the others stand still, with all that they have queued."""
    return advance_campaign(room, campaign, now, _launch)


def _launch(room: Room, campaign: str, wave: str, now: datetime) -> Balance | None:
    return live(room, campaign, wave, now, send_batch)


@contextmanager
def scene_of(
    room: Room, bundle: Bundle, world: WorldFile, sample: int | None = None, step: timedelta = timedelta(hours=1)
) -> Iterator[Scene]:
    """The plan started on a scratch copy of the room's ledger, in a temporary folder that is gone at the end."""
    now = room.ledger.now()
    bans = bans_today(room)
    with TemporaryDirectory(prefix="multiwave-rehearsal-") as name:
        folder = Path(name)
        settings = room.settings.model_copy(
            update={"home": folder, "database_url": None, "providers": {}, "token_key": None, "alert_urls": []}
        )
        whole = max(customer_count(room.ledger), 1)
        copy_ledger(room.ledger, folder / "ledger.db", now, min(1.0, (sample or whole) / whole), room.tick)
        scratch = Room(settings, open_ledger(settings.url), TOKEN_KEY)
        with scratch.ledger.write() as connection:
            campaigns.approve(connection, bundle.plan.campaign, bundle.digest, "rehearsal", now)
            if bans is not None:
                write_meta(connection, BANS, bans)
        _, members = starting.start(scratch, bundle, "rehearsal", now)
        share = customer_count(scratch.ledger) / whole  # the lottery draws about as many as were asked for
        scratch.ledger.close()
        if not members:
            raise CampaignError(f"nobody is in the segment of {bundle.plan.campaign}, so there is nothing to rehearse")
        yield Scene(folder / "ledger.db", settings, world, bundle.plan.campaign, share, step)


def rehearse(scene: Scene, runs: int, seed: int, tick: Tick, worth_a_pool_s: float = WORTH_A_POOL_S) -> list[Run]:
    """Play the scene with the seeds `seed`, `seed` + 1, ...; on more than one core when that is quicker."""
    seeds, found, theatre = range(seed, seed + runs), list[Run](), Theatre(scene)
    for number in seeds:
        began = time.monotonic()
        found.append(theatre.run(number))
        tick("rehearsing", len(found), runs)
        left = (runs - len(found)) * (time.monotonic() - began)
        if left > worth_a_pool_s and cores() > 1 and len(found) > 1:  # the first run compiles every statement
            break
    theatre.scratch.close()
    rest = seeds[len(found) :]
    if rest:
        with ProcessPoolExecutor(min(cores(), len(rest)), get_context("spawn"), _begin, (scene,)) as pool:
            for run in pool.map(_play, rest):
                found.append(run)
                tick("rehearsing", len(found), runs)
    return found


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


_theatre: Theatre


def _begin(scene: Scene) -> None:
    global _theatre
    _theatre = Theatre(scene)


def _play(seed: int) -> Run:
    return _theatre.run(seed)
