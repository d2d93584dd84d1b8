"""The demo: the real engine over real bank customers; clock, addresses and answers are simulated."""

from __future__ import annotations

import csv
import json
import shutil
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from channels.call_list.generic_csv import read_dispositions
from channels.conversions_file import read_conversions
from channels.events_file import read_events
from channels.outbox import read_outbox
from channels.registry import CAPABILITIES
from config.loading import load_plan
from config.schema import load_schema
from config.settings import Settings
from console.demo.customers import build_customers
from console.demo.tables import show_close, show_end, show_forecast, show_import
from console.demo.world import DEMO, World, call, load_world, number_of, prompted, respond, unprompted
from console.show import Ticker, progress, say, screen
from flows import dialling, starting
from flows.driver import advance_locked
from flows.embedded import engine_lock
from flows.reports import record_dispositions, record_reports, record_sales
from flows.room import Room, make_token_key, open_room
from flows.running import Running, load_running
from ledger import campaigns, dial_lists
from ledger.store import create_ledger
from segments.customers import import_customers
from waves.errors import LedgerError

MARK = ".multiwave-demo"
PLAN = "term-deposit"
CONFIG = ("customers.yaml", "segments", "templates", "rules")
STEP = timedelta(hours=6)
DIALLING_STARTS = 17  # UTC: noon in New York, nine in the morning in Los Angeles
TEAMS = {"east": 450, "west": 300}
COSTS = {"web_push": "0.0002", "sms": "0.0079", "email": "0.0006", "call_list": "1.10"}


@dataclass
class Mailbag:
    """What the simulated world will report, each at its time, through the same files a person would import."""

    folder: Path
    world: World
    offsets: dict[str, int] = field(default_factory=dict)
    events: list[dict[str, Any]] = field(default_factory=list)
    conversions: list[dict[str, str]] = field(default_factory=list)
    calls: list[dict[str, str]] = field(default_factory=list)
    files: int = 0

    def listen(self, outbox: Path) -> None:
        """Let the world answer every message sent since the last time."""
        for channel in ("web_push", "sms", "email"):
            lines, self.offsets[channel] = read_outbox(outbox / f"{channel}.jsonl", self.offsets.get(channel, 0))
            for line in lines:
                answers = respond(self.world, line)
                self.events += answers
                clicks = [answer for answer in answers if answer["outcome"] == "clicked"]
                if clicks:
                    bought = prompted(self.world, number_of(line), datetime.fromisoformat(str(clicks[0]["at"])))
                    self.conversions += [bought] if bought else []

    def deliver(self, room: Room, now: datetime) -> None:
        """Import what has arrived by `now`."""
        events, self.events = _due(self.events, now)
        conversions, self.conversions = _due(self.conversions, now)
        calls, self.calls = _due(self.calls, now)
        if events:
            path = self._next("events", "jsonl")
            path.write_text("".join(json.dumps(event) + "\n" for event in events), encoding="utf-8")
            record_reports(room, [event for _, event in read_events(path)], now)
        if conversions:
            record_sales(room, read_conversions(self._table("conversions", conversions)))
        if calls:
            record_dispositions(room, read_dispositions(self._table("dispositions", calls)), now)

    def _next(self, what: str, suffix: str) -> Path:
        self.files += 1
        return self.folder / f"{self.files:03}-{what}.{suffix}"

    def _table(self, what: str, rows: list[dict[str, str]]) -> Path:
        path = self._next(what, "csv")
        with path.open("w", encoding="utf-8", newline="") as file:
            out = csv.DictWriter(file, list(rows[0]))
            out.writeheader()
            out.writerows(rows)
        return path


def _due(reports: list[Any], now: datetime) -> tuple[list[Any], list[Any]]:
    arrived = [report for report in reports if datetime.fromisoformat(report["at"]) <= now]
    return arrived, [report for report in reports if datetime.fromisoformat(report["at"]) > now]


def run_demo(home: Path, members: int) -> None:
    """Make the demo's home anew and run its campaign from the first wave to the last."""
    screen.rule("[bold]multiwave demo")
    say(
        "Customers: 21,188 real contacts of the UCI Bank Marketing data (CC BY 4.0). Whether\n"
        "a reached customer buys is the data's own answer.\n"
        "[yellow]SIMULATED: the clock, every phone, e-mail and push address (reserved for fiction),\n"
        "consents, deliveries, clicks and answers. Nothing leaves this machine.[/]"
    )
    room = make_home(home)
    world = load_world()
    numbers = import_bank(room, world, members)
    start_plan(room)
    bag = Mailbag(home / "simulated", world)
    bag.folder.mkdir()
    running = load_running(room.ledger, PLAN)
    begin = running.plan.starts.at
    bag.conversions += [
        bought for n in numbers if (bought := unprompted(world, n, begin, begin + timedelta(days=14))) is not None
    ]
    with engine_lock(room), progress() as bar:
        room.tick = Ticker(bar)
        play(room, bag, begin)
    show_end(room, load_running(room.ledger, PLAN), home)


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


def import_bank(room: Room, world: World, members: int) -> list[int]:
    """Write the customers' file and import it; the row numbers of those who take part."""
    home = room.settings.home
    file = home / "customers.csv"
    build_customers(file, home / "call_history.csv", world)
    keys = keep(file, members)
    schema = load_schema(home / "config")
    with progress() as bar:
        task = bar.add_task("customers", total=len(keys))
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
    return [int(key.removeprefix("bank-")) for key in keys]


def keep(file: Path, members: int) -> list[str]:
    """Cut the customers' file down to the first `members`; their keys."""
    with file.open(encoding="utf-8", newline="") as source:
        lines = list(csv.reader(source))
    with file.open("w", encoding="utf-8", newline="") as target:
        csv.writer(target).writerows(lines[: members + 1])
    return [line[0] for line in lines[1 : members + 1]]


def start_plan(room: Room) -> None:
    """Check, forecast, approve and start the demo's plan, as its operator would."""
    config = room.settings.home / "config"
    bundle = load_plan(config / "plans" / f"{PLAN}.yaml", config, CAPABILITIES, room.settings.default_language)
    now = room.ledger.now()
    show_forecast(starting.forecast(room, bundle, now), room.settings.currency)
    with room.ledger.write() as connection:
        campaigns.approve(connection, PLAN, bundle.digest, "demo", now)
    starting.start(room, bundle, "demo", now)


def play(room: Room, bag: Mailbag, begin: datetime) -> None:
    """Move the clock in steps until the campaign is finished: reports in, `advance`, answers to what was sent."""
    now, attempts = begin, dict[str, int]()
    while load_running(room.ledger, PLAN).state == "running":
        room.ledger.set_now(now)
        bag.deliver(room, now)
        return_lists(room, now)
        for move in advance_locked(room, now):
            if move["after"] == "closed":
                show_close(room, load_running(room.ledger, PLAN), move["wave"])
        bag.listen(room.settings.home / "outbox")
        dial(room, bag, load_running(room.ledger, PLAN), now, attempts)
        now += STEP


def dial(room: Room, bag: Mailbag, running: Running, now: datetime, attempts: dict[str, int]) -> None:
    """While a call wave is open each team pulls a list at noon and dials it; results arrive within six hours."""
    waves = [row.name for row in running.rows if row.state == "open" and "call" in row.name]
    if not waves or now.hour != DIALLING_STARTS:
        return
    for team, size in TEAMS.items():
        cut = dialling.pull(room, PLAN, waves[0], team, f"{now:%a}".lower(), size, 5, "demo", now)
        if cut.file is None:
            continue
        with cut.file.open(encoding="utf-8", newline="") as file:
            for place, row in enumerate(csv.DictReader(file)):
                attempts[row["name"]] = attempts.get(row["name"], 0) + 1
                at = now + timedelta(seconds=30 + 24 * place)
                bag.calls.append(call(bag.world, row, attempts[row["name"]], at))


def return_lists(room: Room, now: datetime) -> None:
    """Lists whose shift is over come back."""
    with room.ledger.write() as connection:
        for row in dial_lists.lists(connection):
            if row.returned_at is None:
                dial_lists.give_back(connection, row.id, "demo", now)
