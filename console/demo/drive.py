"""The demo: the real engine over real bank customers; clock, addresses and answers are simulated."""

from __future__ import annotations

import csv
import shutil
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

from channels.registry import CAPABILITIES
from config.loading import load_plan
from config.schema import load_schema
from config.settings import Settings
from config.world_file import load_world
from console.demo.bank import DEMO, WORLD, crowd_of, write_world
from console.demo.customers import build_customers
from console.demo.files import FileDesk, OutboxReader
from console.demo.tables import show_close, show_end, show_forecast, show_import
from console.rehearsing import show
from console.show import Ticker, progress, say, screen
from flows import starting
from flows.crowd import Crowd
from flows.driver import advance_locked
from flows.embedded import engine_lock
from flows.play import Play
from flows.rehearsal import rehearse, scene_of
from flows.room import Room, make_token_key, open_room
from flows.running import load_running
from flows.tally import summarise
from ledger import campaigns
from ledger.store import create_ledger
from segments.customers import import_customers
from waves.errors import LedgerError

MARK = ".multiwave-demo"
PLAN = "term-deposit"
CONFIG = ("customers.yaml", "segments", "templates", "rules")
STEP = timedelta(hours=6)
REHEARSED, RUNS = 1_000, 5
COSTS = {"web_push": "0.0002", "sms": "0.0079", "email": "0.0006", "call_list": "1.10"}


def run_demo(home: Path, members: int) -> None:
    """Make the demo's home anew and run its campaign from the first wave to the last."""
    screen.rule("[bold]multiwave demo")
    say(
        "Customers: 21,188 real contacts of the UCI Bank Marketing data (CC BY 4.0). Whether\n"
        "a reached customer buys is the data's own answer.\n"
        "[yellow]SIMULATED: the clock, every phone, e-mail and push address (reserved for fiction),\n"
        "consents, deliveries, clicks and answers. Nothing leaves this machine.[/]",
        markup=True,
    )
    room = make_home(home)
    crowd = crowd_of(write_world(home / "config"))
    import_bank(room, crowd, members)
    start_plan(room, crowd)
    play = Play(room, crowd, PLAN, FileDesk(room, home / "simulated"), lambda now: advance(room, now), step=STEP)
    play.look = OutboxReader(play, home / "outbox")
    with engine_lock(room), progress() as bar:
        room.tick = Ticker(bar)
        play.run()
    show_end(room, load_running(room.ledger, PLAN), home)


def advance(room: Room, now: datetime) -> Iterator[None]:
    """Do what is due, and show the books of each wave that closed."""
    for move in advance_locked(room, now):
        if move["after"] == "closed":
            show_close(room, load_running(room.ledger, PLAN), move["wave"])
        yield


def make_home(home: Path) -> Room:
    """An empty demo home; a folder that no demo made is left alone."""
    if home.exists() and any(home.iterdir()) and not (home / MARK).exists():
        raise LedgerError(f"{home} is not empty and no demo made it; name another folder: multiwave demo --home DIR")
    if home.exists():
        shutil.rmtree(home)
    (home / "config" / "plans").mkdir(parents=True, mode=0o700)
    (home / MARK).touch()
    for name in CONFIG:
        source, target = DEMO / name, home / "config" / name
        shutil.copytree(source, target) if source.is_dir() else shutil.copyfile(source, target)
    shutil.copyfile(DEMO / "plan.yaml", home / "config" / "plans" / f"{PLAN}.yaml")
    make_token_key(home)
    settings = Settings.model_validate({"home": home, "database_url": None, "costs": COSTS})
    create_ledger(settings.url, simulated=True).close()
    return open_room(settings)


def import_bank(room: Room, crowd: Crowd, members: int) -> None:
    """Write the customers' file and import it."""
    home = room.settings.home
    file = home / "customers.csv"
    build_customers(file, home / "call_history.csv", crowd)
    keep(file, members)
    schema = load_schema(home / "config")
    with progress() as bar:
        task = bar.add_task("customers", total=members)
        show_import(
            import_customers(
                room.ledger,
                schema,
                file,
                home / "customers.rejects.csv",
                room.ledger.now(),
                lambda rows: bar.update(task, completed=rows),
            )
        )


def keep(file: Path, members: int) -> None:
    """Cut the customers' file down to the first `members`."""
    with file.open(encoding="utf-8", newline="") as source:
        lines = list(csv.reader(source))
    with file.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(lines[: members + 1])


def start_plan(room: Room, crowd: Crowd) -> None:
    """Check, forecast, rehearse, approve and start the demo's plan, as its operator would."""
    config = room.settings.home / "config"
    bundle = load_plan(config / "plans" / f"{PLAN}.yaml", config, CAPABILITIES, room.settings.default_language)
    now = room.ledger.now()
    show_forecast(starting.forecast(room, bundle, now), room.settings.currency)
    world = load_world(config / WORLD, bundle.types, bundle.plan)
    with progress() as bar:
        room.tick = Ticker(bar)
        with scene_of(room, bundle, world, REHEARSED, STEP) as scene:
            found = summarise(PLAN, rehearse(scene, RUNS, crowd.seed + 1, room.tick), scene.share)
    say("\n[bold]rehearsal[/], before anybody is asked", markup=True)
    show(found, Path(WORLD), room.settings.currency)
    with room.ledger.write() as connection:
        campaigns.approve(connection, PLAN, bundle.digest, "demo", now)
    starting.start(room, bundle, "demo", now)
